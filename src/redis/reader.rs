//! Replies, as they come in: bytes are fed in pieces of any size, and replies are taken out one by one.
//!
//! Each byte is looked at once, however small the pieces are, and arrays stand on a stack of ours and not on the thread's. A
//! server is trusted with what it stores and not with memory: every length that it announces has a limit.

use std::fmt;

use super::reply::Reply;
use super::server_error::ServerError;

/// Most bytes of one reply, in all.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// Most replies in one, in all.
pub const REPLY_ELEMENTS_MAX: usize = 65_536;
/// Most arrays in each other.
pub const REPLY_DEPTH_MAX: usize = 4;
/// Longest line: of a status, an error, a number or a length. Redis itself takes no longer one (`PROTO_INLINE_MAX_SIZE`).
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Elements for which there is room before the first one has come.
const ROOM_MAX: usize = 1024;

/// Reads replies.
#[derive(Debug, Default)]
pub struct ReplyReader {
    buffer: Vec<u8>,
    /// How much of the buffer is read.
    read: usize,
    /// How much of what is left has no end of a line.
    searched: usize,
    /// Length of the bulk string whose bytes come next.
    bulk: Option<usize>,
    /// The arrays that are not complete, the outermost first.
    open: Vec<OpenArray>,
    /// Bytes and elements of the reply so far.
    bytes: usize,
    elements: usize,
    failed: Option<ProtocolError>,
}

#[derive(Debug)]
struct OpenArray {
    missing: usize,
    replies: Vec<Reply>,
}

/// A complete element, or the head of an array.
enum Item {
    Reply(Reply),
    Array(usize),
}

impl ReplyReader {
    /// Appends bytes that the server has sent.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next reply, or `None` until more bytes are fed. To be called until then.
    ///
    /// # Errors
    /// What the server sends is no reply, or too large. That stays so: where the next reply begins is unknown.
    pub fn poll_reply(&mut self) -> Result<Option<Reply>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.read_reply();
        self.failed = result.as_ref().err().copied();
        result
    }

    /// Whether all that was fed has been taken out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read == self.buffer.len() && self.open.is_empty() && self.bulk.is_none()
    }

    fn read_reply(&mut self) -> Result<Option<Reply>, ProtocolError> {
        while let Some(item) = self.read_item()? {
            let complete = match item {
                Item::Reply(reply) => self.close_arrays(reply),
                Item::Array(missing) => self.open_array(missing)?,
            };
            if complete.is_some() {
                (self.bytes, self.elements) = (0, 0);
                return Ok(complete);
            }
        }
        Ok(None)
    }

    fn open_array(&mut self, missing: usize) -> Result<Option<Reply>, ProtocolError> {
        if self.open.len() == REPLY_DEPTH_MAX {
            return Err(ProtocolError::TooDeep);
        }
        if missing > REPLY_ELEMENTS_MAX - self.elements {
            return Err(ProtocolError::TooManyElements);
        }
        if missing == 0 {
            return Ok(self.close_arrays(Reply::Array(Vec::new())));
        }
        self.elements += missing;
        let replies = Vec::with_capacity(missing.min(ROOM_MAX));
        self.open.push(OpenArray { missing, replies });
        Ok(None)
    }

    /// Puts an element where it belongs: the reply, if that completes it.
    fn close_arrays(&mut self, element: Reply) -> Option<Reply> {
        let mut element = element;
        while let Some(array) = self.open.last_mut() {
            array.replies.push(element);
            array.missing -= 1;
            if array.missing > 0 {
                return None;
            }
            element = Reply::Array(std::mem::take(&mut array.replies));
            self.open.pop();
        }
        Some(element)
    }

    fn read_item(&mut self) -> Result<Option<Item>, ProtocolError> {
        if let Some(length) = self.bulk {
            return self.read_bulk(length);
        }
        let Some(line) = self.read_line()? else {
            return Ok(None);
        };
        let (kind, text) = (
            self.buffer[line.start],
            &self.buffer[line.start + 1..line.end],
        );
        let reply = match kind {
            b'+' => Reply::Status(String::from_utf8_lossy(text).into_owned()),
            b'-' => Reply::Error(ServerError::parse(&String::from_utf8_lossy(text))),
            b':' => Reply::Integer(integer(text).ok_or(ProtocolError::Integer)?),
            b'$' | b'*' => match (length(text)?, kind) {
                (None, _) => Reply::Null,
                (Some(length), b'*') => return Ok(Some(Item::Array(length))),
                (Some(length), _) => {
                    self.count(length.saturating_add(2))?;
                    self.bulk = Some(length);
                    return self.read_bulk(length);
                }
            },
            kind => return Err(ProtocolError::Kind(kind)),
        };
        Ok(Some(Item::Reply(reply)))
    }

    /// A line without its end. Its first byte is there.
    fn read_line(&mut self) -> Result<Option<std::ops::Range<usize>>, ProtocolError> {
        let rest = &self.buffer[self.read..];
        // A peer of another protocol may never end a line.
        if let Some(kind) = rest.first().filter(|kind| !b"+-:$*".contains(kind)) {
            return Err(ProtocolError::Kind(*kind));
        }
        let Some(end) = memchr::memchr(b'\n', &rest[self.searched..]) else {
            self.searched = rest.len();
            return match rest.len() > LINE_BYTES_MAX {
                true => Err(ProtocolError::LineTooLong),
                false => Ok(None),
            };
        };
        let length = self.searched + end + 1;
        self.searched = 0;
        if length > LINE_BYTES_MAX {
            return Err(ProtocolError::LineTooLong);
        }
        let start = self.read;
        if length < 3 || rest[length - 2] != b'\r' {
            return Err(ProtocolError::End);
        }
        self.count(length)?;
        self.read += length;
        Ok(Some(start..start + length - 2))
    }

    /// The bytes of a bulk string, whose length is counted already.
    fn read_bulk(&mut self, length: usize) -> Result<Option<Item>, ProtocolError> {
        let rest = &self.buffer[self.read..];
        let Some((bytes, end)) = rest.get(..length + 2).map(|all| all.split_at(length)) else {
            return Ok(None);
        };
        if end != b"\r\n" {
            return Err(ProtocolError::End);
        }
        let bulk = Reply::Bulk(bytes.to_vec());
        self.read += length + 2;
        self.bulk = None;
        Ok(Some(Item::Reply(bulk)))
    }

    fn count(&mut self, bytes: usize) -> Result<(), ProtocolError> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes > REPLY_BYTES_MAX {
            true => Err(ProtocolError::TooLarge),
            false => Ok(()),
        }
    }
}

