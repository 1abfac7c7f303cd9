//! What the tests and benches share: seeded chance, fakes that are called like the thing they replace, and the bot on a
//! thread or as a process with a client for it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types
)] // it is the outside world, and a test may fail

pub mod garbage;
pub mod generator;
#[cfg(target_os = "linux")]
pub mod kernel;
pub mod seeds;
