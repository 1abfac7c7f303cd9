//! `/healthz`, asked beside the commands on a connection of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::histogram::Histogram;

const PERIOD: Duration = Duration::from_millis(10);
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: torrap\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 ";

/// Asks once in a period; an answer that takes longer than that delays the next question, and counts from when that was
/// meant to be asked.
pub struct Health {
    socket: TcpStream,
    next: Instant,
    is_asked: bool,
    pub latencies: Histogram,
}

impl Health {
    pub fn new(target: SocketAddr, token: Token, registry: &Registry) -> io::Result<Self> {
        let stream = StdStream::connect(target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(stream);
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Self {
            socket,
            next: Instant::now(),
            is_asked: false,
            latencies: Histogram::new(),
        })
    }

    /// Asks if it is time.
    pub fn poll(&mut self, now: Instant) -> io::Result<()> {
        if !self.is_asked && now >= self.next {
            self.socket.write_all(REQUEST)?;
            self.is_asked = true;
        }
        Ok(())
    }

    /// Takes an answer, which is short enough to come in one piece.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let answer = match self.socket.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            read => &buffer[..read?],
        };
        if !answer.starts_with(ANSWER) {
            return Err(io::Error::other("/healthz is not 200"));
        }
        let nanos = self.next.elapsed().as_nanos();
        self.latencies
            .record(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.next += PERIOD;
        self.is_asked = false;
        Ok(())
    }
}
