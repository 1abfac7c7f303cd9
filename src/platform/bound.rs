//! Bound sockets: from an address as people write it to a socket that can listen.
//!
//! Binding and listening are two steps, with the wait for the journal between them: no connection enters a backlog
//! before it is known that the bot will serve it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(target_os = "linux")]
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::error::Error;
use crate::endpoint::source::Role;
use crate::host::is_every_address;
#[cfg(target_os = "linux")]
use crate::http::ANSWER_TIMEOUT_MS;

/// The receive buffer of a connection in the kernel: room for a command and its head, so that both come in one window.
/// Linux doubles it for its own bookkeeping (socket(7)): 64 KiB.
const RECEIVE_BYTES: usize = 32 * 1024;
/// Its send buffer: the answers to a hundred requests. Linux doubles it as well: 32 KiB.
const SEND_BYTES: usize = 16 * 1024;

/// A socket that has an address and does not listen yet, unless it was passed to the process.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: Socket,
    /// The setting that it comes from; `None` for a socket that was passed to the process.
    asked: Option<Asked>,
}

/// An address as the settings have it.
#[derive(Clone, Debug)]
struct Asked {
    option: &'static str,
    address: String,
}

impl Asked {
    /// `at`: the address of it that cannot be listened on.
    fn refused(&self, source: io::Error, at: Option<SocketAddr>) -> Error {
        Error::Listen {
            option: self.option,
            address: self.address.clone(),
            at,
            source,
        }
    }

    /// Binds those of its addresses that this process can have. One is enough: files of systems that have no
    /// IPv6 give `localhost` an IPv6 address, and another server may have the port in one family.
    fn bind(
        &self,
        addresses: &[SocketAddr],
        is_shared: bool,
        notices: &mut Vec<String>,
    ) -> Result<Vec<Bound>, Error> {
        let mut sockets = Vec::new();
        let mut failures = Vec::new();
        for address in addresses {
            match bind(*address, is_shared) {
                Ok(socket) => sockets.push(Bound {
                    socket,
                    asked: Some(self.clone()),
                }),
                Err(error) => failures.push((*address, error)),
            }
        }
        // First what a person can change, then an address family that the system does not have.
        failures.sort_by_key(|(_, error)| is_missing_family(error));
        let others: Vec<_> = sockets.iter().filter_map(Bound::local_addr).collect();
        for (at, error) in failures {
            let is_taken = error.kind() == io::ErrorKind::AddrInUse;
            match others.first() {
                Some(_) if is_missing_family(&error) => {}
                // Clients that try the other address first, as a tunnel to `localhost` may, reach the other server: the
                // operator is told.
                Some(other) if is_taken => notices.push(format!(
                    "{} {}: another server has {at}; listening on {other} only, so have clients \
                     connect to {other}",
                    self.option, self.address,
                )),
                _ => return Err(self.refused(error, Some(at))),
            }
        }
        Ok(sockets)
    }
}

