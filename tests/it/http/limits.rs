//! Limits of size, at the byte, and that the refusal reaches a client that is still sending.

use test_support::Torrap;
use torrap::http::{FIELDS_MAX, Limits};

use super::{HEALTHZ, assert_refused, assert_statuses, exchange_cut, get, post, read_to_end};
use torrap::tools::trial::stand_in::Answer;

/// A server with limits so small that a case of one byte in each write stays quick.
fn small() -> Torrap {
    Torrap::with(
        |_| Answer::ok(),
        |config| {
            config.limits.head_bytes_max = 300;
            config.limits.target_bytes_max = 100;
            config.limits.content_bytes_max = 200;
        },
    )
}

/// A head of exactly `len` bytes.
fn head(len: usize) -> String {
    let fixed = get("/healthz", "A: \r\n").len();
    get("/healthz", &format!("A: {}\r\n", "a".repeat(len - fixed)))
}

fn target(len: usize) -> String {
    get(&format!("/healthz?{}", "a".repeat(len - 9)), "")
}

fn known(len: usize) -> String {
    post(&format!("Content-Length: {len}\r\n"), &"a".repeat(len))
}

fn chunked(len: usize) -> String {
    let chunks = "a\r\naaaaaaaaaa\r\n".repeat(len / 10) + &"1\r\na\r\n".repeat(len % 10);
    post("Transfer-Encoding: chunked\r\n", &(chunks + "0\r\n\r\n"))
}

#[test]
fn limits_hold_at_the_byte() {
    let torrap = small();
    assert_statuses(&torrap, head(300) + HEALTHZ, &[200, 200]);
    assert_refused(&torrap, head(301), 431);
    let behind = |lines: usize, len: usize| "\r\n".repeat(lines) + &head(len);
    assert_statuses(&torrap, behind(100, 100) + HEALTHZ, &[200, 200]);
    assert_refused(&torrap, behind(100, 101), 431);
    assert_refused(&torrap, "\r\n".repeat(151), 431);
    assert_statuses(&torrap, target(100) + HEALTHZ, &[200, 200]);
    assert_refused(&torrap, target(101), 414);
    assert_refused(&torrap, target(1_000), 414);
    assert_statuses(&torrap, known(200) + HEALTHZ, &[404, 200]);
    assert_refused(&torrap, known(201), 413);
    assert_statuses(&torrap, chunked(120) + HEALTHZ, &[404, 200]);
    assert_refused(&torrap, chunked(201), 413);
    let coded = |content: String| post("Transfer-Encoding: chunked\r\n", &content);
    let chunk = |len: usize| coded(format!("{len:x}\r\n{:len$}\r\n0\r\n\r\n", ""));
    assert_statuses(&torrap, chunk(200) + HEALTHZ, &[404, 200]);
    assert_refused(&torrap, chunk(201), 413);
    let extension = |len: usize| coded(format!("0;{}\r\n\r\n", "a".repeat(len)));
    assert_statuses(&torrap, extension(297) + HEALTHZ, &[404, 200]);
    assert_refused(&torrap, extension(298), 413);
    let trailer = |len: usize| coded(format!("0\r\nA:{:len$}\r\n\r\n", ""));
    assert_statuses(&torrap, trailer(294) + HEALTHZ, &[404, 200]);
    assert_refused(&torrap, trailer(295), 431);
    let fields = |count: usize| get("/healthz", &"A:\r\n".repeat(count));
    assert_statuses(&torrap, fields(FIELDS_MAX - 1), &[200]);
    assert_refused(&torrap, fields(FIELDS_MAX), 431);
}

#[test]
fn what_is_no_content_is_limited_too() {
    let torrap = small();
    let coded = |content: &str| post("Transfer-Encoding: chunked\r\n", content);
    assert_refused(&torrap, coded(&"0".repeat(1_000)), 413);
    assert_refused(&torrap, coded(&format!("1;{}", "a".repeat(1_000))), 413);
    assert_refused(&torrap, coded(&"1\r\na\r\n".repeat(100)), 413);
    assert_refused(
        &torrap,
        coded(&format!("0\r\n{}", "A: b\r\n".repeat(100))),
        431,
    );
}

#[test]
fn the_documented_limits_hold_at_the_byte() {
    let torrap = Torrap::start();
    let limits = Limits::default();
    let (heads, contents) = (limits.head_bytes_max, limits.content_bytes_max);
    for (case, status) in [
        (head(heads), 200),
        (head(heads + 1), 431),
        (target(limits.target_bytes_max), 200),
        (target(limits.target_bytes_max + 1), 414),
        (known(contents), 404),
        (known(contents + 1), 413),
        (chunked(contents / 2), 404),
        (chunked(contents + 1), 413),
    ] {
        let seen = exchange_cut(&torrap, case.clone() + HEALTHZ, 2_039);
        assert_eq!(seen.statuses[0], status, "{}", &case[..100]);
        assert_eq!(seen.closing, status > 404, "{}", &case[..100]);
    }
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let torrap = Torrap::start();
    let more = vec![b'a'; 1 << 20];
    let coded = "Transfer-Encoding: chunked\r\n";
    for (start, status) in [
        (post("Content-Length: 50000000\r\n", ""), 413),
        (post(coded, "2faf080\r\n"), 413),
        (post(coded, "1;"), 413),
        (post(coded, "0\r\nA: "), 431),
        (get("/", "")[..23].to_owned() + "A: ", 431),
        ("GET /".to_owned(), 414),
        ("BREW".to_owned(), 431),
        ("GET / HTTP/1.1\r\n".to_owned() + &"A:\r\n".repeat(65), 431),
        ("GET / HTTP/9.9\r\n".to_owned(), 505),
        ("GET / HTTP/1.1\r\nHost: x\r\nA : ".to_owned(), 400),
        (
            post("Content-Length: 9\r\nTransfer-Encoding: chunked\r\n", ""),
            400,
        ),
    ] {
        let mut client = torrap.connect();
        client.send(&start).send(&more).send(&more).send(&more);
        // The client has sent megabytes, and still gets the refusal.
        assert_eq!(client.receive().status, status, "{start:?}");
        client.send(&more).send(&more);
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut client), b"", "{start:?}");
    }
}
