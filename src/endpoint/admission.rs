//! Admission: accepts connections from the listeners, and evicts or pauses when places or descriptors run out.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use super::backlog::{Accepted, Backlog, is_out_of_descriptors};
use super::service::{Service, Turn};
use super::sessions::Sessions;
use super::socket::Listener;
use crate::time::Tick;
use log::warn;

/// Connections accepted from one listener in one turn; no more than there are places, so that connections that come
/// and go at an address with few places do not delay the other address.
const ACCEPTS_PER_TURN: usize = 256;
/// How long accepting pauses when it fails and no session can be evicted, ms.
const PAUSE_MS: u64 = 20;
/// How long it pauses when all places are taken and busy, ms: a session may soon have stalled for long enough.
const PLACES_PAUSE_MS: u64 = 2;
/// Each warning is logged at most once in this time, ms.
const WARNING_PERIOD_MS: u64 = 10_000;

/// What an operator is warned of. One warning does not suppress another: what takes the places is not what takes the
/// descriptors.
#[derive(Clone, Copy)]
enum Warning {
    Evicting,
    Busy,
    Accepting,
    /// The kernel has no memory to register a connection.
    Unregistered,
}

/// When each was last logged.
struct Warnings([Option<Tick>; 4]);

impl Warnings {
    /// Whether a warning may be logged now; the caller then logs it.
    fn may_warn(&mut self, warning: Warning, now: Tick) -> bool {
        let warned_at = &mut self.0[warning as usize];
        let is_old = |at: Tick| now >= at.after(WARNING_PERIOD_MS);
        let may = warned_at.is_none_or(is_old);
        if may {
            *warned_at = Some(now);
        }
        may
    }
}

/// Why no connection is accepted for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shortage {
    /// All places are taken.
    Places,
    /// accept(2) fails, mostly because there is no descriptor left.
    Accepting,
}

/// How far a stop has come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// The next turn accepts the connections that wait, and closes the listeners.
    Draining,
    Closed,
}

/// The listeners of an address, and the rules by which their connections become sessions.
pub(crate) struct Admission<L: Listener> {
    /// What limits the places, as an operator knows it.
    places: &'static str,
    backlogs: Vec<Backlog<L>>,
    /// Until when accepting pauses, and why.
    pause: Option<(Shortage, Tick)>,
    warnings: Warnings,
    /// A connection that was accepted when all places were taken and busy. Accepting one is the only way to know that
    /// places are short: readiness is edge-triggered and does not tell whether more connections wait in the kernel.
    waiting: Option<L::Socket>,
    stage: Stage,
    counts: Counts,
}

/// What has been counted here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Connections that became sessions.
    pub(crate) accepted: u64,
    /// Sessions that were closed to make room for others.
    pub(crate) evicted: u64,
    /// Connections that were closed at once, because the kernel had no memory to register them.
    pub(crate) dropped: u64,
    /// How often accepting paused.
    pub(crate) pauses: u64,
}

impl<L: Listener> Admission<L> {
    pub(crate) fn new(places: &'static str, listeners: Vec<L>) -> Self {
        Self {
            places,
            backlogs: listeners.into_iter().map(Backlog::of).collect(),
            pause: None,
            warnings: Warnings([None; 4]),
            waiting: None,
            stage: Stage::Open,
            counts: Counts {
                accepted: 0,
                evicted: 0,
                dropped: 0,
                pauses: 0,
            },
        }
    }

    /// How many addresses it listens on.
    pub(crate) const fn listeners(&self) -> usize {
        self.backlogs.len()
    }

    pub(crate) fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        let listeners = self.backlogs.iter().map(|backlog| &backlog.listener);
        listeners.map(L::local_addr).collect()
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Connections wait at the listener of this index.
    pub(crate) fn on_ready(&mut self, index: usize) {
        if let Some(backlog) = self.backlogs.get_mut(index) {
            backlog.ready = true;
        }
    }

    /// Whether connections may wait and could be accepted at once.
    pub(crate) fn has_work(&self, sessions: &Sessions<L::Socket>) -> bool {
        let may_accept =
            self.waiting.is_some() || self.backlogs.iter().any(|backlog| backlog.ready);
        self.stage == Stage::Draining || may_accept && !self.is_paused(sessions)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        self.pause.map(|(_, until)| until)
    }

    /// A stop begins: the next call of [`Self::accept`] is the last one that accepts connections.
    pub(crate) const fn drain(&mut self) {
        self.stage = Stage::Draining;
    }

    /// Whether no connection is accepted any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// Accepts the connections that wait, and closes the listeners. The kernel resets what still waits at a socket of
    /// this process alone; at a passed socket it waits for the next process.
    fn close(&mut self, sessions: &mut Sessions<L::Socket>, turn: &mut Turn<'_, impl Service>) {
        self.pause = None;
        if let Some(stream) = self.waiting.take().filter(|_| !sessions.is_full()) {
            self.begin_session(stream, sessions, turn.now.tick);
        }
        for index in 0..self.backlogs.len() {
            self.backlogs[index].ready = true;
            while self.backlogs[index].ready && !sessions.is_full() && self.pause.is_none() {
                self.accept_one(index, sessions, turn);
            }
        }
        self.backlogs.clear();
        self.stage = Stage::Closed;
        self.pause = None;
    }

