//! Requests that break the protocol or a limit, after which nothing on their connection is answered.

use super::Generator;
use super::requests::Sent;
use crate::http::{Error, Limits};

const POST: &str = "POST /slack HTTP/1.1\r\nHost: x\r\n";

pub(super) fn draw(limits: &Limits, generator: &mut Generator) -> Sent {
    let (wire, error) = match generator.below(4) {
        0 | 1 => {
            let (wire, error) = generator.pick(HEADS);
            (wire.to_owned(), error)
        }
        2 => {
            let (fields, error) = generator.pick(FIELDS);
            (format!("{POST}{fields}\r\n\r\n"), error)
        }
        _ => beyond_a_limit(limits, generator),
    };
    Sent::fault(wire, error)
}

const HEADS: &[(&str, Error)] = &[
    ("no HTTP at all\r\n\r\n", Error::Malformed),
    ("\n\n", Error::Malformed),
    ("\x16\x03\x01\x02\0\x01\0\x01", Error::Tls),
    ("\x16\x01", Error::Malformed),
    ("GET / HTTP/1.1\nHost: x\n\n", Error::Malformed),
    ("GET / HTTP/1.1\r\n\r\n", Error::BadHost),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Error::Http2),
    ("GET / HTTP/2.0\r\n\r\n", Error::UnsupportedVersion),
    ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n", Error::ProxyProtocol),
    ("POST /slack HTTP/1.0\r\n\r\n", Error::LengthRequired),
];

const FIELDS: &[(&str, Error)] = &[
    (
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        Error::AmbiguousFraming,
    ),
    (
        "Content-Length: 5\r\nContent-Length: 6",
        Error::AmbiguousFraming,
    ),
    (
        "Transfer-Encoding: gzip, chunked",
        Error::UnsupportedTransferCoding,
    ),
    ("Content-Encoding: gzip", Error::UnsupportedContentCoding),
    ("Expect: 200-ok", Error::UnknownExpectation),
    (
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd",
        Error::AmbiguousFraming,
    ),
    (
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nx",
        Error::AmbiguousFraming,
    ),
];

fn beyond_a_limit(limits: &Limits, generator: &mut Generator) -> (String, Error) {
    let long = "a".repeat(limits.head_bytes_max);
    let content = limits.content_bytes_max;
    match generator.below(4) {
        0 => (format!("{POST}A: {long}"), Error::FieldsTooLarge),
        1 => (format!("GET /{long}"), Error::TargetTooLong),
        2 => {
            let wire = format!("{POST}Content-Length: {}\r\n\r\n", content + 1);
            (wire, Error::ContentTooLarge)
        }
        _ => {
            let chunks = format!("2\r\nab\r\n{:x}\r\n", content - 1);
            let wire = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{chunks}");
            (wire, Error::ContentTooLarge)
        }
    }
}
