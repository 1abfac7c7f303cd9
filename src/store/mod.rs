//! The interface between the bot and a store that keeps its pending replies, so that they outlive the process.
//!
//! ```text
//!   bot ── accepted jobs, outcomes ──▶ Batch ──▶ store
//!   bot ◀── Event: kept or not ──────────────────── store
//! ```
//!
//! The store commits one batch at a time. Commands that are accepted meanwhile collect in the next one: a group commit,
//! for which no command waits longer than for one sync. A command is acknowledged, and its reply scheduled, when its batch is kept.
//!
//! A batch says everything in the loop's own terms: keys, ticks and texts. The store alone knows how that is encoded,
//! and never asks the bot for more.
//!
//! A store may be shared by the processes of a fleet. Then a process adopts the jobs of one that is dead, and forgets its
//! own when the others have taken it for dead.

mod adopted;
mod batch;
mod job;

pub use adopted::{Adopted, ForeignId};
pub use batch::{Batch, Outcome};
pub use job::{PendingJob, StoredJob};

use crate::slab::Key;
#[cfg(feature = "redis")]
use crate::telemetry::metrics::FleetCounters;
use crate::telemetry::metrics::JournalCounters;
use crate::time::Tick;

/// While a batch is older than this and its store has not answered, further commands are answered "busy" at once:
/// Slack allows three seconds for an acknowledgement.
pub const OVERDUE_MS: u64 = 1_000;

/// While the batch that collects has more than this, further commands are answered "busy" at once.
pub const COLLECTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The number of a batch. Later ones have greater numbers.
pub type Ticket = u64;

/// The most jobs that a process adopts at once.
pub const ADOPTED_AT_ONCE_MAX: usize = 256;

/// What a store tells the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The jobs accepted in this batch and in those before it are kept.
    Kept(Ticket),
    /// The jobs accepted in this batch, and in those before it that no event has named, are not kept. The store keeps
    /// the outcomes of these batches until they are durable.
    NotKept(Ticket),
    /// The next start finds what is kept: a stop may leave it.
    Recoverable,
    /// Nothing is kept any more: this process has to post all pending replies.
    GivenUp,
    /// A job of another process, or of one before this, which this process has to answer from now on. The next batch says
    /// with [`Outcome::Adopted`] or [`Outcome::Declined`] what became of it.
    Adopted(Box<Adopted>),
    /// A job that a batch accepts is pending with another process of the fleet: its command is acknowledged, and this
    /// process forgets it. It comes before the event that its batch is kept, and the store keeps nothing of it.
    Duplicate(Key),
    /// Other processes have taken this one for dead and answer all that it kept: it forgets the kept jobs, of which the store
    /// wants to hear no outcome. Those that are not kept yet stay.
    Fenced,
}

/// The state of a store, for metrics.
#[derive(Clone, Debug)]
pub struct StoreState {
    /// What it has counted, its own work included.
    pub counters: JournalCounters,
    /// The age of the oldest batch without an event, ms.
    pub commit_age_ms: u64,
    /// Bytes of the batch that collects.
    pub collected_bytes: usize,
    /// What it knows of the fleet that shares it.
    #[cfg(feature = "redis")]
    pub fleet: Option<FleetCounters>,
}

/// Keeps pending replies, so that they outlive the process. None of its calls waits but [`Self::finish`].
pub trait Store {
    /// Whether anything is kept at all.
    fn is_durable(&self) -> bool {
        true
    }

    /// Whether a fleet has it, so that others answer what this process leaves.
    fn is_shared(&self) -> bool {
        false
    }

    /// Takes the contents of a batch.
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick);

    /// The next event, until `None`.
    fn poll(&mut self, now: Tick) -> Option<Event>;

    /// When [`Self::poll`] must be called next, if nothing wakes the loop for it.
    fn poll_timeout(&self) -> Option<Tick> {
        None
    }

    /// Whether what is accepted now would be kept in time, as far as can be known.
    fn is_accepting(&self, now: Tick) -> bool;

    /// Whether a reply may be posted, or a blocking command be run: whether the fleet has surely not taken this process for
    /// dead. While it may not, [`Self::poll_timeout`] or a wake-up says when to ask again. Asked once a turn.
    fn may_post(&mut self, _now: Tick) -> bool {
        true
    }

    /// Says how many jobs may be adopted at once from now on.
    fn set_room(&mut self, _jobs: usize) {}

    /// The process is about to stop: [`Event::Recoverable`] or [`Event::GivenUp`] is to come.
    fn begin_stop(&mut self);

    /// Takes the last outcomes and waits, for a bounded time, until they are durable. `false`: they were not in time.
    fn finish(&mut self, batch: &mut Batch, ticket: Ticket) -> bool;

    /// Its state, for metrics; `None` for a store that keeps nothing.
    fn state(&self, now: Tick) -> Option<StoreState>;
}

/// Keeps nothing: what is accepted is pending in this process alone.
#[derive(Clone, Copy, Debug)]
pub struct NoStore;

impl Store for NoStore {
    fn is_durable(&self) -> bool {
        false
    }

    fn submit(&mut self, batch: &mut Batch, _: Ticket, _: Tick) {
        batch.clear();
    }

    fn poll(&mut self, _: Tick) -> Option<Event> {
        None
    }

    fn is_accepting(&self, _: Tick) -> bool {
        true
    }

    fn begin_stop(&mut self) {}

    fn finish(&mut self, batch: &mut Batch, _: Ticket) -> bool {
        batch.clear();
        true
    }

    fn state(&self, _: Tick) -> Option<StoreState> {
        None
    }
}
