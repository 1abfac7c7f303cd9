//! An accepted socket and the HTTP connection on it.

use std::io;

use super::grace::EvictionGrace;
use super::service::{Service, Turn};
use super::socket::{Readiness, Socket};
use crate::http::{CloseReason, Connection, Limits, Request, Response, Staging};
use crate::slab::Key;
use crate::time::Tick;

/// After so many unsigned requests in a row a client counts as unauthenticated again: otherwise an attacker who
/// replays one signed request could keep places for ever.
const UNSIGNED_MAX: u8 = 64;

/// What a session's turn has left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is nothing to do until the next event.
    Waiting,
    /// There is more to do in the next turn.
    Again,
    /// The connection is over.
    Over,
}

/// What a read of a session has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes; none if the session has a backlog, which is answered first.
    Bytes(usize),
    /// There is nothing to do until the next event.
    Nothing,
    /// The connection is over.
    End,
}

/// Whether a session may be evicted when a connection waits for a place. The ticks say since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idleness {
    /// It works on a request, or has finished one a moment ago: it is not evicted.
    Busy,
    /// It has waited for a request for longer than the grace.
    Idle(Tick),
    /// It has waited for longer than the grace: for the rest of a request, for its answers to be read, or for the peer
    /// to close.
    Stalled(Tick),
    /// It is busy, but unauthenticated, and has had an answer before.
    Unsigned(Tick),
}

/// A socket, the state of the HTTP connection on it, and what events have told of it.
#[derive(Debug)]
pub(crate) struct Session<S> {
    socket: S,
    pub(crate) connection: Connection,
    /// What [`Self::holds`] was when it was last booked.
    pub(crate) held_bytes: usize,
    /// Encoded responses that the kernel did not take yet. Nothing is read while there are any: a
    /// client that does not read its answers gets no more of them.
    unsent: Vec<u8>,
    /// The entry in the wheel of deadlines, and the tick that it is armed for: not later than [`Self::deadline`] or,
    /// while something waits to be read, the next tick; perhaps earlier.
    pub(crate) timer: Key,
    pub(crate) armed: Tick,
    /// Whether the session is in a queue of turns.
    pub(crate) queued: bool,
    /// Sticky: set by an event, cleared when the socket had no more.
    readable: bool,
    /// The kernel has told of the peer's FIN. It shares one edge with the data before it, so a short
    /// read must not be taken for the end of what there is to read.
    read_closed: bool,
    /// Our own FIN is sent; what the peer still sends is dropped.
    shut: bool,
    /// None of its requests was authenticated, or none of its last [`UNSIGNED_MAX`].
    pub(crate) is_unauthenticated: bool,
    /// Requests answered since the last authenticated one.
    unsigned: u8,
    /// A request has been answered.
    is_served: bool,
}

impl<S: Socket> Session<S> {
    pub(crate) const fn new(socket: S, connection: Connection, timer: Key) -> Self {
        let armed = connection.deadline();
        Self {
            socket,
            connection,
            held_bytes: 0,
            unsent: Vec::new(),
            timer,
            armed,
            queued: false,
            readable: false,
            read_closed: false,
            shut: false,
            is_unauthenticated: true,
            unsigned: 0,
            is_served: false,
        }
    }

    /// Takes note of an event.
    pub(crate) const fn on_ready(&mut self, event: Readiness) {
        self.read_closed |= event.closed;
        self.readable |= event.readable || event.closed;
    }

    /// Closes the connection with its next answer, or when it has been idle for a moment, and looks
    /// once more for what the client has sent.
    pub(crate) fn drain(&mut self, limits: &Limits) {
        self.connection.drain(limits);
        self.readable = true;
    }

    /// Whether answers wait for the client to read.
    pub(crate) const fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// How many bytes are held: of requests that are incomplete or wait, and of answers that are not read.
    pub(crate) fn holds(&self) -> usize {
        self.connection.held_bytes() + self.unsent.capacity()
    }

    /// Whether an answer waits to be released. Nothing is read meanwhile, so that no more waits behind it than a
    /// turn has read.
    pub(crate) const fn is_held(&self) -> bool {
        self.connection.hold().is_some()
    }

    /// Releases the answer that is held.
    pub(crate) fn release(
        &mut self,
        response: &Response,
        now: Tick,
        limits: &Limits,
        staging: &mut Staging,
    ) -> Progress {
        self.connection.release(response, now, limits, staging);
        // Events are edge-triggered: what they told while the answer was held is not told again.
        if self.has_more() {
            Progress::Again
        } else {
            Progress::Waiting
        }
    }

    /// When [`Self::handle_timeout`] is due. The wait for answers to be read begins with the last of them, and not
    /// again with each byte: nothing is read meanwhile, so that there will be no more of them.
    pub(crate) const fn deadline(&self, limits: &Limits) -> Tick {
        if self.is_blocked() && !self.is_held() {
            let since = self.connection.since(limits);
            since.after(limits.answer_timeout_ms)
        } else {
            self.connection.deadline()
        }
    }

    /// Whether it is about to read what it waits for. Bytes that would be discarded are no reason to wait: a client could
    /// send them without end.
    pub(crate) const fn is_to_be_read(&self) -> bool {
        let is_read = !self.is_blocked() && !self.is_held();
        self.queued && is_read && self.connection.close_reason().is_none()
    }

