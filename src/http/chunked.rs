//! The chunked transfer coding, undone in place (RFC 9112 section 7.1).
//!
//! Extensions and trailer fields are read over and dropped. A line ends in CR LF and in nothing else:
//! a front end that takes a bare LF for a line end would see another message than torrap does.

use super::{Error, Limits};

/// Where the decoder stands between two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of a chunk's size.
    Start,
    /// Among the digits.
    Size,
    /// White space before the `;` of an extension: there must be one.
    Blank,
    /// After that `;`, before the extension's name.
    Extension,
    Name,
    /// White space after the name: a `=` or a `;` must follow.
    NameEnd,
    /// After the `=`.
    Equals,
    /// In a value that is a token.
    Value,
    /// In a value that is a quoted string, and after a backslash there.
    Quoted,
    Escaped,
    /// After a quoted string.
    QuotedEnd,
    /// The CR that ends the size's line has been seen.
    SizeEnd,
    /// In a chunk's data.
    Data,
    /// After a chunk's data.
    DataCr,
    DataLf,
    /// At the start of a trailer line; the empty one ends the message.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    /// The CR of the empty line has been seen.
    End,
    Done,
}

/// The decoder of one request's content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoder {
    state: State,
    /// Bytes of the current chunk that are still to come; its size while the digits are read.
    remaining: usize,
    /// Bytes of content so far.
    decoded: usize,
    /// Bytes of sizes, extensions and line ends so far: a chunk of one byte costs six on the wire.
    overhead: usize,
    /// Bytes of trailer lines so far.
    trailer: usize,
}

/// What [`Decoder::decode`] has done with the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// How many bytes were read; all of them unless the message is complete.
    pub(super) read: usize,
    /// Whether the message is complete.
    pub(super) complete: bool,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Start,
            remaining: 0,
            decoded: 0,
            overhead: 0,
            trailer: 0,
        }
    }

    /// Bytes of content decoded so far.
    pub(super) const fn decoded(&self) -> usize {
        self.decoded
    }

    /// Reads `bytes[self.decoded()..]` and moves the content it finds there down, so that it follows
    /// without a gap what was decoded before: afterwards `bytes[..self.decoded()]` is content.
    pub(super) fn decode(&mut self, bytes: &mut [u8], limits: &Limits) -> Result<Decoded, Error> {
        let start = self.decoded;
        let mut at = start;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let len = self.remaining.min(bytes.len() - at);
                bytes.copy_within(at..at + len, self.decoded);
                self.decoded += len;
                self.remaining -= len;
                at += len;
                if self.remaining == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.step(bytes[at], limits)?;
                at += 1;
            }
        }
        Ok(Decoded {
            read: at - start,
            complete: self.state == State::Done,
        })
    }

    fn step(&mut self, byte: u8, limits: &Limits) -> Result<(), Error> {
        self.state = match (self.state, byte) {
            (State::Start | State::Size, digit) if digit.is_ascii_hexdigit() => {
                self.digit(digit, limits)?
            }
            (
                State::Size
                | State::Blank
                | State::Extension
                | State::Name
                | State::NameEnd
                | State::Equals
                | State::Value
                | State::Quoted
                | State::Escaped
                | State::QuotedEnd,
                byte,
            ) => extension(self.state, byte).ok_or(Error::AmbiguousFraming)?,
            (State::SizeEnd, b'\n') if self.remaining == 0 => State::TrailerStart,
            (State::SizeEnd, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Start,
            (State::TrailerStart, b'\r') => State::End,
            (State::TrailerStart | State::TrailerName, byte) if is_token(byte) => {
                State::TrailerName
            }
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerValue, b'\r') => State::TrailerEnd,
            (State::TrailerValue, byte) if is_text(byte) => State::TrailerValue,
            (State::TrailerEnd, b'\n') => State::TrailerStart,
            (State::End, b'\n') => State::Done,
            _ => return Err(Error::AmbiguousFraming),
        };
        self.count(limits)
    }

    /// One more digit of a chunk's size.
    fn digit(&mut self, digit: u8, limits: &Limits) -> Result<State, Error> {
        let value = char::from(digit).to_digit(16).unwrap_or(0) as usize;
        let size = if self.state == State::Start {
            0
        } else {
            self.remaining
        };
        self.remaining = size.saturating_mul(16).saturating_add(value);
        if self.decoded.saturating_add(self.remaining) > limits.content_bytes_max {
            return Err(Error::ContentTooLarge);
        }
        Ok(State::Size)
    }

    /// Counts a byte that is not content: endless sizes, extensions and trailers are attacks, too.
    fn count(&mut self, limits: &Limits) -> Result<(), Error> {
        match self.state {
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerEnd
            | State::End => {
                self.trailer += 1;
                if self.trailer > limits.head_bytes_max {
                    return Err(Error::FieldsTooLarge);
                }
            }
            State::Done => {}
            _ => {
                self.overhead += 1;
                // As much as a head, and as much again as there is content: each byte of it costs more
                // time than one of content, and well-behaved clients send little of it.
                if self.overhead > limits.head_bytes_max + self.decoded {
                    return Err(Error::ContentTooLarge);
                }
            }
        }
        Ok(())
    }
}

