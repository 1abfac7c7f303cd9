//! From a URL to a connection: each address in turn, Sentinels, and the nodes that a cluster names.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::certificate::BadCertificate;
use super::connection::Connection;
use super::error::{Cause, ConnectError, tls_error};
use super::setup;
use super::stream::{Stream, left};
use crate::config::{RedisPassword, SharedJournal};
use crate::delivery::{resolver::CachingResolver, roots};
use crate::platform::Error;
use crate::redis::{Address, RedisUrl};

/// Most nodes of a cluster that name another one.
const REDIRECTIONS_MAX: usize = 4;

/// Makes connections to one fleet's Redis.
#[derive(Debug)]
pub(crate) struct Connector {
    url: RedisUrl,
    password: Option<RedisPassword>,
    tls: Option<Arc<ClientConfig>>,
    resolver: CachingResolver,
    /// The address that answered last is the first to be tried.
    preferred: usize,
}

impl Connector {
    /// Takes the authorities from the file of the settings, or the built-in ones.
    ///
    /// # Errors
    /// The file cannot be used.
    pub(crate) fn new(journal: &SharedJournal, ca_file: Option<&Path>) -> Result<Self, Error> {
        let tls = match journal.url.is_tls {
            true => Some(tls_config(ca_file)?),
            false => None,
        };
        Ok(Self {
            url: journal.url.clone(),
            password: journal.password.clone(),
            tls,
            resolver: CachingResolver::system(),
            preferred: 0,
        })
    }

    #[cfg(test)]
    pub(super) fn set_resolver(&mut self, resolver: CachingResolver) {
        self.resolver = resolver;
    }

    /// A connection to the master. `moved` is the node that a `MOVED` has named on an earlier connection, and that one's address.
    ///
    /// # Errors
    /// No address led to one before the deadline; the error is of the one that says most.
    pub(crate) fn connect(
        &mut self,
        moved: Option<Address>,
        deadline: Instant,
    ) -> Result<Connection, ConnectError> {
        let count = self.url.addresses.len();
        let mut untried = count;
        let mut failed = match moved {
            None => None,
            // A server that does not answer must leave time for the others.
            Some(node) => match self.connect_to(node, share(deadline, untried + 1)) {
                Ok(connection) => return Ok(connection),
                Err(error) => Some(error),
            },
        };
        loop {
            let number = (self.preferred + count - untried) % count;
            let error = match self.connect_by(&self.url.addresses[number], share(deadline, untried))
            {
                Ok(connection) => {
                    self.preferred = number;
                    return Ok(connection);
                }
                Err(error) => error,
            };
            let error = match failed {
                Some(other) => ConnectError::graver(other, error),
                None => error,
            };
            untried -= 1;
            if untried == 0 {
                return Err(error);
            }
            failed = Some(error);
        }
    }

    /// A connection to the master by an address of the URL: its own, or that of a Sentinel.
    fn connect_by(&self, address: &Address, deadline: Instant) -> Result<Connection, ConnectError> {
        let Some(name) = &self.url.sentinel else {
            return self.connect_to(address.clone(), deadline);
        };
        let (url, password) = (&self.url, self.password.as_ref());
        let (_, master) = self.talk_to(address, share(deadline, 2), |sentinel, deadline| {
            setup::ask_sentinel(sentinel, name, url, password, deadline)
        })?;
        self.connect_to(master, deadline)
    }

    /// A connection to a server that must be the master, or to the node that it names.
    fn connect_to(&self, address: Address, deadline: Instant) -> Result<Connection, ConnectError> {
        let (url, password) = (&self.url, self.password.as_ref());
        let mut address = address;
        for _ in 0..=REDIRECTIONS_MAX {
            let ready = self.talk_to(&address, deadline, |connection, deadline| {
                setup::set_up(connection, url, password, deadline)
            });
            let error = match ready {
                Ok((connection, ())) => return Ok(connection),
                Err(error) => error,
            };
            let node = error.moved_to();
            let node = node.and_then(|node| Address::moved(node, &address.host));
            address = node.ok_or(error)?;
        }
        Err(ConnectError {
            address,
            cause: Cause::Redirections,
        })
    }

    /// Connects to each address of a name until one of them answers as it should. A name may be that of a whole set of servers,
    /// of which one is the master.
    fn talk_to<T>(
        &self,
        address: &Address,
        deadline: Instant,
        talk: impl Fn(&mut Connection, Instant) -> Result<T, Cause>,
    ) -> Result<(Connection, T), ConnectError> {
        let failed = |cause| ConnectError {
            address: address.clone(),
            cause,
        };
        let found = self.look_up(address, deadline).map_err(failed)?;
        let mut gravest: Option<ConnectError> = None;
        for (tried, at) in found.iter().enumerate() {
            let deadline = share(deadline, found.len() - tried);
            let talked = self
                .open(address, *at, deadline)
                .and_then(|mut connection| {
                    let said = talk(&mut connection, deadline)?;
                    Ok((connection, said))
                });
            let error = match talked {
                Ok(talked) => return Ok(talked),
                Err(cause) => failed(cause),
            };
            gravest = Some(match gravest {
                Some(other) => other.graver(error),
                None => error,
            });
        }
        // The name may lead elsewhere by now.
        self.resolver.mark_stale(&address.to_string());
        Err(gravest.unwrap_or_else(|| failed(Cause::NoAddress)))
    }

    /// A connection on which nothing has been said yet.
    fn open(
        &self,
        address: &Address,
        at: SocketAddr,
        deadline: Instant,
    ) -> Result<Connection, Cause> {
        let mut stream = Stream::connect(at, deadline).map_err(Cause::Unreachable)?;
        if let Some(config) = &self.tls {
            encrypt(&mut stream, config.clone(), address, deadline)?;
        }
        Ok(Connection::new(address.clone(), stream))
    }

    fn look_up(&self, address: &Address, deadline: Instant) -> Result<Vec<SocketAddr>, Cause> {
        if let Ok(ip) = address.host.parse() {
            return Ok(vec![SocketAddr::new(ip, address.port)]);
        }
        let timeout = left(deadline).map_err(Cause::Unreachable)?;
        let found = self.resolver.look_up(&address.to_string(), timeout);
        found.map_err(|error| match error {
            ureq::Error::Timeout(_) => Cause::LookUpTimedOut,
            _ => Cause::NoAddress,
        })
    }
}

/// The deadline of the first of so many that have the same deadline together.
fn share(deadline: Instant, count: usize) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    now + left / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let roots = roots::store(ca_file)?;
    // By name: the process may have another provider as its default, or none.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("ring has what the default versions need"))
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn encrypt(
    stream: &mut Stream,
    config: Arc<ClientConfig>,
    address: &Address,
    deadline: Instant,
) -> Result<(), Cause> {
    let name = ServerName::try_from(address.host.clone());
    let name = name.map_err(|_| Cause::NoTlsName)?;
    let handshake = stream.encrypt(config, name, deadline);
    handshake.map_err(|error| handshake_failure(error, address))
}

fn handshake_failure(error: io::Error, address: &Address) -> Cause {
    match tls_error(&error) {
        Some(rustls::Error::InvalidCertificate(error)) => Cause::Certificate(BadCertificate {
            host: address.host.clone(),
            error: error.clone(),
        }),
        Some(rustls::Error::InvalidMessage(_)) => Cause::NotTls,
        _ => Cause::Tls(error),
    }
}
