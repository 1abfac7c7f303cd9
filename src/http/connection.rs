//! One client's connection: a state machine from bytes to requests and from responses to bytes.

use std::mem::discriminant;

use super::chunked::Decoder;
use super::framing::{self, Framing, Length};
use super::request::{Request, Version, field_storage, parse_head};
use super::staging::Exchange;
use super::{Error, Hold, Limits, Response, Staging};
use crate::time::Tick;

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

#[derive(Clone, Copy, Debug)]
enum Phase {
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
    /// A request is complete and its answer waits. What comes behind it is not looked at.
    Held {
        hold: Hold,
        exchange: Exchange,
    },
    Closing(CloseReason),
}

/// Content on its way.
#[derive(Clone, Copy, Debug)]
enum Incoming {
    Known(usize),
    Chunked(Decoder),
}

/// The server's side of one HTTP/1.1 connection, without its socket.
///
/// It holds bytes only while a request is incomplete or while others have their turn.
#[derive(Debug)]
pub struct Connection {
    phase: Phase,
    deadline: Tick,
    /// A request that is incomplete, or further ones that wait for their turn.
    buffer: Vec<u8>,
    /// The buffer holds more than [`Self::receive`] was ready to answer in one turn.
    backlog: bool,
    draining: bool,
    /// A request on it was authenticated.
    is_signed: bool,
}

impl Connection {
    /// A connection that has just been accepted.
    #[must_use]
    pub const fn new(now: Tick, limits: &Limits) -> Self {
        let deadline = now.after(limits.idle_timeout_ms);
        Self {
            phase: Phase::Idle,
            deadline,
            buffer: Vec::new(),
            backlog: false,
            draining: false,
            is_signed: false,
        }
    }

