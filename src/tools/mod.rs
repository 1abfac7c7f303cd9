//! What people run by hand beside the bot.

pub mod check;
pub mod journal;
pub mod manifest;
pub mod trial;
