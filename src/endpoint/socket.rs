//! What an endpoint needs of sockets: mio's in a running bot, others in its simulation.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use super::source::Source;

/// A connection's socket. None of its calls waits.
pub(crate) trait Socket: Read + Write {
    /// Where sockets are registered for readiness events.
    type Registry;

    /// Registers it for edge-triggered readiness events, with `source` as their token.
    fn register(&mut self, registry: &Self::Registry, source: Source) -> io::Result<()>;

    /// Reads without consuming (MSG_PEEK).
    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends a FIN: nothing more will be written.
    fn half_close(&self) -> io::Result<()>;

    /// When it is closed, the connection is reset and what the client has not acknowledged is dropped (SO_LINGER 0).
    fn reset_on_close(&self) -> io::Result<()>;
}

/// A listening socket.
pub(crate) trait Listener {
    type Socket: Socket;

    /// The next connection that waits. It does not wait for one.
    fn accept(&self) -> io::Result<Self::Socket>;

    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// What a readiness event tells of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has sent its FIN, or the connection has failed.
    pub(crate) closed: bool,
}
