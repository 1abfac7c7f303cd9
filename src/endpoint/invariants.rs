//! The invariants of the sessions between any two turns.

use std::collections::{BTreeMap, BTreeSet};

use super::holders::HELD_BYTES_MAX;
use super::sessions::Sessions;
use super::socket::Socket;
use crate::slab::Key;

impl<S: Socket> Sessions<S> {
    /// Asserts the invariants between any two turns.
    pub(crate) fn check(&self) {
        assert!(self.len() <= self.capacity(), "more than there are places");
        assert!(self.staged.len() == 0 && self.resumed.is_empty());
        let held_bytes = self.table.check(self.reader.limits(), self.known);
        // A turn's answers are held from its end on; what is too much goes when the next one begins.
        assert!(held_bytes <= 2 * HELD_BYTES_MAX);
        let is_closed = |key: &&Key| !self.table.slots().contains(**key);
        let closed = self.turns.iter().filter(is_closed).count();
        assert_eq!(closed, self.turns.closed(), "keys of closed sessions");
        let mut turns = BTreeMap::new();
        for key in self.turns.iter() {
            *turns.entry(key.to_u64()).or_insert(0) += 1;
        }
        for (key, session) in self.table.slots().iter() {
            let turns = turns.get(&key.to_u64()).copied().unwrap_or(0);
            assert_eq!(turns, usize::from(session.queued));
            // A session that begins during a stop is read before an event has told that it is readable.
            let is_told = !self.is_draining || session.connection.has_backlog();
            let is_forgotten = session.has_more() && !session.queued && !session.is_blocked();
            assert!(
                !(is_told && is_forgotten),
                "a session with more to read is in no queue"
            );
        }
        self.check_held();
    }

    /// Each answer that is held will be released, and all that stand before it are held no longer than it is.
    fn check_held(&self) {
        let sessions = self.table.slots();
        assert!(self.held.iter().is_sorted_by_key(|(ticket, _)| *ticket));
        let ticket_of = |key| {
            let hold = sessions.get(key)?.connection.hold()?;
            Some(hold.ticket)
        };
        let mut first = self.held.iter().take(1);
        assert!(first.all(|(ticket, key)| ticket_of(*key) == Some(*ticket)));
        let held = sessions.iter().filter(|(_, session)| session.is_held());
        assert_eq!(self.answers_held(), held.count());
        let waiting: BTreeSet<u64> = self.held.iter().map(|(_, key)| key.to_u64()).collect();
        for (key, session) in sessions.iter().filter(|(_, session)| session.is_held()) {
            assert!(waiting.contains(&key.to_u64()), "held for ever");
            assert!(session.connection.deadline() > self.known, "held too long");
        }
    }

    /// How many stand in the order of tickets.
    #[cfg(test)]
    pub(crate) fn held_len(&self) -> usize {
        self.held.iter().count()
    }

    /// How many keys stand in the queues of turns, those of closed sessions included.
    #[cfg(test)]
    pub(crate) fn queued_len(&self) -> usize {
        self.turns.len()
    }

    /// What is left when all clients have gone.
    #[cfg(test)]
    pub(crate) fn check_empty(&self) {
        self.table.check_empty();
        assert!(
            !self.has_held(),
            "an answer is held for a session that is gone"
        );
    }
}
