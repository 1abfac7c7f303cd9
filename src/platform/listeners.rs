//! The listening sockets of both addresses, and how many descriptors are left for connections and senders.

use std::net::SocketAddr;

use mio::Registry;
use mio::net::TcpListener;

use super::bound::Bound;
use super::error::Error;
use super::listen_fds::ListenFds;
use super::sockets::listen;
use crate::config::Config;
use crate::endpoint::source::{Role, Source};
use crate::engine::ADMIN_CONNECTIONS_MAX;

/// Descriptors reserved for what is neither a connection nor a listener: streams, the poll, name look-ups.
const DESCRIPTORS_RESERVED: usize = 15;
/// Descriptors reserved for a journal: its directory, its lock, the segment that is written, the next one.
const JOURNAL_DESCRIPTORS: usize = 4;

/// The sockets of the public and of the admin address.
pub(crate) struct Listeners<S> {
    pub(crate) public: Vec<S>,
    pub(crate) admin: Vec<S>,
}

impl Listeners<Bound> {
    /// Takes over the sockets that were passed, and binds the addresses of the settings where none was; `notices` are for
    /// the operator.
    pub(crate) fn bind(
        config: &Config,
        passed: ListenFds,
        notices: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let mut bind = |role, sockets: Vec<_>, addresses: &[String]| {
            if sockets.is_empty() {
                Bound::all(role, addresses, config.reuse_port, notices)
            } else {
                Bound::passed(sockets)
            }
        };
        let public = bind(Role::Public, passed.public, &config.listen)?;
        let admin = bind(Role::Admin, passed.admin, &config.metrics_listen)?;
        // With SO_REUSEPORT the kernel would let both have it, and give each some of the connections.
        let is_public = |address| public.iter().any(|bound| bound.local_addr() == address);
        let mut addresses = admin.iter().filter_map(Bound::local_addr);
        if let Some(address) = addresses.find(|address| is_public(Some(*address))) {
            return Err(Error::SameAddress(address));
        }
        Ok(Self { public, admin })
    }

    /// Listens: from now on connections wait in the kernel until they are accepted.
    pub(crate) fn open(self, registry: &Registry) -> Result<Listeners<TcpListener>, Error> {
        let open = |role, sockets: Vec<_>| {
            let sockets = sockets.into_iter().enumerate();
            let opened = sockets
                .map(|(index, bound)| listen(bound, registry, Source::Listener(role, index)));
            opened.collect::<Result<_, _>>()
        };
        Ok(Listeners {
            public: open(Role::Public, self.public)?,
            admin: open(Role::Admin, self.admin)?,
        })
    }
}

/// What a bot with these settings would listen on.
pub struct Probed {
    /// The addresses of commands.
    pub public: Vec<SocketAddr>,
    /// The addresses of metrics.
    pub admin: Vec<SocketAddr>,
    /// What the operator has to know although the addresses can be had.
    pub notices: Vec<String>,
    /// That fewer connections or sender threads are possible than the settings say.
    pub limits: Vec<String>,
}

/// Binds the addresses of these settings, as far as no sockets were passed for them, and gives them back. It does not
/// listen, so that a bot that shares them notices nothing.
///
/// # Errors
/// It could not have them.
pub fn probe(config: &Config, passed: ListenFds) -> Result<Probed, Error> {
    let (mut notices, mut limits) = (Vec::new(), Vec::new());
    let listeners = Listeners::bind(config, passed, &mut notices)?;
    listeners.admissible(config, &mut limits);
    let addresses = |sockets: &[Bound]| sockets.iter().filter_map(Bound::local_addr).collect();
    Ok(Probed {
        public: addresses(&listeners.public),
        admin: addresses(&listeners.admin),
        notices,
        limits,
    })
}

impl<S> Listeners<S> {
    /// How many connections and sender threads the descriptor limit allows beside these listeners, after it was raised as
    /// far as it may be; `notices` say it if they are fewer than wanted. Senders get at most half, so that commands are
    /// acknowledged however slow the receivers are.
    pub(crate) fn admissible(&self, config: &Config, notices: &mut Vec<String>) -> (usize, usize) {
        let for_journal = if config.journal.is_some() {
            JOURNAL_DESCRIPTORS
        } else {
            0
        };
        let for_admin = if self.admin.is_empty() {
            0
        } else {
            ADMIN_CONNECTIONS_MAX
        };
        let listeners = self.public.len() + self.admin.len();
        let reserved = DESCRIPTORS_RESERVED + listeners + for_journal + for_admin;
        share_descriptors(config.max_connections, config.senders, reserved, notices)
    }
}

/// How many connections and sender threads there may be beside what is reserved.
fn share_descriptors(
    max_connections: usize,
    senders: usize,
    reserved: usize,
    notices: &mut Vec<String>,
) -> (usize, usize) {
    let wanted = max_connections + senders + reserved;
    let Ok((soft, _)) = rlimit::getrlimit(rlimit::Resource::NOFILE) else {
        return (max_connections, senders);
    };
    // The crate knows macOS's second limit (`kern.maxfilesperproc`), beyond which setrlimit(2) fails.
    let limit = rlimit::increase_nofile_limit(wanted as u64).unwrap_or(soft);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit >= wanted {
        return (max_connections, senders);
    }
    let free = limit.saturating_sub(reserved);
    let admitted_senders = senders.min(free / 2).max(1);
    let admitted = max_connections
        .min(free.saturating_sub(admitted_senders))
        .max(1);
    notices.push(format!(
        "--max-connections {max_connections} lowered to {admitted} and --senders {senders} to {admitted_senders}: \
         the limit of open files is {limit}; raise it with ulimit -n or LimitNOFILE"
    ));
    (admitted, admitted_senders)
}
