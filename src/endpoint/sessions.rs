//! The sessions of an address, and a turn's work on them: receive, expire, release, transmit.

use std::io;

use super::eviction::Evictor;
use super::held::HeldAnswers;
use super::reader::Reader;
use super::service::{Service, Turn};
use super::session::{Progress, Session};
use super::settings::Settings;
use super::socket::{Readiness, Socket};
use super::source::{Role, Source};
use super::staged::StagedResponses;
use super::table::SessionTable;
use super::turns::{Round, Turns};
use crate::http::{self, CloseReason, Connection, Hold, Response};
use crate::slab::Key;
use crate::store::Ticket;
use crate::time::{Now, Tick};

/// The sessions, and a turn's work on them.
pub(crate) struct Sessions<S: Socket> {
    role: Role,
    capacity: usize,
    registry: S::Registry,
    pub(super) table: SessionTable<S>,
    pub(super) turns: Turns,
    /// Sessions whose answers wait for a commit.
    pub(super) held: HeldAnswers,
    /// Blocked sessions whose socket has become writable.
    pub(super) resumed: Vec<Key>,
    evictor: Evictor,
    pub(super) reader: Reader,
    pub(super) staged: StagedResponses,
    /// All that had arrived by this moment is known.
    pub(super) known: Tick,
    /// The bot is stopping: each session ends with its next answer.
    pub(super) is_draining: bool,
}

impl<S: Socket> Sessions<S> {
    pub(crate) fn new(settings: Settings, registry: S::Registry, now: Tick) -> Self {
        Self {
            role: settings.role,
            capacity: settings.capacity,
            registry,
            table: SessionTable::new(settings.capacity, now),
            turns: Turns::new(settings.turns_max),
            held: HeldAnswers::default(),
            resumed: Vec::new(),
            evictor: Evictor::default(),
            reader: Reader::new(settings.limits),
            staged: StagedResponses::default(),
            known: now,
            is_draining: false,
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.table.len()
    }

    /// How many there may be.
    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.table.len() >= self.capacity
    }

    /// Whether some session needs a turn at once.
    pub(crate) fn has_work(&self) -> bool {
        !self.turns.is_empty() || self.table.holds_too_much()
    }

    /// How many clients a stop waits for.
    pub(crate) fn unfinished(&self) -> usize {
        self.table.unfinished()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        self.table.poll_timeout()
    }

    /// Begins a session on a connection that was accepted.
    ///
    /// # Errors
    /// The kernel has no memory to register it: it is closed.
    pub(crate) fn admit(&mut self, socket: S, now: Tick) -> io::Result<()> {
        let limits = self.reader.limits();
        let key = self.table.insert(socket, Connection::new(now, limits));
        let Some(session) = self.table.get_mut(key) else {
            return Ok(());
        };
        if self.is_draining {
            session.drain(limits);
        }
        let source = Source::Session(self.role, key);
        let registered = session.socket_mut().register(&self.registry, source);
        match registered {
            Ok(()) => self.table.arm(key, limits),
            Err(_) => self.remove(key),
        }
        registered
    }

    /// Evicts a session to make room for another. `false`: none may be evicted.
    pub(crate) fn make_room(&mut self, turn: &mut Turn<'_, impl Service>) -> bool {
        let (sessions, limits) = (self.table.slots(), self.reader.limits());
        let Some(index) = self.evictor.choose(sessions, limits, turn.now.tick) else {
            return false;
        };
        self.answer_incomplete(index, turn);
        self.close(index);
        true
    }

    /// Answers the incomplete request of a session that is evicted, if the kernel takes the answer at once: eviction does
    /// not wait for a client to read.
    fn answer_incomplete(&mut self, index: u32, turn: &mut Turn<'_, impl Service>) {
        let Some((_, session)) = self.table.at_mut(index) else {
            return;
        };
        if session.connection.is_incomplete() && !session.is_blocked() {
            let start = self.staged.end();
            let (limits, staging) = (self.reader.limits(), self.staged.area_mut());
            session.connection.shed(turn.now.tick, limits, staging);
            turn.service.on_fault(http::Error::Overloaded, turn.now);
            let _ = session.transmit(self.staged.since(start));
        }
    }

