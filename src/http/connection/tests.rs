//! Every case runs whole and cut into pieces, one byte at a time among them: the answers must not
//! depend on how the network cuts what it carries.

use super::*;
use crate::http::Status;
use crate::time::UnixTime;

/// What became of some input: the requests as the handler saw them, the statuses in order, the end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    requests: Vec<String>,
    statuses: Vec<u16>,
    closed: Option<CloseReason>,
}

/// Feeds `input` in pieces of `size` bytes to a new connection whose handler answers 200.
fn feed(input: &[u8], size: usize) -> Seen {
    let limits = Limits::default();
    let mut connection = Connection::new(Tick(0), &limits);
    let mut seen = Seen::default();
    let mut wire = Vec::new();
    for piece in input.chunks(size) {
        let mut piece = piece.to_vec();
        loop {
            let mut staging = Staging::default();
            staging.begin(UnixTime(0));
            connection.receive(&mut piece, Tick(0), &limits, &mut staging, |request| {
                let content = String::from_utf8_lossy(request.content);
                seen.requests
                    .push(format!("{} {} {content}", request.method, request.path));
                Response::empty(Status::Ok)
            });
            wire.extend_from_slice(staging.bytes());
            piece.clear();
            if !connection.has_backlog() {
                break;
            }
        }
    }
    seen.statuses = statuses(&wire);
    seen.closed = connection.close_reason();
    seen
}

/// The final statuses on the wire; no response here has content.
fn statuses(wire: &[u8]) -> Vec<u16> {
    let text = String::from_utf8(wire.to_vec()).unwrap();
    let heads = text.split_inclusive("\r\n\r\n");
    heads
        .map(|head| head[9..12].parse().unwrap())
        .filter(|status| *status != 100)
        .collect()
}

fn exchange(input: impl AsRef<[u8]>) -> Seen {
    let input = input.as_ref();
    let whole = feed(input, input.len().max(1));
    for size in [1, 2, 3, 5, 64] {
        assert_eq!(
            feed(input, size),
            whole,
            "cut into {size}: {:?}",
            String::from_utf8_lossy(input)
        );
    }
    whole
}

fn refused(input: impl AsRef<[u8]>) -> Error {
    let seen = exchange(input.as_ref());
    let Some(CloseReason::Fault(error)) = seen.closed else {
        panic!("not refused: {seen:?}")
    };
    assert_eq!(seen.statuses.last(), Some(&error.status().code()));
    error
}

