//! The bot on the system: made from settings and passed sockets, and run.

use std::io;
use std::net::SocketAddr;

use log::warn;

use super::directory_lock::DirectoryLock;
use super::error::Error;
#[cfg(feature = "redis")]
use super::fleet_start::FleetStart;
use super::listen_fds::ListenFds;
use super::listeners::Listeners;
use super::sd_notify::SdNotify;
use super::stopper::Stopper;
use super::system::System;
use crate::app::Bot;
use crate::config::{Config, JournalPlace};
use crate::delivery::agent::Agents;
use crate::delivery::senders::Pool;
use crate::endpoint::{Endpoint, SESSIONS_PER_TURN};
use crate::engine::platform::Platform;
use crate::engine::{Engine, Parts};
use crate::store::{NoStore, Store};

/// The bot with its sockets.
pub struct Server(Engine<System>);

impl Server {
    /// Listens on all addresses, so that connections wait in the kernel until [`Self::run`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn bind(config: &Config) -> Result<Self, Error> {
        Self::bind_or_inherit(config, ListenFds::default())
    }

    /// The same with sockets that were passed to the process, which take the place of addresses.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn bind_or_inherit(config: &Config, passed: ListenFds) -> Result<Self, Error> {
        let platform = System::new().map_err(Error::Loop)?;
        let (clock, waker) = (platform.clock(), platform.stopper().waker());
        let agents = Agents::new(config)?;
        let has_passed_sockets = !passed.is_empty();
        let mut notices = Vec::new();
        let listeners = Listeners::bind(config, passed, &mut notices)?;
        let (connections_max, senders_max) = listeners.admissible(config, &mut notices);
        notices.iter().for_each(|notice| warn!("{notice}"));
        let take_lock = |path| DirectoryLock::take(path, has_passed_sockets);
        let directory = config.journal.as_ref().and_then(JournalPlace::directory);
        let lock = directory.map(|path| take_lock(path)).transpose()?;
        #[cfg(feature = "redis")]
        let fleet = match &config.journal {
            Some(JournalPlace::Shared(journal)) => Some(FleetStart::new(config, journal, clock)?),
            Some(JournalPlace::Directory(_)) | None => None,
        };
        // Only now, with the journal's lock held: no connection is accepted by the kernel that this process could not serve.
        let registry = platform.registry().map_err(Error::Loop)?;
        let listeners = listeners.open(&registry)?;
        let mut bot = Bot::new(config, platform.now().tick);
        let store: Box<dyn Store + Send> = match lock {
            Some(lock) => Box::new(lock.open(&mut bot, clock, waker.clone())?),
            None => Box::new(NoStore),
        };
        #[cfg(feature = "redis")]
        let store = match fleet {
            Some(fleet) => Box::new(fleet.open(&mut bot, waker.clone())?),
            None => store,
        };
        let parts = Parts {
            platform,
            public: listeners.public,
            admin: listeners.admin,
            registry,
            bot,
            store,
            senders: Pool::new(agents, senders_max, waker),
            connections_max,
            turns_max: SESSIONS_PER_TURN,
        };
        Ok(Self(Engine::new(parts, config)))
    }

    #[cfg(test)]
    pub(crate) const fn engine(&mut self) -> &mut Engine<System> {
        &mut self.0
    }

    /// Notifies this service manager from now on.
    pub fn notify(&mut self, sd_notify: SdNotify) {
        self.0.platform.notify(sd_notify);
    }

    /// The addresses that the server listens on, with the ports that the system chose.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.0.public().local_addrs()
    }

    /// The addresses that serve `/metrics`, with the ports that the system chose.
    ///
    /// # Errors
    /// As the system says.
    pub fn metrics_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        let admin = self.0.admin();
        admin.map_or_else(|| Ok(Vec::new()), Endpoint::local_addrs)
    }

    /// Stops this server, from any thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.0.platform.stopper().clone()
    }

    /// Serves until it is stopped and nothing is pending, or the drain time is over. Returns how many
    /// replies are left undelivered: see [`Self::undelivered`].
    ///
    /// # Errors
    /// The poll itself failed: nothing can be served any more.
    pub fn run(&mut self) -> io::Result<usize> {
        self.0.run()
    }

    /// One line for each reply that [`Self::run`] left undelivered. There may be more of them than a
    /// log takes at once: they are for the caller to log at its pace.
    pub fn undelivered(&self) -> impl Iterator<Item = String> {
        self.0.bot().undelivered()
    }
}
