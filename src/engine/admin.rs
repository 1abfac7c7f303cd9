//! The admin address: `/metrics` and the health checks.
//!
//! It has places of its own, so that it answers while all places of the public address are taken, and it stays open
//! while the bot drains.

use super::platform::{Platform, Senders};
use crate::app::Bot;
use crate::endpoint::service::Service;
use crate::endpoint::source::Role;
use crate::endpoint::{Endpoint, Settings};
use crate::http::{self, Limits, Request, Response, Status};
use crate::store::{self, Store};
use crate::telemetry::health;
use crate::telemetry::metrics::Standing;
use crate::time::{Now, UnixTime};

/// Connections at this address. A scraper keeps one, a probe opens one each time.
pub(crate) const CONNECTIONS_MAX: usize = 16;
/// Sessions of this address that have their turn in one turn of the loop: a page costs several times as much as a command,
/// and however many clients ask for it, a command waits for one or two pages.
const SESSIONS_PER_TURN: usize = 1;
/// Requests of each that are answered in one turn.
const REQUESTS_PER_TURN: usize = 1;

pub(super) fn settings(limits: Limits) -> Settings {
    Settings {
        role: Role::Admin,
        places: "all places at --metrics-listen",
        capacity: CONNECTIONS_MAX,
        limits: Limits {
            requests_per_turn_max: REQUESTS_PER_TURN,
            ..limits
        },
        turns_max: SESSIONS_PER_TURN,
    }
}

/// The state that its pages show, and what answers them.
pub(super) struct AdminState<'a, P: Platform> {
    pub(super) bot: &'a Bot,
    pub(super) public: &'a Endpoint<P::Listener>,
    pub(super) senders: &'a P::Senders,
    pub(super) store: &'a P::Store,
    pub(super) started_at: UnixTime,
}

impl<P: Platform> Service for AdminState<'_, P> {
    fn handle_request(&mut self, request: &Request<'_>, now: Now) -> Response {
        match (request.method, request.path) {
            ("GET" | "HEAD", "/metrics") => {
                let store = self.store.state(now.tick);
                let page = self.bot.metrics(self.figures(store.as_ref()), now);
                Response::text(page.into_bytes())
            }
            ("GET" | "HEAD", "/healthz") => health::alive(now),
            ("GET" | "HEAD", "/readyz") => self.bot.ready(),
            (_, "/metrics" | "/healthz" | "/readyz") => {
                Response::allowing(Status::MethodNotAllowed, "GET, HEAD")
            }
            _ => Response::empty(Status::NotFound),
        }
    }

    fn on_fault(&mut self, error: http::Error, _: Now) {
        log::debug!("refused a request at --metrics-listen: {error}");
    }
}

impl<P: Platform> AdminState<'_, P> {
    /// The figures that the engine knows; the bot adds its own.
    fn figures<'a>(&self, store: Option<&'a store::StoreState>) -> Standing<'a> {
        let counts = self.public.counts();
        let (sender_threads, sender_threads_max) = self.senders.threads();
        let (runs_outstanding, runs_max) = self.senders.runs();
        Standing {
            started_at: self.started_at,
            connections_open: self.public.sessions.len(),
            connections_max: self.public.sessions.capacity(),
            connections_accepted: counts.accepted,
            connections_evicted: counts.evicted,
            connections_dropped: counts.dropped,
            accept_pauses: counts.pauses,
            sender_threads,
            sender_threads_max,
            runs_outstanding,
            runs_max,
            deliveries_outstanding: self.senders.outstanding(),
            journal: store.map(|store| &store.counters),
            commit_age_ms: store.map_or(0, |store| store.commit_age_ms),
            collected_bytes: store.map_or(0, |store| store.collected_bytes),
            answers_held: self.public.sessions.answers_held(),
            #[cfg(feature = "redis")]
            fleet: store.and_then(|store| store.fleet.as_ref()),
            ..Standing::default()
        }
    }
}
