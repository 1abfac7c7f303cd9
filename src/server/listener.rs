//! Listening sockets: from an address as people write it to connections as the loop takes them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use mio::net::TcpListener;
use mio::{Interest, Registry};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Error;
use super::socket::Accept;
use super::token::{Side, Source};

/// Connections that the kernel keeps for us until they are accepted; it lowers this to its own limit.
pub(super) const BACKLOG: i32 = 4096;

/// A listening socket and whether connections may wait on it.
#[derive(Debug)]
pub(super) struct Listener<A> {
    socket: A,
    /// Edge-triggered readiness is told once: it holds until accepting has found nothing.
    pub(super) ready: bool,
}

/// What accepting came to.
pub(super) enum Accepted<S> {
    Stream(S),
    /// Nobody waits.
    Empty,
    /// Out of descriptors or memory, as a rule: to be tried again later.
    Exhausted(io::Error),
}

impl Listener<TcpListener> {
    /// Listens on every address of every setting; a name may have several.
    pub(super) fn bind_all(
        side: Side,
        addresses: &[String],
        is_shared: bool,
        registry: &Registry,
    ) -> Result<Vec<Self>, Error> {
        let option = match side {
            Side::Front => "--listen",
            Side::Watch => "--metrics-listen",
        };
        let mut listeners: Vec<Self> = Vec::new();
        let mut bound: Vec<SocketAddr> = Vec::new();
        for text in addresses {
            let listen = |source| Error::Listen {
                option,
                address: text.clone(),
                source,
            };
            let resolved: Vec<_> = text
                .to_socket_addrs()
                .map_err(|source| Error::Resolve {
                    option,
                    address: text.clone(),
                    source,
                })?
                .collect();
            let mut failures = Vec::new();
            let before = listeners.len();
            for address in &resolved {
                // `localhost:8000,127.0.0.1:8000` names one address twice; port 0 is another each time.
                if address.port() != 0 && bound.contains(address) {
                    continue;
                }
                let token = Source::Listener(side, listeners.len()).token();
                match Self::bind(*address, is_shared, registry, token) {
                    Ok(listener) => {
                        listeners.push(listener);
                        bound.push(*address);
                    }
                    Err(error) => failures.push(error),
                }
            }
            // `localhost` has an IPv6 address in files of systems that have no IPv6: one is enough,
            // unless the others are taken by somebody.
            let taken = failures.iter().position(|error| !is_missing_family(error));
            if let Some(index) = taken {
                return Err(listen(failures.swap_remove(index)));
            }
            if listeners.len() == before && !resolved.iter().all(|address| bound.contains(address))
            {
                let none = || io::Error::new(io::ErrorKind::AddrNotAvailable, "no address");
                return Err(listen(failures.pop().unwrap_or_else(none)));
            }
        }
        Ok(listeners)
    }

    /// Takes over sockets that somebody else has bound.
    pub(super) fn inherit_all(
        side: Side,
        sockets: Vec<std::net::TcpListener>,
        registry: &Registry,
    ) -> Result<Vec<Self>, Error> {
        let numbered = sockets.into_iter().enumerate();
        let taken = numbered.map(|(index, socket)| {
            let socket = Socket::from(socket);
            socket.set_tcp_nodelay(true)?;
            Self::register(socket, registry, Source::Listener(side, index).token())
        });
        taken.collect::<io::Result<_>>().map_err(Error::Loop)
    }

    fn bind(
        address: SocketAddr,
        is_shared: bool,
        registry: &Registry,
        token: mio::Token,
    ) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // A restart must not wait for the connections of the process before it to time out.
        socket.set_reuse_address(true)?;
        if is_shared {
            socket.set_reuse_port(true)?;
        }
        if address.is_ipv6() {
            // Each family has its own socket, whatever the system's default.
            socket.set_only_v6(true)?;
        }
        // Inherited by what is accepted, which saves a system call for each: an answer is one write,
        // and must not wait for the acknowledgement of the one before (Nagle).
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(BACKLOG)?;
        Self::register(socket, registry, token)
    }

    fn register(socket: Socket, registry: &Registry, token: mio::Token) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let mut socket = TcpListener::from_std(socket.into());
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Self::of(socket))
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl<A: Accept> Listener<A> {
    pub(super) const fn of(socket: A) -> Self {
        Self {
            socket,
            ready: false,
        }
    }

    /// See [`Accept::turn_away`].
    pub(super) fn turn_away(&self) -> io::Result<()> {
        self.socket.turn_away()
    }

    pub(super) fn accept(&mut self) -> Accepted<A::Socket> {
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
    )
}

/// Whether closing a descriptor helps: none is left to this process, or to the whole system.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// Whether the system has no such kind of address, as against an address that is taken.
fn is_missing_family(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

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
        let listen = |address| {
            let token = Source::Listener(Side::Front, 0).token();
            Listener::bind(address, true, poll.registry(), token).unwrap()
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
