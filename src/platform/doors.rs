//! The sockets that a server begins with, and how many descriptors are left for its clients.

use std::net::SocketAddr;

use log::warn;
use mio::Registry;
use mio::net::TcpListener;

use super::bound::Bound;
use super::error::Error;
use super::inherited::Inherited;
use super::sockets::listen;
use crate::config::Config;
use crate::endpoint::source::{Role, Source};
use crate::engine::ADMIN_CONNECTIONS_MAX;

/// Descriptors kept for what is no client and no listener: streams, the poll, name look-ups.
const DESCRIPTORS_RESERVED: usize = 15;
/// And with a journal: its directory, its lock, the segment that is written, the next one.
const JOURNAL_DESCRIPTORS: usize = 4;

/// The sockets of both doors.
pub(crate) struct Doors<S> {
    pub(crate) front: Vec<S>,
    pub(crate) watch: Vec<S>,
}

impl Doors<Bound> {
    /// Takes over what was passed, and binds what was not; `notices` are for the operator.
    pub(crate) fn bind(
        config: &Config,
        inherited: Inherited,
        notices: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let mut bind = |role, sockets: Vec<_>, addresses: &[String]| {
            if sockets.is_empty() {
                Bound::all(role, addresses, config.reuse_port, notices)
            } else {
                Bound::inherited(sockets)
            }
        };
        let front = bind(Role::Public, inherited.front, &config.listen)?;
        let watch = bind(Role::Admin, inherited.watch, &config.metrics_listen)?;
        // The system would let both have it if it is shared, and give each some of the connections.
        let is_at_front = |address| front.iter().any(|bound| bound.local_addr() == address);
        let mut addresses = watch.iter().filter_map(Bound::local_addr);
        if let Some(address) = addresses.find(|address| is_at_front(Some(*address))) {
            return Err(Error::OneDoor(address));
        }
        Ok(Self { front, watch })
    }

    /// Lets clients in, who wait in the kernel until they are accepted.
    pub(crate) fn open(self, registry: &Registry) -> Result<Doors<TcpListener>, Error> {
        let open = |role, sockets: Vec<_>| {
            let sockets = sockets.into_iter().enumerate();
            let opened = sockets
                .map(|(index, bound)| listen(bound, registry, Source::Listener(role, index)));
            opened.collect::<Result<_, _>>()
        };
        Ok(Doors {
            front: open(Role::Public, self.front)?,
            watch: open(Role::Admin, self.watch)?,
        })
    }
}

/// What a bot with these settings would listen on.
pub struct Probed {
    /// The addresses of `--listen`.
    pub front: Vec<SocketAddr>,
    /// The addresses of `--metrics-listen`.
    pub watch: Vec<SocketAddr>,
    /// What the operator has to know nevertheless.
    pub notices: Vec<String>,
}

/// Binds the addresses of these settings and gives them back. It does not listen, so that a bot that
/// shares them notices nothing.
///
/// # Errors
/// It could not have them.
pub fn probe(config: &Config) -> Result<Probed, Error> {
    let mut notices = Vec::new();
    let doors = Doors::bind(config, Inherited::default(), &mut notices)?;
    let addresses = |sockets: &[Bound]| sockets.iter().filter_map(Bound::local_addr).collect();
    Ok(Probed {
        front: addresses(&doors.front),
        watch: addresses(&doors.watch),
        notices,
    })
}

impl<S> Doors<S> {
    /// How many connections and sender threads the descriptor limit admits beside these, after it was raised
    /// as far as it may be. Senders get at most half: however slow the receivers, commands are still
    /// acknowledged.
    pub(crate) fn admissible(&self, config: &Config) -> (usize, usize) {
        let for_journal = if config.journal.is_some() {
            JOURNAL_DESCRIPTORS
        } else {
            0
        };
        let for_watch = if self.watch.is_empty() {
            0
        } else {
            ADMIN_CONNECTIONS_MAX
        };
        let listeners = self.front.len() + self.watch.len();
        let reserved = DESCRIPTORS_RESERVED + listeners + for_journal + for_watch;
        share_descriptors(config.max_connections, config.senders, reserved)
    }
}

/// How many connections and sender threads there may be beside what is reserved.
fn share_descriptors(max_connections: usize, senders: usize, reserved: usize) -> (usize, usize) {
    let wanted = max_connections + senders + reserved;
    let Ok((soft, _)) = rlimit::getrlimit(rlimit::Resource::NOFILE) else {
        return (max_connections, senders);
    };
    // Not by setrlimit(2) alone: macOS has a second limit (`kern.maxfilesperproc`) and refuses what is beyond it.
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
    warn!(
        "--max-connections {max_connections} lowered to {admitted} and --senders {senders} to {admitted_senders}: \
         the limit of open files is {limit}; raise it with ulimit -n or LimitNOFILE"
    );
    (admitted, admitted_senders)
}
