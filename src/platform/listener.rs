//! Listening sockets, and the connections that wait on them.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use socket2::Socket;

use super::bound::Bound;
use super::error::Error;
use crate::endpoint::socket::Accept;

/// Connections that the kernel keeps for us until they are accepted; it lowers this to its own limit.
pub(crate) const BACKLOG: i32 = 4096;

/// A listening socket and whether connections may wait on it.
#[derive(Debug)]
pub(crate) struct Listener<A> {
    socket: A,
    /// Edge-triggered readiness is told once: it holds until accepting has found nothing.
    pub(crate) ready: bool,
}

/// What accepting came to.
pub(crate) enum Accepted<S> {
    Stream(S),
    /// Nobody waits.
    Empty,
    /// Out of descriptors or memory, as a rule: to be tried again later.
    Exhausted(io::Error),
}

impl Listener<TcpListener> {
    /// Listens on a socket that has its address, or listens already.
    pub(crate) fn open(bound: Bound, registry: &Registry, token: Token) -> Result<Self, Error> {
        let socket = bound.listen(BACKLOG)?;
        Self::register(socket, registry, token).map_err(Error::Loop)
    }

    fn register(socket: Socket, registry: &Registry, token: Token) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let mut socket = TcpListener::from_std(socket.into());
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Self::of(socket))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl<A: Accept> Listener<A> {
    pub(crate) const fn of(socket: A) -> Self {
        Self {
            socket,
            ready: false,
        }
    }

    /// See [`Accept::turn_away`].
    pub(crate) fn turn_away(&self) -> io::Result<()> {
        self.socket.turn_away()
    }

    pub(crate) fn accept(&mut self) -> Accepted<A::Socket> {
        loop {
            match self.socket.accept() {
                Ok(stream) => return Accepted::Stream(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return Accepted::Empty;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => return Accepted::Exhausted(error),
            }
        }
    }
}

/// An error of the connection that would have been accepted (accept(2)): the next one may be good.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::TimedOut
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
    ) || has_no_peer(error)
}

/// macOS gives out a connection that was reset while it waited, without an address, and mio makes an error of that which
/// is not the system's. EINVAL, which is, would come again and again.
fn has_no_peer(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput && error.raw_os_error().is_none()
}

/// Whether closing a descriptor helps: none is left to this process, or to the whole system.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENFILE | libc::EMFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_one_connection_is_told_from_one_of_the_listener() {
        let reset_on_macos = io::Error::from(io::ErrorKind::InvalidInput);
        let aborted = io::Error::from_raw_os_error(libc::ECONNABORTED);
        for error in [reset_on_macos, aborted] {
            assert!(is_of_one_connection(&error), "{error}");
        }
        for code in [libc::EINVAL, libc::EMFILE, libc::ENOBUFS, libc::ENOMEM] {
            let error = io::Error::from_raw_os_error(code);
            assert!(!is_of_one_connection(&error), "{error}");
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")] // for its packet filter
mod turning_away {
    use socket2::{Domain, Type};

    use super::*;
    use crate::endpoint::token::{Side, Source};

    /// A client whose first packet has been sent and not been answered.
    fn begin(address: SocketAddr) -> Socket {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let begun = client.connect(&address.into());
        assert!(begun.is_err_and(|error| error.raw_os_error() == Some(libc::EINPROGRESS)));
        client
    }

    /// Without the filter the old listener would complete the handshake, and reset it when it closes.
    #[test]
    fn who_is_turned_away_is_heard_by_another_process_that_shares_the_address() {
        let poll = mio::Poll::new().unwrap();
        let listen = |address: SocketAddr| {
            let token = Source::Listener(Side::Front, 0).token();
            let bound =
                Bound::all(Side::Front, &[address.to_string()], true, &mut Vec::new()).unwrap();
            Listener::open(bound.into_iter().next().unwrap(), poll.registry(), token).unwrap()
        };
        let mut old = listen("127.0.0.1:0".parse().unwrap());
        let address = old.local_addr().unwrap();
        let early = std::net::TcpStream::connect(address).unwrap();
        old.turn_away().unwrap();
        let late = begin(address);
        assert!(
            matches!(old.accept(), Accepted::Stream(_)),
            "who is there is let in"
        );
        assert!(
            matches!(old.accept(), Accepted::Empty),
            "the late one is not"
        );
        let new = listen(address);
        drop(old);
        // The client asks again after a second.
        let mut events = mio::Events::with_capacity(8);
        let mut poll = poll;
        let patience = std::time::Duration::from_secs(20);
        poll.poll(&mut events, Some(patience)).unwrap();
        let (accepted, peer) = new.socket.accept().unwrap();
        assert_eq!(Some(peer), late.local_addr().unwrap().as_socket());
        drop((accepted, early));
    }
}
