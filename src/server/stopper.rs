//! How others ask the loop to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log::warn;
use mio::Waker;

/// Asks a running server to stop, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    requested: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            requested: Arc::default(),
            waker: Arc::new(waker),
        }
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Whether somebody has asked.
    pub(super) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Stops the server: it accepts no more, answers what it owes, and returns from
    /// [`Server::run`](super::Server::run).
    pub fn stop(&self) {
        self.requested.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            warn!("cannot wake the loop: {error}");
        }
    }
}
