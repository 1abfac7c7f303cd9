//! One client's connection: a state machine from bytes to requests and from responses to bytes.

mod phase;
mod wait;

pub use phase::CloseReason;

use std::mem::discriminant;

use super::chunked::Decoder;
use super::framing::{self, Framing, Length};
use super::request::{Request, Version, field_storage, parse_head};
use super::staging::Exchange;
use super::{Error, Hold, Limits, Response, Staging};
use crate::time::Tick;
use phase::{Arrived, Incoming, Phase, Step};
use wait::Wait;

/// The server's side of one HTTP/1.1 connection, without its socket.
///
/// It holds bytes only while a request is incomplete or while other connections have their turn.
#[derive(Debug)]
pub struct Connection {
    phase: Phase,
    deadline: Tick,
    wait: Wait,
    /// A request that is incomplete, or further ones that wait for their turn.
    buffer: Vec<u8>,
    /// The buffer holds more than [`Self::receive`] was ready to answer in one turn.
    backlog: bool,
}

impl Connection {
    /// A connection that has just been accepted.
    #[must_use]
    pub const fn new(now: Tick, limits: &Limits) -> Self {
        Self {
            phase: Phase::Idle,
            deadline: now.after(limits.idle_timeout_ms),
            wait: Wait {
                is_draining: false,
                is_signed: false,
            },
            buffer: Vec::new(),
            backlog: false,
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
                // The memory of a large request that has been answered is freed.
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
            // Some clients send empty lines before a request line (RFC 9112 section 2.2).
            [b'\r'] | [b'\r', b'\n', ..] => {
                let (phase, step) = Phase::after_empty_line(bytes.len(), empty, turn.limits)?;
                self.phase = phase;
                return Ok(step);
            }
            _ => {}
        }
        let mut storage = field_storage();
        let Some((mut request, head)) = parse_head(bytes, empty, &mut storage, turn.limits)? else {
            let has_begun = true;
            self.phase = Phase::Head { empty, has_begun };
            return Ok(Step::Wait(bytes.len()));
        };
        let framing = framing::read(&request, turn.limits)?;
        let after = &bytes[head..];
        let content = match framing.length {
            Length::Known(len) => {
                if let Some(content) = after.get(..len) {
                    request.content = content;
                    self.answer(&request, framing, turn);
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

    fn process_content<H>(
        &mut self,
        bytes: &mut [u8],
        head: usize,
        mut content: Incoming,
        turn: &mut Turn<'_, H>,
    ) -> Result<Step, Error>
    where
        H: FnMut(&Request<'_>) -> Response,
    {
        let (len, wire_end) = match content.read(bytes, head, turn.limits)? {
            Arrived::All { len, wire_end } => (len, wire_end),
            Arrived::Part { kept } => {
                self.phase = Phase::Content { head, content };
                return Ok(Step::Wait(kept));
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
        self.wait.is_signed |= response.is_authenticated;
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
        let persistent = exchange.persistent && !self.wait.is_draining;
        staging.push(
            response,
            Exchange {
                persistent,
                ..exchange
            },
        );
        self.phase = if persistent {
            Phase::Idle
        } else if self.wait.is_draining {
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

    /// What the answer to the latest request waits for, if it does.
    #[must_use]
    pub const fn hold(&self) -> Option<Hold> {
        self.phase.hold()
    }

    /// Stages the answer that is held, as it would have gone out at once. Requests that have come behind it are
    /// a [backlog](Self::has_backlog) from now on. Does nothing if no answer is held.
    pub fn release(
        &mut self,
        response: &Response,
        now: Tick,
        limits: &Limits,
        staging: &mut Staging,
    ) {
        let Phase::Held { exchange, .. } = self.phase else {
            return;
        };
        self.send(response, exchange, staging);
        if self.is_closing() {
            self.buffer = Vec::new();
        }
        self.backlog = !self.buffer.is_empty();
        self.begin_wait(now, limits);
    }

    /// Gives up an incomplete request, to free its memory for other connections.
    pub fn shed(&mut self, now: Tick, limits: &Limits, staging: &mut Staging) {
        if let Phase::Held { exchange, .. } = &mut self.phase {
            // What has come behind a held request goes. Its answer says that the connection closes with it: a client
            // sends again elsewhere what it has sent behind (RFC 9112 section 9.3.2).
            exchange.persistent = false;
            self.buffer = Vec::new();
        } else if !self.is_closing() {
            self.fail(Error::Overloaded, staging);
            self.begin_wait(now, limits);
        }
    }

    /// The wait of the phase that has just begun, or of the next one of its kind.
    fn begin_wait(&mut self, now: Tick, limits: &Limits) {
        let deadline = now.after(self.wait.timeout_ms(&self.phase, limits));
        // An empty line gives the client of a server that stops no more time than it had.
        let is_shorter = self.wait.is_draining && self.is_idle();
        self.deadline = if is_shorter {
            deadline.min(self.deadline)
        } else {
            deadline
        };
    }

    /// Closes the connection with its next response, or when it has been idle for a moment: a client
    /// that uses it all the time has perhaps sent a request that is still on its way.
    pub fn drain(&mut self, limits: &Limits) {
        let since = self.since(limits);
        self.wait.is_draining = true;
        if self.is_idle() {
            self.deadline = self.deadline.min(since.after(limits.draining_timeout_ms));
        }
    }

    /// Ends a phase that has lasted too long: an idle connection silently, since a client that opened
    /// it ahead of need does not expect an answer; an incomplete request with a 408. An answer that is
    /// held for too long is for the caller to withdraw and to [release](Self::release): that is what is
    /// returned. Spurious calls are harmless.
    #[must_use = "a hold that is over is released"]
    pub fn handle_timeout(
        &mut self,
        now: Tick,
        limits: &Limits,
        staging: &mut Staging,
    ) -> Option<Hold> {
        if now < self.deadline {
            return None;
        }
        match self.phase {
            Phase::Held { hold, .. } => return Some(hold),
            Phase::Closing(_) => {}
            _ if self.is_incomplete() => self.fail(Error::TimedOut, staging),
            _ => self.close(CloseReason::Idle),
        }
        self.deadline = now.after(limits.linger_timeout_ms);
        None
    }

    /// When [`Self::handle_timeout`] is due; in the closing phase, when waiting for the peer ends.
    #[must_use]
    pub const fn deadline(&self) -> Tick {
        self.deadline
    }

    /// Since when the connection is in its phase, or had its last answer: bytes that complete nothing
    /// do not count.
    #[must_use]
    pub const fn since(&self, limits: &Limits) -> Tick {
        self.wait.since(self.deadline, &self.phase, limits)
    }

    /// Whether the connection waits between two requests, perhaps with empty lines.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.phase.is_between_requests() && !self.backlog
    }

    /// Whether part of a request has arrived.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        self.phase.is_incomplete()
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
        self.phase.close_reason()
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

#[cfg(test)]
mod held;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timed;