    /// A place that becomes free ends a pause for places at once; no event tells that a descriptor has become free.
    fn is_paused(&self, sessions: &Sessions<L::Socket>) -> bool {
        self.pause
            .is_some_and(|(shortage, _)| shortage == Shortage::Accepting || sessions.is_full())
    }

    /// Accepts waiting connections. When all places are taken, sessions that have stalled or been idle for longest are
    /// evicted for them; when all sessions are busy, the connections wait in the kernel.
    pub(crate) fn accept(
        &mut self,
        sessions: &mut Sessions<L::Socket>,
        turn: &mut Turn<'_, impl Service>,
    ) {
        if self.stage == Stage::Draining {
            return self.close(sessions, turn);
        }
        let is_over = self
            .poll_timeout()
            .is_some_and(|until| until <= turn.now.tick);
        if self.is_paused(sessions) && !is_over {
            return;
        }
        self.pause = None;
        if let Some(stream) = self.waiting.take() {
            self.admit(stream, sessions, turn);
        }
        for index in 0..self.backlogs.len() {
            let mut budget = ACCEPTS_PER_TURN.min(sessions.capacity());
            while self.backlogs[index].ready && budget > 0 && self.pause.is_none() {
                budget -= 1;
                self.accept_one(index, sessions, turn);
            }
        }
    }

    fn accept_one(
        &mut self,
        index: usize,
        sessions: &mut Sessions<L::Socket>,
        turn: &mut Turn<'_, impl Service>,
    ) {
        match self.backlogs[index].accept() {
            Accepted::Socket(stream) => self.admit(stream, sessions, turn),
            Accepted::Empty => {}
            Accepted::Exhausted(error) => {
                if is_out_of_descriptors(&error) && sessions.make_room(turn) {
                    self.counts.evicted += 1;
                } else {
                    self.begin_pause(Shortage::Accepting, turn.now.tick);
                }
                let what = format_args!("cannot accept connections: {error}");
                self.warn(Warning::Accepting, turn.now.tick, &what);
            }
        }
    }

    /// Gives an accepted connection a place, or keeps it until there is one: no other is accepted meanwhile.
    fn admit(
        &mut self,
        stream: L::Socket,
        sessions: &mut Sessions<L::Socket>,
        turn: &mut Turn<'_, impl Service>,
    ) {
        let places = self.places;
        if sessions.is_full() {
            if !sessions.make_room(turn) {
                self.waiting = Some(stream);
                self.begin_pause(Shortage::Places, turn.now.tick);
                let what = format_args!("{places} are taken and busy");
                return self.warn(Warning::Busy, turn.now.tick, &what);
            }
            self.counts.evicted += 1;
            let what = format_args!(
                "{places} are taken: closing connections that have stalled or are idle"
            );
            self.warn(Warning::Evicting, turn.now.tick, &what);
        }
        self.begin_session(stream, sessions, turn.now.tick);
    }

    fn begin_session(&mut self, stream: L::Socket, sessions: &mut Sessions<L::Socket>, now: Tick) {
        let Err(error) = sessions.admit(stream, now) else {
            self.counts.accepted += 1;
            return;
        };
        self.counts.dropped += 1;
        let dropped = self.counts.dropped;
        let what = format_args!(
            "cannot register a connection, closing it ({dropped} so far): {error}; check memory and fs.epoll.max_user_watches"
        );
        self.warn(Warning::Unregistered, now, &what);
    }

    const fn begin_pause(&mut self, shortage: Shortage, now: Tick) {
        self.counts.pauses += 1;
        let ms = match shortage {
            Shortage::Places => PLACES_PAUSE_MS,
            Shortage::Accepting => PAUSE_MS,
        };
        self.pause = Some((shortage, now.after(ms)));
    }

    fn warn(&mut self, warning: Warning, now: Tick, what: &dyn Display) {
        if self.warnings.may_warn(warning, now) {
            warn!("{what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_that_places_are_taken_does_not_suppress_one_that_descriptors_are_short() {
        let mut warnings = Warnings([None; 4]);
        for ms in 0..WARNING_PERIOD_MS {
            assert_eq!(warnings.may_warn(Warning::Evicting, Tick(ms)), ms == 0);
        }
        assert!(warnings.may_warn(Warning::Accepting, Tick(5)));
        assert!(warnings.may_warn(Warning::Busy, Tick(5)));
        assert!(!warnings.may_warn(Warning::Accepting, Tick(6)));
        let later = Tick(WARNING_PERIOD_MS);
        assert!(warnings.may_warn(Warning::Evicting, later));
        assert!(!warnings.may_warn(Warning::Busy, later));
    }
}
