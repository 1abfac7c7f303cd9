//! The journal on a disk that a seeded generator fails, fills, tears and cuts the power of.
//!
//! A failure prints its seed. `TORRAP_SEED=7` runs that one again, `TORRAP_SEEDS=20000` runs so many,
//! and both together run so many from that one on.
#![allow(clippy::disallowed_methods)] // the seeds come from the environment
#![allow(clippy::unwrap_used)] // a test may fail
#![allow(unreachable_pub)] // no other crate reaches into a test

mod changes;
mod checkpoints;
mod command;
mod crashes;
mod disk;
mod durable;
mod earlier;
mod failures;
mod files;
mod moving;
mod process;
mod restarts;
mod rules;
mod world;

use test_support::generator;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a seed or a number of seeds"))
}
