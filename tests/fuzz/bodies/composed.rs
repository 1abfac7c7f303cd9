//! Requests that are right are read as they were composed, however they are written and cut, and
//! whatever garbage comes after them.

use super::input::Input;
use super::wire::{Asked, Holding, NO_HOLDING, feed_holding};
use torrap::http::{CloseReason, Limits, Version};

/// A request as it was meant and as it is written.
#[derive(Default)]
struct Composed {
    wire: Vec<u8>,
    method: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    old: bool,
    content: Vec<u8>,
    closes: bool,
}

/// The body: sizes to cut into, how many requests, each by choices, and the garbage after them.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sizes = [usize::from(input.byte()), usize::from(input.byte())];
    let count = input.byte() % 8;
    let composed: Vec<Composed> = (0..count).map(|_| compose(&mut input)).collect();
    let garbage = [b"\0", input.rest()].concat();
    let mut wire: Vec<u8> = composed.iter().flat_map(|c| c.wire.clone()).collect();
    wire.extend_from_slice(&garbage);

    let last = composed.iter().position(|composed| composed.closes);
    let expected = &composed[..last.map_or(composed.len(), |last| last + 1)];
    let held = Holding {
        every: 1 + usize::from(count % 2),
        pieces: sizes[1],
        is_late: count > 3,
    };
    for (sizes, holding) in [
        (&[wire.len()][..], NO_HOLDING),
        (&sizes, NO_HOLDING),
        (&sizes, held),
    ] {
        let seen = feed_holding(&wire, sizes, &Limits::default(), holding);
        assert_eq!(seen.requests.len(), expected.len(), "{:?}", seen.closed);
        for (asked, composed) in seen.requests.iter().zip(expected) {
            assert_as_composed(asked, composed);
        }
        match last {
            Some(_) => assert_eq!(seen.closed, Some(CloseReason::Requested)),
            None => assert!(matches!(seen.closed, Some(CloseReason::Fault(_)))),
        }
    }
}

fn assert_as_composed(asked: &Asked, composed: &Composed) {
    assert_eq!(asked.method, composed.method);
    assert_eq!(
        (asked.path.as_str(), asked.query.as_deref()),
        (composed.path, composed.query)
    );
    assert_eq!(asked.version == Version::Http10, composed.old);
    assert_eq!(asked.content, composed.content);
}

const METHODS: [&str; 6] = ["GET", "POST", "HEAD", "PUT", "get", "!#$%&'*+-.^_`|~0aZ"];

/// A request-target, its path and its query.
const TARGETS: [(&str, &str, Option<&str>); 7] = [
    ("/", "/", None),
    ("/slack", "/slack", None),
    ("/a/../b?", "/a/../b", Some("")),
    ("/%00?c=/?d", "/%00", Some("c=/?d")),
    ("http://h", "/", None),
    ("HtTpS://[::1]:8/e?f", "/e", Some("f")),
    ("http://h?g", "/", Some("g")),
];

/// Fields that mean nothing to the framing, though they look like it.
const FIELDS: [&str; 8] = [
    "A: b",
    "a:",
    "Content-Length-: 7",
    "X-Transfer-Encoding: chunked",
    "Connection:, Upgrade ,",
    "!#$%&'*+-.^_`|~: \t\"\\,;\x7e \t",
    "Trailer: Content-Length",
    "TE: trailers, chunked",
];

fn compose(input: &mut Input<'_>) -> Composed {
    let (target, path, query) = input.of(&TARGETS);
    let mut composed = Composed {
        method: input.of(&METHODS),
        path,
        query,
        old: input.byte().is_multiple_of(8),
        ..Composed::default()
    };
    let blank_lines = "\r\n".repeat(usize::from(input.byte() % 3));
    let version = if composed.old { "1.0" } else { "1.1" };
    let mut head = format!(
        "{blank_lines}{} {target} HTTP/{version}\r\n",
        composed.method
    );
    for _ in 0..input.byte() % 4 {
        head += input.of(&FIELDS);
        head += "\r\n";
    }
    if !composed.old || input.byte().is_multiple_of(2) {
        head += input.of(&["Host: x\r\n", "hOST:\t[::1]:80 \r\n", "Host:\r\n"]);
    }
    head += connection(input, &mut composed);
    let content = input.some();
    composed.content = content.to_vec();
    let coded = !composed.old && input.byte().is_multiple_of(2);
    let body = if coded {
        head += input.of(&[
            "Transfer-Encoding: chunked\r\n",
            "transfer-ENCODING:CHUNKED\t\r\n",
        ]);
        chunked(content, input)
    } else {
        if !content.is_empty() || composed.old {
            let zeros = "0".repeat(usize::from(input.byte() % 3));
            head += &format!("Content-length: {zeros}{}\r\n", content.len());
        }
        content.to_vec()
    };
    head += "\r\n";
    composed.wire = [head.as_bytes(), &body].concat();
    composed
}

/// A Connection field, and what it means.
fn connection(input: &mut Input<'_>, composed: &mut Composed) -> &'static str {
    let (field, close, keep) = input.of(&[
        ("", false, false),
        ("Connection: closed\r\n", false, false),
        ("Connection: keep-alive\r\n", false, true),
        ("Connection: x ,\tClose\r\n", true, false),
        (
            "connection: KEEP-ALIVE\r\nConnection: close\r\n",
            true,
            true,
        ),
    ]);
    composed.closes = close || (composed.old && !keep);
    field
}

fn chunked(mut content: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    while !content.is_empty() {
        let (chunk, rest) = content.split_at(content.len().min(usize::from(input.byte()) + 1));
        content = rest;
        let extension = input.of(&["", "", ";a", " ;a=\"b;\tc\\\\\"", "\t;a;b=c"]);
        let size = match input.byte() % 3 {
            0 => format!("{:x}", chunk.len()),
            1 => format!("{:X}", chunk.len()),
            _ => format!("{:05x}", chunk.len()),
        };
        wire.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(input.of(&[b"0\r\n".as_slice(), b"000\r\n", b"0;a=b\r\n"]));
    let trailer = input.of(&[
        b"".as_slice(),
        b"A: b\r\n",
        b"Content-Length: 9\r\nC:\r\n",
        b"Connection: close\r\nTransfer-Encoding: gzip\r\n",
    ]);
    wire.extend_from_slice(trailer);
    wire.extend_from_slice(b"\r\n");
    wire
}

/// Choices that walk through the tables, each with other lengths of content.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |number: u8| {
        let choices = (0..160).map(move |at: u8| at.wrapping_mul(number) >> (number % 4));
        [number, 3].into_iter().chain(choices).collect()
    };
    (1..32).map(seed).collect()
}
