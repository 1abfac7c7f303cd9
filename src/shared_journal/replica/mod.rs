//! A replica of the fleet: decides what is sent to Redis, and what follows from the answers.
//!
//! ```text
//!             connected           scripts loaded, joined
//!   Down ───────────────▶ Up: load ─────▶ renew (+ put, WAIT, list, HGET, pass, take) ─▶ …
//!    ▲                     │                     │ unknown: join, put all again
//!    └─── no answer, ──────┴─────────────────────┤ fenced: forget, new id, join
//!         another master
//! ```
//!
//! Its driver does what [`Replica::poll_action`] says and tells it what came of that. It neither waits nor knows sockets. Every exchange begins with a renewal, so that what follows is sent by a replica that knows that it has its
//! lease, or is refused by the scripts as well.

mod adoption;
mod answered;
mod comparison;
mod life;
mod link;
mod losses;
mod membership;
mod plan;
mod submitted;
mod take_over;
mod tickets;
mod troubles;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::comparison::Comparison;
use self::life::Life;
use self::link::Link;
use self::membership::Membership;
use self::take_over::TakeOver;
use self::tickets::Tickets;
use self::troubles::Troubles;
use super::clock::RedisClock;
use super::deletions::Deletions;
use super::name::Name;
use super::pace::Pace;
use super::pipeline::{Exchange, Keys};
use super::seal::{Random, Sealer};
use super::spares::Spares;
use super::table::Table;
use super::trouble::Trouble;
use super::value::Value;
use crate::store::Event;
use crate::telemetry::metrics::FleetCounters;
use crate::time::Tick;

/// What a replica has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the fleet.
    pub fleet: String,
    /// How many replicas of Redis have to confirm what is acknowledged.
    pub wait: u32,
    /// How long a lease lasts, ms.
    pub lease_ms: u64,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A connection is to be opened, by then.
    Connect {
        /// Later it is of no use.
        deadline: Tick,
    },
    /// This is to be sent, and answered.
    Exchange(Exchange),
}

/// What becomes of the connection after its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// It stays.
    GoOn,
    /// It is of no use: close it.
    Close {
        /// Where Redis says that the fleet's keys are.
        moved: Option<String>,
    },
}

/// A part of a fleet.
pub struct Replica {
    /// How many replicas of Redis have to confirm what is acknowledged.
    wait: u32,
    keys: Keys,
    sealer: Sealer,
    random: Random,
    /// What the names of jobs without a request begin with, and their number.
    numbered: ([u8; 8], u64),
    life: Life,
    link: Link,
    membership: Membership,
    clock: Option<RedisClock>,
    pace: Pace,
    troubles: Troubles,
    tickets: Tickets,
    table: Table,
    deletions: Deletions,
    comparison: Comparison,
    /// Redis has jobs again that it had lost, and its replicas have not confirmed them.
    has_unconfirmed: bool,
    /// Names that the hash has and the table lacks.
    found: BTreeSet<Name>,
    /// Jobs that cannot be opened here: others may have the secret. Without a value if its format is unknown as well.
    unreadable: BTreeMap<Name, Option<Value>>,
    take_over: TakeOver,
    spares: Spares,
    events: VecDeque<Event>,
    counters: FleetCounters,
}

impl Replica {
    /// One that has not joined its fleet yet.
    #[must_use]
    pub fn new(settings: Settings, sealer: Sealer, mut random: Random) -> Self {
        let mut names = [0; 8];
        random(&mut names);
        let id = new_id(&mut random);
        Self {
            wait: settings.wait,
            keys: Keys::new(&settings.fleet),
            sealer,
            random,
            numbered: (names, 0),
            life: Life::default(),
            link: Link::default(),
            membership: Membership::new(id, settings.lease_ms),
            clock: None,
            pace: Pace::default(),
            troubles: Troubles::default(),
            tickets: Tickets::default(),
            table: Table::default(),
            deletions: Deletions::default(),
            comparison: Comparison::default(),
            has_unconfirmed: false,
            found: BTreeSet::new(),
            unreadable: BTreeMap::new(),
            take_over: TakeOver::default(),
            spares: Spares::default(),
            events: VecDeque::new(),
            counters: FleetCounters::default(),
        }
    }

    /// The name that it has in the fleet, while it is in it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let is_joined = self.membership.is_joined();
        is_joined.then_some(self.membership.id())
    }

    /// The next event, until `None`; to be asked after each other call.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.life.is_untold() && self.is_all_there() {
            self.life.tell();
            self.events.push_back(Event::Recoverable);
        }
        self.events.pop_front()
    }

    /// Whether others find all that is kept.
    fn is_all_there(&self) -> bool {
        let has_all = self.comparison.is_over() && self.table.again().is_empty();
        self.membership.is_joined() && !self.troubles.are_all_refused() && has_all
    }

    /// Says how many jobs may be adopted from now on.
    pub const fn set_room(&mut self, jobs: usize) {
        self.take_over.set_room(jobs);
    }

    /// A stop begins: no jobs are taken over any more.
    pub fn begin_stop(&mut self) {
        self.life.begin_stop();
    }

    /// The last outcomes are in: what is left is handed to the others.
    pub fn finish(&mut self) {
        self.life.finish();
    }

    /// Whether a replica that finishes has left its fleet. One that has no lease need not.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.life.has_left() || self.life.is_finishing() && !self.membership.is_joined()
    }

    /// Whether what is submitted now would be kept in time, as far as is known.
    #[must_use]
    pub fn is_accepting(&self, now: Tick) -> bool {
        let is_up = self.link.is_up() && self.trouble().is_none();
        is_up && self.membership.lease_remaining_ms(now) > 0
    }

    /// When the last renewal was sent that was confirmed.
    #[must_use]
    pub const fn last_ok(&self) -> Option<Tick> {
        self.membership.confirmed()
    }

    /// What keeps commands from being accepted, if it is known.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.troubles.current()
    }

    /// From which replica nothing can be taken over, and why, once.
    pub fn take_refusal(&mut self) -> Option<(String, Trouble)> {
        self.take_over.take_refusal()
    }

    /// What it has counted, and how it stands.
    #[must_use]
    pub fn counters(&self, now: Tick) -> FleetCounters {
        FleetCounters {
            is_up: self.is_accepting(now),
            lease_remaining_ms: self.membership.lease_remaining_ms(now),
            errors: self.troubles.counts().collect(),
            ..self.counters.clone()
        }
    }

    /// How many jobs it keeps, and how many deletions are not confirmed.
    #[must_use]
    pub fn kept(&self) -> (usize, usize) {
        (self.table.kept(), self.deletions.len())
    }

    /// The server closes the connection between two exchanges.
    #[cfg(test)]
    pub(super) fn drop_connection(&mut self, now: Tick) {
        if self.link.is_up() {
            self.handle_failure("closed", now);
        }
    }

    /// What holds between any two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        self.table.check();
        self.spares.check();
    }
}

fn random_number(random: &mut Random) -> u64 {
    let mut bytes = [0; 8];
    random(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn new_id(random: &mut Random) -> String {
    format!("{:016x}", random_number(random))
}

#[cfg(test)]
pub(super) mod tests;
