//! torrap: a Slack slash-command bot on one thread and one poll loop.
pub mod cli;
pub mod config;
mod host;
pub mod manifest;
pub mod slack;
pub mod time;
