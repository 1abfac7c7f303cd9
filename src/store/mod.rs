//! The interface between the bot and a store that keeps its pending replies, so that they outlive the process.
//!
//! ```text
//!   bot ── accepted jobs, outcomes ──▶ Batch ──▶ store
//!   bot ◀── Event: kept or not ──────────────────── store
//! ```
//!
//! The store commits one batch at a time. Commands that are accepted meanwhile collect in the next one (group commit), so that
//! a command waits for two commits at most: the one under way, and its own batch's. When its batch is kept, the command is
//! acknowledged and its reply scheduled.
//!
//! A batch is written in the loop's terms: keys, ticks and texts. The store alone knows how they are encoded, and never asks
//! the bot for more.
//!
//! The processes of a fleet may share a store. A process then adopts the jobs of a dead one, and forgets its own when the
//! others have taken it for dead.

mod adopted;
mod batch;
mod job;

use std::collections::BTreeSet;

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
    /// The next start will find the kept jobs: a stop may leave them pending.
    Recoverable,
    /// The store keeps nothing any more: this process has to post all pending replies.
    GivenUp,
    /// A job that another process has accepted, and that this process has to answer. The next batch says with
    /// [`Outcome::Adopted`] or [`Outcome::Declined`] whether it does.
    Adopted(Box<Adopted>),
    /// A job of a submitted batch is pending with another process of the fleet already: its command is acknowledged, and
    /// this process forgets it. The store keeps nothing of it. This event comes before the one that the batch is kept.
    Duplicate(Key),
    /// The other processes have taken this one for dead and answer the jobs that it kept: it forgets these, and submits no
    /// outcome of them. Jobs that are not kept yet stay, and so do these, which the store has lost and kept nowhere again.
    Fenced(BTreeSet<Key>),
}

/// The state of a store, for metrics.
#[derive(Clone, Debug)]
pub struct StoreState {
    /// What it has counted.
    pub counters: JournalCounters,
    /// The age of the oldest batch without an event, ms.
    pub commit_age_ms: u64,
    /// Bytes of the batch that collects.
    pub collected_bytes: usize,
    /// What it knows of the fleet that shares it.
    #[cfg(feature = "redis")]
    pub fleet: Option<FleetCounters>,
}

/// Keeps pending replies, so that they outlive the process. Of its calls only [`Self::finish`] waits.
pub trait Store {
    /// Whether the jobs outlive the process.
    fn is_durable(&self) -> bool {
        true
    }

    /// Whether a fleet shares it, so that other processes answer what this one leaves.
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

    /// Whether replies may be posted and blocking commands run: while it is certain that the fleet has not taken this process
    /// for dead. While they may not, [`Self::poll_timeout`] or a wake-up says when to ask again. Asked once a turn.
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