/// Decimal, with a sign if it is negative.
fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(text).ok().filter(|_| is_plain)?;
    text.parse().ok()
}

/// A length, or `None` for −1, which is null.
fn length(text: &[u8]) -> Result<Option<usize>, ProtocolError> {
    match integer(text) {
        Some(-1) => Ok(None),
        Some(length) => usize::try_from(length)
            .map(Some)
            .map_err(|_| ProtocolError::Length),
        None => Err(ProtocolError::Length),
    }
}

/// Why what a server sends is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// It begins with this byte, and no reply does.
    Kind(u8),
    /// A line does not end with CR LF, or a string is longer than announced.
    End,
    /// A number is none.
    Integer,
    /// A length is none.
    Length,
    /// A line is too long.
    LineTooLong,
    /// The reply is larger than [`REPLY_BYTES_MAX`].
    TooLarge,
    /// The reply has more elements than [`REPLY_ELEMENTS_MAX`].
    TooManyElements,
    /// The reply has more arrays in each other than [`REPLY_DEPTH_MAX`].
    TooDeep,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An alert (RFC 8446, section 5.1), with which a TLS server answers what is not encrypted.
            Self::Kind(0x15) => f.write_str("it answers as a server of TLS does"),
            Self::Kind(b'H') => f.write_str("it answers as an HTTP server does"),
            Self::Kind(byte) => write!(f, "no reply of Redis begins with byte {byte:#04x}"),
            Self::End => {
                f.write_str("a line or a string of its reply does not end where it should")
            }
            Self::Integer => f.write_str("a number of its reply is none"),
            Self::Length => f.write_str("a length of its reply is none"),
            Self::LineTooLong => write!(f, "a line of its reply exceeds {LINE_BYTES_MAX} bytes"),
            Self::TooLarge => write!(f, "its reply exceeds {REPLY_BYTES_MAX} bytes"),
            Self::TooManyElements => {
                write!(f, "its reply exceeds {REPLY_ELEMENTS_MAX} elements")
            }
            Self::TooDeep => write!(f, "its reply nests more than {REPLY_DEPTH_MAX} arrays"),
        }
    }
}

impl std::error::Error for ProtocolError {}

#[cfg(test)]
mod tests;
