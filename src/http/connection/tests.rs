//! Every case runs whole and cut into pieces, one byte at a time among them: the answers must not
//! depend on how the network cuts what it carries.

use super::*;
use crate::http::Status;
use crate::time::UnixTime;

/// What became of some input: the requests as the handler saw them, the statuses in order, the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    requests: Vec<String>,
    pub(super) statuses: Vec<u16>,
    pub(super) closed: Option<CloseReason>,
}

/// A new connection whose handler answers 200, and what became of what it was fed.
struct Fed {
    connection: Connection,
    limits: Limits,
    wire: Vec<u8>,
    seen: Seen,
}

impl Fed {
    fn new(limits: Limits) -> Self {
        Self {
            connection: Connection::new(Tick(0), &limits),
            limits,
            wire: Vec::new(),
            seen: Seen::default(),
        }
    }

    fn feed(&mut self, piece: &[u8], staging: &mut Staging) {
        let mut piece = piece.to_vec();
        loop {
            staging.begin(UnixTime(0));
            let respond = |request: &Request<'_>| {
                let content = String::from_utf8_lossy(request.content);
                let request = format!("{} {} {content}", request.method, request.path);
                self.seen.requests.push(request);
                Response::empty(Status::Ok)
            };
            let limits = &self.limits;
            self.connection
                .receive(&mut piece, Tick(0), limits, staging, respond);
            self.wire.extend_from_slice(staging.bytes());
            piece.clear();
            if !self.connection.has_backlog() {
                break;
            }
        }
    }

    fn seen(mut self) -> Seen {
        self.seen.statuses = statuses(&self.wire);
        self.seen.closed = self.connection.close_reason();
        self.seen
    }
}

/// Feeds `input` in pieces of `size` bytes to a new connection.
fn feed(input: &[u8], size: usize) -> Seen {
    let mut fed = Fed::new(Limits::default());
    let mut staging = Staging::default();
    for piece in input.chunks(size) {
        fed.feed(piece, &mut staging);
    }
    fed.seen()
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

pub(super) fn exchange(input: impl AsRef<[u8]>) -> Seen {
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
    for (error, status) in [
        (Error::Malformed, 400),
        (Error::Tls, 400),
        (Error::ProxyProtocol, 400),
        (Error::Http2, 505),
        (Error::BadHost, 400),
        (Error::AmbiguousFraming, 400),
        (Error::TimedOut, 408),
        (Error::LengthRequired, 411),
        (Error::ContentTooLarge, 413),
        (Error::TargetTooLong, 414),
        (Error::UnsupportedContentCoding, 415),
        (Error::UnknownExpectation, 417),
        (Error::FieldsTooLarge, 431),
        (Error::UnsupportedTransferCoding, 501),
        (Error::Overloaded, 503),
        (Error::UnsupportedVersion, 505),
    ] {
        assert_eq!(error.status().code(), status, "{error}");
    }
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
        post("Transfer-Encoding: gzip, chunked\r\n"),
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
fn other_protocols_are_told_apart() {
    const PROXY_2: &str = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    for (wire, error) in [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Error::Http2),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03", Error::Tls),
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\nGET / HTTP/1.1\r\n",
            Error::ProxyProtocol,
        ),
        (
            "PROXY TCP6 ::1 ::2 9 10\r\nGET / HTTP/1.1\r\n",
            Error::ProxyProtocol,
        ),
        ("PROXY UNKNOWN\r\n", Error::ProxyProtocol),
        (PROXY_2, Error::ProxyProtocol),
        // Others, for all that they begin alike.
        ("PRI * HTTP/1\r\n\r\n", Error::Malformed),
        ("PRO * HTTP/2.0\r\n\r\n", Error::UnsupportedVersion),
        ("PROXY TCP5 1.2.3.4 5.6.7.8 9 10\r\n", Error::Malformed),
        ("\x16\x02\x01", Error::Malformed),
        ("\r\n\x16\x04", Error::Malformed),
        (&PROXY_2[2..], Error::Malformed),
        ("\r\n\r\n\0\r\nQUITE", Error::Malformed),
    ] {
        assert_eq!(refused(wire), error, "{wire:?}");
    }
    for unclear in ["\x16", "\r\n\r\n\0\r\nQUIT"] {
        let seen = exchange(unclear);
        assert_eq!((seen.statuses, seen.closed), (vec![], None), "{unclear:?}");
    }
}

#[test]
fn what_is_no_http_is_refused() {
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

#[test]
fn connections_whose_bytes_alternate_have_nothing_in_common() {
    let wires = [
        "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\ndef\r\n0\r\nA: b\r\n\r\n",
        "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /4 HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    let mut all: Vec<Fed> = wires.map(|_| Fed::new(Limits::default())).into();
    let mut staging = Staging::default();
    for at in 0..200 {
        for (fed, wire) in all.iter_mut().zip(wires) {
            if let Some(byte) = wire.as_bytes().get(at) {
                fed.feed(&[*byte], &mut staging);
            }
        }
    }
    for (fed, wire) in all.into_iter().zip(wires) {
        assert_eq!(fed.seen(), feed(wire.as_bytes(), wire.len()), "{wire}");
    }
}

#[test]
fn limits_are_enforced_while_a_request_comes() {
    let limits = Limits {
        head_bytes_max: 600,
        target_bytes_max: 100,
        content_bytes_max: 200,
        ..Limits::default()
    };
    let head = "GET / HTTP/1.1\r\nHost: x\r\n";
    let post = |lines: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
    let chunked = |content: &str| post("Transfer-Encoding: chunked") + content;
    let full = format!("c8\r\n{:200}\r\n", "");
    // What comes first, what follows without an end, and how many bytes of that are taken.
    for (first, endless, taken, error) in [
        ("GET /".to_owned(), "a", 595, Error::TargetTooLong),
        (head.to_owned() + "A: ", "a", 572, Error::FieldsTooLarge),
        (head.to_owned(), "A: b\r\n", 384, Error::FieldsTooLarge),
        (String::new(), "\r\n", 601, Error::FieldsTooLarge),
        (
            "\r\n".repeat(100) + head + "A: ",
            "a",
            372,
            Error::FieldsTooLarge,
        ),
        (post("Content-Length: 201"), "a", 0, Error::ContentTooLarge),
        (chunked("c"), "9", 1, Error::ContentTooLarge),
        (chunked(&full), "1", 1, Error::ContentTooLarge),
        (chunked(""), "0", 601, Error::ContentTooLarge),
        (chunked("1;"), "a", 599, Error::ContentTooLarge),
        (chunked("0\r\nA: "), "a", 597, Error::FieldsTooLarge),
        (chunked("0\r\n"), "A: b\r\n", 600, Error::FieldsTooLarge),
    ] {
        let mut fed = Fed::new(limits.clone());
        let mut staging = Staging::default();
        fed.feed(first.as_bytes(), &mut staging);
        let mut endless = endless.bytes().cycle();
        let mut count = 0;
        while fed.connection.close_reason().is_none() && count < 2_000 {
            fed.feed(&[endless.next().unwrap()], &mut staging);
            count += 1;
        }
        let refused = Some(CloseReason::Fault(error));
        assert_eq!((count, fed.seen().closed), (taken, refused), "{first:?}");
    }
}
