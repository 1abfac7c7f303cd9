//! A connection that is ready: commands out, and as many replies in.

use std::io::{self, ErrorKind};
use std::time::Instant;

use super::error::ExchangeError;
use super::stream::{Stream, Unread};
use crate::redis::{Address, Reply, ReplyReader, ServerInfo};

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// A connection to a master. After an error it is closed, and every further exchange fails.
#[derive(Debug)]
pub(crate) struct Connection {
    address: Address,
    info: ServerInfo,
    stream: Option<Stream>,
    reader: ReplyReader,
    buffer: Box<[u8]>,
}

impl Connection {
    pub(super) fn new(address: Address, stream: Stream) -> Self {
        Self {
            address,
            info: ServerInfo::default(),
            stream: Some(stream),
            reader: ReplyReader::default(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        }
    }

    /// The server's address, as it was given or named by another server.
    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// What the server said of itself when the connection was made.
    pub(crate) const fn info(&self) -> &ServerInfo {
        &self.info
    }

    pub(super) fn set_info(&mut self, info: ServerInfo) {
        self.info = info;
    }

    /// Sends commands, and waits for so many replies.
    ///
    /// # Errors
    /// They are not there at the deadline, or something else is. Then the connection is closed, and it is unknown which of the
    /// commands have been carried out.
    pub(crate) fn exchange(
        &mut self,
        requests: &[u8],
        replies: usize,
        deadline: Instant,
    ) -> Result<Vec<Reply>, ExchangeError> {
        self.send(requests, deadline)?;
        let mut all = Vec::with_capacity(replies);
        while all.len() < replies {
            all.push(self.receive(deadline)?);
        }
        self.end_exchange()?;
        Ok(all)
    }

    /// Sends the first commands of a connection, whose replies will be received one by one. A server that refuses a client says so
    /// before it has heard anything, and closes the connection: that is read as the first reply.
    pub(super) fn greet(
        &mut self,
        requests: &[u8],
        deadline: Instant,
    ) -> Result<(), ExchangeError> {
        let stream = self.stream.as_mut().ok_or(ExchangeError::Closed)?;
        let result = match stream.write_all(requests, deadline).map_err(failure) {
            Err(ExchangeError::Closed) => Ok(()),
            result => result,
        };
        self.keep_if_ok(result)
    }

    /// Sends commands whose replies will be [received](Self::receive) one by one.
    pub(super) fn send(&mut self, requests: &[u8], deadline: Instant) -> Result<(), ExchangeError> {
        let result = self.try_send(requests, deadline);
        self.keep_if_ok(result)
    }

    /// The next reply.
    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Reply, ExchangeError> {
        let result = self.try_receive(deadline);
        self.keep_if_ok(result)
    }

    /// All replies are there: whatever else has come is not an answer to anything.
    pub(super) fn end_exchange(&mut self) -> Result<(), ExchangeError> {
        let result = match self.reader.is_empty() {
            true => Ok(()),
            false => Err(ExchangeError::OutOfStep),
        };
        self.keep_if_ok(result)
    }

    /// Whether anything has come that was not asked for.
    #[cfg(test)]
    pub(super) fn has_unread(&self) -> bool {
        let unread = self.stream.as_ref().map(Stream::unread);
        unread.is_some_and(|unread| unread != Unread::Nothing)
    }

    fn keep_if_ok<T>(&mut self, result: Result<T, ExchangeError>) -> Result<T, ExchangeError> {
        if result.is_err() {
            self.stream = None;
        }
        result
    }

    fn try_send(&mut self, requests: &[u8], deadline: Instant) -> Result<(), ExchangeError> {
        let stream = self.stream.as_mut().ok_or(ExchangeError::Closed)?;
        match stream.unread() {
            Unread::Nothing => {}
            Unread::Bytes => return Err(ExchangeError::OutOfStep),
            Unread::End => return Err(ExchangeError::Closed),
        }
        stream.write_all(requests, deadline).map_err(failure)
    }

    fn try_receive(&mut self, deadline: Instant) -> Result<Reply, ExchangeError> {
        loop {
            let reply = self.reader.poll_reply();
            if let Some(reply) = reply.map_err(ExchangeError::Protocol)? {
                return Ok(reply);
            }
            let stream = self.stream.as_mut().ok_or(ExchangeError::Closed)?;
            match stream.read(&mut self.buffer, deadline).map_err(failure)? {
                0 => return Err(ExchangeError::Closed),
                length => self.reader.feed(&self.buffer[..length]),
            }
        }
    }
}

/// What an error of the stream means to an exchange.
fn failure(error: io::Error) -> ExchangeError {
    match error.kind() {
        ErrorKind::TimedOut => ExchangeError::TimedOut,
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => ExchangeError::Closed,
        _ => ExchangeError::Io(error),
    }
}