    /// Closes connections that have been idle for a moment, and the others with their next answer. Each is looked at once
    /// more: a request may lie in the kernel's buffer whose event has not been taken yet.
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
        let keys: Vec<Key> = self.table.slots().iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(session) = self.table.get_mut(key) {
                session.drain(self.reader.limits());
            }
            self.table.arm(key, self.reader.limits());
            self.activate(key);
        }
    }

    /// Closes the session in a slot.
    fn close(&mut self, index: u32) {
        if let Some(session) = self.table.remove_at(index) {
            session.prepare_close();
            if session.queued {
                self.turns.note_closed();
            }
            if session.is_held() {
                self.held.forget_released(self.table.slots());
            }
        }
    }

    fn remove(&mut self, key: Key) {
        if self.table.slots().contains(key) {
            self.close(key.index());
        }
    }

    /// Begins a turn after a poll: all that had arrived by `known` has been [taken note of](Self::on_ready).
    pub(crate) fn begin_turn(&mut self, now: Now, known: Tick) {
        self.known = known;
        self.staged.begin(now.unix);
    }

    /// Takes note of an event. One for a session that is closed has no effect.
    pub(crate) fn on_ready(&mut self, key: Key, event: Readiness) {
        let Some(session) = self.table.get_mut(key) else {
            return;
        };
        session.on_ready(event);
        if event.writable && session.is_blocked() {
            self.resumed.push(key);
        }
        if session.queued {
            return;
        }
        session.queued = event.readable || event.closed;
        if event.closed {
            self.turns.push_leaving(key);
        } else if event.readable {
            self.turns.push_active(key);
        }
    }

    fn activate(&mut self, key: Key) {
        if let Some(session) = self.table.get_mut(key).filter(|session| !session.queued) {
            session.queued = true;
            self.turns.push_active(key);
        }
    }

    /// Gives the sessions whose turn it is one turn each: one read, and the answers to what is complete.
    pub(crate) fn receive(&mut self, turn: &mut Turn<'_, impl Service>) {
        self.resume();
        // Answers that the last turn could not send count as held since its end.
        self.shed_excess(turn);
        let slots = self.table.slots();
        let mut round = self.turns.begin_round(|key| slots.contains(key));
        while self.read(&mut round) {
            self.answer(turn);
        }
    }

    /// Reads once from each of the next sessions of a round, as long as there is room. `false`: nothing has come.
    fn read(&mut self, round: &mut Round) -> bool {
        while let Some(key) = self.reader.read(round, &mut self.turns, &mut self.table) {
            self.remove(key);
        }
        !self.reader.is_empty()
    }

    /// Answers what was read.
    fn answer(&mut self, turn: &mut Turn<'_, impl Service>) {
        while let Some((key, bytes, limits)) = self.reader.pop() {
            let Some(session) = self.table.get_mut(key) else {
                continue;
            };
            let (start, staging) = (self.staged.end(), self.staged.area_mut());
            if session.answer(bytes, limits, staging, turn) == Progress::Again {
                session.queued = true;
                self.turns.push_bulk(key, !session.is_unauthenticated);
            }
            if let Some(hold) = session.connection.hold() {
                self.held.push(hold.ticket, key);
            }
            self.book(key, start, turn);
        }
    }

    /// Ends what has lasted too long, as far as the budget goes. What had arrived in time is read first, even if that
    /// takes several turns.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_, impl Service>, budget: &mut usize) {
        while let Some(key) = self.table.expire(self.known, budget) {
            let limits = self.reader.limits();
            let Some(session) = self.table.get_mut(key) else {
                continue;
            };
            let deadline = session.deadline(limits);
            if session.is_to_be_read() {
                self.table.rearm(key, deadline.max(self.known.after(1)));
                continue;
            }
            let (start, mut is_resumed) = (self.staged.end(), false);
            if deadline <= self.known {
                let progress = session.handle_timeout(limits, self.staged.area_mut(), turn);
                if progress == Progress::Over {
                    self.remove(key);
                    continue;
                }
                is_resumed = progress == Progress::Again;
            }
            // The deadline may have moved since the timer was set: moving it costs nothing but this expiry.
            let deadline = session.deadline(limits);
            self.table.rearm(key, deadline);
            if is_resumed {
                self.activate(key);
            }
            self.book(key, start, turn);
        }
        self.held.forget_released(self.table.slots());
    }

    /// Assigns to a session what was staged from `start` on, and books what it holds.
    fn book(&mut self, key: Key, start: usize, turn: &mut Turn<'_, impl Service>) {
        let Some(session) = self.table.get_mut(key) else {
            return;
        };
        if self.staged.assign(key, start)
            && let Some(CloseReason::Fault(error)) = session.connection.close_reason()
        {
            turn.service.on_fault(error, turn.now);
        }
        self.table.book(key, self.reader.limits());
        self.shed_excess(turn);
    }

    /// Sheds what sessions hold while all together hold too much: a few for each read, since each has more than its part.
    fn shed_excess(&mut self, turn: &mut Turn<'_, impl Service>) {
        while let Some(index) = self.table.first_to_shed() {
            self.shed(index, turn);
        }
    }

    fn shed(&mut self, index: u32, turn: &mut Turn<'_, impl Service>) {
        turn.service.on_fault(http::Error::Overloaded, turn.now);
        let reads = |session: &(Key, &mut Session<S>)| !session.1.is_blocked();
        let Some((key, session)) = self.table.at_mut(index).filter(reads) else {
            // The client does not read its answers: another answer would only be held as well.
            return self.close(index);
        };
        let start = self.staged.end();
        let (limits, staging) = (self.reader.limits(), self.staged.area_mut());
        session.connection.shed(turn.now.tick, limits, staging);
        self.staged.assign(key, start);
        self.table.book(key, limits);
    }

    /// Whether an answer waits for a commit.
    pub(crate) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// How many answers wait for a commit.
    pub(crate) fn answers_held(&self) -> usize {
        self.held.waiting(self.table.slots())
    }

    /// The batches up to this ticket are kept, or cannot be: answers the commands that wait for them. Requests that were
    /// pipelined behind those have their turn.
    pub(crate) fn release(
        &mut self,
        ticket: Ticket,
        is_kept: bool,
        turn: &mut Turn<'_, impl Service>,
    ) {
        let now = turn.now;
        let answer = |service: &mut _, hold| Service::answer_held(service, hold, is_kept, now);
        self.release_with(ticket, answer, turn);
    }

    /// Withdraws and answers all commands that still wait: a stop waits for the store no longer.
    pub(crate) fn withdraw_held(&mut self, turn: &mut Turn<'_, impl Service>) {
        let now = turn.now;
        let answer = |service: &mut _, hold| Service::withdraw(service, hold, now);
        self.release_with(Ticket::MAX, answer, turn);
    }

    fn release_with<A: Service>(
        &mut self,
        ticket: Ticket,
        answer: impl Fn(&mut A, Hold) -> Response,
        turn: &mut Turn<'_, A>,
    ) {
        while let Some(key) = self.held.pop(ticket) {
            let is_due = |hold: &Hold| hold.ticket <= ticket;
            let Some(session) = self.table.get_mut(key) else {
                continue;
            };
            // It may have been answered already, because it was held for too long.
            let Some(hold) = session.connection.hold().filter(is_due) else {
                continue;
            };
            let start = self.staged.end();
            let response = answer(turn.service, hold);
            let (limits, staging) = (self.reader.limits(), self.staged.area_mut());
            if session.release(&response, turn.now.tick, limits, staging) == Progress::Again {
                self.activate(key);
            }
            self.book(key, start, turn);
        }
        self.held.forget_released(self.table.slots());
    }

    /// Sends unsent answers on sockets that have become writable. Before reading: those clients may have sent more.
    fn resume(&mut self) {
        let mut resumed = std::mem::take(&mut self.resumed);
        for key in resumed.drain(..) {
            // `expire` may have sent its answers already and staged its last one since.
            let blocked = |session: &&mut Session<S>| session.is_blocked();
            let Some(session) = self.table.get_mut(key).filter(blocked) else {
                continue;
            };
            match session.flush() {
                Err(_) => self.remove(key),
                // Requests that are buffered here have their turn: no event will tell of them.
                Ok(()) if !session.is_blocked() => {
                    self.activate(key);
                    self.table.book(key, self.reader.limits());
                }
                Ok(()) => {}
            }
        }
        self.resumed = resumed;
    }

    /// Sends what was staged in this turn and is not sent yet.
    pub(crate) fn transmit(&mut self) {
        for index in 0..self.staged.len() {
            let (key, bytes) = self.staged.part(index);
            let Some(session) = self.table.get_mut(key) else {
                continue;
            };
            match session.transmit(bytes) {
                Err(_) => self.remove(key),
                Ok(()) if session.is_blocked() => self.table.book(key, self.reader.limits()),
                Ok(()) => {}
            }
        }
        self.staged.clear();
    }
}
