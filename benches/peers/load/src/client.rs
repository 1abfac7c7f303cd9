//! A connection that commands go out on, and the answers that come back.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::time::Instant;

use mio::net::TcpStream;

use crate::pool::Pool;

pub struct Client {
    socket: TcpStream,
    /// What the kernel has not taken yet, as a place in the pool.
    unsent: Range<usize>,
    /// Requests whose answers are due.
    awaited: Range<usize>,
    /// When they were meant to be sent.
    meant: Instant,
    /// The beginning of an answer whose rest is not here yet.
    partial: Vec<u8>,
}

/// What one answer was.
pub struct Answer {
    pub status: u16,
    pub expected: u16,
    pub meant: Instant,
}

impl Client {
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            unsent: 0..0,
            awaited: 0..0,
            meant: Instant::now(),
            partial: Vec::new(),
        }
    }

    pub fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    pub const fn is_free(&self) -> bool {
        self.awaited.start >= self.awaited.end
    }

    /// Sends requests in one piece; only a free connection may be told to.
    pub fn send(&mut self, requests: Range<usize>, meant: Instant, pool: &Pool) -> io::Result<()> {
        self.unsent = pool.place(&requests);
        self.awaited = requests;
        self.meant = meant;
        self.flush(pool)
    }

    /// Sends on what is left of a request that the kernel did not take whole.
    pub fn flush(&mut self, pool: &Pool) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(pool.bytes(&self.unsent)) {
                Ok(len) => self.unsent.start += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there and reports each whole answer.
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        pool: &Pool,
        mut report: impl FnMut(Answer),
    ) -> io::Result<()> {
        loop {
            let kept = self.partial.len();
            buffer[..kept].copy_from_slice(&self.partial);
            let len = match self.socket.read(&mut buffer[kept..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let filled = kept + len == buffer.len();
            let mut rest = &buffer[..kept + len];
            while let Some((status, length)) = parse(rest)? {
                rest = &rest[length..];
                let index = self
                    .awaited
                    .next()
                    .ok_or_else(|| invalid("an answer to nothing"))?;
                let expected = if pool.is_forged(index) { 401 } else { 200 };
                report(Answer {
                    status,
                    expected,
                    meant: self.meant,
                });
            }
            self.partial.clear();
            self.partial.extend_from_slice(rest);
            if !filled {
                return Ok(());
            }
        }
    }
}

/// Status and length of a whole answer. An acknowledgement's content must be empty: anything else
/// would show up in Slack.
fn parse(bytes: &[u8]) -> io::Result<Option<(u16, usize)>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    let length: usize = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
        .ok_or_else(|| invalid("an answer without Content-Length"))?;
    if status == 200 && length > 0 {
        return Err(invalid("an acknowledgement with content"));
    }
    Ok((bytes.len() >= head + length).then_some((status, head + length)))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
