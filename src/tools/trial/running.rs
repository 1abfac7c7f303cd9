//! The bot that a trial sends its command to.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use super::Error;
use crate::config::Config;
use crate::{Server, Stopper};

/// The server on a thread of its own.
pub(super) struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: JoinHandle<io::Result<usize>>,
}

impl Running {
    pub(super) fn start(config: &Config) -> Result<Self, Error> {
        let mut server = Server::bind(config)?;
        let addresses = server.local_addrs()?;
        let address = *addresses
            .first()
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let stopper = server.stopper();
        let thread = thread::Builder::new()
            .name("torrap".to_owned())
            .spawn(move || server.run())?;
        Ok(Self {
            address,
            stopper,
            thread,
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it, and gives how many replies it has left.
    pub(super) fn stop(self) -> io::Result<usize> {
        self.stopper.stop();
        match self.thread.join() {
            Ok(result) => result,
            Err(_) => Err(io::Error::other("the server panicked")),
        }
    }
}
