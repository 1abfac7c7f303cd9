//! What holds of the sessions between any two turns.

use std::collections::{BTreeMap, BTreeSet};

use super::Sessions;
use super::holders::HELD_BYTES_MAX;
use crate::endpoint::socket::Socket;

impl<S: Socket> Sessions<S> {
    /// What holds between any two turns.
    pub(crate) fn check(&self) {
        assert!(
            self.slab.len() <= self.capacity,
            "more than there are places"
        );
        assert_eq!(self.timers.len(), self.slab.len(), "one timer each");
        assert!(self.staged.is_empty() && self.resumed.is_empty());
        let held = self.slab.iter().map(|(_, session)| session.held_bytes);
        let holders = held.filter(|bytes| *bytes > self.holders.part());
        let sum = holders.fold((0, 0), |(sum, count), bytes| (sum + bytes, count + 1));
        assert_eq!(sum, self.holders.sum());
        // A turn's answers are held from its end on; what is too much goes when the next one begins.
        assert!(sum.0 <= 2 * HELD_BYTES_MAX);
        let mut turns = BTreeMap::new();
        for key in self
            .active
            .iter()
            .chain(self.bulk.iter())
            .chain(&self.leaving)
        {
            *turns.entry(key.to_u64()).or_insert(0) += 1;
        }
        for (key, session) in self.slab.iter() {
            let turns = turns.get(&key.to_u64()).copied().unwrap_or(0);
            assert_eq!(turns, usize::from(session.queued));
            assert_eq!(session.held_bytes, session.holds());
            let deadline = session.deadline(&self.limits);
            assert!(session.armed <= deadline.max(self.known.after(1)));
            // One that comes while the server stops is taken for readable before the kernel has told.
            let is_told = !self.is_draining || session.connection.has_backlog();
            let is_forgotten = session.has_more() && !session.queued && !session.is_blocked();
            assert!(!(is_told && is_forgotten), "what it has is forgotten");
        }
        self.check_held();
    }

    /// Each answer that is held will be released, and all that stand before it are held no longer than it is.
    fn check_held(&self) {
        assert!(self.held.iter().is_sorted_by_key(|(ticket, _)| *ticket));
        let ticket_of = |key| {
            let hold = self.slab.get(key)?.connection.hold()?;
            Some(hold.ticket)
        };
        let mut first = self.held.iter().take(1);
        assert!(first.all(|(ticket, key)| ticket_of(*key) == Some(*ticket)));
        let held = self.slab.iter().filter(|(_, session)| session.is_held());
        assert_eq!(self.answers_held(), held.count());
        let waiting: BTreeSet<u64> = self.held.iter().map(|(_, key)| key.to_u64()).collect();
        for (key, session) in self.slab.iter().filter(|(_, session)| session.is_held()) {
            assert!(waiting.contains(&key.to_u64()), "held for ever");
            assert!(session.connection.deadline() > self.known, "held too long");
        }
    }

    /// How many stand in the order of tickets.
    #[cfg(test)]
    pub(crate) fn held_len(&self) -> usize {
        self.held.iter().count()
    }

    /// What is left when everybody has gone.
    #[cfg(test)]
    pub(crate) fn check_empty(&self) {
        assert!(self.slab.is_empty(), "a session is left");
        assert!(self.timers.is_empty(), "a timer is left");
        assert_eq!(self.holders.sum(), (0, 0));
        assert!(!self.has_held(), "an answer is held for nobody");
    }
}
