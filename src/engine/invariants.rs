//! The invariants of an engine between any two turns.

use super::Engine;
use super::platform::{Platform, Senders};
use crate::endpoint::Endpoint;
use crate::time::{Now, Tick};

impl<P: Platform> Engine<P> {
    /// Asserts the invariants between any two turns.
    pub(super) fn check(&self, now: Now) {
        self.public.check();
        self.admin.iter().for_each(Endpoint::check);
        debug_assert!(
            !self.bot.has_batch(),
            "what has collected is with the store"
        );
        let is_met = |at: Option<Tick>| at.is_none_or(|at| at > now.tick);
        debug_assert!(is_met(self.senders.poll_timeout()), "the loop would spin");
        debug_assert!(is_met(self.store_timeout()), "the loop would spin");
        debug_assert!(
            is_met(self.platform.watchdog_timeout()),
            "the loop would spin"
        );
    }
}
