//! Sockets that have their addresses: from an address as people write it to a socket that could listen.
//!
//! Between the two there may be a wait for the journal: nobody is let into a queue before it is known that
//! he will be served.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Error;
use super::token::Side;
use crate::host::is_every_address;

/// A socket that has an address and does not listen yet, unless it was passed to the process.
#[derive(Debug)]
pub(super) struct Bound {
    socket: Socket,
    /// What was asked for, if it is not somebody else who has asked.
    asked: Option<Asked>,
}

/// An address as the settings have it.
#[derive(Clone, Debug)]
struct Asked {
    option: &'static str,
    address: String,
}

impl Asked {
    /// `at`: the address of it that cannot be listened on; `free`: another one of it that can.
    fn refused(
        &self,
        source: io::Error,
        at: Option<SocketAddr>,
        free: Option<SocketAddr>,
    ) -> Error {
        Error::Listen {
            option: self.option,
            address: self.address.clone(),
            at,
            free,
            source,
        }
    }
}

impl Bound {
    /// Binds every address of every setting; a name may have several.
    pub(super) fn all(
        side: Side,
        addresses: &[String],
        is_shared: bool,
    ) -> Result<Vec<Self>, Error> {
        let option = match side {
            Side::Front => "--listen",
            Side::Watch => "--metrics-listen",
        };
        let mut sockets: Vec<Self> = Vec::new();
        let mut bound: Vec<SocketAddr> = Vec::new();
        for text in addresses {
            let asked = Asked {
                option,
                address: text.clone(),
            };
            let resolved = resolve(text).map_err(|source| Error::Resolve {
                option,
                address: text.clone(),
                source,
            })?;
            let mut failures = Vec::new();
            let before = sockets.len();
            for address in &resolved {
                // `localhost:8000,127.0.0.1:8000` names one address twice; port 0 is another each time.
                if address.port() != 0 && bound.contains(address) {
                    continue;
                }
                match bind(*address, is_shared) {
                    Ok(socket) => {
                        let asked = Some(asked.clone());
                        sockets.push(Self { socket, asked });
                        bound.push(*address);
                    }
                    Err(error) => failures.push((*address, error)),
                }
            }
            // `localhost` has an IPv6 address in files of systems that have no IPv6: one is enough, unless
            // another server listens on one of the others. To go on without that one would be worse than to
            // stop: clients that try it first, as a tunnel to `localhost` may, would reach that server.
            let taken = failures
                .iter()
                .position(|(_, error)| !is_missing_family(error));
            if let Some(index) = taken {
                let (at, source) = failures.swap_remove(index);
                let free = sockets[before..].first().and_then(Self::local_addr);
                return Err(asked.refused(source, Some(at), free));
            }
            if sockets.len() == before && !resolved.iter().all(|address| bound.contains(address)) {
                let none = || io::Error::new(io::ErrorKind::AddrNotAvailable, "no address");
                let failure = failures.pop().map(|(_, error)| error);
                return Err(asked.refused(failure.unwrap_or_else(none), None, None));
            }
        }
        Ok(sockets)
    }

    /// Takes over sockets that somebody else has bound, and that listen already.
    pub(super) fn inherited(sockets: Vec<TcpListener>) -> Result<Vec<Self>, Error> {
        let sockets = sockets.into_iter().map(|socket| {
            let socket = Socket::from(socket);
            socket.set_tcp_nodelay(true)?;
            Ok(Self {
                socket,
                asked: None,
            })
        });
        sockets.collect::<io::Result<_>>().map_err(Error::Loop)
    }

    /// Its address, with the port that the system chose.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// Lets clients in from now on, this many before they are accepted.
    pub(super) fn listen(self, backlog: i32) -> Result<Socket, Error> {
        if let Some(asked) = &self.asked {
            let listens = self.socket.listen(backlog);
            listens.map_err(|error| asked.refused(error, self.local_addr(), None))?;
        }
        Ok(self.socket)
    }
}

/// The addresses that a text of the settings stands for.
fn resolve(text: &str) -> io::Result<Vec<SocketAddr>> {
    if let Some((host, port)) = text.rsplit_once(':')
        && is_every_address(host)
        && let Ok(port) = port.parse()
    {
        let every = [
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        ];
        return Ok(every.to_vec());
    }
    Ok(text.to_socket_addrs()?.collect())
}

fn bind(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
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
    Ok(socket)
}

/// Whether the system has no such kind of address, as against an address that is taken.
fn is_missing_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_let_in_before_it_listens() {
        let any = ["127.0.0.1:0".to_owned()];
        let bound = Bound::all(Side::Front, &any, false).unwrap();
        let address = bound[0].local_addr().unwrap();
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listening: Vec<_> = bound.into_iter().map(|b| b.listen(1).unwrap()).collect();
        assert!(std::net::TcpStream::connect(address).is_ok());
        drop(listening);
    }

    #[test]
    fn a_port_alone_behind_a_colon_is_every_address_of_both_families() {
        for text in [":0", "*:0"] {
            let bound = Bound::all(Side::Front, &[text.to_owned()], false).unwrap();
            let addresses: Vec<_> = bound.iter().filter_map(Bound::local_addr).collect();
            assert!(
                addresses
                    .iter()
                    .all(|address| address.ip().is_unspecified())
            );
            assert!(addresses.iter().any(SocketAddr::is_ipv4), "{addresses:?}");
            let has_v6 = TcpListener::bind("[::]:0").is_ok();
            assert_eq!(addresses.iter().any(SocketAddr::is_ipv6), has_v6);
        }
    }

    /// A server that has the port in one family only, as one that listens on `::1` alone.
    #[test]
    fn the_one_address_of_a_name_that_is_taken_is_named() {
        let families = ("localhost", 0).to_socket_addrs().unwrap();
        let mut families: Vec<_> = families
            .filter(|at| TcpListener::bind(at).is_ok())
            .collect();
        families.dedup();
        for taken in &families {
            let other = TcpListener::bind(taken).unwrap();
            let taken = other.local_addr().unwrap();
            let name = format!("localhost:{}", taken.port());
            let error = Bound::all(Side::Front, std::slice::from_ref(&name), false).unwrap_err();
            let line = error.to_string();
            let start =
                format!("--listen {name}: {taken} is already in use; stop the other server");
            assert!(line.starts_with(&start), "{line}");
            let free = families.iter().find(|at| at.is_ipv4() != taken.is_ipv4());
            if let Some(free) = free {
                let free = SocketAddr::new(free.ip(), taken.port());
                assert!(
                    line.ends_with(&format!(", or listen on {free} alone")),
                    "{line}"
                );
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")] // elsewhere the second is refused at once
    fn two_that_only_have_an_address_cannot_both_listen_on_it() {
        let any = ["127.0.0.1:0".to_owned()];
        let mut first = Bound::all(Side::Front, &any, false).unwrap();
        let address = first[0].local_addr().unwrap();
        let same = [address.to_string()];
        let mut second = Bound::all(Side::Front, &same, false).unwrap();
        let _listening = first.remove(0).listen(1).unwrap();
        let error = second.remove(0).listen(1).unwrap_err();
        let line = format!("--listen {address}: already in use; ");
        assert!(error.to_string().starts_with(&line), "{error}");
    }
}