impl Bound {
    /// Binds every address of every setting; a name may have several. Addresses that are left out although others of the
    /// same name are bound go to `notices`.
    pub(crate) fn all(
        role: Role,
        addresses: &[String],
        is_shared: bool,
        notices: &mut Vec<String>,
    ) -> Result<Vec<Self>, Error> {
        let option = match role {
            Role::Public => "--listen",
            Role::Admin => "--metrics-listen",
        };
        let mut sockets: Vec<Self> = Vec::new();
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
            // `localhost:8000,127.0.0.1:8000` names one address twice; port 0 is another each time.
            let is_new = |address: &SocketAddr| {
                let mut bound = sockets.iter().filter_map(Self::local_addr);
                address.port() == 0 || !bound.any(|other| other == *address)
            };
            let resolved: Vec<_> = resolved.into_iter().filter(is_new).collect();
            sockets.extend(asked.bind(&resolved, is_shared, notices)?);
        }
        Ok(sockets)
    }

    /// Takes over sockets that were passed to the process, and that listen already.
    pub(crate) fn passed(sockets: Vec<TcpListener>) -> Result<Vec<Self>, Error> {
        let sockets = sockets.into_iter().map(|socket| {
            let socket = Socket::from(socket);
            prepare(&socket)?;
            Ok(Self {
                socket,
                asked: None,
            })
        });
        sockets.collect::<io::Result<_>>().map_err(Error::Loop)
    }

    /// Its address, with the port that the system chose.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// Listens, with a backlog of this many connections.
    pub(crate) fn listen(self, backlog: i32) -> Result<Socket, Error> {
        if let Some(asked) = &self.asked {
            let listens = self.socket.listen(backlog);
            listens.map_err(|error| asked.refused(error, self.local_addr()))?;
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
    prepare(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

/// Sets the options that accepted connections inherit, which saves system calls for each of them.
fn prepare(socket: &Socket) -> io::Result<()> {
    // An answer is one write, and must not wait for the acknowledgement of the one before (Nagle).
    socket.set_tcp_nodelay(true)?;
    // What the kernel holds for a connection counts as well. A size that is set switches Linux's auto-tuning off
    // (tcp(7), tcp_rmem and tcp_wmem): otherwise a client that sends and never reads has it grow to 6 MB and
    // 4 MB, times the places. Nothing here needs a large window: a command comes in one, and takes no round trip more.
    socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    socket.set_send_buffer_size(SEND_BYTES)?;
    // The bot does not see that a client stopped reading what the kernel has taken, or vanished: the kernel gives up by
    // itself after this time (tcp(7), TCP_USER_TIMEOUT).
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_millis(ANSWER_TIMEOUT_MS)))?;
    Ok(())
}

/// Whether the system does not support this address family, as against an address that is taken.
fn is_missing_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_socket_refuses_connections_until_it_listens() {
        let any = ["127.0.0.1:0".to_owned()];
        let bound = Bound::all(Role::Public, &any, false, &mut Vec::new()).unwrap();
        let address = bound[0].local_addr().unwrap();
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listening: Vec<_> = bound.into_iter().map(|b| b.listen(1).unwrap()).collect();
        assert!(std::net::TcpStream::connect(address).is_ok());
        drop(listening);
    }

    /// Also on a socket that was passed, and listens already.
    #[test]
    #[cfg(target_os = "linux")] // which doubles the sizes
    fn accepted_connections_inherit_buffers_that_do_not_grow() {
        let any = ["127.0.0.1:0".to_owned()];
        let bound = Bound::all(Role::Public, &any, false, &mut Vec::new())
            .unwrap()
            .remove(0);
        let passed = TcpListener::bind("127.0.0.1:0").unwrap();
        let passed = Bound::passed(vec![passed]).unwrap().remove(0);
        for listener in [bound, passed].map(|bound| bound.listen(8).unwrap()) {
            let address = listener.local_addr().unwrap().as_socket().unwrap();
            let _client = std::net::TcpStream::connect(address).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            assert_eq!(accepted.recv_buffer_size().unwrap(), 2 * RECEIVE_BYTES);
            assert_eq!(accepted.send_buffer_size().unwrap(), 2 * SEND_BYTES);
            assert!(accepted.tcp_nodelay().unwrap());
            let timeout = accepted.tcp_user_timeout().unwrap();
            assert_eq!(timeout, Some(Duration::from_millis(ANSWER_TIMEOUT_MS)));
        }
    }

    #[test]
    fn a_port_alone_behind_a_colon_is_every_address_of_both_families() {
        for text in [":0", "*:0"] {
            let bound =
                Bound::all(Role::Public, &[text.to_owned()], false, &mut Vec::new()).unwrap();
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

    #[test]
    fn a_server_that_has_the_port_in_one_family_leaves_the_other() {
        let has_v6 = TcpListener::bind("[::]:0").is_ok();
        let other = TcpListener::bind("0.0.0.0:0").unwrap();
        let taken = other.local_addr().unwrap();
        let every = format!(":{}", taken.port());
        let mut notices = Vec::new();
        let bound = Bound::all(
            Role::Public,
            std::slice::from_ref(&every),
            false,
            &mut notices,
        );
        if has_v6 {
            let other = bound.unwrap()[0].local_addr().unwrap();
            assert!(other.is_ipv6());
            let start =
                format!("--listen {every}: another server has {taken}; listening on {other} only");
            assert!(
                notices.len() == 1 && notices[0].starts_with(&start),
                "{notices:?}"
            );
        } else {
            let line = bound.unwrap_err().to_string();
            let start = format!("--listen {every}: {taken} is already in use; ");
            assert!(line.starts_with(&start), "{line}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")] // elsewhere the second is refused at once
    fn two_that_only_have_an_address_cannot_both_listen_on_it() {
        let any = ["127.0.0.1:0".to_owned()];
        let mut first = Bound::all(Role::Public, &any, false, &mut Vec::new()).unwrap();
        let address = first[0].local_addr().unwrap();
        let same = [address.to_string()];
        let mut second = Bound::all(Role::Public, &same, false, &mut Vec::new()).unwrap();
        let _listening = first.remove(0).listen(1).unwrap();
        let error = second.remove(0).listen(1).unwrap_err();
        let line = format!("--listen {address}: already in use; ");
        assert!(error.to_string().starts_with(&line), "{error}");
    }
}
