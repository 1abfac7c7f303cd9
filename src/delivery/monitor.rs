//! What is known of an agent's attempt and of its connections: whether any of the request may have been sent, and whether
//! a kept connection can be used again.
//!
//! ureq's errors do not say: an untrusted certificate is an I/O error like a reset in the middle of an answer. So the
//! connections themselves note it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

/// Monitors the attempts of one agent, which makes one at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttemptMonitor {
    attempt: Arc<Attempt>,
    /// Attempts of all agents that have failed on a kept connection.
    losses: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Attempt {
    /// Some of the request may have been sent.
    is_sent: AtomicBool,
    /// It was sent on a connection that had served before.
    is_kept: AtomicBool,
}

impl AttemptMonitor {
    pub(crate) fn for_agent(&self) -> Self {
        Self {
            attempt: Arc::default(),
            losses: self.losses.clone(),
        }
    }

    /// Another attempt begins.
    pub(crate) fn begin(&self) {
        self.attempt.is_sent.store(false, Ordering::Relaxed);
        self.attempt.is_kept.store(false, Ordering::Relaxed);
    }

    /// A connection was made or could not be made.
    pub(crate) fn note_connected(&self) {
        self.begin();
    }

    /// Monitors a connection.
    pub(crate) fn monitor(&self, transport: Box<dyn Transport>) -> Monitored {
        Monitored {
            transport,
            monitor: self.clone(),
            served_at: None,
        }
    }

    /// Whether some of the request may have been sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.attempt.is_sent.load(Ordering::Relaxed)
    }

    /// The attempt has failed. If that was on a kept connection, no other that has not served since is used again: a
    /// network that silently drops one drops them all, and each would cost an attempt.
    pub(crate) fn note_failed(&self) {
        if self.attempt.is_kept.load(Ordering::Relaxed) {
            self.losses.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A connection that is monitored.
#[derive(Debug)]
pub(crate) struct Monitored {
    transport: Box<dyn Transport>,
    monitor: AttemptMonitor,
    /// How many losses there had been when it last served; none before it has.
    served_at: Option<u64>,
}

impl Transport for Monitored {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let attempt = &self.monitor.attempt;
        attempt.is_sent.store(true, Ordering::Relaxed);
        let result = self.transport.transmit_output(amount, timeout);
        // After the call, which sets the same flag for the connection below a tunnel.
        let is_kept = self.served_at.is_some();
        attempt.is_kept.store(is_kept, Ordering::Relaxed);
        result
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let has_come = self.transport.await_input(timeout)?;
        if has_come {
            self.served_at = Some(self.monitor.losses.load(Ordering::Relaxed));
        }
        Ok(has_come)
    }

    fn is_open(&mut self) -> bool {
        let losses = self.monitor.losses.load(Ordering::Relaxed);
        self.served_at.is_none_or(|at| at == losses) && self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
