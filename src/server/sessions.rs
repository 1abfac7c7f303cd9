//! All sessions: who has a place, who has its turn, who has lasted too long.

#[cfg(test)]
mod invariants;
mod places;
mod sending;

use std::collections::VecDeque;
use std::ops::Range;

use super::eviction::Evictor;
use super::session::{Progress, Service, Session};
use super::socket::{Readiness, Socket};
use super::token::Side;
use crate::http::{CloseReason, Limits, Staging};
use crate::slab::{Key, Slab};
use crate::time::{Now, Tick};
use crate::timing_wheel::TimingWheel;

/// Bytes read at once. One buffer serves all sessions; only incomplete requests are kept elsewhere.
const READ_BYTES: usize = 288 * 1024;

/// Bytes of incomplete requests held for all sessions together. Slack's usually arrive in one piece and are
/// then not held: this bounds what strangers can make us keep, and only they notice it. Whoever holds no more than
/// his part of it, divided by the places, is let be, so that it may be twice as much in all.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Sessions in one turn that may have that much read. However many have as much to send, and whatever
/// it is, a command does not wait for them.
const BULK_SESSIONS_PER_TURN: usize = 16;

/// Bytes read of a session that has only just become readable when there are more: what a command
/// ever has.
const READ_FIRST_BYTES: usize = 16 * 1024;

/// Requests answered of a session that has only just become readable when there are more: a command is one, and
/// whoever sends many at once has turns of his own for the others.
const REQUESTS_FIRST: usize = 4;

/// Sessions that have their turn before the answers of all of them go out: a flood on every connection
/// must not make the staging area grow with their number.
const SESSIONS_PER_TURN: usize = 1024;

/// Sessions in one turn whose clients have gone, or will send no more. When thousands go at once, whoever comes
/// does not wait until the last of them is closed.
const LEAVING_PER_TURN: usize = 128;

/// The sessions, and a turn's work on them.
pub(super) struct Sessions<S> {
    side: Side,
    limits: Limits,
    /// The same for the first turn of sessions when many have one.
    first_limits: Limits,
    capacity: usize,
    slab: Slab<Session<S>>,
    timers: TimingWheel<Key>,
    /// Bytes of incomplete requests that all sessions hold.
    held_bytes: usize,
    /// Sessions with something to read.
    active: VecDeque<Key>,
    /// Sessions that have had a turn and have still something to read or to answer.
    bulk: VecDeque<Key>,
    /// Sessions whose clients have closed their side.
    leaving: VecDeque<Key>,
    /// Sessions whose socket takes bytes again.
    resumed: Vec<Key>,
    evictor: Evictor,
    /// The server is stopping: who comes now comes for one request.
    is_draining: bool,
    buffer: Box<[u8]>,
    staging: Staging,
    /// Whose responses lie where in the staging area.
    staged: Vec<Staged>,
}

/// How much of a session is read and answered in one turn.
#[derive(Clone, Copy)]
enum Share {
    /// What a command ever needs.
    First,
    /// As much as there is, up to the limits.
    Bulk,
}

/// A session's responses of one turn.
struct Staged {
    key: Key,
    range: Range<usize>,
    /// Whether they wait for what the turn has promised to be durable: they hold a promise, or may stand
    /// behind one.
    is_held: bool,
}

