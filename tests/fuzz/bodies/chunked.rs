//! Chunked content, against a decoder that has all of it before it begins.

use super::input::Input;
use super::wire::{Seen, feed};
use torrap::http::{CloseReason, Error, Limits};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The body: two sizes to cut into, then what follows a head that announces chunks.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sizes = [usize::from(input.byte()), usize::from(input.byte())];
    let coded = input.rest();
    let wire = [HEAD, coded].concat();
    let limits = narrow();
    let expected = decode(coded, &limits);
    for sizes in [[wire.len(); 2], [HEAD.len(), coded.len()], [1, 1], sizes] {
        let seen = feed(&wire, &sizes, &limits);
        match &expected {
            Verdict::Incomplete => {
                assert!(seen.requests.is_empty() && seen.closed.is_none() && !seen.idle);
            }
            Verdict::Refused(error) => {
                assert!(seen.requests.is_empty());
                assert_eq!(seen.closed, Some(CloseReason::Fault(*error)));
            }
            Verdict::Complete { content, rest } => {
                assert_eq!(&seen.requests[0].content, content);
                assert_goes_on(&seen, rest, &limits);
            }
        }
    }
}

/// What follows the content is read as if nothing had been before it.
fn assert_goes_on(seen: &Seen, rest: &[u8], limits: &Limits) {
    let fresh = feed(rest, &[rest.len()], limits);
    assert_eq!(seen.requests[1..], fresh.requests);
    assert!(seen.answers.ends_with(&fresh.answers));
    assert_eq!((seen.closed, seen.idle), (fresh.closed, fresh.idle));
}

/// Low limits, so that short inputs meet them.
fn narrow() -> Limits {
    Limits {
        head_bytes_max: 80,
        content_bytes_max: 100,
        ..Limits::default()
    }
}

#[derive(Debug, PartialEq)]
enum Verdict<'a> {
    Incomplete,
    Refused(Error),
    Complete { content: Vec<u8>, rest: &'a [u8] },
}

/// RFC 9112, section 7.1, line by line; what is refused is refused at the first byte that shows it.
fn decode<'a>(coded: &'a [u8], limits: &Limits) -> Verdict<'a> {
    let mut content = Vec::new();
    let mut overhead = Overhead {
        bytes: 0,
        free: limits.head_bytes_max,
    };
    let mut rest = coded;
    let decoded = (|| {
        loop {
            let size = size_line(&mut rest, content.len(), limits, &mut overhead)?;
            if size == 0 {
                break;
            }
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            content.extend_from_slice(chunk);
            rest = after;
            for expected in b"\r\n" {
                let byte = next(&mut rest)?;
                refuse_unless(byte == *expected)?;
                overhead.add(content.len())?;
            }
        }
        trailer(&mut rest, limits)
    })();
    match decoded {
        Ok(()) => Verdict::Complete { content, rest },
        Err(None) => Verdict::Incomplete,
        Err(Some(error)) => Verdict::Refused(error),
    }
}

/// `None`: there is no more.
type Stop = Option<Error>;

/// What is no content: as much as a head may have, and as much again as there is content.
struct Overhead {
    bytes: usize,
    free: usize,
}

impl Overhead {
    fn add(&mut self, decoded: usize) -> Result<(), Stop> {
        self.bytes += 1;
        if self.bytes > self.free + decoded {
            return Err(Some(Error::ContentTooLarge));
        }
        Ok(())
    }
}

fn next(rest: &mut &[u8]) -> Result<u8, Stop> {
    let (byte, after) = rest.split_first().ok_or(None)?;
    *rest = after;
    Ok(*byte)
}

fn refuse_unless(good: bool) -> Result<(), Stop> {
    if good {
        Ok(())
    } else {
        Err(Some(Error::AmbiguousFraming))
    }
}

/// `chunk-size [ chunk-ext ] CRLF`.
fn size_line(
    rest: &mut &[u8],
    decoded: usize,
    limits: &Limits,
    overhead: &mut Overhead,
) -> Result<usize, Stop> {
    let mut line: Vec<u8> = Vec::new();
    let mut size: u128 = 0;
    loop {
        let byte = next(rest)?;
        line.push(byte);
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        refuse_unless(digits > 0)?;
        if digits == line.len() {
            size = (size * 16 + u128::from((byte as char).to_digit(16).unwrap_or(0))).min(1 << 64);
            if decoded as u128 + size > limits.content_bytes_max as u128 {
                return Err(Some(Error::ContentTooLarge));
            }
        } else {
            let after: &[u8] = &line[digits..];
            let text = after.strip_suffix(b"\n").unwrap_or(after);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let shape = extensions(text);
            refuse_unless(shape != Shape::Wrong)?;
            refuse_unless(shape == Shape::Whole || text.len() == after.len())?;
            // A CR ends the line, so an LF comes next; and an LF comes after nothing else.
            refuse_unless((byte == b'\n') == line[..line.len() - 1].ends_with(b"\r"))?;
        }
        if byte == b'\n' && size == 0 {
            return Ok(0);
        }
        overhead.add(decoded)?;
        if byte == b'\n' {
            return Ok(usize::try_from(size).expect("not beyond the limit"));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Whole,
    Begun,
    Wrong,
}

/// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`, or how that begins.
pub fn extensions(mut text: &[u8]) -> Shape {
    while !text.is_empty() {
        let Some((semicolon, rest)) = blanks(text).split_first() else {
            return Shape::Begun;
        };
        let rest = blanks(rest);
        let name = rest.iter().take_while(|b| is_token(b)).count();
        if *semicolon != b';' || name == 0 && !rest.is_empty() {
            return Shape::Wrong;
        }
        if name == 0 {
            return Shape::Begun;
        }
        text = &rest[name..];
        if let Some(value) = blanks(text).strip_prefix(b"=") {
            let value = blanks(value);
            let len = match value.strip_prefix(b"\"") {
                Some(quoted) => match quoted_string(quoted) {
                    Ok(len) => len + 1,
                    Err(shape) => return shape,
                },
                None => value.iter().take_while(|b| is_token(b)).count(),
            };
            if len == 0 {
                let nothing = value.is_empty();
                return if nothing { Shape::Begun } else { Shape::Wrong };
            }
            text = &value[len..];
        }
    }
    Shape::Whole
}

/// How long a quoted string is from behind its first quote to its last one.
fn quoted_string(text: &[u8]) -> Result<usize, Shape> {
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' if !is_escaped => return Ok(at + 1),
            b'\t' | b' '..=b'~' | 0x80.. => is_escaped = *byte == b'\\' && !is_escaped,
            _ => return Err(Shape::Wrong),
        }
    }
    Err(Shape::Begun)
}