    /// Whether a stop waits for this client: to send it an answer or the rest of one, or for a moment in which it can
    /// send the rest of a request.
    pub(crate) const fn is_unfinished(&self) -> bool {
        self.is_blocked() || !self.shut
    }

    /// Whether it may be evicted. A client that sends a request byte by byte is not busy for that: the request as a whole
    /// has to arrive in time.
    pub(crate) fn idleness(&self, now: Tick, limits: &Limits, grace: EvictionGrace) -> Idleness {
        if self.is_held() {
            return Idleness::Busy;
        }
        let since = self.connection.since(limits);
        let is_late = now >= since.after(grace.ms(self.is_unauthenticated));
        let is_closing = self.connection.close_reason().is_some();
        if is_late && (self.is_blocked() || self.connection.is_incomplete() || is_closing) {
            Idleness::Stalled(since)
        } else if is_late && self.connection.is_idle() && !self.queued {
            Idleness::Idle(since)
        } else if self.is_unauthenticated && self.is_served {
            Idleness::Unsigned(since)
        } else {
            Idleness::Busy
        }
    }

    /// Whether the kernel holds bytes of the client that no event has told of yet.
    pub(crate) fn has_unread(&self) -> bool {
        self.socket.peek(&mut [0]).is_ok_and(|len| len > 0)
    }

    pub(crate) const fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Reads once, if it is about to.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Received {
        if self.is_blocked() || self.is_held() {
            return Received::Nothing;
        }
        if self.connection.has_backlog() {
            return Received::Bytes(0);
        }
        if !self.readable {
            return Received::Nothing;
        }
        match self.read_socket(buffer) {
            Ok(0) => {
                self.connection.handle_peer_closed();
                Received::End
            }
            Ok(len) => Received::Bytes(len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
            Err(_) => Received::End,
        }
    }

    /// Answers what is complete with the bytes of a read, into `staging`.
    pub(crate) fn answer(
        &mut self,
        bytes: &mut [u8],
        limits: &Limits,
        staging: &mut Staging,
        turn: &mut Turn<'_, impl Service>,
    ) -> Progress {
        let now = turn.now;
        let handler = |request: &Request<'_>| {
            let response = turn.service.handle_request(request, now);
            self.is_served = true;
            if response.is_authenticated {
                (self.is_unauthenticated, self.unsigned) = (false, 0);
            } else {
                self.unsigned = self.unsigned.saturating_add(1);
                self.is_unauthenticated |= self.unsigned >= UNSIGNED_MAX;
            }
            response
        };
        self.connection
            .receive(bytes, now.tick, limits, staging, handler);
        if self.has_more() {
            Progress::Again
        } else {
            Progress::Waiting
        }
    }

    /// Whether another turn finds something to do at once.
    pub(crate) const fn has_more(&self) -> bool {
        !self.is_held() && (self.readable || self.connection.has_backlog())
    }

    fn read_socket(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.socket.read(buffer);
            match &read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => self.readable = false,
                // A short read has emptied the socket; reading on until `WouldBlock` would cost
                // another system call for each request.
                Ok(len) => self.readable = *len == buffer.len() || self.read_closed,
            }
            return read;
        }
    }

    /// Sends staged responses; what the kernel does not take is kept.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn transmit(&mut self, staged: &[u8]) -> io::Result<()> {
        if self.is_blocked() {
            self.unsent.extend_from_slice(staged);
            return Ok(());
        }
        let sent = self.write(staged)?;
        self.unsent.extend_from_slice(&staged[sent..]);
        self.finish()
    }

    /// Sends what was kept, as far as the kernel takes it now.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.write(&unsent)?;
        if sent < unsent.len() {
            self.unsent = unsent;
            self.unsent.drain(..sent);
        }
        self.finish()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.socket.write(&bytes[sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => sent += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// After the last answer: half-close, and let the peer read it before the socket goes
    /// (RFC 9112 section 9.6).
    fn finish(&mut self) -> io::Result<()> {
        if !self.is_blocked() && !self.shut && self.connection.close_reason().is_some() {
            self.socket.half_close()?;
            self.shut = true;
        }
        Ok(())
    }

    /// Before the socket is closed: if the client has not read its answers, they are dropped by a reset. Otherwise the
    /// kernel would keep them for minutes in an orphaned connection (tcp(7), tcp_max_orphans), which no limit of
    /// ours counts.
    pub(crate) fn prepare_close(&self) {
        if self.is_blocked() {
            // If this fails, the kernel ends the connection as well, though later.
            let _ = self.socket.reset_on_close();
        }
    }

    /// The deadline has passed: ends what has lasted too long.
    pub(crate) fn handle_timeout(
        &mut self,
        limits: &Limits,
        staging: &mut Staging,
        turn: &mut Turn<'_, impl Service>,
    ) -> Progress {
        if self.is_blocked() && !self.is_held() {
            // The client may have read its answers while this process was stopped.
            return match self.flush() {
                Ok(()) if !self.is_blocked() => Progress::Again,
                _ => Progress::Over,
            };
        }
        if self.connection.close_reason().is_some() {
            return Progress::Over;
        }
        let overdue = self
            .connection
            .handle_timeout(turn.now.tick, limits, staging);
        if let Some(hold) = overdue {
            let busy = turn.service.withdraw(hold, turn.now);
            return self.release(&busy, turn.now.tick, limits, staging);
        }
        match self.connection.close_reason() {
            Some(CloseReason::Idle) => Progress::Over,
            _ => Progress::Waiting,
        }
    }
}
