//! What the bot reports about itself: its log, its metrics, its health.

pub mod console;
pub mod health;
pub(crate) mod log_limiter;
pub mod metrics;
pub mod terminal;
