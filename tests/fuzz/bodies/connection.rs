//! Any bytes on a connection: the answers do not depend on how they are cut, nor on how long one is held.

use super::input::Input;
use super::wire::{Holding, Seen, feed, feed_holding};
use torrap::http::Limits;

/// The body: a choice of limits, a list of sizes to cut into, the wire.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let limits = limits(input.byte());
    let sizes = input.some().iter().map(|size| usize::from(*size));
    let sizes: Vec<usize> = sizes.chain([64]).collect();
    let wire = input.rest();
    let whole = feed(wire, &[wire.len()], &limits);
    for sizes in [[1].as_slice(), &[2, 1, 7], &sizes] {
        assert_eq!(feed(wire, sizes, &limits), whole, "cut into {sizes:?}");
    }
    check_prefix(wire, &whole, &limits);
    for (every, pieces, sizes) in [(1, 0, [64].as_slice()), (1, 3, &[1]), (2, 7, &sizes)] {
        for is_late in [false, true] {
            let holding = Holding {
                every,
                pieces,
                is_late,
            };
            let seen = feed_holding(wire, sizes, &limits, holding);
            assert_eq!(seen, whole, "cut into {sizes:?}, {holding:?}");
        }
    }
}

/// What is still to come changes nothing of what was answered.
fn check_prefix(wire: &[u8], whole: &Seen, limits: &Limits) {
    let half = feed(&wire[..wire.len() / 2], &[wire.len()], limits);
    assert!(whole.requests.starts_with(&half.requests));
    assert!(whole.answers.starts_with(&half.answers));
    assert!(half.closed.is_none() || half.closed == whole.closed);
}

/// The real limits, or ones so narrow that short inputs meet them.
pub fn limits(choice: u8) -> Limits {
    if choice.is_multiple_of(2) {
        return Limits::default();
    }
    Limits {
        head_bytes_max: 128 + usize::from(choice / 2),
        target_bytes_max: 24,
        content_bytes_max: 32,
        requests_per_turn_max: 2,
        ..Limits::default()
    }
}

/// Each of the wires below, with both sorts of limits.
pub fn seeds() -> Vec<Vec<u8>> {
    let inputs = WIRES
        .iter()
        .flat_map(|wire| [0, 1].map(|limits| [&[limits, 3, 40, 5, 17], wire.as_bytes()].concat()));
    inputs.collect()
}

/// Requests good and bad, alone and one after the other.
pub const WIRES: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD /healthz?a=b HTTP/1.1\r\nHost: x:80\r\nA: b\r\n\r\nGET /2 HTTP/1.1\r\nHost:\r\n\r\n",
    "POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\nab\r\n1\r\nc\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\r\nPOST / HTTP/1.0\r\nContent-Length: 1\r\n\r\naGET /",
    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\nHost: x\r\nConnection: a, close\r\n\r\nGET /no HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:8\r\n\r\nCONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\nGET http://h/p?q HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0040\r\n\r\n0123456789012345678901234567890123456789",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\nHost: x\n\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /0123456789012345678901234567890123456789 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: 01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\r",
];
