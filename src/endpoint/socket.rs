//! What the shell needs of sockets: mio's in a running bot, others in its simulation.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

/// A connection's socket. None of its calls waits.
pub(crate) trait Socket: Read + Write {
    /// What tells of readiness.
    type Registry;

    /// Has the registry tell of what becomes possible, once for each change.
    fn watch(&mut self, registry: &Self::Registry, token: Token) -> io::Result<()>;

    /// Reads without taking away.
    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Says that nothing more will be written.
    fn half_close(&self) -> io::Result<()>;

    /// Has its end reset the connection and drop what the client has not taken.
    fn reset_on_close(&self) -> io::Result<()>;
}

/// A listening socket.
pub(crate) trait Accept {
    type Socket: Socket;

    fn accept(&self) -> io::Result<Self::Socket>;
}

/// What an event tells of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has sent its FIN, or the connection has failed.
    pub(crate) closed: bool,
}

impl Readiness {
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            readable: event.is_readable(),
            writable: event.is_writable(),
            closed: event.is_read_closed() || event.is_error(),
        }
    }
}

impl Socket for TcpStream {
    type Registry = mio::Registry;

    fn watch(&mut self, registry: &Self::Registry, token: Token) -> io::Result<()> {
        registry.register(self, token, Interest::READABLE | Interest::WRITABLE)
    }

    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::peek(self, buffer)
    }

    fn half_close(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn reset_on_close(&self) -> io::Result<()> {
        socket2::SockRef::from(self).set_linger(Some(Duration::ZERO))
    }
}

impl Accept for TcpListener {
    type Socket = TcpStream;

    fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).map(|(stream, _)| stream)
    }
}