fn blanks(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|b| b" \t".contains(b)).count();
    &text[count..]
}

/// `*( field-line CRLF ) CRLF`. The line feed before it counts for its limit, and the one that ends
/// the empty line does not.
fn trailer(rest: &mut &[u8], limits: &Limits) -> Result<(), Stop> {
    let mut bytes = 1;
    loop {
        let mut line: Vec<u8> = Vec::new();
        while !line.ends_with(b"\n") {
            let byte = next(rest)?;
            line.push(byte);
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let colon = text.iter().position(|b| *b == b':');
            let name = &text[..colon.unwrap_or(text.len())];
            refuse_unless(name.iter().all(is_token))?;
            refuse_unless(colon != Some(0))?;
            refuse_unless(colon.is_some() || text.is_empty() || !line.ends_with(b"\r"))?;
            refuse_unless(!text.iter().any(|b| b.is_ascii_control() && *b != b'\t'))?;
            refuse_unless((byte == b'\n') == line[..line.len() - 1].ends_with(b"\r"))?;
            bytes += usize::from(line != b"\r\n");
            if bytes > limits.head_bytes_max {
                return Err(Some(Error::FieldsTooLarge));
            }
        }
        if line == b"\r\n" {
            return Ok(());
        }
    }
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// The cases of the literature, and what ends at each of the limits.
pub fn seeds() -> Vec<Vec<u8>> {
    let long = [
        format!("0\r\n{}\r\n", "A: b\r\n".repeat(13)),
        format!("64\r\n{}\r\n0\r\n\r\n", "x".repeat(100)),
        format!("64\r\n{}\r\n1\r\na", "x".repeat(100)),
        "1;xy\r\na\r\n".repeat(14),
        format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(90)),
    ];
    let all = WIRES.iter().copied().chain(long.iter().map(String::as_str));
    all.map(|wire| [b"\x03\x05", wire.as_bytes()].concat())
        .collect()
}

/// What may follow a head with `Transfer-Encoding: chunked`.
pub const WIRES: &[&str] = &[
    "4\r\nWiki\r\n05;a=\"b;c\" ; d\r\npedia\r\nE \t;x = y;z=\"\\\"\"\r\n in\r\n\r\nchunks.\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "0\r\n\r\n",
    "000;\r\nA: b\r\nC:\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "5\r\nabcde\r\n0\r\nContent-Length: 5\r\n\r\nabcde",
    "5\nabcde\n0\n\n",
    "5\r\nabcde\n0\r\n\r\n",
    "5\rXabcde\r\n0\r\n\r\n",
    "0x5\r\nabcde\r\n0\r\n\r\n",
    "+5\r\nabcde\r\n0\r\n\r\n",
    "-5\r\nabcde\r\n0\r\n\r\n",
    " 5\r\nabcde\r\n0\r\n\r\n",
    "5 \r\nabcde\r\n0\r\n\r\n",
    "5;\r\nabcde\r\n0\r\n\r\n",
    "5;a \r\nabcde\r\n0\r\n\r\n",
    "5;a=\r\nabcde\r\n0\r\n\r\n",
    "5;a=\"b\\\"\r\nabcde\r\n0\r\n\r\n",
    "5;a=\"b\"c\r\nabcde\r\n0\r\n\r\n",
    "5 5\r\nabcde\r\n0\r\n\r\n",
    "\r\nabcde\r\n0\r\n\r\n",
    ";a\r\nabcde\r\n0\r\n\r\n",
    "5;a\nb\r\nabcde\r\n0\r\n\r\n",
    "5;a\rb\r\nabcde\r\n0\r\n\r\n",
    "5;\0\r\nabcde\r\n0\r\n\r\n",
    "5;\u{7f}\r\nabcde\r\n0\r\n\r\n",
    "0\r\nA: \u{7f}\r\n\r\n",
    "5\r\nabcdef\r\n0\r\n\r\n",
    "5\r\nabc\r\n0\r\n\r\n",
    "5\r\nabcde0\r\n\r\n",
    "ffffffffffffffff\r\nabc",
    "10000000000000005\r\nabcde\r\n0\r\n\r\n",
    "100000000000000000000000000000005\r\nabcde\r\n0\r\n\r\n",
    "65\r\nabc",
    "0\r\n folded: b\r\n\r\n",
    "0\r\n: b\r\n\r\n",
    "0\r\nno colon\r\n\r\n",
    "0\r\nA: b\n\r\n",
    "0\r\nA: b\r\r\n\r\n",
    "0\r\nA: \0\r\n\r\n",
    "0\r\n\n",
    "0\r\n\rX",
    "2\r\n\u{e9}\r\n0;\u{e9}\r\nA: \u{e9}\r\n\r\n",
];