#[test]
fn one_request_one_answer_and_the_connection_stays() {
    let seen = exchange("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(seen.requests, ["GET /a "]);
    assert_eq!((seen.statuses, seen.closed), (vec![200], None));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let seen = exchange(
        "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\
         \r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\nA: b\r\n\r\n\
         HEAD /3 HTTP/1.1\r\nHost: x\r\n\r\nGET /4 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\ng",
    );
    assert_eq!(
        seen.requests,
        ["POST /1 abc", "POST /2 def", "HEAD /3 ", "GET /4 g"]
    );
    assert_eq!((seen.statuses, seen.closed), (vec![200; 4], None));
}

#[test]
fn a_flood_of_pipelined_requests_is_answered_in_turns() {
    let limits = Limits::default();
    let mut input = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(150).into_bytes();
    let mut connection = Connection::new(Tick(0), &limits);
    let mut per_turn = Vec::new();
    loop {
        let mut count = 0;
        let mut staging = Staging::default();
        connection.receive(&mut input, Tick(0), &limits, &mut staging, |_| {
            count += 1;
            Response::empty(Status::Ok)
        });
        input.clear();
        per_turn.push(count);
        if !connection.has_backlog() {
            break;
        }
        assert!(!connection.is_idle());
    }
    assert_eq!(per_turn, [64, 64, 22]);
    assert!(connection.is_idle());
}

#[test]
fn nothing_after_a_closing_request_is_processed() {
    for closing in [
        "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /1 HTTP/1.0\r\n\r\n",
        "POST /1 HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
    ] {
        let seen = exchange(format!("{closing}GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(seen.statuses, [200]);
        assert_eq!(seen.closed, Some(CloseReason::Requested));
    }
    let seen = exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    assert_eq!(
        (seen.statuses.len(), seen.closed),
        (2, Some(CloseReason::Requested))
    );
}

#[test]
fn a_fault_gets_one_answer_after_those_before_it() {
    let good = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let seen = exchange(format!("{good}GET /2 HTTP/1.1\r\n\r\n{good}"));
    assert_eq!(seen.requests, ["GET /1 "]);
    assert_eq!(seen.statuses, [200, 400]);
    assert_eq!(seen.closed, Some(CloseReason::Fault(Error::BadHost)));
}

#[test]
fn each_fault_has_its_status() {
    let get = |lines: &str| refused(format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n"));
    let post = |lines: &str| {
        refused(format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n5\r\nabcde\r\n0\r\n\r\n"
        ))
    };
    assert_eq!(get("A : b\r\n"), Error::Malformed);
    assert_eq!(get("A: b\r\n c\r\n"), Error::Malformed);
    assert_eq!(get("A: b\0\r\n"), Error::Malformed);
    assert_eq!(get("A: b\rc\r\n"), Error::Malformed);
    assert_eq!(get(": b\r\n"), Error::Malformed);
    assert_eq!(get("A\r\n"), Error::Malformed);
    assert_eq!(get("Expect: tea\r\n"), Error::UnknownExpectation);
    assert_eq!(get("Host: x\r\n"), Error::BadHost);
    assert_eq!(get(&"A: b\r\n".repeat(64)), Error::FieldsTooLarge);
    assert_eq!(
        get(&format!("A: {}\r\n", "b".repeat(17_000))),
        Error::FieldsTooLarge
    );
    assert_eq!(
        post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        Error::AmbiguousFraming
    );
    assert_eq!(
        post("Transfer-Encoding: gzip\r\n"),
        Error::UnsupportedTransferCoding
    );
    assert_eq!(post("Content-Length: 262145\r\n"), Error::ContentTooLarge);
    assert_eq!(
        post("Content-Encoding: gzip\r\nContent-Length: 5\r\n"),
        Error::UnsupportedContentCoding
    );
    assert_eq!(refused("POST / HTTP/1.0\r\n\r\nabc"), Error::LengthRequired);
    assert_eq!(
        refused(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9_000))),
        Error::TargetTooLong
    );
    assert_eq!(
        refused(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(90_000))),
        Error::TargetTooLong
    );
}

