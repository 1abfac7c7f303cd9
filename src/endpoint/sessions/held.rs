//! Sessions whose answers wait for a commit: released in the order of their tickets.

use std::collections::VecDeque;

use super::Sessions;
use crate::endpoint::Turn;
use crate::endpoint::session::{Progress, Service, Session};
use crate::endpoint::socket::Socket;
use crate::http::Hold;
use crate::slab::{Key, Slab};

/// The sessions, each with its ticket. Some of them may not be held any more, or be gone, but never the first one. It
/// is held for [`held_timeout_ms`] at most, so that all of them are no more than what was accepted in that time.
///
/// [`held_timeout_ms`]: crate::http::Limits::held_timeout_ms
#[derive(Debug, Default)]
pub(crate) struct Held(VecDeque<(u64, Key)>);

impl Held {
    pub(crate) fn push(&mut self, ticket: u64, key: Key) {
        let last = self.0.back().map_or(0, |(last, _)| *last);
        debug_assert!(last <= ticket, "tickets do not decrease");
        self.0.push_back((ticket, key));
    }

    /// The next one that waits for this ticket, or for one before it.
    fn pop(&mut self, ticket: u64) -> Option<Key> {
        let is_due = |(waits_for, _): &&(u64, Key)| *waits_for <= ticket;
        self.0.front().filter(is_due)?;
        self.0.pop_front().map(|(_, key)| key)
    }

    /// Whether the answer of the first one waits no more.
    fn is_first_over<S: Socket>(&self, sessions: &Slab<Session<S>>) -> bool {
        self.0.front().is_some_and(|(ticket, key)| {
            let hold = sessions
                .get(*key)
                .and_then(|session| session.connection.hold());
            hold.is_none_or(|hold| hold.ticket != *ticket)
        })
    }

    /// How many answers wait.
    fn waiting<S: Socket>(&self, sessions: &Slab<Session<S>>) -> usize {
        let waits = |(ticket, key): &&(u64, Key)| {
            let session = sessions.get(*key);
            let hold = session.and_then(|session| session.connection.hold());
            hold.is_some_and(|hold| hold.ticket == *ticket)
        };
        self.0.iter().filter(waits).count()
    }

    #[cfg(any(test, debug_assertions))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(u64, Key)> {
        self.0.iter()
    }
}

impl<S: Socket> Sessions<S> {
    /// Whether an answer waits for a commit.
    pub(crate) fn has_held(&self) -> bool {
        !self.held.0.is_empty()
    }

    /// How many answers wait for a commit.
    pub(crate) fn answers_held(&self) -> usize {
        self.held.waiting(&self.slab)
    }

    /// What waits for this ticket, or for one before it, is kept now, or cannot be: answers all of it. What has come
    /// behind has its turn.
    pub(crate) fn release(
        &mut self,
        ticket: u64,
        is_kept: bool,
        turn: &mut Turn<'_, impl Service>,
    ) {
        let now = turn.now;
        let answer = |service: &mut _, hold| Service::answer_held(service, hold, is_kept, now);
        self.release_with(ticket, answer, turn);
    }

    /// Answers all that waits still, and has it taken back: nothing is waited for any more.
    pub(crate) fn withdraw_held(&mut self, turn: &mut Turn<'_, impl Service>) {
        let now = turn.now;
        let answer = |service: &mut _, hold| Service::withdraw(service, hold, now);
        self.release_with(u64::MAX, answer, turn);
    }

    fn release_with<A: Service>(
        &mut self,
        ticket: u64,
        answer: impl Fn(&mut A, Hold) -> crate::http::Response,
        turn: &mut Turn<'_, A>,
    ) {
        while let Some(key) = self.held.pop(ticket) {
            let is_due = |hold: &Hold| hold.ticket <= ticket;
            let Some(session) = self.slab.get_mut(key) else {
                continue;
            };
            // One whose time was over has been answered already.
            let Some(hold) = session.connection.hold().filter(is_due) else {
                continue;
            };
            let start = self.staging.len();
            let response = answer(turn.service, hold);
            let progress =
                session.release(&response, turn.now.tick, &self.limits, &mut self.staging);
            if progress == Progress::Again {
                self.activate(key);
            }
            self.after(key, start, turn);
        }
        self.forget_released();
    }

    /// Forgets those at the front that were answered since their time was over, or whose clients are gone: their
    /// commands stay accepted.
    pub(crate) fn forget_released(&mut self) {
        while self.held.is_first_over(&self.slab) {
            self.held.0.pop_front();
        }
    }
}
