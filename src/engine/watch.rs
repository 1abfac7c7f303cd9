//! A door of its own for those who watch the bot: `/metrics` and the health checks.
//!
//! It has its own places, so that a crowd at the front keeps nobody from seeing it, and it stays open
//! while the bot drains.

use std::io;
use std::net::SocketAddr;

use mio::Registry;
use mio::net::{TcpListener, TcpStream};

use crate::app::Bot;
use crate::delivery::senders::Senders;
use crate::endpoint::admission::Admission;
use crate::endpoint::session::Service;
use crate::endpoint::sessions::Sessions;
use crate::endpoint::socket::Readiness;
use crate::endpoint::token::Side;
use crate::http::{self, Limits, Request, Response, Status};
use crate::platform::listener::Listener;
use crate::slab::Key;
use crate::telemetry::health;
use crate::telemetry::metrics::{JournalCounters, Standing};
use crate::time::{Now, Tick, UnixTime};

/// Connections of those who watch. A scraper keeps one, a probe opens one each time.
pub(crate) const CONNECTIONS_MAX: usize = 16;
/// Connections of theirs that have a turn beside those of the front: a page is several times the work of a command, and
/// however many ask for it, a command waits for one or two of them.
const SESSIONS_PER_TURN: usize = 1;
/// Requests of each that are answered in one turn.
const REQUESTS_PER_TURN: usize = 1;
/// Timers moved or expired in one turn: each connection has one.
const EXPIRIES_PER_TURN: usize = 64;

/// The sockets of those who watch.
pub(crate) struct Watch {
    admission: Admission<TcpListener>,
    sessions: Sessions<TcpStream>,
}

/// What they are shown.
pub(crate) struct View<'a> {
    pub(crate) bot: &'a Bot,
    pub(crate) front: &'a Sessions<TcpStream>,
    pub(crate) door: &'a Admission<TcpListener>,
    pub(crate) senders: &'a Senders,
    pub(crate) journal: Option<&'a JournalCounters>,
    pub(crate) started_at: UnixTime,
}

impl Watch {
    /// The door with these listeners; without any there is none.
    pub(crate) fn open(
        listeners: Vec<Listener<TcpListener>>,
        limits: &Limits,
        now: Tick,
    ) -> Option<Self> {
        let limits = Limits {
            requests_per_turn_max: REQUESTS_PER_TURN,
            ..limits.clone()
        };
        (!listeners.is_empty()).then(|| Self {
            admission: Admission::new("all places at --metrics-listen", listeners),
            sessions: Sessions::new(Side::Watch, limits, CONNECTIONS_MAX, now)
                .with_turns_max(SESSIONS_PER_TURN),
        })
    }

    pub(crate) fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.admission.local_addrs()
    }

    pub(crate) fn note_listener(&mut self, index: usize) {
        self.admission.note(index);
    }

    pub(crate) fn note_session(&mut self, key: Key, event: Readiness) {
        self.sessions.note(key, event);
    }

    /// Whether somebody needs a turn at once.
    pub(crate) fn has_work(&self) -> bool {
        self.sessions.has_work() || self.admission.has_work(&self.sessions)
    }

    /// When [`Self::turn`] is needed next.
    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        let timeouts = [self.sessions.poll_timeout(), self.admission.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// All that a turn of the loop does for them.
    pub(crate) fn turn(&mut self, view: &mut View<'_>, registry: &Registry, now: Now, known: Tick) {
        self.sessions.begin_turn(now, known);
        self.sessions.receive(view, now);
        let mut budget = EXPIRIES_PER_TURN;
        self.sessions.expire(view, now, &mut budget);
        self.sessions.transmit();
        self.admission
            .accept(&mut self.sessions, view, registry, now);
    }
}

impl Service for View<'_> {
    fn handle_request(&mut self, request: &Request<'_>, now: Now) -> Response {
        match (request.method, request.path) {
            ("GET" | "HEAD", "/metrics") => {
                let page = self.bot.metrics(self.standing(), now);
                Response::text(page.into_bytes())
            }
            ("GET" | "HEAD", "/healthz") => health::alive(now),
            ("GET" | "HEAD", "/readyz") => health::ready(self.bot.condition()),
            (_, "/metrics" | "/healthz" | "/readyz") => {
                Response::allowing(Status::MethodNotAllowed, "GET, HEAD")
            }
            _ => Response::empty(Status::NotFound),
        }
    }

    fn note_fault(&mut self, error: http::Error, _: Now) {
        log::debug!("refused one who watches: {error}");
    }
}

impl View<'_> {
    /// What the shell knows of how things stand; the bot adds the rest.
    fn standing(&self) -> Standing<'_> {
        let door = self.door.counts();
        let (sender_threads, sender_threads_max) = self.senders.threads();
        Standing {
            started_at: self.started_at,
            connections_open: self.front.len(),
            connections_max: self.front.capacity(),
            connections_accepted: door.accepted,
            connections_evicted: door.evicted,
            connections_dropped: door.dropped,
            accept_pauses: door.pauses,
            sender_threads,
            sender_threads_max,
            deliveries_outstanding: self.senders.outstanding(),
            journal: self.journal,
            ..Standing::default()
        }
    }
}
