//! torrap: a Slack slash-command bot on one thread and one poll loop.
pub mod commands;
pub mod http;
pub mod slab;
pub mod slack;
pub mod time;
pub mod timing_wheel;