#[test]
fn what_is_no_http_is_refused() {
    assert_eq!(
        refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Error::UnsupportedVersion
    );
    assert_eq!(
        refused("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03"),
        Error::Malformed
    );
    assert_eq!(
        refused("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\nGET / HTTP/1.1\r\n"),
        Error::Malformed
    );
    assert_eq!(refused("GET /\r\n"), Error::Malformed);
    assert_eq!(
        refused("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        Error::Malformed
    );
    assert_eq!(
        refused("\r\rGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        Error::Malformed
    );
    assert_eq!(
        refused("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
        Error::Malformed
    );
    assert_eq!(
        refused(" GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        Error::Malformed
    );
}

#[test]
fn empty_lines_before_a_request_leave_the_connection_idle() {
    let seen = exchange("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n");
    assert_eq!((seen.statuses, seen.closed), (vec![200], None));
    let mut test = Timed::new();
    test.receive(0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n");
    assert!(test.connection.is_idle());
}

#[test]
fn a_broken_chunk_is_refused_whatever_came_before() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        refused(format!("{head}5\r\nabcde\r\n5\nabcde")),
        Error::AmbiguousFraming
    );
    assert_eq!(
        refused(format!("{head}3ffff\r\n{}\r\n2\r\n", "a".repeat(0x3ffff))),
        Error::ContentTooLarge
    );
}

/// A connection whose time and responses the test looks at.
struct Timed {
    connection: Connection,
    limits: Limits,
    staging: Staging,
}

impl Timed {
    fn new() -> Self {
        let limits = Limits::default();
        Self {
            connection: Connection::new(Tick(0), &limits),
            limits,
            staging: Staging::default(),
        }
    }

    fn receive(&mut self, at_ms: u64, bytes: &[u8]) -> String {
        self.staging.begin(UnixTime(0));
        let mut bytes = bytes.to_vec();
        let respond = |_: &Request<'_>| Response::empty(Status::Ok);
        self.connection.receive(
            &mut bytes,
            Tick(at_ms),
            &self.limits,
            &mut self.staging,
            respond,
        );
        String::from_utf8(self.staging.bytes().to_vec()).unwrap()
    }

    fn time_out(&mut self, at_ms: u64) -> String {
        self.staging.begin(UnixTime(0));
        self.connection
            .handle_timeout(Tick(at_ms), &self.limits, &mut self.staging);
        String::from_utf8(self.staging.bytes().to_vec()).unwrap()
    }
}

#[test]
fn a_head_has_thirty_seconds_in_all() {
    let mut test = Timed::new();
    test.receive(1_000, b"GET / HT");
    test.receive(30_999, b"T");
    assert_eq!(test.time_out(30_999), "", "spurious");
    assert_eq!(test.connection.close_reason(), None);
    assert!(test.time_out(31_000).starts_with("HTTP/1.1 408 "));
    assert_eq!(
        test.connection.close_reason(),
        Some(CloseReason::Fault(Error::TimedOut))
    );
    assert_eq!(test.connection.deadline(), Tick(36_000), "then it lingers");
}

#[test]
fn content_has_thirty_seconds_in_all_from_its_own_start() {
    let mut test = Timed::new();
    test.receive(0, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le");
    test.receive(20_000, b"ngth: 5\r\n\r\nab");
    test.receive(49_999, b"c");
    assert_eq!(test.connection.deadline(), Tick(50_000));
    assert!(test.time_out(50_000).starts_with("HTTP/1.1 408 "));
}

#[test]
fn the_limits_hold_for_later_requests_on_the_connection() {
    let mut test = Timed::new();
    test.receive(0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(test.connection.deadline(), Tick(120_000));
    test.receive(100_000, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGE");
    assert_eq!(test.connection.deadline(), Tick(130_000));
    test.receive(110_000, b"T");
    assert_eq!(test.connection.deadline(), Tick(130_000));
}

#[test]
fn lingering_and_idling_do_not_begin_again_with_each_byte() {
    let mut test = Timed::new();
    test.receive(1_000, b"nonsense\r\n");
    assert_eq!(test.connection.deadline(), Tick(6_000));
    test.receive(5_000, b"more of it");
    assert_eq!(test.connection.deadline(), Tick(6_000));
    let mut test = Timed::new();
    for (at_ms, empty_lines) in [(1_000, "\r\n"), (2_000, "\r"), (3_000, "\n\r\n\r")] {
        test.receive(at_ms, empty_lines.as_bytes());
        assert_eq!(test.connection.deadline(), Tick(120_000), "{empty_lines:?}");
        assert!(test.connection.is_idle());
        assert_eq!(test.connection.since(&test.limits), Tick(0));
    }
}

#[test]
fn an_idle_connection_closes_without_an_answer() {
    let mut test = Timed::new();
    assert_eq!(test.time_out(120_000), "");
    assert_eq!(test.connection.close_reason(), Some(CloseReason::Idle));
}

#[test]
fn one_hundred_continue_once_and_only_while_content_is_awaited() {
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut test = Timed::new();
    assert_eq!(test.receive(0, head), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(test.receive(0, b"a"), "");
    assert!(test.receive(0, b"b").starts_with("HTTP/1.1 200 "));
    assert!(
        test.receive(0, &[head.as_slice(), b"ab"].concat())
            .starts_with("HTTP/1.1 200 ")
    );
    let old = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(test.receive(0, old), "");
    let nothing = b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n";
    assert!(
        Timed::new()
            .receive(0, nothing)
            .starts_with("HTTP/1.1 200 ")
    );
}

#[test]
fn draining_closes_with_the_next_answer() {
    let mut busy = Timed::new();
    busy.receive(0, b"GET / HTTP/1.1\r\n");
    busy.connection.drain();
    assert_eq!(busy.connection.close_reason(), None);
    let answer = busy.receive(0, b"Host: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nConnection: close\r\n"));
    assert_eq!(busy.connection.close_reason(), Some(CloseReason::Draining));
}

#[test]
fn a_client_that_goes_on_sending_is_not_lingered_for_longer() {
    let mut test = Timed::new();
    test.receive(0, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(test.connection.deadline(), Tick(5_000));
    assert_eq!(test.receive(4_000, b"a"), "");
    assert_eq!(test.connection.deadline(), Tick(5_000));
}

#[test]
fn a_connection_holds_bytes_only_while_a_request_is_incomplete() {
    let mut test = Timed::new();
    test.receive(0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(test.connection.buffer.capacity(), 0);
    test.receive(0, b"GET / HTTP/1.1\r\n");
    assert!(test.connection.buffer.capacity() > 0);
    // The blank line after a large request needs none of its room.
    let rest = format!("Host: x\r\nContent-Length: 9000\r\n\r\n{:9000}\r", "");
    test.receive(0, rest.as_bytes());
    assert!(test.connection.buffer.capacity() < 16);
}
