//! All sessions: who has a place, who has its turn, who has lasted too long.

mod bulk;
mod held;
mod holders;
#[cfg(any(test, debug_assertions))]
mod invariants;
mod places;
mod sending;

use std::collections::VecDeque;
use std::ops::Range;

use self::bulk::Bulk;
use self::held::Held;
use self::holders::Holders;
use super::eviction::Evictor;
use super::session::{Progress, Service, Session};
use super::socket::{Readiness, Socket};
use super::source::Side;
use super::{Settings, Turn};
use crate::http::{self, CloseReason, Limits, Staging};
use crate::slab::{Key, Slab};
use crate::time::{Now, Tick};
use crate::timing_wheel::TimingWheel;

/// Bytes read at once. One buffer serves all sessions; only incomplete requests are kept elsewhere.
const READ_BYTES: usize = 288 * 1024;

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
pub(crate) const SESSIONS_PER_TURN: usize = 1024;

/// Sessions in one turn whose clients have gone, or will send no more. When thousands go at once, whoever comes
/// does not wait until the last of them is closed.
const LEAVING_PER_TURN: usize = 128;

/// The sessions, and a turn's work on them.
pub(crate) struct Sessions<S: Socket> {
    side: Side,
    limits: Limits,
    /// The same for the first turn of sessions when many have one.
    first_limits: Limits,
    capacity: usize,
    /// [`SESSIONS_PER_TURN`], or fewer.
    turns_max: usize,
    registry: S::Registry,
    slab: Slab<Session<S>>,
    timers: TimingWheel<Key>,
    /// Those that hold bytes of incomplete requests or of answers that are not read.
    holders: Holders,
    /// Sessions with something to read.
    active: VecDeque<Key>,
    /// Sessions that have had a turn and have still something to read or to answer.
    bulk: Bulk,
    /// Those whose answers wait for a commit.
    held: Held,
    /// Sessions whose clients have closed their side.
    leaving: VecDeque<Key>,
    /// Sessions whose socket takes bytes again.
    resumed: Vec<Key>,
    evictor: Evictor,
    /// The moment by which it is known what had arrived.
    known: Tick,
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
}

