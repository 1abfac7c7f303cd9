//! Time limits at the socket, shortened. What is asserted is that they end and never come early; how
//! late they may be is left to the machine.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use test_support::{Client, DEADLINE, Torrap};
use torrap::tools::trial::stand_in::Answer;

use super::{HEALTHZ, post};

const SHORT_MS: u64 = 150;
/// What a limit must have lasted at least; the server counts whole milliseconds.
const SHORT: Duration = Duration::from_millis(SHORT_MS - 2);
/// Between two bytes of a client that trickles: far less than a limit.
const TRICKLE: Duration = Duration::from_millis(10);

/// A server whose limits of one kind are short, and all others long.
fn with(change: impl FnOnce(&mut torrap::http::Limits)) -> Torrap {
    Torrap::with(|_| Answer::ok(), |config| change(&mut config.limits))
}

/// Sends a byte each few milliseconds until there is something to read: an answer or the end. Waiting
/// for that is the pause.
fn trickle(client: &mut Client, bytes: &[u8]) -> Vec<u8> {
    client.stream.set_read_timeout(Some(TRICKLE)).unwrap();
    let begin = Instant::now();
    let mut buffer = vec![0; 4096];
    for byte in bytes.iter().cycle() {
        assert!(
            begin.elapsed() < DEADLINE,
            "a client that trickles is served for ever"
        );
        let _ = client.stream.write(&[*byte]);
        match client.stream.read(&mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                break;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }
    client.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    buffer
}

#[track_caller]
fn assert_times_out(torrap: &Torrap, first: &str, then: &[u8]) {
    let mut client = torrap.connect();
    let begin = Instant::now();
    client.send(first);
    let answers = first.matches("/healthz").count();
    for _ in 0..answers {
        assert_eq!(client.receive().status, 200);
    }
    let answer = trickle(&mut client, then);
    assert!(begin.elapsed() >= SHORT, "early");
    let text = answer.escape_ascii().to_string();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{text}");
    assert!(text.contains("\\r\\nConnection: close\\r\\n"), "{text}");
}

#[test]
fn a_head_has_so_long_in_all_however_it_trickles() {
    let torrap = with(|limits| limits.head_timeout_ms = SHORT_MS);
    assert_times_out(&torrap, "GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n");
    assert_times_out(&torrap, "G", b"E");
    // The same for a later request on the connection.
    assert_times_out(
        &torrap,
        &format!("{HEALTHZ}GET / HTTP/1.1\r\n"),
        b"A: b\r\n",
    );
    assert_eq!(torrap.command("x").status, 200);
}

#[test]
fn content_has_so_long_in_all_however_it_trickles() {
    let torrap = with(|limits| limits.content_timeout_ms = SHORT_MS);
    assert_times_out(&torrap, &post("Content-Length: 200000\r\n", ""), b"a");
    let coded = "Transfer-Encoding: chunked\r\n";
    assert_times_out(&torrap, &post(coded, ""), b"1\r\na\r\n");
    assert_times_out(&torrap, &post(coded, "1;"), b"a");
    assert_times_out(&torrap, &post(coded, "0\r\nA: "), b"a");
    assert_times_out(
        &torrap,
        &(HEALTHZ.to_owned() + &post(coded, "")),
        b"1\r\na\r\n",
    );
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let torrap = with(|limits| limits.idle_timeout_ms = SHORT_MS);
    let begin = Instant::now();
    assert_eq!(torrap.connect().rest(), b"");
    assert!(begin.elapsed() >= SHORT);
    let mut used = torrap.connect();
    let begin = Instant::now();
    assert_eq!(used.exchange(HEALTHZ).status, 200);
    assert_eq!(used.rest(), b"");
    assert!(begin.elapsed() >= SHORT);
}

#[test]
fn a_client_that_has_sent_a_signed_request_may_be_idle_for_longer() {
    let torrap = with(|limits| {
        limits.idle_timeout_ms = SHORT_MS;
        limits.signed_idle_timeout_ms = 3 * SHORT_MS;
    });
    let mut client = torrap.connect();
    let begin = Instant::now();
    assert_eq!(client.exchange(torrap.signed("x")).status, 200);
    assert_eq!(client.rest(), b"");
    assert!(begin.elapsed() >= 3 * SHORT);
}

#[test]
fn empty_lines_before_a_request_take_of_its_time() {
    let torrap = with(|limits| limits.head_timeout_ms = SHORT_MS);
    // Alone they are no request, whole or halved.
    for first in ["", HEALTHZ] {
        let mut client = torrap.connect();
        let begin = Instant::now();
        if !first.is_empty() {
            assert_eq!(client.exchange(first).status, 200);
        }
        assert_eq!(trickle(&mut client, b"\r\n"), b"");
        assert!(begin.elapsed() >= SHORT);
    }
    assert_times_out(&torrap, "\r\n\r\nG", b"E");
}

#[test]
fn a_client_that_sends_on_after_a_refusal_is_cut_off() {
    let torrap = with(|limits| limits.linger_timeout_ms = SHORT_MS);
    let mut client = torrap.connect();
    let begin = Instant::now();
    assert_eq!(
        client
            .exchange(post("Content-Length: 300000\r\n", ""))
            .status,
        413
    );
    let mut sent = 0;
    // Reading gives the end at once, so writing is what shows when the server has gone.
    while client.stream.write(b"a").is_ok() {
        sent += 1;
        assert!(begin.elapsed() < DEADLINE, "it lingers for ever");
        std::thread::yield_now();
    }
    let elapsed = begin.elapsed();
    assert!(sent > 0 && elapsed >= SHORT, "{sent} bytes, {elapsed:?}");
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let torrap = with(|limits| limits.answer_timeout_ms = SHORT_MS);
    let mut client = torrap.connect();
    let begin = Instant::now();
    let requests = HEALTHZ.repeat(1_000);
    // The server stops reading, so writing waits until the connection is no more.
    let error = loop {
        if let Err(error) = client.stream.write_all(requests.as_bytes()) {
            break error;
        }
        assert!(begin.elapsed() < DEADLINE, "the server reads on");
    };
    let gone = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(gone.contains(&error.kind()), "{error}");
    assert!(begin.elapsed() >= SHORT);
    assert_eq!(torrap.command("x").status, 200);
}

#[test]
fn time_spent_on_one_request_is_not_taken_from_the_next() {
    let limit = Duration::from_millis(1_000);
    let torrap = with(|limits| limits.head_timeout_ms = 1_000);
    let mut client = torrap.connect();
    client.stream.set_read_timeout(Some(TRICKLE / 5)).unwrap();
    let begin = Instant::now();
    while begin.elapsed() < limit + limit / 10 {
        let mut wire = Vec::new();
        for byte in HEALTHZ.bytes() {
            client.send([byte]);
            let mut buffer = [0; 4096];
            let len = client.stream.read(&mut buffer).unwrap_or(0);
            wire.extend_from_slice(&buffer[..len]);
        }
        if wire.is_empty() {
            client.stream.set_read_timeout(Some(DEADLINE)).unwrap();
            assert_eq!(client.receive().status, 200);
            client.stream.set_read_timeout(Some(TRICKLE / 5)).unwrap();
        } else {
            assert!(
                wire.starts_with(b"HTTP/1.1 200 "),
                "{}",
                wire.escape_ascii()
            );
        }
    }
}
