//! What a connection is doing.

use crate::http::chunked::Decoder;
use crate::http::staging::Exchange;
use crate::http::{Error, Hold, Limits};

/// Why a connection is being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer asked for it, or speaks HTTP/1.0.
    Requested,
    /// The peer broke the protocol or a limit; it has been told so.
    Fault(Error),
    /// The peer has closed its side.
    PeerClosed,
    /// Nothing arrived for too long.
    Idle,
    /// The server is stopping.
    Draining,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Idle,
    /// Part of a head has arrived, or of the empty lines before one.
    Head {
        /// Bytes of empty lines so far.
        empty: usize,
        /// Another byte has followed them.
        has_begun: bool,
    },
    /// The head of this many bytes is complete, its content is not.
    Content {
        head: usize,
        content: Incoming,
    },
    /// A request is complete and its answer waits. What comes behind it is not parsed.
    Held {
        hold: Hold,
        exchange: Exchange,
    },
    Closing(CloseReason),
}

/// Content on its way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Incoming {
    Known(usize),
    Chunked(Decoder),
}

impl Phase {
    /// Whether it is between two requests, perhaps with empty lines.
    pub(super) const fn is_between_requests(&self) -> bool {
        matches!(self, Self::Idle) || self.has_only_empty_lines()
    }

    /// Whether part of a request has arrived.
    pub(super) const fn is_incomplete(&self) -> bool {
        let is_in_head = matches!(self, Self::Head { .. }) && !self.has_only_empty_lines();
        is_in_head || matches!(self, Self::Content { .. })
    }

    const fn has_only_empty_lines(&self) -> bool {
        matches!(
            self,
            Self::Head {
                has_begun: false,
                ..
            }
        )
    }

    /// What the answer to the latest request waits for, if it does.
    pub(super) const fn hold(&self) -> Option<Hold> {
        match self {
            Self::Held { hold, .. } => Some(*hold),
            _ => None,
        }
    }

    /// Why the connection is closing, once it is.
    pub(super) const fn close_reason(&self) -> Option<CloseReason> {
        match self {
            Self::Closing(reason) => Some(*reason),
            _ => None,
        }
    }

    /// The phase after an empty line, of whose two bytes and what follows `len` have arrived; `before` are the bytes
    /// of empty lines before it. Neither it nor half of one is a request, but a head's time and size begin here:
    /// with empty lines alone a client could keep its place, and torrap busy, for ever.
    pub(super) fn after_empty_line(
        len: usize,
        before: usize,
        limits: &Limits,
    ) -> Result<(Self, Step), Error> {
        let (empty, step) = match len {
            1 => (before, Step::Wait(1)),
            _ => (before + 2, Step::Advance(2)),
        };
        if before + len.min(2) > limits.head_bytes_max {
            return Err(Error::FieldsTooLarge);
        }
        let has_begun = false;
        Ok((Self::Head { empty, has_begun }, step))
    }
}

impl Incoming {
    /// Looks for the content's end in `bytes`, which begin with a head of `head` bytes. A coding is undone in place.
    pub(super) fn read(
        &mut self,
        bytes: &mut [u8],
        head: usize,
        limits: &Limits,
    ) -> Result<Arrived, Error> {
        let decoder = match self {
            Self::Known(len) if bytes.len() < head + *len => {
                return Ok(Arrived::Part { kept: bytes.len() });
            }
            Self::Known(len) => {
                let (len, wire_end) = (*len, head + *len);
                return Ok(Arrived::All { len, wire_end });
            }
            Self::Chunked(decoder) => decoder,
        };
        let wire_start = head + decoder.decoded();
        let decoded = decoder.decode(&mut bytes[head..], limits)?;
        let len = decoder.decoded();
        Ok(if decoded.complete {
            let wire_end = wire_start + decoded.read;
            Arrived::All { len, wire_end }
        } else {
            Arrived::Part { kept: head + len }
        })
    }
}

/// How much of a request's content has arrived.
pub(super) enum Arrived {
    /// All of it: `len` bytes behind the head, which took up the wire's bytes up to `wire_end`.
    All { len: usize, wire_end: usize },
    /// A part, of which `kept` bytes are needed, the head's included.
    Part { kept: usize },
}

/// What a step has made of its bytes.
pub(super) enum Step {
    /// So many are done with.
    Advance(usize),
    /// So many are to be kept until more arrive.
    Wait(usize),
}
