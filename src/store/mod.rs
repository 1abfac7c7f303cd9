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

mod batch;

pub use batch::{Batch, Outcome, PendingJob};

use crate::telemetry::metrics::JournalCounters;
use crate::time::Tick;

/// While a batch is older than this and its store has not answered, further commands are answered "busy" at once:
/// Slack allows three seconds for an acknowledgement.
pub const OVERDUE_MS: u64 = 1_000;

/// While the batch that collects has more than this, further commands are answered "busy" at once.
pub const COLLECTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The number of a batch. Later ones have greater numbers.
pub type Ticket = u64;

/// What a store tells the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// Keeps pending replies, so that they outlive the process. None of its calls waits but [`Self::finish`].
pub trait Store {
    /// Whether anything is kept at all.
    fn is_durable(&self) -> bool {
        true
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

impl<T: Store + ?Sized> Store for Box<T> {
    fn is_durable(&self) -> bool {
        (**self).is_durable()
    }

    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick) {
        (**self).submit(batch, ticket, now);
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        (**self).poll(now)
    }

    fn poll_timeout(&self) -> Option<Tick> {
        (**self).poll_timeout()
    }

    fn is_accepting(&self, now: Tick) -> bool {
        (**self).is_accepting(now)
    }

    fn begin_stop(&mut self) {
        (**self).begin_stop();
    }

    fn finish(&mut self, batch: &mut Batch, ticket: Ticket) -> bool {
        (**self).finish(batch, ticket)
    }

    fn state(&self, now: Tick) -> Option<StoreState> {
        (**self).state(now)
    }
}
