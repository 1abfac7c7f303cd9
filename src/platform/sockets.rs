//! mio's sockets as an endpoint sees them.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};

use super::bound::Bound;
use super::error::Error;
use super::token;
use crate::endpoint::backlog::BACKLOG;
use crate::endpoint::session::Session;
use crate::endpoint::socket::{Listener, Readiness, Socket};
use crate::endpoint::source::Source;
use crate::slab::Slab;

// An idle connection costs this and its timer's 32 bytes, for ten minutes and more: less than 256 in all.
const _: () = assert!(Slab::<Session<TcpStream>>::SLOT_BYTES <= 200);

/// What an event tells.
pub(crate) fn readiness(event: &Event) -> Readiness {
    Readiness {
        readable: event.is_readable(),
        writable: event.is_writable(),
        closed: event.is_read_closed() || event.is_error(),
    }
}

/// Listens on a socket that has its address, or listens already.
pub(crate) fn listen(
    bound: Bound,
    registry: &Registry,
    source: Source,
) -> Result<TcpListener, Error> {
    let socket = bound.listen(BACKLOG)?;
    let register = || {
        socket.set_nonblocking(true)?;
        let mut socket = TcpListener::from_std(socket.into());
        registry.register(&mut socket, token::of(source), Interest::READABLE)?;
        Ok(socket)
    };
    register().map_err(Error::Loop)
}

impl Socket for TcpStream {
    type Registry = Arc<Registry>;

    fn register(&mut self, registry: &Self::Registry, source: Source) -> io::Result<()> {
        registry.register(
            self,
            token::of(source),
            Interest::READABLE | Interest::WRITABLE,
        )
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

impl Listener for TcpListener {
    type Socket = TcpStream;

    fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).map(|(stream, _)| stream)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}
