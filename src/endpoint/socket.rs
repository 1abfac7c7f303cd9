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

    /// Lets no new connection begin here, while those that have begun can still be completed and
    /// accepted. Whoever asks for one now asks again after a second, and is then heard by another
    /// process that shares the address. Closing at once would reset those that the kernel has
    /// already put into this socket's own queue. An error: the system has no such filter.
    fn turn_away(&self) -> io::Result<()>;
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

    #[cfg(target_os = "linux")]
    fn turn_away(&self) -> io::Result<()> {
        use socket2::{SockFilter, SockRef};
        // Instructions of the classic packet filter (linux/filter.h); a TCP socket's begins to read at
        // the TCP header, whose flags are its byte 13 (RFC 9293 section 3.1).
        const LOAD_BYTE: u16 = 0x30;
        const JUMP_IF_ANY_BIT: u16 = 0x45;
        const RETURN: u16 = 0x06;
        const FLAGS_AT: u32 = 13;
        const SYN: u32 = 0x02;
        const NOTHING: u32 = 0;
        const EVERYTHING: u32 = u32::MAX;
        SockRef::from(self).attach_filter(&[
            SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
            SockFilter::new(JUMP_IF_ANY_BIT, 0, 1, SYN),
            SockFilter::new(RETURN, 0, 0, NOTHING),
            SockFilter::new(RETURN, 0, 0, EVERYTHING),
        ])
    }

    #[cfg(not(target_os = "linux"))]
    fn turn_away(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
