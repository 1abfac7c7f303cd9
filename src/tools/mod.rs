//! What people run by hand beside the bot.

pub mod check;
#[cfg(feature = "redis")]
pub mod fleet_journal;
pub mod journal;
mod json;
pub mod manifest;
pub mod public_url;
pub mod trial;
pub mod tunnel;
