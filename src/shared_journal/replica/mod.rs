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
mod losses;
mod plan;
mod submitted;
mod tickets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::tickets::Tickets;
use super::backoff::Backoff;
use super::clock::RedisClock;
use super::deletions::Deletions;
use super::name::Name;
use super::pace::Pace;
use super::pipeline::{Exchange, Keys, Step};
use super::seal::{Random, Sealer};
use super::spares::Spares;
use super::table::Table;
use super::trouble::{self, KINDS, Trouble};
use super::value::Value;
use crate::store::{Event, Ticket};
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
    settings: Settings,
    keys: Keys,
    sealer: Sealer,
    random: Random,
    /// Chosen anew at each start and after each fence.
    id: String,
    /// What the names of jobs without a request begin with, and their number.
    numbered: ([u8; 8], u64),
    table: Table,
    spares: Spares,
    /// When Redis is next asked whether it still has their jobs.
    look_at: Tick,
    deletions: Deletions,
    tickets: Tickets,
    clock: Option<RedisClock>,
    link: Link,
    /// Which server answered last: its run, and the history of its data.
    server: String,
    /// When the last connection was opened.
    connected_at: Tick,
    backoff: Backoff,
    in_flight: Option<InFlight>,
    is_joined: bool,
    comparison: Comparison,
    /// Names that the hash has and the table lacks.
    found: BTreeSet<Name>,
    pace: Pace,
    /// Jobs that cannot be opened here: others may have the secret. Without a value if its format is unknown as well.
    unreadable: BTreeMap<Name, Option<Value>>,
    takeover: TakeOver,
    /// Why nothing can be done at the moment, or nothing be put.
    trouble: Option<Trouble>,
    put_trouble: Option<Trouble>,
    /// Nothing is sent before.
    pause_until: Tick,
    /// What is refused is tried again then.
    probe_at: Tick,
    /// How often the scripts were loaded since the last renewal.
    loads: u32,
    renewed: Renewals,
    events: VecDeque<Event>,
    counters: FleetCounters,
    errors: [u64; KINDS.len()],
    life: Life,
    /// When a stop gives up what Redis has lost until then.
    give_up_at: Option<Tick>,
}

/// The connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down { retry_at: Tick },
    Connecting,
    Up,
}

/// An exchange whose answers are to come.
#[derive(Debug)]
struct InFlight {
    steps: Vec<Step>,
    sent: Tick,
    /// The last batch that it puts.
    through: Option<Ticket>,
}

impl InFlight {
    /// Whether it moves what may be long, as much of it as is thought to come in time.
    fn has_parts(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| {
            matches!(
                step,
                Step::Fetch(_) | Step::PutAgain(_) | Step::Spare { .. }
            )
        })
    }
}

/// When renewals were sent: the last one, and the last one that was confirmed.
#[derive(Clone, Copy, Debug, Default)]
struct Renewals {
    sent: Option<Tick>,
    ok: Option<Tick>,
}

/// Whether the hash has what the table has.
#[derive(Debug, Default)]
struct Comparison {
    round: u64,
    /// Where it goes on; `None`: it is over.
    cursor: Option<String>,
    /// Not before this, another one begins by itself.
    next_at: Tick,
    /// The last one that is over was with another server.
    is_outdated: bool,
}

/// Whose jobs are taken over.
#[derive(Debug, Default)]
struct TakeOver {
    over: Vec<String>,
    /// Who is being emptied, and where that goes on.
    current: Option<(String, String)>,
    /// Who has nothing for this replica, until then.
    skipped: BTreeMap<String, Tick>,
    /// From which one nothing can be taken over.
    refused: Option<(String, Trouble)>,
    room: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    /// A stop has begun; whether the loop was told that others find what is pending.
    Stopping {
        is_told: bool,
    },
    /// The last outcomes are in.
    Finishing,
    Left,
}

