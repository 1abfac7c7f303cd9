//! The sockets that a server begins with, and how many descriptors are left for its clients.

use log::warn;
use mio::Registry;
use mio::net::TcpListener;

use super::Error;
use super::inherited::Inherited;
use super::listener::Listener;
use super::token::Side;
use crate::config::Config;

/// The listeners of both doors.
pub(super) struct Doors {
    pub(super) front: Vec<Listener<TcpListener>>,
    pub(super) watch: Vec<Listener<TcpListener>>,
}

impl Doors {
    /// Takes over what was passed, and binds what was not.
    pub(super) fn open(
        config: &Config,
        inherited: Inherited,
        registry: &Registry,
    ) -> Result<Self, Error> {
        let open = |side, sockets: Vec<_>, addresses: &[String]| {
            if sockets.is_empty() {
                Listener::bind_all(side, addresses, config.reuse_port, registry)
            } else {
                Listener::inherit_all(side, sockets, registry)
            }
        };
        Ok(Self {
            front: open(Side::Front, inherited.front, &config.listen)?,
            watch: open(Side::Watch, inherited.watch, &config.metrics_listen)?,
        })
    }
}

/// How many connections and sender threads the descriptor limit admits, after it was raised as far as
/// it may be. Senders get at most half: however slow the receivers, commands are still acknowledged.
pub(super) fn admissible(
    max_connections: usize,
    senders: usize,
    reserved: usize,
) -> (usize, usize) {
    let wanted = max_connections + senders + reserved;
    let Ok((soft, hard)) = rlimit::getrlimit(rlimit::Resource::NOFILE) else {
        return (max_connections, senders);
    };
    let target = hard.min(wanted as u64).max(soft);
    let raised =
        soft >= target || rlimit::setrlimit(rlimit::Resource::NOFILE, target, hard).is_ok();
    let limit = usize::try_from(if raised { target } else { soft }).unwrap_or(usize::MAX);
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