    /// Takes in bytes as they arrived and stages the response of `handler` to each complete request,
    /// in their order. `input` is scratch space afterwards. At most
    /// [`Limits::requests_per_turn_max`] requests are answered; while [`Self::has_backlog`], call this
    /// again, with or without more input. When a response says that it is [held](Response::hold), nothing
    /// behind it is looked at before its [release](Self::release): do not read more for it meanwhile.
    pub fn receive(
        &mut self,
        input: &mut [u8],
        now: Tick,
        limits: &Limits,
        staging: &mut Staging,
        handler: impl FnMut(&Request<'_>) -> Response,
    ) {
        let mut turn = Turn {
            limits,
            staging,
            handler,
            answered: 0,
        };
        let phase_before = discriminant(&self.phase);
        self.backlog = false;
        if self.buffer.is_empty() {
            let kept = self.process(input, &mut turn);
            self.buffer.extend_from_slice(&input[kept]);
        } else {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.extend_from_slice(input);
            let kept = self.process(&mut buffer, &mut turn);
            if kept.start > 0 {
                // A large request that has been answered leaves its room to nobody.
                self.buffer = buffer[kept].to_vec();
            } else if !kept.is_empty() {
                buffer.truncate(kept.end);
                self.buffer = buffer;
            }
        }
        if turn.answered > 0 || discriminant(&self.phase) != phase_before {
            self.begin_wait(now, limits);
        }
    }

    /// Works through `bytes` and tells which of them are to be kept for later.
    fn process<H>(&mut self, bytes: &mut [u8], turn: &mut Turn<'_, H>) -> std::ops::Range<usize>
    where
        H: FnMut(&Request<'_>) -> Response,
    {
        let mut start = 0;
        loop {
            let rest = &mut bytes[start..];
            let step = match self.phase {
                Phase::Closing(_) => return 0..0,
                Phase::Held { .. } => return start..bytes.len(),
                Phase::Idle | Phase::Head { .. } => self.process_head(rest, turn),
                Phase::Content { head, content } => self.process_content(rest, head, content, turn),
            };
            match step {
                Ok(Step::Advance(len)) => start += len,
                Ok(Step::Wait(len)) => return start..start + len,
                Err(error) => {
                    self.fail(error, turn.staging);
                    return 0..0;
                }
            }
        }
    }

    fn process_head<H>(&mut self, bytes: &mut [u8], turn: &mut Turn<'_, H>) -> Result<Step, Error>
    where
        H: FnMut(&Request<'_>) -> Response,
    {
        let empty = match self.phase {
            Phase::Head { empty, .. } => empty,
            _ => 0,
        };
        match bytes {
            [] => return Ok(Step::Wait(0)),
            _ if turn.answered == turn.limits.requests_per_turn_max => {
                self.backlog = true;
                return Ok(Step::Wait(bytes.len()));
            }
            [b'\n', ..] => return Err(Error::Malformed),
            // Empty lines before a request line are left over from careless clients (RFC 9112 section 2.2).
            [b'\r'] | [b'\r', b'\n', ..] => {
                return self.skip_empty_line(bytes.len(), empty, turn.limits);
            }
            _ => {}
        }
        let mut storage = field_storage();
        let Some((request, head)) = parse_head(bytes, empty, &mut storage, turn.limits)? else {
            let has_begun = true;
            self.phase = Phase::Head { empty, has_begun };
            return Ok(Step::Wait(bytes.len()));
        };
        let framing = framing::read(&request, turn.limits)?;
        let after = &bytes[head..];
        let content = match framing.length {
            Length::Known(len) => {
                if let Some(content) = after.get(..len) {
                    self.answer(&Request { content, ..request }, framing, turn);
                    return Ok(Step::Advance(head + len));
                }
                Incoming::Known(len)
            }
            Length::Chunked => Incoming::Chunked(Decoder::new()),
        };
        if framing.expects_continue && after.is_empty() {
            turn.staging.push_continue();
        }
        self.phase = Phase::Content { head, content };
        Ok(Step::Advance(0))
    }

    /// Neither an empty line nor half of one is a request, but its head's time and size begin here: a client could
    /// keep a place, or us at work, with empty lines for ever.
    fn skip_empty_line(
        &mut self,
        len: usize,
        before: usize,
        limits: &Limits,
    ) -> Result<Step, Error> {
        let (empty, step) = match len {
            1 => (before, Step::Wait(1)),
            _ => (before + 2, Step::Advance(2)),
        };
        if before + len.min(2) > limits.head_bytes_max {
            return Err(Error::FieldsTooLarge);
        }
        let has_begun = false;
        self.phase = Phase::Head { empty, has_begun };
        Ok(step)
    }

    fn process_content<H>(
        &mut self,
        bytes: &mut [u8],
        head: usize,
        content: Incoming,
        turn: &mut Turn<'_, H>,
    ) -> Result<Step, Error>
    where
        H: FnMut(&Request<'_>) -> Response,
    {
        let (len, wire_end) = match content {
            Incoming::Known(len) if bytes.len() < head + len => return Ok(Step::Wait(bytes.len())),
            Incoming::Known(len) => (len, head + len),
            Incoming::Chunked(mut decoder) => {
                let wire_start = head + decoder.decoded();
                let decoded = decoder.decode(&mut bytes[head..], turn.limits)?;
                if !decoded.complete {
                    self.phase = Phase::Content {
                        head,
                        content: Incoming::Chunked(decoder),
                    };
                    return Ok(Step::Wait(head + decoder.decoded()));
                }
                (decoder.decoded(), wire_start + decoded.read)
            }
        };
        // The head was parsed when it arrived; its slices could not outlive that call.
        let mut storage = field_storage();
        let Some((request, _)) = parse_head(&bytes[..head], 0, &mut storage, turn.limits)? else {
            return Err(Error::Malformed);
        };
        let framing = framing::read(&request, turn.limits)?;
        let content = &bytes[head..head + len];
        self.answer(&Request { content, ..request }, framing, turn);
        Ok(Step::Advance(wire_end))
    }

    fn answer<H>(&mut self, request: &Request<'_>, framing: Framing, turn: &mut Turn<'_, H>)
    where
        H: FnMut(&Request<'_>) -> Response,
    {
        let response = (turn.handler)(request);
        self.is_signed |= response.is_authenticated;
        let exchange = Exchange {
            version: request.version,
            persistent: framing.persistent,
            head_only: request.method == "HEAD",
        };
        turn.answered += 1;
        match response.hold {
            Some(hold) => self.phase = Phase::Held { hold, exchange },
            None => self.send(&response, exchange, turn.staging),
        }
    }

    /// Ends an exchange with its response.
    fn send(&mut self, response: &Response, exchange: Exchange, staging: &mut Staging) {
        let persistent = exchange.persistent && !self.draining;
        staging.push(
            response,
            Exchange {
                persistent,
                ..exchange
            },
        );
        self.phase = if persistent {
            Phase::Idle
        } else if self.draining {
            Phase::Closing(CloseReason::Draining)
        } else {
            Phase::Closing(CloseReason::Requested)
        };
    }

    fn fail(&mut self, error: Error, staging: &mut Staging) {
        let exchange = Exchange {
            version: Version::Http11,
            persistent: false,
            head_only: false,
        };
        staging.push(&Response::empty(error.status()), exchange);
        self.phase = Phase::Closing(CloseReason::Fault(error));
        self.buffer = Vec::new();
    }

    /// How many bytes of incomplete or waiting requests are held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Gives up an incomplete request, for the sake of all others.
    pub fn shed(&mut self, now: Tick, limits: &Limits, staging: &mut Staging) {
        if self.hold().is_some() {
            self.shed_behind_held();
        } else if !self.is_closing() {
            self.fail(Error::Overloaded, staging);
            self.begin_wait(now, limits);
        }
    }

    /// The peer has closed its side. Requests that wait for their turn are still answered; call this
    /// when there is no [backlog](Self::has_backlog) any more, and [nothing is held](Self::hold).
    pub fn handle_peer_closed(&mut self) {
        self.close(CloseReason::PeerClosed);
    }

    /// Whether complete requests may wait that [`Self::receive`] has not answered yet.
    #[must_use]
    pub const fn has_backlog(&self) -> bool {
        self.backlog
    }

    /// Why the connection is closing, once it is: what arrives now is dropped.
    #[must_use]
    pub const fn close_reason(&self) -> Option<CloseReason> {
        match self.phase {
            Phase::Closing(reason) => Some(reason),
            _ => None,
        }
    }

    const fn is_closing(&self) -> bool {
        self.close_reason().is_some()
    }

    fn close(&mut self, reason: CloseReason) {
        if !self.is_closing() {
            self.phase = Phase::Closing(reason);
        }
        self.buffer = Vec::new();
        self.backlog = false;
    }
}

/// What one call of [`Connection::receive`] works with.
struct Turn<'a, H> {
    limits: &'a Limits,
    staging: &'a mut Staging,
    handler: H,
    answered: usize,
}

/// What a step has made of its bytes.
enum Step {
    /// So many are done with.
    Advance(usize),
    /// So many are to be kept until more arrive.
    Wait(usize),
}

mod held;
mod waits;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod timed;
