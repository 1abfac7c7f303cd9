//! How other threads ask the loop to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log::warn;
use mio::Waker;

use crate::engine::platform::Stop;

/// Asks a running server to stop, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    requests: Arc<Requests>,
    waker: Arc<Waker>,
}

/// What was asked for.
#[derive(Debug, Default)]
struct Requests {
    stop: AtomicBool,
    at_once: AtomicBool,
}

impl Stopper {
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            requests: Arc::default(),
            waker: Arc::new(waker),
        }
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// What was asked for.
    pub(crate) fn requested(&self) -> Option<Stop> {
        let is_requested = self.requests.stop.load(Ordering::Acquire);
        is_requested.then(|| match self.is_at_once() {
            true => Stop::AtOnce,
            false => Stop::Graceful,
        })
    }

    /// Stops the server: it accepts no more connections, posts its pending replies or leaves them to the next start, and
    /// returns from [`Server::run`](crate::Server::run).
    pub fn stop(&self) {
        self.requests.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Stops the server without waiting for anything: what is pending is left undelivered, or to the next start.
    pub fn stop_at_once(&self) {
        self.requests.at_once.store(true, Ordering::Release);
        self.stop();
    }

    /// Whether [`Self::stop_at_once`] was called.
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        self.requests.at_once.load(Ordering::Acquire)
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            warn!("cannot wake the loop: {error}");
        }
    }
}
