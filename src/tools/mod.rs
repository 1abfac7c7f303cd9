//! What people run by hand beside the bot.

pub mod check;
pub mod journal;
mod json;
pub mod manifest;
pub mod public_url;
pub mod trial;
pub mod tunnel;
