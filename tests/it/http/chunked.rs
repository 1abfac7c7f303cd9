//! Chunked content: what the handler sees is the content, and what is no content has no effect.

use test_support::{SECRET, Torrap, signed, unix_secs};
use torrap::slack::request;

use super::{HEALTHZ, assert_refused, assert_statuses, exchange, post};

fn chunked(content: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", content)
}

/// A signed command with its content in chunks of `size` bytes.
fn signed_in_chunks(torrap: &Torrap, text: &str, size: usize) -> Vec<u8> {
    let whole = torrap.signed(text);
    let head_end = whole.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 2;
    let (head, content) = (&whole[..head_end], &whole[head_end + 2..]);
    let head = String::from_utf8(head.to_vec()).unwrap();
    let length = format!("Content-Length: {}\r\n", content.len());
    assert!(head.contains(&length));
    let mut wire = head
        .replace(&length, "Transfer-Encoding: chunked\r\n")
        .into_bytes();
    wire.extend_from_slice(b"\r\n");
    for (number, chunk) in content.chunks(size).enumerate() {
        let extension = ["", ";a", "; a=b ;c", " \t;a=\"b;c\""][number % 4];
        wire.extend_from_slice(format!("{:03X}{extension}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
    wire
}

#[test]
fn the_signature_covers_the_decoded_content() {
    let torrap = Torrap::with_replays();
    for size in [1, 7, 4096] {
        let mut case = signed_in_chunks(&torrap, "sknuhc", size);
        case.extend_from_slice(HEALTHZ.as_bytes());
        assert_statuses(&torrap, case, &[200, 200]);
    }
    assert_eq!(torrap.replies(6), ["chunks"; 6]); // whole and byte by byte
}

#[test]
fn sizes_extensions_and_trailers_follow_the_grammar() {
    let torrap = Torrap::start();
    for good in [
        "0\r\n\r\n",
        "5\r\nabcde\r\n0\r\n\r\n",
        "0000000000000000000000005\r\nabcde\r\n000\r\n\r\n",
        "a;x=y\r\n\r\n\r\n\r\n\r\n\r\n\r\n0;z\r\nA: b\r\nC:\r\n\r\n",
        "1 ; x = y;z\r\na\r\n0\t;x=\"\\\"\"\r\n\r\n",
        "1;x=\"\u{e9}\"\r\na\r\n0\r\nA: \u{e9}\r\n\r\n",
    ] {
        assert_statuses(&torrap, chunked(good) + HEALTHZ, &[404, 200]);
    }
    for bad in [
        "\r\n",
        "x\r\n",
        "+5\r\nabcde",
        "-1\r\n",
        "0x5\r\nabcde",
        " 5\r\nabcde",
        ";a\r\n",
        "5 5\r\n",
        "5\nabcde",
        "5\r\r",
        "5\rabcde",
        "5;a\nabcde",
        "5;a\0\r\n",
        "5;a\x7f\r\n",
        "5;a\rb\r\n",
        "5 \r\nabcde",
        "5\t\r\nabcde",
        "5;\r\nabcde",
        "5; \r\nabcde",
        "5;;a\r\nabcde",
        "5;a \r\nabcde",
        "5;a=\r\nabcde",
        "5;=b\r\nabcde",
        "5;a=b c\r\nabcde",
        "5;a=\"b\r\nabcde",
        "5;\u{e9}\r\nabcde",
        "0 \r\n\r\n",
        "0;\r\n\r\n",
        "\u{665}\r\n",
        "5\r\nabcdef\r\n",
        "5\r\nabcd\r\n0",
        "5\r\nabcde\n",
        "5\r\nabcde0\r\n",
        "5\r\nabcde\r0",
        "0\r\n\n",
        "0\r\n\rx",
        "0\r\n a: b\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n: b\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\nA: \0\r\n",
        "0\r\nA: \x7f\r\n",
    ] {
        assert_refused(&torrap, chunked(bad), 400);
    }
}

#[test]
fn sizes_that_overflow_do_not_come_round() {
    let torrap = Torrap::start();
    for large in [
        "40001",
        "100000005",
        "10000000000000005",
        "ffffffffffffffff",
        "8000000000000000",
        &format!("1{}5", "0".repeat(40)),
    ] {
        assert_refused(
            &torrap,
            chunked(&format!("{large}\r\nabcde\r\n0\r\n\r\n")),
            413,
        );
        let second = format!("5\r\nabcde\r\n{large}\r\nabcde");
        assert_refused(&torrap, chunked(&second), 413);
    }
}

#[test]
fn trailers_never_act_as_header_fields() {
    let torrap = Torrap::start();
    let content = request::form("/torrap", "x", "http://x/");
    let request = request::signed(SECRET.as_bytes(), unix_secs(), content.as_bytes());
    let request = String::from_utf8(request).unwrap();
    let line = |name: &str| request.lines().find(|line| line.starts_with(name)).unwrap();
    let (signature, time) = (line("X-Slack-Signature"), line("X-Slack-Request-Timestamp"));
    let trailers = format!("{signature}\r\n{time}\r\nConnection: close\r\nContent-Length: 9\r\n");
    let size = content.len();
    let case = format!(
        "POST /slack HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         {size:x}\r\n{content}\r\n0\r\n{trailers}Transfer-Encoding: gzip\r\nHost: y\r\n\r\n{HEALTHZ}"
    );
    assert_statuses(&torrap, case, &[401, 200]);
}

#[test]
fn a_signed_request_is_the_same_command_in_any_cut() {
    let torrap = Torrap::with_replays();
    let url = format!("{}/commands/T0001/1/secret-path", torrap.slack.origin());
    let seen = exchange(&torrap, signed(SECRET, "tuc", &url));
    assert_eq!((seen.statuses, seen.closing), (vec![200], false));
    assert_eq!(torrap.replies(2), ["cut"; 2]);
}
