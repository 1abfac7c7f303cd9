//! The time limits of a connection.

use super::tests::exchange;
use super::*;
use crate::http::Status;
use crate::time::UnixTime;

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
        let respond = |request: &Request<'_>| Response {
            is_authenticated: request.path == "/signed",
            ..Response::empty(Status::Ok)
        };
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
        let overdue = self
            .connection
            .handle_timeout(Tick(at_ms), &self.limits, &mut self.staging);
        assert_eq!(overdue, None);
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
    // Each has a limit of its own.
    let mut test = Timed::new();
    test.limits.head_timeout_ms = 7_000;
    test.limits.content_timeout_ms = 9_000;
    test.receive(0, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le");
    assert_eq!(test.connection.deadline(), Tick(7_000));
    test.receive(1_000, b"ngth: 5\r\n\r\nab");
    assert_eq!(test.connection.deadline(), Tick(10_000));
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
}

#[test]
fn a_heads_time_begins_with_the_first_empty_line_before_it() {
    let mut test = Timed::new();
    for (at_ms, empty_lines) in [(1_000, "\r\n"), (2_000, "\r"), (3_000, "\n\r\n\r")] {
        test.receive(at_ms, empty_lines.as_bytes());
        assert_eq!(test.connection.deadline(), Tick(31_000), "{empty_lines:?}");
        assert!(test.connection.is_idle() && !test.connection.is_incomplete());
        assert_eq!(test.connection.since(&test.limits), Tick(1_000));
    }
    test.receive(30_000, b"\nGET /");
    assert_eq!(test.connection.deadline(), Tick(31_000));
    assert!(test.connection.is_incomplete());
    assert!(test.time_out(31_000).starts_with("HTTP/1.1 408 "));
    // With none behind them they are no request.
    let mut test = Timed::new();
    test.receive(0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n");
    test.receive(29_999, b"\r\n\r");
    assert_eq!(test.time_out(30_000), "");
    assert_eq!(test.connection.close_reason(), Some(CloseReason::Idle));
}

#[test]
fn a_connection_that_has_carried_a_signed_request_may_idle_for_longer() {
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();
    let mut test = Timed::new();
    test.receive(0, &request("/"));
    assert_eq!(test.connection.deadline(), Tick(120_000));
    for (at_ms, path) in [(1_000, "/signed"), (600_000, "/")] {
        test.receive(at_ms, &request(path));
        assert_eq!(test.connection.deadline(), Tick(at_ms + 620_000), "{path}");
        assert_eq!(test.connection.since(&test.limits), Tick(at_ms));
    }
    assert_eq!(test.time_out(1_219_999), "");
    assert_eq!(test.connection.close_reason(), None);
    assert_eq!(test.time_out(1_220_000), "");
    assert_eq!(test.connection.close_reason(), Some(CloseReason::Idle));
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
    // A client that has begun to send does not wait.
    assert_eq!(test.receive(0, &[head.as_slice(), b"a"].concat()), "");
    assert!(test.receive(0, b"b").starts_with("HTTP/1.1 200 "));
    let coded =
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(test.receive(0, coded), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(test.receive(0, b"1\r\n"), "");
    assert!(
        test.receive(0, b"a\r\n0\r\n\r\n")
            .starts_with("HTTP/1.1 200 ")
    );
    let old = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(test.receive(0, old), "");
    let large =
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 262145\r\n\r\n";
    let refusal = Timed::new().receive(0, large);
    assert!(refusal.starts_with("HTTP/1.1 413 "), "{refusal}");
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
    busy.connection.drain(&Limits::default());
    assert_eq!(busy.connection.close_reason(), None);
    let answer = busy.receive(0, b"Host: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nConnection: close\r\n"));
    assert_eq!(busy.connection.close_reason(), Some(CloseReason::Draining));
}

#[test]
fn draining_leaves_a_connection_that_was_just_used_a_moment() {
    let limits = Limits::default();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut test = Timed::new();
    test.receive(1_000, request);
    test.connection.drain(&limits);
    assert_eq!(test.connection.deadline(), Tick(1_500));
    let answer = test.receive(1_499, request);
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");

    let mut unused = Timed::new();
    unused.connection.drain(&limits);
    assert_eq!(unused.connection.deadline(), Tick(500));
    assert_eq!(unused.receive(499, b"\r\n"), "");
    assert_eq!(unused.connection.deadline(), Tick(500), "nothing has begun");
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

#[test]
fn empty_lines_before_a_request_leave_the_connection_idle() {
    let seen = exchange("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n");
    assert_eq!((seen.statuses, seen.closed), (vec![200], None));
    let mut test = Timed::new();
    test.receive(0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n");
    assert!(test.connection.is_idle());
}

#[test]
fn a_connection_that_ends_holds_nothing_for_whatever_reason() {
    type End = fn(&mut Timed);
    let limits = Limits::default();
    let half = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc";
    // And what lingers does so from then on.
    let ends: [(u64, End); 4] = [
        (30_000, |test| test.connection.handle_peer_closed()),
        (35_000, |test| _ = test.time_out(30_000)),
        (5_001, |test| _ = test.receive(1, &[b'a'; 6])),
        (5_001, |test| {
            let limits = &test.limits;
            test.connection.shed(Tick(1), limits, &mut test.staging);
        }),
    ];
    for (number, (deadline, end)) in ends.into_iter().enumerate() {
        let mut test = Timed::new();
        test.connection.drain(&limits);
        test.receive(0, half);
        assert!(test.connection.held_bytes() > 0);
        end(&mut test);
        assert!(test.connection.close_reason().is_some(), "{number}");
        assert_eq!(test.connection.held_bytes(), 0, "{number}");
        assert_eq!(test.connection.deadline(), Tick(deadline), "{number}");
        assert!(!test.connection.has_backlog() && !test.connection.is_incomplete());
    }
}