/// What follows in `chunk-size *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ) CRLF`
/// (RFC 9112 section 7.1.1): a blank or a `;` alone is an extension to some and none to others.
fn extension(state: State, byte: u8) -> Option<State> {
    Some(match (state, byte) {
        (State::Size | State::Name | State::Value | State::QuotedEnd, b'\r') => State::SizeEnd,
        (
            State::Size
            | State::Blank
            | State::Name
            | State::NameEnd
            | State::Value
            | State::QuotedEnd,
            b';',
        ) => State::Extension,
        (State::Name | State::NameEnd, b'=') => State::Equals,
        (State::Equals, b'"') => State::Quoted,
        (State::Quoted, b'"') => State::QuotedEnd,
        (State::Quoted, b'\\') => State::Escaped,
        (State::Quoted | State::Escaped, byte) if is_text(byte) => State::Quoted,
        (State::Size | State::Blank | State::Value | State::QuotedEnd, b' ' | b'\t') => {
            State::Blank
        }
        (State::Name | State::NameEnd, b' ' | b'\t') => State::NameEnd,
        (State::Extension | State::Equals, b' ' | b'\t') => state,
        (State::Extension | State::Name, byte) if is_token(byte) => State::Name,
        (State::Equals | State::Value, byte) if is_token(byte) => State::Value,
        _ => return None,
    })
}

/// Field content and quoted strings: anything but control characters, HTAB excepted.
const fn is_text(b: u8) -> bool {
    b == b'\t' || (b >= b' ' && b != 0x7f)
}

