//! torrap: a Slack slash-command bot on one thread and one poll loop.
pub mod cli;
pub mod commands;
pub mod config;
mod host;
pub mod http;
pub mod manifest;
pub mod slab;
pub mod slack;
pub mod time;
pub mod timing_wheel;
