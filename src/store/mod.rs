//! The seam between the bot and what keeps its pending replies, so that they outlive the process.
//!
//! ```text
//!   bot ── accepted jobs, outcomes ──▶ Batch ──▶ store
//!   bot ◀── Event: kept, or not ─────────────────── store
//! ```
//!
//! The store commits one batch at a time. What is accepted meanwhile collects in the next one, for as long as that
//! takes. A command is acknowledged, and its reply scheduled, when its batch is kept.
//!
//! A batch says everything in the loop's own terms: keys, ticks and texts. How that is encoded is the store's affair,
//! and a store never asks the bot for more.

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

/// What a store tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The jobs accepted in this batch and in those before it are kept.
    Kept(Ticket),
    /// Those of this batch and of those before it that no event has named are not kept. Outcomes stay with the
    /// store until they are.
    NotKept(Ticket),
    /// What is kept is found by the next start: the process may leave it.
    Recoverable,
    /// Nothing is kept any more: this process has to post it all.
    GivenUp,
}

/// How a store stands, for metrics.
#[derive(Clone, Debug)]
pub struct StoreState {
    /// What it has done, also by itself.
    pub counters: JournalCounters,
    /// For how long the oldest batch that is not answered has been with it, ms.
    pub commit_age_ms: u64,
    /// Bytes of the batch that collects.
    pub collected_bytes: usize,
}

/// Where pending replies are kept so that they outlive the process. None of its calls waits, but for the last.
pub trait Store {
    /// Whether anything is kept at all.
    fn is_durable(&self) -> bool {
        true
    }

    /// Takes the contents of a batch.
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick);

    /// What has come of the batches, until `None`.
    fn poll(&mut self, now: Tick) -> Option<Event>;

    /// When [`Self::poll`] has something, if nothing wakes the loop then.
    fn poll_timeout(&self) -> Option<Tick> {
        None
    }

    /// Whether what is accepted now would be kept in time, as far as can be known.
    fn is_accepting(&self, now: Tick) -> bool;

    /// The process is about to stop: [`Event::Recoverable`] or [`Event::GivenUp`] is to come.
    fn begin_stop(&mut self);

    /// Takes the last outcomes and waits for them to be durable. `false`: they were not in time.
    fn finish(&mut self, batch: &mut Batch, ticket: Ticket) -> bool;

    /// How it stands.
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
