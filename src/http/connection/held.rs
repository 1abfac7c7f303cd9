//! An answer that waits for its release.

use crate::http::{CloseReason, Connection, Error, Hold, Limits, Request, Response, Staging};
use crate::time::{Tick, UnixTime};

const HOLD: Hold = Hold {
    ticket: 7,
    token: 8,
};
const COMMAND: &str = "POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab";
const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A connection whose handler holds what is sent to `/held`, or answers it at once.
struct Holding {
    connection: Connection,
    limits: Limits,
    staging: Staging,
    holds: bool,
    asked: usize,
    wire: String,
}

impl Holding {
    fn new(holds: bool) -> Self {
        let limits = Limits::default();
        Self {
            connection: Connection::new(Tick(0), &limits),
            limits,
            staging: Staging::default(),
            holds,
            asked: 0,
            wire: String::new(),
        }
    }

    fn receive(&mut self, at_ms: u64, bytes: impl AsRef<[u8]>) {
        self.staging.begin(UnixTime(0));
        let mut bytes = bytes.as_ref().to_vec();
        let respond = |request: &Request<'_>| {
            self.asked += 1;
            Response {
                hold: Some(HOLD).filter(|_| self.holds && request.path == "/held"),
                ..answer()
            }
        };
        self.connection.receive(
            &mut bytes,
            Tick(at_ms),
            &self.limits,
            &mut self.staging,
            respond,
        );
        self.note_staged();
    }

    fn release(&mut self, at_ms: u64, response: &Response) {
        self.staging.begin(UnixTime(0));
        self.connection
            .release(response, Tick(at_ms), &self.limits, &mut self.staging);
        self.note_staged();
    }

    fn time_out(&mut self, at_ms: u64) -> Option<Hold> {
        self.staging.begin(UnixTime(0));
        let overdue = self
            .connection
            .handle_timeout(Tick(at_ms), &self.limits, &mut self.staging);
        self.note_staged();
        overdue
    }

    fn note_staged(&mut self) {
        self.wire += std::str::from_utf8(self.staging.bytes()).unwrap();
    }

    fn state(&self) -> (Option<CloseReason>, Tick, usize) {
        let connection = &self.connection;
        let held_bytes = connection.held_bytes();
        (connection.close_reason(), connection.deadline(), held_bytes)
    }
}

fn answer() -> Response {
    Response::json(b"{}".as_slice())
}

#[test]
fn a_released_answer_is_what_would_have_gone_out_at_once() {
    for head in [
        "GET /held HTTP/1.1\r\nHost: x\r\n\r\n",
        "HEAD /held HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /held HTTP/1.0\r\n\r\n",
        "GET /held HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "POST /held HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        COMMAND,
    ] {
        for size in [1, 2, head.len()] {
            let (mut held, mut free) = (Holding::new(true), Holding::new(false));
            for piece in head.as_bytes().chunks(size) {
                held.receive(0, piece);
                free.receive(0, piece);
            }
            assert_eq!((held.wire.as_str(), held.asked), ("", 1), "{head}");
            assert_eq!(held.connection.hold(), Some(HOLD));
            held.release(0, &answer());
            assert_eq!(held.connection.hold(), None);
            assert_eq!((&held.wire, held.state()), (&free.wire, free.state()));
        }
    }
}

