//! The seam between the bot and what keeps its pending replies, so that they outlive the process.
//!
//! ```text
//!   bot ── accepted jobs, outcomes ──▶ Batch ──▶ store
//!   bot ◀── kept, or not ───────────────────────── store
//! ```
//!
//! A batch says everything in the loop's own terms: keys, ticks and texts. How that is encoded is the store's affair,
//! and a store never asks the bot for more.

mod batch;

pub use batch::{Batch, Outcome, PendingJob};
