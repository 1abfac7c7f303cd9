//! torrap: a Slack slash-command bot on one thread and one poll loop.

pub mod bot;
pub mod cli;
pub mod commands;
pub mod config;
pub mod console;
mod host;
pub mod http;
pub mod jobs;
pub mod manifest;
pub mod refusals;
pub mod server;
pub mod slab;
pub mod slack;
pub mod tally;
pub mod time;
pub mod timing_wheel;
pub mod trial;

pub use config::Config;
pub use server::{Server, Stopper};