impl Replica {
    /// One that has not joined its fleet yet.
    #[must_use]
    pub fn new(settings: Settings, sealer: Sealer, mut random: Random) -> Self {
        let mut names = [0; 8];
        random(&mut names);
        let mut replica = Self {
            keys: Keys::new(&settings.fleet),
            settings,
            sealer,
            random,
            id: String::new(),
            numbered: (names, 0),
            table: Table::default(),
            spares: Spares::default(),
            look_at: Tick::default(),
            deletions: Deletions::default(),
            tickets: Tickets::default(),
            clock: None,
            link: Link::Down {
                retry_at: Tick::default(),
            },
            server: String::new(),
            connected_at: Tick::default(),
            backoff: Backoff::default(),
            in_flight: None,
            is_joined: false,
            comparison: Comparison::default(),
            found: BTreeSet::new(),
            pace: Pace::default(),
            unreadable: BTreeMap::new(),
            takeover: TakeOver::default(),
            trouble: None,
            put_trouble: None,
            pause_until: Tick::default(),
            probe_at: Tick::default(),
            loads: 0,
            renewed: Renewals::default(),
            events: VecDeque::new(),
            counters: FleetCounters::default(),
            errors: [0; KINDS.len()],
            life: Life::Running,
            give_up_at: None,
        };
        replica.id = replica.new_id();
        replica
    }

    /// The name that it has in the fleet, while it is in it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.is_joined.then_some(&*self.id)
    }

    /// The next event, until `None`; to be asked after each other call.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.life == (Life::Stopping { is_told: false }) && self.is_all_there() {
            self.life = Life::Stopping { is_told: true };
            self.events.push_back(Event::Recoverable);
        }
        self.events.pop_front()
    }

    /// Whether others find all that is kept.
    fn is_all_there(&self) -> bool {
        let is_compared = self.comparison.cursor.is_none();
        let has_all = is_compared && self.table.again().is_empty();
        self.is_joined && self.trouble.is_none() && has_all
    }

    /// Says how many jobs may be adopted from now on.
    pub const fn set_room(&mut self, jobs: usize) {
        self.takeover.room = jobs;
    }

    /// A stop begins: no jobs are taken over any more.
    pub fn begin_stop(&mut self) {
        if self.life == Life::Running {
            self.life = Life::Stopping { is_told: false };
        }
    }

    /// The last outcomes are in: what is left is handed to the others.
    pub fn finish(&mut self) {
        if self.life != Life::Left {
            self.life = Life::Finishing;
        }
    }

    /// Whether a replica that finishes has left its fleet. One that has no lease need not.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.life == Life::Left || self.life == Life::Finishing && !self.is_joined
    }

    /// Whether what is submitted now would be kept in time, as far as is known.
    #[must_use]
    pub fn is_accepting(&self, now: Tick) -> bool {
        let is_up = self.link == Link::Up && self.is_joined;
        is_up && self.trouble().is_none() && self.lease_remaining_ms(now) > 0
    }

    /// When the last renewal was sent that was confirmed.
    #[must_use]
    pub const fn last_ok(&self) -> Option<Tick> {
        self.renewed.ok
    }

    /// What keeps commands from being accepted, if it is known.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref().or(self.put_trouble.as_ref())
    }

    /// What it has counted, and how it stands.
    #[must_use]
    pub fn counters(&self, now: Tick) -> FleetCounters {
        FleetCounters {
            is_up: self.is_accepting(now),
            lease_remaining_ms: self.lease_remaining_ms(now),
            errors: KINDS.into_iter().zip(self.errors).collect(),
            ..self.counters.clone()
        }
    }

    /// How many jobs it keeps, and how many deletions are not confirmed.
    #[must_use]
    pub fn kept(&self) -> (usize, usize) {
        (self.table.kept(), self.deletions.len())
    }

    fn lease_remaining_ms(&self, now: Tick) -> u64 {
        let end = self.renewed.ok.map(|ok| ok.after(self.settings.lease_ms));
        end.filter(|_| self.is_joined)
            .map_or(0, |end| end.millis_since(now))
    }

    fn note(&mut self, trouble: &Trouble) {
        self.errors[trouble::kind(trouble)] += 1;
    }

    fn new_id(&mut self) -> String {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        format!("{:016x}", u64::from_le_bytes(bytes))
    }

    fn random_number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The server closes the connection between two exchanges.
    #[cfg(test)]
    pub(super) fn drop_connection(&mut self, now: Tick) {
        if self.link == Link::Up {
            self.handle_failure("closed", now);
        }
    }

    /// What holds between any two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        self.table.check();
        self.spares.check();
        assert!(self.in_flight.is_none() || self.link == Link::Up);
    }
}

#[cfg(test)]
pub(super) mod tests;
