//! Answers that wait for a commit: the sessions that hold one, in the order of their tickets.

use std::collections::VecDeque;

use super::session::Session;
use super::socket::Socket;
use crate::slab::{Key, Slab};
use crate::store::Ticket;

/// The sessions, each with its ticket. Some of them may have been answered or closed meanwhile, but never the first one.
/// That one is held for [`held_timeout_ms`] at most, which bounds the queue by what is accepted in that time.
///
/// [`held_timeout_ms`]: crate::http::Limits::held_timeout_ms
#[derive(Debug, Default)]
pub(super) struct HeldAnswers(VecDeque<(Ticket, Key)>);

impl HeldAnswers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, ticket: Ticket, key: Key) {
        // Tickets do not decrease, but for a repeat: it waits for the ticket of the command that came first.
        let is_later = |(last, _): &(Ticket, Key)| *last > ticket;
        if self.0.back().is_some_and(is_later) {
            let at = self.0.partition_point(|entry| !is_later(entry));
            return self.0.insert(at, (ticket, key));
        }
        self.0.push_back((ticket, key));
    }

    /// The next one that waits for this ticket, or for one before it.
    pub(super) fn pop(&mut self, ticket: Ticket) -> Option<Key> {
        let is_due = |(waits_for, _): &&(Ticket, Key)| *waits_for <= ticket;
        self.0.front().filter(is_due)?;
        self.0.pop_front().map(|(_, key)| key)
    }

    /// Forgets the sessions at the front that were answered because they were held for too long, or that are closed: a
    /// command whose client has gone stays accepted.
    pub(super) fn forget_released<S: Socket>(&mut self, sessions: &Slab<Session<S>>) {
        while self.0.front().is_some_and(|entry| !waits(entry, sessions)) {
            self.0.pop_front();
        }
    }

    /// How many answers wait.
    pub(super) fn waiting<S: Socket>(&self, sessions: &Slab<Session<S>>) -> usize {
        self.0.iter().filter(|entry| waits(entry, sessions)).count()
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Ticket, Key)> {
        self.0.iter()
    }
}

/// Whether the session still holds an answer that waits for this ticket.
fn waits<S: Socket>((ticket, key): &(Ticket, Key), sessions: &Slab<Session<S>>) -> bool {
    let session = sessions.get(*key);
    let hold = session.and_then(|session| session.connection.hold());
    hold.is_some_and(|hold| hold.ticket == *ticket)
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn a_repeat_of_an_earlier_command_is_released_with_that() {
        let mut held = HeldAnswers::default();
        let key = |number| Key::from_parts(number, 1);
        for (ticket, number) in [(1, 1), (2, 2), (3, 3), (2, 4), (1, 5), (3, 6)] {
            held.push(ticket, key(number));
        }
        let mut released = |ticket| iter::from_fn(|| held.pop(ticket)).collect::<Vec<_>>();
        assert_eq!(released(1), [1, 5].map(key));
        assert_eq!(released(3), [2, 4, 3, 6].map(key));
        assert!(held.is_empty());
    }
}
