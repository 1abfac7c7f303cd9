//! torrap: a Slack slash-command bot on one thread and one poll loop.
pub mod slab;
pub mod time;
pub mod timing_wheel;
