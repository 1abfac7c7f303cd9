//! What the shell needs of sockets: mio's in a running bot, others in its simulation.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

/// A connection's socket. None of its calls waits.
pub(super) trait Socket: Read + Write {
    /// What tells of readiness.
    type Registry;

    /// Has the registry tell of what becomes possible, once for each change.
    fn watch(&mut self, registry: &Self::Registry, token: Token) -> io::Result<()>;

    /// Reads without taking away.
    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Says that nothing more will be written.
    fn half_close(&self) -> io::Result<()>;
}

/// A listening socket.
pub(super) trait Accept {
    type Socket: Socket;

    fn accept(&self) -> io::Result<Self::Socket>;
}

/// What an event tells of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readiness {
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The peer has sent its FIN, or the connection has failed.
    pub(super) closed: bool,
}

impl Readiness {
    pub(super) fn of(event: &Event) -> Self {
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
}

impl Accept for TcpListener {
    type Socket = TcpStream;

    fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).map(|(stream, _)| stream)
    }
}
