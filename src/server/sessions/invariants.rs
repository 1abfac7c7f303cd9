//! What holds of the sessions between any two turns, for the simulation.

use super::{HELD_BYTES_MAX, Sessions};
use crate::server::socket::Socket;
use crate::slab::Key;

impl<S: Socket> Sessions<S> {
    pub(in crate::server) fn contains(&self, key: Key) -> bool {
        self.slab.contains(key)
    }

    /// What holds between any two turns.
    pub(in crate::server) fn check(&self) {
        assert!(
            self.slab.len() <= self.capacity,
            "more than there are places"
        );
        assert_eq!(self.timers.len(), self.slab.len(), "one timer each");
        assert!(self.staged.is_empty() && self.resumed.is_empty());
        let held = self.slab.iter().map(|(_, session)| session.held_bytes);
        assert_eq!(held.sum::<usize>(), self.held_bytes);
        assert!(self.held_bytes <= 2 * HELD_BYTES_MAX);
        for (key, session) in self.slab.iter() {
            let turns = self.active.iter().chain(&self.bulk).chain(&self.leaving);
            let turns = turns.filter(|waiting| **waiting == key).count();
            assert_eq!(turns, usize::from(session.queued));
            assert_eq!(session.held_bytes, session.connection.held_bytes());
            assert!(session.armed <= session.connection.deadline());
        }
    }

    /// What is left when everybody has gone.
    pub(in crate::server) fn check_empty(&self) {
        assert!(self.slab.is_empty(), "a session is left");
        assert!(self.timers.is_empty(), "a timer is left");
        assert_eq!(self.held_bytes, 0);
    }
}
