//! The table of sessions: for each its slot, its timer, and its part of the memory that all of them may hold.

use super::holders::Holders;
use super::session::Session;
use super::socket::Socket;
use crate::http::{Connection, Limits};
use crate::slab::{Key, Slab};
use crate::time::Tick;
use crate::timing_wheel::TimingWheel;

/// The sessions. Each has one timer, which expires no later than its deadline.
pub(super) struct SessionTable<S> {
    slab: Slab<Session<S>>,
    timers: TimingWheel<Key>,
    /// Sessions that hold bytes of incomplete requests or of unread answers.
    holders: Holders,
}

impl<S: Socket> SessionTable<S> {
    /// An empty table, for so many sessions.
    pub(super) fn new(capacity: usize, now: Tick) -> Self {
        Self {
            slab: Slab::new(),
            timers: TimingWheel::new(now),
            holders: Holders::among(capacity),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) const fn slots(&self) -> &Slab<Session<S>> {
        &self.slab
    }

    /// How many clients a stop waits for.
    pub(super) fn unfinished(&self) -> usize {
        let sessions = self.slab.iter();
        sessions.filter(|(_, at)| at.is_unfinished()).count()
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Session<S>> {
        self.slab.get_mut(key)
    }

    /// The session in a slot, and its key.
    pub(super) fn at_mut(&mut self, index: u32) -> Option<(Key, &mut Session<S>)> {
        let key = self.slab.key_at(index)?;
        Some((key, self.slab.at_mut(index)?))
    }

    /// Adds a session.
    pub(super) fn insert(&mut self, socket: S, connection: Connection) -> Key {
        let deadline = connection.deadline();
        // The timer needs the session's key, and the session the timer's.
        let placeholder = Key::from_parts(u32::MAX, 0);
        let session = Session::new(socket, connection, placeholder);
        let key = self.slab.insert(session);
        let timer = self.timers.schedule(deadline, key);
        if let Some(session) = self.slab.get_mut(key) {
            session.timer = timer;
        }
        key
    }

    /// Removes the session in a slot.
    pub(super) fn remove_at(&mut self, index: u32) -> Option<Session<S>> {
        self.holders.forget(index);
        let session = self.slab.remove_at(index)?;
        self.timers.cancel(session.timer);
        Some(session)
    }

    /// Books what a session holds, and keeps its timer no later than its deadline.
    pub(super) fn book(&mut self, key: Key, limits: &Limits) {
        if let Some(session) = self.slab.get_mut(key) {
            let before = session.held_bytes;
            session.held_bytes = session.holds();
            let is_client = !session.is_unauthenticated;
            self.holders
                .update(key.index(), is_client, before, session.held_bytes);
        }
        self.arm(key, limits);
    }

    /// Keeps a session's timer no later than its deadline.
    pub(super) fn arm(&mut self, key: Key, limits: &Limits) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        let deadline = session.deadline(limits);
        if deadline < session.armed {
            self.timers.cancel(session.timer);
            session.armed = deadline;
            session.timer = self.timers.schedule(deadline, key);
        }
    }

    /// Arms the timer of a session again, which has expired.
    pub(super) fn rearm(&mut self, key: Key, at: Tick) {
        if let Some(session) = self.slab.get_mut(key) {
            session.armed = at;
            session.timer = self.timers.schedule(at, key);
        }
    }

    /// The next session whose timer has expired by `now`, as far as the budget goes. It has to be
    /// [armed again](Self::rearm) or removed.
    pub(super) fn expire(&mut self, now: Tick, budget: &mut usize) -> Option<Key> {
        self.timers.expire(now, budget)
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.timers.next_expiration()
    }

    /// Whether all sessions together hold more than they may.
    pub(super) const fn holds_too_much(&self) -> bool {
        self.holders.is_excessive()
    }

    /// The slot of the session that has to give up what it holds, while all together hold too much.
    pub(super) fn first_to_shed(&self) -> Option<u32> {
        self.holders.first_to_go()
    }

    /// What holds between any two turns, when all that had arrived by `known` is known. Returns how many bytes are
    /// held.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check(&self, limits: &Limits, known: Tick) -> usize {
        assert_eq!(self.timers.len(), self.slab.len(), "one timer each");
        let held = self.slab.iter().map(|(_, session)| session.held_bytes);
        let holders = held.filter(|bytes| *bytes > self.holders.part());
        let sum = holders.fold((0, 0), |(sum, count), bytes| (sum + bytes, count + 1));
        assert_eq!(sum, self.holders.sum());
        for (_, session) in self.slab.iter() {
            assert_eq!(session.held_bytes, session.holds());
            assert!(session.armed <= session.deadline(limits).max(known.after(1)));
        }
        sum.0
    }

    /// What is left when all sessions are closed.
    #[cfg(test)]
    pub(super) fn check_empty(&self) {
        assert!(self.slab.is_empty(), "a session is left");
        assert!(self.timers.is_empty(), "a timer is left");
        assert_eq!(self.holders.sum(), (0, 0));
    }
}
