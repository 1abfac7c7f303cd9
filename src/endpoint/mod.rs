//! An address that the bot serves: its listeners, its sessions, and which of them is evicted when places run out.
//!
//! The public and the admin address are two of these. Sockets are behind [`socket`].

pub(crate) mod admission;
pub(crate) mod backlog;
mod eviction;
mod grace;
mod held;
mod holders;
#[cfg(any(test, debug_assertions))]
mod invariants;
mod reader;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod socket;
pub(crate) mod source;
mod staged;
mod table;
mod turns;

use std::io;
use std::net::SocketAddr;

use self::admission::{Admission, Counts};
pub(crate) use self::service::{Service, Turn};
use self::sessions::Sessions;
pub(crate) use self::settings::Settings;
use self::socket::{Listener, Readiness, Socket};
use self::source::Source;
pub(crate) use self::turns::SESSIONS_PER_TURN;
use crate::store::Ticket;
use crate::time::Tick;

/// Sessions beyond which [`Endpoint::check`] would make a turn slow.
#[cfg(any(test, debug_assertions))]
const CHECKED_MAX: usize = 64;

/// Listeners, and the connections that came from them.
pub(crate) struct Endpoint<L: Listener> {
    admission: Admission<L>,
    pub(crate) sessions: Sessions<L::Socket>,
}

impl<L: Listener> Endpoint<L> {
    pub(crate) fn new(
        settings: Settings,
        listeners: Vec<L>,
        registry: <L::Socket as Socket>::Registry,
        now: Tick,
    ) -> Self {
        Self {
            admission: Admission::new(settings.places, listeners),
            sessions: Sessions::new(settings, registry, now),
        }
    }

    pub(crate) fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.admission.local_addrs()
    }

    /// How many sockets can have an event.
    pub(crate) const fn sockets(&self) -> usize {
        self.admission.listeners() + self.sessions.len()
    }

    /// Takes note of an event of one of its sockets. One for a session that is closed has no effect.
    pub(crate) fn on_ready(&mut self, source: Source, event: Readiness) {
        match source {
            Source::Waker => {}
            Source::Listener(_, index) => self.on_listener_ready(index),
            Source::Session(_, key) => self.sessions.on_ready(key, event),
        }
    }

    /// Takes note of connections that wait at a listener.
    pub(crate) fn on_listener_ready(&mut self, index: usize) {
        self.admission.on_ready(index);
    }

    /// Whether there is something to do at once.
    pub(crate) fn has_work(&self) -> bool {
        self.sessions.has_work() || self.admission.has_work(&self.sessions)
    }

    /// When there is something to do without an event.
    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        let timeouts = [self.sessions.poll_timeout(), self.admission.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// Answers the commands that wait for this ticket, or for one before it.
    pub(crate) fn release(
        &mut self,
        ticket: Ticket,
        is_kept: bool,
        turn: &mut Turn<'_, impl Service>,
    ) {
        self.sessions.release(ticket, is_kept, turn);
        // Before more is read of the same sessions: what closes one must be the last that is staged for it.
        self.sessions.transmit();
    }

    /// Accepts the connections that wait.
    pub(crate) fn accept(&mut self, turn: &mut Turn<'_, impl Service>) {
        self.admission.accept(&mut self.sessions, turn);
    }

    /// All that a turn does for an address whose service waits for nothing.
    pub(crate) fn serve(&mut self, turn: &mut Turn<'_, impl Service>, known: Tick) {
        self.sessions.begin_turn(turn.now, known);
        self.sessions.receive(turn);
        // Each session has one timer.
        let mut budget = self.sessions.capacity();
        self.sessions.expire(turn, &mut budget);
        self.sessions.transmit();
        self.accept(turn);
    }

    /// A stop begins: the next call of [`Self::accept`] is the last one that accepts connections, and each session ends
    /// with its next answer.
    pub(crate) fn drain(&mut self) {
        self.admission.drain();
        self.sessions.drain();
    }

    /// Whether a stop has read all that clients have sent here.
    pub(crate) fn is_drained(&self) -> bool {
        self.admission.is_closed() && !self.sessions.has_work()
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.admission.counts()
    }

    /// The invariants between any two turns; of many sessions they would take too long.
    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check(&self) {
        if self.sessions.len() <= CHECKED_MAX {
            self.sessions.check();
        }
    }
}
