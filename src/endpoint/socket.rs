//! What an endpoint needs of sockets: mio's in a running bot, others in its simulation.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use super::source::Source;

/// A connection's socket. None of its calls waits.
pub(crate) trait Socket: Read + Write {
    /// What tells of readiness.
    type Registry;

    /// Has the registry tell of what becomes possible, once for each change.
    fn register(&mut self, registry: &Self::Registry, source: Source) -> io::Result<()>;

    /// Reads without taking away.
    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Says that nothing more will be written.
    fn half_close(&self) -> io::Result<()>;

    /// Has its end reset the connection and drop what the client has not taken.
    fn reset_on_close(&self) -> io::Result<()>;
}

/// A listening socket.
pub(crate) trait Listener {
    type Socket: Socket;

    /// The next connection that waits. It does not wait for one.
    fn accept(&self) -> io::Result<Self::Socket>;

    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// What an event tells of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has sent its FIN, or the connection has failed.
    pub(crate) closed: bool,
}