/// What the name of a field is made of (RFC 9110 section 5.6.2).
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `wire` cut into pieces of `size` bytes: content and what was left over.
    fn decode_cut(wire: &[u8], size: usize) -> Result<Option<(Vec<u8>, usize)>, Error> {
        let limits = Limits::default();
        let mut decoder = Decoder::new();
        let mut buffer = Vec::new();
        let mut fed = 0;
        for piece in wire.chunks(size) {
            buffer.extend_from_slice(piece);
            fed += piece.len();
            let before = decoder.decoded();
            let decoded = decoder.decode(&mut buffer, &limits)?;
            let unread = buffer.len() - before - decoded.read;
            buffer.truncate(decoder.decoded());
            if decoded.complete {
                return Ok(Some((buffer, wire.len() - fed + unread)));
            }
            assert_eq!(unread, 0, "an incomplete message leaves nothing unread");
        }
        Ok(None)
    }

    fn decode(wire: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Error> {
        let whole = decode_cut(wire, wire.len().max(1));
        for size in [1, 2, 3, 7] {
            assert_eq!(decode_cut(wire, size), whole, "cut into {size}");
        }
        whole
    }

    #[test]
    fn content_is_put_together_and_the_rest_left() {
        let wire = b"4\r\nWiki\r\n05;a=\"b;c\" ; d\r\npedia\r\nE \t;\tx = y;z;w\t=\"\\\"\\\\ \xe9\"\r\n in\r\n\r\nchunks.\r\n0\r\n\r\nGET";
        assert_eq!(
            decode(wire),
            Ok(Some((b"Wikipedia in\r\n\r\nchunks.".to_vec(), 3)))
        );
        assert_eq!(decode(b"0\r\n\r\n"), Ok(Some((vec![], 0))));
        let obs_text = "1;b=\"\u{e9}\"\r\na\r\n0\r\nA: \u{e9}\r\n\r\n";
        assert_eq!(decode(obs_text.as_bytes()), Ok(Some((b"a".to_vec(), 0))));
        assert_eq!(decode(b"000\r\nA: b\r\nC:\r\n\r\nx"), Ok(Some((vec![], 1))));
    }

    #[test]
    fn incomplete_is_not_an_error() {
        let wire = b"3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n";
        for len in 0..wire.len() {
            assert_eq!(decode(&wire[..len]), Ok(None), "{len}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for bad in [
            "\r\n",
            "g\r\n",
            "+1\r\n",
            "1 1\r\n",
            "1\t0\r\n",
            "-1\r\n",
            "0x1\r\n",
            " 1\r\n",
            ";\r\n",
            "1\n",
            "1\r\r",
            "1\rx",
            "1;a\nb",
            "1;a\0",
            "1;a\x7f",
            "1;\rx",
            "1 x\r\n",
            "1 \r\n",
            "1\t\r\n",
            "1;\r\n",
            "1 ; \r\n",
            "1;;a\r\n",
            "1;a;\r\n",
            "1;a \r\n",
            "1;a b\r\n",
            "1;a=\r\n",
            "1;a= \r\n",
            "1;a=b \r\n",
            "1;a=b=c\r\n",
            "1;a=b c\r\n",
            "1;=b\r\n",
            "1;a=\"b\r\n",
            "1;a=\"b\\\r\n",
            "1;a=\"b\"c\r\n",
            "1;a=\"b\" \r\n",
            "1;a=b\"c\"\r\n",
            "1;\"a\"\r\n",
            "1;\u{e9}\r\n",
            "1;a=\u{e9}\r\n",
            "1\r\nab",
            "1\r\na\n",
            "1\r\na\rx",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\n a: b\r\n",
            "0\r\n: b\r\n",
            "0\r\nA\r\n\r\n",
            "0\r\nA : b\r\n",
            "0\r\nA(: b\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\nA: b\r\r",
            "0\r\nA: \0\r\n",
            "0\r\nA: \x7f\r\n",
        ] {
            assert_eq!(
                decode(bad.as_bytes()),
                Err(Error::AmbiguousFraming),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn sizes_do_not_overflow_and_content_is_limited() {
        for large in [
            "40001\r\n",
            "ffffffffffffffff\r\n",
            "10000000000000000000000000000001\r\n",
        ] {
            assert_eq!(
                decode(large.as_bytes()),
                Err(Error::ContentTooLarge),
                "{large}"
            );
        }
        let limits = Limits::default();
        let full = format!("40000\r\n{}\r\n", "a".repeat(limits.content_bytes_max));
        assert_eq!(
            decode(format!("{full}0\r\n\r\n").as_bytes()).map(|d| d.is_some()),
            Ok(true)
        );
        assert_eq!(
            decode(format!("{full}1\r\n").as_bytes()),
            Err(Error::ContentTooLarge)
        );
    }

    #[test]
    fn what_is_no_content_is_limited_too() {
        let limits = Limits::default();
        let digits = "0".repeat(limits.head_bytes_max + 1);
        assert_eq!(decode(digits.as_bytes()), Err(Error::ContentTooLarge));
        let extension = format!("1;{}", "a".repeat(limits.head_bytes_max));
        assert_eq!(decode(extension.as_bytes()), Err(Error::ContentTooLarge));
        // Five more for each byte of content, of which one is paid for by it.
        let longest = limits.head_bytes_max / 4;
        let chunks = |count| "1\r\na\r\n".repeat(count);
        assert_eq!(decode(chunks(longest).as_bytes()), Ok(None));
        assert_eq!(
            decode(chunks(longest + 2).as_bytes()),
            Err(Error::ContentTooLarge)
        );
        let chunks = "8\r\naaaaaaaa\r\n".repeat(limits.content_bytes_max / 8);
        assert_eq!(decode(chunks.as_bytes()), Ok(None));
        let trailer = format!("0\r\n{}", "A: b\r\n".repeat(limits.head_bytes_max / 6 + 1));
        assert_eq!(decode(trailer.as_bytes()), Err(Error::FieldsTooLarge));
    }
}