impl<S: Socket> Sessions<S> {
    pub(super) fn new(side: Side, limits: Limits, capacity: usize, now: Tick) -> Self {
        let requests_per_turn_max = limits.requests_per_turn_max.min(REQUESTS_FIRST);
        let first_limits = Limits {
            requests_per_turn_max,
            ..limits.clone()
        };
        Self {
            side,
            limits,
            first_limits,
            capacity,
            slab: Slab::new(),
            timers: TimingWheel::new(now),
            held_bytes: 0,
            active: VecDeque::new(),
            bulk: VecDeque::new(),
            leaving: VecDeque::new(),
            resumed: Vec::new(),
            evictor: Evictor::default(),
            is_draining: false,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            staging: Staging::default(),
            staged: Vec::new(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many there may be.
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn is_full(&self) -> bool {
        self.slab.len() >= self.capacity
    }

    /// Whether some session needs a turn at once.
    pub(super) fn has_work(&self) -> bool {
        !(self.active.is_empty() && self.bulk.is_empty() && self.leaving.is_empty())
    }

    /// How many clients are still owed something.
    pub(super) fn owed(&self) -> usize {
        self.slab
            .iter()
            .filter(|(_, session)| session.is_owed())
            .count()
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.timers.next_expiration()
    }

    pub(super) fn begin_turn(&mut self, now: Now) {
        self.staging.begin(now.unix);
    }

    /// Takes note of an event. One for a session that is gone finds nothing.
    pub(super) fn note(&mut self, key: Key, event: Readiness) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        session.note(event);
        if event.writable && session.is_blocked() {
            self.resumed.push(key);
        }
        if session.queued {
            return;
        }
        session.queued = event.readable || event.closed;
        if event.closed {
            self.leaving.push_back(key);
        } else if event.readable {
            self.active.push_back(key);
        }
    }

    fn activate(&mut self, key: Key) {
        if let Some(session) = self.slab.get_mut(key).filter(|session| !session.queued) {
            session.queued = true;
            self.active.push_back(key);
        }
    }

    /// Gives each active session one turn, and some of those that have had theirs another: one read, and
    /// the answers to what is complete.
    pub(super) fn receive(&mut self, service: &mut impl Service, now: Now) {
        // None has two in one: what it is owed for the first goes out before it may be closed by the next.
        let bulk = self.bulk.len().min(BULK_SESSIONS_PER_TURN);
        let first = if self.active.len() + self.leaving.len() <= BULK_SESSIONS_PER_TURN {
            Share::Bulk
        } else {
            Share::First
        };
        for _ in 0..self.active.len().min(SESSIONS_PER_TURN) {
            if let Some(key) = self.active.pop_front() {
                self.receive_one(key, first, service, now);
            }
        }
        for _ in 0..bulk {
            if let Some(key) = self.bulk.pop_front() {
                self.receive_one(key, Share::Bulk, service, now);
            }
        }
        for _ in 0..self.leaving.len().min(LEAVING_PER_TURN) {
            if let Some(key) = self.leaving.pop_front() {
                self.receive_one(key, first, service, now);
            }
        }
    }

    fn receive_one(&mut self, key: Key, share: Share, service: &mut impl Service, now: Now) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        session.queued = false;
        let start = self.staging.len();
        let (limits, bytes_max) = match share {
            Share::First => (&self.first_limits, READ_FIRST_BYTES),
            Share::Bulk => (&self.limits, READ_BYTES),
        };
        let (buffer, staging) = (&mut self.buffer[..bytes_max], &mut self.staging);
        match session.receive(buffer, now, limits, staging, service) {
            Progress::Waiting => {}
            Progress::Again => {
                session.queued = true;
                self.bulk.push_back(key);
            }
            Progress::Over => return self.remove(key),
        }
        let is_held = self.staging.has_promise_since(start);
        self.after(key, start, is_held, service, now);
    }

    /// Ends what has lasted too long, as far as the budget goes.
    pub(super) fn expire(&mut self, service: &mut impl Service, now: Now, budget: &mut usize) {
        while let Some(key) = self.timers.expire(now.tick, budget) {
            let Some(session) = self.slab.get_mut(key) else {
                continue;
            };
            let deadline = session.connection.deadline();
            let start = self.staging.len();
            if deadline <= now.tick {
                let progress = session.handle_timeout(now.tick, &self.limits, &mut self.staging);
                if progress == Progress::Over {
                    self.remove(key);
                    continue;
                }
            }
            // The deadline has moved since the timer was set: that is all it costs to move it.
            session.armed = session.connection.deadline();
            session.timer = self.timers.schedule(session.armed, key);
            let is_held = self.has_promises();
            self.after(key, start, is_held, service, now);
        }
    }

    /// Books what a session has staged from `start` on, and keeps its timer no later than its deadline.
    fn after(
        &mut self,
        key: Key,
        start: usize,
        is_held: bool,
        service: &mut impl Service,
        now: Now,
    ) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        self.held_bytes -= session.held_bytes;
        let held_bytes = session.connection.held_bytes();
        let part = HELD_BYTES_MAX / self.capacity.max(1);
        if held_bytes > part && self.held_bytes + held_bytes > HELD_BYTES_MAX {
            session
                .connection
                .shed(now.tick, &self.limits, &mut self.staging);
        }
        session.held_bytes = session.connection.held_bytes();
        self.held_bytes += session.held_bytes;
        let end = self.staging.len();
        if end > start {
            self.staged.push(Staged {
                key,
                range: start..end,
                is_held,
            });
            if let Some(CloseReason::Fault(error)) = session.connection.close_reason() {
                service.note_fault(error, now);
            }
        }
        self.arm(key);
    }

    /// Keeps a session's timer no later than its deadline.
    fn arm(&mut self, key: Key) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        let deadline = session.connection.deadline();
        if deadline < session.armed {
            self.timers.cancel(session.timer);
            session.armed = deadline;
            session.timer = self.timers.schedule(deadline, key);
        }
    }
}