impl<S: Socket> Sessions<S> {
    pub(crate) fn new(settings: Settings, registry: S::Registry, now: Tick) -> Self {
        let Settings {
            side,
            capacity,
            limits,
            turns_max,
            ..
        } = settings;
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
            turns_max,
            registry,
            slab: Slab::new(),
            timers: TimingWheel::new(now),
            holders: Holders::among(capacity),
            active: VecDeque::new(),
            bulk: Bulk::default(),
            held: Held::default(),
            leaving: VecDeque::new(),
            resumed: Vec::new(),
            evictor: Evictor::default(),
            known: now,
            is_draining: false,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            staging: Staging::default(),
            staged: Vec::new(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many there may be.
    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn is_full(&self) -> bool {
        self.slab.len() >= self.capacity
    }

    /// Whether some session needs a turn at once.
    pub(crate) fn has_work(&self) -> bool {
        let is_at_rest = self.active.is_empty() && self.bulk.is_empty() && self.leaving.is_empty();
        !is_at_rest || self.holders.is_excessive()
    }

    /// How many clients are still owed something.
    pub(crate) fn owed(&self) -> usize {
        self.slab
            .iter()
            .filter(|(_, session)| session.is_owed())
            .count()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        self.timers.next_expiration()
    }

    /// Begins a turn after a poll: all that had arrived by `known` has been [noted](Self::note).
    pub(crate) fn begin_turn(&mut self, now: Now, known: Tick) {
        self.known = known;
        self.staging.begin(now.unix);
    }

    /// Takes note of an event. One for a session that is gone finds nothing.
    pub(crate) fn note(&mut self, key: Key, event: Readiness) {
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
    pub(crate) fn receive(&mut self, turn: &mut Turn<'_, impl Service>) {
        self.resume();
        // What the last turn could not send is held since its end.
        self.shed_excess(turn);
        // None has two in one: what it is owed for the first goes out before it may be closed by the next.
        let bulk_max = BULK_SESSIONS_PER_TURN.min(self.turns_max);
        let (clients, others) = self.bulk.shares(bulk_max);
        let first = if self.active.len() + self.leaving.len() <= BULK_SESSIONS_PER_TURN {
            Share::Bulk
        } else {
            Share::First
        };
        for _ in 0..self.active.len().min(self.turns_max) {
            if let Some(key) = self.active.pop_front() {
                self.receive_one(key, first, turn);
            }
        }
        for (count, is_client) in [(clients, true), (others, false)] {
            for _ in 0..count {
                if let Some(key) = self.bulk.pop(is_client) {
                    self.receive_one(key, Share::Bulk, turn);
                }
            }
        }
        for _ in 0..self.leaving.len().min(LEAVING_PER_TURN.min(self.turns_max)) {
            if let Some(key) = self.leaving.pop_front() {
                self.receive_one(key, first, turn);
            }
        }
    }

    fn receive_one(&mut self, key: Key, share: Share, turn: &mut Turn<'_, impl Service>) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        session.queued = false;
        let was_held = session.is_held();
        let start = self.staging.len();
        let (limits, bytes_max) = match share {
            Share::First => (&self.first_limits, READ_FIRST_BYTES),
            Share::Bulk => (&self.limits, READ_BYTES),
        };
        let (buffer, staging) = (&mut self.buffer[..bytes_max], &mut self.staging);
        match session.receive(buffer, limits, staging, turn) {
            Progress::Waiting => {}
            Progress::Again => {
                session.queued = true;
                self.bulk.push(key, !session.is_stranger);
            }
            Progress::Over => return self.remove(key),
        }
        if let Some(hold) = session.connection.hold().filter(|_| !was_held) {
            self.held.push(hold.ticket, key);
        }
        self.after(key, start, turn);
    }

    /// Ends what has lasted too long, as far as the budget goes. What had arrived in time is read first, if it takes
    /// some turns.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_, impl Service>, budget: &mut usize) {
        while let Some(key) = self.timers.expire(self.known, budget) {
            let Some(session) = self.slab.get_mut(key) else {
                continue;
            };
            let deadline = session.deadline(&self.limits);
            if session.is_to_be_read() {
                session.armed = deadline.max(self.known.after(1));
                session.timer = self.timers.schedule(session.armed, key);
                continue;
            }
            let start = self.staging.len();
            let mut is_resumed = false;
            if deadline <= self.known {
                let staging = &mut self.staging;
                let progress = session.handle_timeout(&self.limits, staging, turn);
                if progress == Progress::Over {
                    self.remove(key);
                    continue;
                }
                is_resumed = progress == Progress::Again;
            }
            // The deadline has moved since the timer was set: that is all it costs to move it.
            session.armed = session.deadline(&self.limits);
            session.timer = self.timers.schedule(session.armed, key);
            if is_resumed {
                self.activate(key);
            }
            self.after(key, start, turn);
        }
        self.forget_released();
    }

    /// Books what a session has staged from `start` on, and keeps its timer no later than its deadline.
    fn after(&mut self, key: Key, start: usize, turn: &mut Turn<'_, impl Service>) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        let end = self.staging.len();
        if end > start {
            self.staged.push(Staged {
                key,
                range: start..end,
            });
            if let Some(CloseReason::Fault(error)) = session.connection.close_reason() {
                turn.service.note_fault(error, turn.now);
            }
        }
        self.book(key);
        self.shed_excess(turn);
    }

    /// Takes note of what a session holds, and keeps its timer no later than its deadline.
    fn book(&mut self, key: Key) {
        if let Some(session) = self.slab.get_mut(key) {
            let before = session.held_bytes;
            session.held_bytes = session.holds();
            let is_client = !session.is_stranger;
            self.holders
                .note(key.index(), is_client, before, session.held_bytes);
        }
        self.arm(key);
    }

    /// Has sessions give up what they hold while it is too much in all: a few for each read, since each holds more
    /// than its part.
    fn shed_excess(&mut self, turn: &mut Turn<'_, impl Service>) {
        while let Some(index) = self.holders.first_to_go() {
            self.shed(index, turn);
        }
    }

    fn shed(&mut self, index: u32, turn: &mut Turn<'_, impl Service>) {
        turn.service.note_fault(http::Error::Overloaded, turn.now);
        let key = self.slab.key_at(index);
        let reads = |session: &&mut Session<S>| !session.is_blocked();
        let Some((key, session)) = key.zip(self.slab.at_mut(index).filter(reads)) else {
            // It does not read what it was answered: another answer would only be held as well.
            return self.close(index);
        };
        let start = self.staging.len();
        session
            .connection
            .shed(turn.now.tick, &self.limits, &mut self.staging);
        let range = start..self.staging.len();
        self.staged.push(Staged { key, range });
        self.book(key);
    }

    /// Keeps a session's timer no later than its deadline.
    fn arm(&mut self, key: Key) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        let deadline = session.deadline(&self.limits);
        if deadline < session.armed {
            self.timers.cancel(session.timer);
            session.armed = deadline;
            session.timer = self.timers.schedule(deadline, key);
        }
    }
}
