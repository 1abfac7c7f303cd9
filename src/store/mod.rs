//! The seam between the bot and what keeps its pending replies, so that they outlive the process.
//!
//! ```text
//!   bot ── accepted jobs, outcomes ──▶ Batch ──▶ store
//!   bot ◀── kept, or not ───────────────────────── store
//! ```
//!
//! One batch is with the store; what is accepted meanwhile collects in the next one, for as long as a sync takes. A
//! command is acknowledged, and its reply scheduled, when its batch is kept.
//!
//! A batch says everything in the loop's own terms: keys, ticks and texts. How that is encoded is the store's affair,
//! and a store never asks the bot for more.

mod batch;

/// While a batch is older than this and its store has not answered, further commands are answered "busy" at once:
/// Slack allows three seconds for an acknowledgement.
pub const OVERDUE_MS: u64 = 1_000;

/// While the batch that collects has more than this, further commands are answered "busy" at once.
pub const COLLECTED_BYTES_MAX: usize = 4 * 1024 * 1024;

pub use batch::{Batch, Outcome, PendingJob};