#[test]
fn nothing_behind_a_held_request_is_looked_at_before_its_release() {
    let behind = [COMMAND, GET, "\r\n", COMMAND, "GET /half"].concat();
    for size in [1, 3, behind.len()] {
        let mut test = Holding::new(true);
        test.receive(0, [GET, COMMAND, &behind[..5]].concat());
        let first = test.wire.clone();
        assert_eq!((first.matches("HTTP/1.1 200").count(), test.asked), (1, 2));
        for piece in behind.as_bytes()[5..].chunks(size) {
            test.receive(1, piece);
            let connection = &test.connection;
            assert!(!connection.has_backlog() && !connection.is_idle());
            assert!(!connection.is_incomplete());
            assert_eq!(test.state().1, Tick(2_000), "not later with each byte");
        }
        assert_eq!((&test.wire, test.asked), (&first, 2));
        // One after the other, each with what is free behind it.
        for (asked, answered) in [(3, 2), (5, 4), (5, 5)] {
            test.release(5, &answer());
            assert!(test.connection.has_backlog(), "{asked}");
            test.receive(5, "");
            assert_eq!(test.asked, asked);
            assert_eq!(test.wire.matches("HTTP/1.1 200").count(), answered);
        }
        assert_eq!(test.connection.hold(), None);
        assert!(test.connection.is_incomplete());
        test.receive(6, " HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(test.asked, 6);
        assert!(test.connection.is_idle());
    }
}

/// What follows it is no request any more, as it would have been.
#[test]
fn an_answer_that_closes_drops_what_came_behind_it() {
    let last = "POST /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let mut test = Holding::new(true);
    test.receive(0, [last, GET].concat());
    test.receive(0, GET);
    test.release(9, &answer());
    assert_eq!(test.state(), (Some(CloseReason::Requested), Tick(5_009), 0));
    assert!(!test.connection.has_backlog());
    test.receive(9, GET);
    assert_eq!(test.asked, 1);
    // A stop that begins meanwhile closes it as well, and a fault is one only once it is looked at.
    let mut test = Holding::new(true);
    test.receive(0, [COMMAND, "nonsense\r\n"].concat());
    test.connection.drain(&test.limits);
    assert_eq!(test.state().1, Tick(2_000));
    test.release(9, &answer());
    assert_eq!(test.state().0, Some(CloseReason::Draining));
    assert!(test.wire.contains("\r\nConnection: close\r\n"));
}

#[test]
fn an_answer_that_is_held_for_too_long_is_asked_for_until_it_is_released() {
    let busy = Response::json(b"busy".as_slice());
    let mut test = Holding::new(true);
    test.limits.held_timeout_ms = 1_500;
    test.receive(10, [COMMAND, GET].concat());
    assert_eq!(test.connection.since(&test.limits), Tick(10));
    assert_eq!(test.time_out(1_509), None);
    assert_eq!(test.time_out(1_510), Some(HOLD));
    assert_eq!(test.time_out(1_600), Some(HOLD));
    assert_eq!(test.wire, "");
    test.release(1_600, &busy);
    assert!(test.wire.ends_with("busy"));
    assert_eq!(test.state().1, Tick(121_600), "an idle one's time");
    assert_eq!(test.time_out(1_600), None);
    let before = (test.state(), test.wire.clone());
    test.release(1_601, &answer());
    assert_eq!(
        (test.state(), test.wire.clone()),
        before,
        "it came too late"
    );
    test.receive(1_601, "");
    assert_eq!(test.asked, 2);
}

#[test]
fn a_client_that_has_gone_gets_nothing() {
    let mut test = Holding::new(true);
    test.receive(0, [COMMAND, GET].concat());
    test.connection.handle_peer_closed();
    assert_eq!(test.connection.hold(), None);
    test.release(1, &answer());
    assert_eq!((test.wire.as_str(), test.asked), ("", 1));
    assert_eq!(
        test.state(),
        (Some(CloseReason::PeerClosed), Tick(2_000), 0)
    );
}

/// It costs what has come behind the command, and not the command.
#[test]
fn a_connection_that_is_shed_keeps_the_answer_that_it_holds() {
    let mut test = Holding::new(true);
    test.receive(0, [COMMAND, GET, "POST / HTT"].concat());
    test.staging.begin(UnixTime(0));
    test.connection
        .shed(Tick(3), &test.limits, &mut test.staging);
    assert!(test.staging.is_empty());
    assert_eq!(test.state(), (None, Tick(2_000), 0));
    test.release(9, &answer());
    assert_eq!(test.state().0, Some(CloseReason::Requested));
    assert!(test.wire.contains("\r\nConnection: close\r\n"));
    assert_eq!(test.asked, 1);
    // Without a hold it is a fault, as ever.
    let mut test = Holding::new(true);
    test.receive(0, "GET /");
    test.connection
        .shed(Tick(3), &test.limits, &mut test.staging);
    let fault = CloseReason::Fault(Error::Overloaded);
    assert_eq!(test.state().0, Some(fault));
}
