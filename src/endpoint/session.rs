//! An accepted socket and the HTTP connection on it.

use std::io;

use super::grace::EvictionGrace;
use super::service::{Service, Turn};
use super::socket::{Readiness, Socket};
use crate::http::{CloseReason, Connection, Limits, Request, Response, Staging};
use crate::slab::Key;
use crate::time::Tick;

/// After so many requests in a row that nobody has signed, a client is a stranger again: whoever has overheard
/// one signed request could keep places for ever.
const UNSIGNED_MAX: u8 = 64;

/// What a session's turn has left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing to do until the next event.
    Waiting,
    /// Work left for the next turn.
    Again,
    /// The connection is over.
    Over,
}

/// What may become of a session when somebody waits for its place. The ticks say since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idleness {
    /// At work, or only just done with it.
    Busy,
    /// Waits for a request, and long enough to go.
    Idle(Tick),
    /// Waits in vain, for the rest of a request, for its answers to be read or for the peer to close.
    Stalled(Tick),
    /// At work, but only on requests that nobody has signed.
    Unsigned(Tick),
}

/// A socket, its connection's state, and what the kernel has told about both.
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
    /// Whether the session already waits for its turn.
    pub(crate) queued: bool,
    /// Sticky: set by an event, cleared when the socket had no more.
    readable: bool,
    /// The kernel has told of the peer's FIN. It shares one edge with the data before it, so a short
    /// read must not be taken for the end of what there is to read.
    read_closed: bool,
    /// Our own FIN is sent; what the peer still sends is dropped.
    shut: bool,
    /// No request of its has been authenticated yet, or none for long.
    pub(crate) is_unauthenticated: bool,
    /// Requests answered since one was authenticated.
    unsigned: u8,
    /// One has been answered.
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
        // What the kernel has told meanwhile it does not tell again.
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

    /// Whether it has its turn at what the client has sent, and may find there what it waits for. Bytes that are only
    /// dropped are no reason to wait: there may be no end of them.
    pub(crate) const fn is_to_be_read(&self) -> bool {
        let is_read = !self.is_blocked() && !self.is_held();
        self.queued && is_read && self.connection.close_reason().is_none()
    }

    /// Whether the client of a stopping server is still owed something: an answer, the rest of one, or
    /// a moment in which to send the request that it has begun.
    pub(crate) const fn is_unfinished(&self) -> bool {
        self.is_blocked() || !self.shut
    }

    /// How the session stands. Whoever trickles a request is not busy for that: it is the request as a
    /// whole that has to come in time.
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

    /// Whether the kernel holds bytes of the client's that no event has told of yet.
    pub(crate) fn has_unread(&self) -> bool {
        self.socket.peek(&mut [0]).is_ok_and(|len| len > 0)
    }

    pub(crate) const fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Reads once and answers what is complete, into `staging`.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        limits: &Limits,
        staging: &mut Staging,
        turn: &mut Turn<'_, impl Service>,
    ) -> Progress {
        if self.is_blocked() || self.is_held() {
            return Progress::Waiting;
        }
        let received = if self.connection.has_backlog() {
            0
        } else if !self.readable {
            return Progress::Waiting;
        } else {
            match self.read(buffer) {
                Ok(0) => {
                    self.connection.handle_peer_closed();
                    return Progress::Over;
                }
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Progress::Waiting;
                }
                Err(_) => return Progress::Over,
            }
        };
        let (bytes, now) = (&mut buffer[..received], turn.now);
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

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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

    /// Before the socket goes: what the client has not read goes with it. The kernel would keep it for minutes, as
    /// a connection that belongs to no process, and without the bound of our places.
    pub(crate) fn prepare_close(&self) {
        if self.is_blocked() {
            // Without it the connection ends as well, though later.
            let _ = self.socket.reset_on_close();
        }
    }

    /// Ends what has lasted too long.
    pub(crate) fn handle_timeout(
        &mut self,
        limits: &Limits,
        staging: &mut Staging,
        turn: &mut Turn<'_, impl Service>,
    ) -> Progress {
        if self.is_blocked() && !self.is_held() {
            // The client may have read while it was this process that was held up.
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
