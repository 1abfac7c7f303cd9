//! The whole bot without a socket, under a clock that a seeded generator turns: connections that are
//! cut, pipelined and broken, senders that fail, lie and die, and a model that knows what is owed.
//!
//! A failure prints its seed. `TORRAP_SEED=7` runs that one again and says step by step what happens
//! (`-- --nocapture`), `TORRAP_SEEDS=20000` runs so many.
#![allow(clippy::disallowed_methods)] // the seeds come from the environment
#![allow(unreachable_pub)] // nobody else reaches into a test

mod client;
mod composer;
mod driver;
mod faults;
mod model;
mod receiver;
mod requests;
mod standing;
mod tally;
mod verdicts;
mod wire;
mod world;

use tally::Tally;
use test_support::seeds::{self, Replay};
use world::World;

const SEEDS: u64 = 256;
/// Actions of a run, or turns of the loop.
const STEPS: u64 = 250;
const TURNS: u64 = 100;

fn simulate(run: fn(&mut World, u64), steps: u64, also: &[&'static str]) {
    let is_replayed = seeds::replayed().is_some();
    let mut total = Tally::default();
    for seed in seeds::chosen(SEEDS) {
        let replay = Replay(seed);
        let mut world = World::new(seed, is_replayed);
        run(&mut world, steps);
        total.add(&world.model.tally);
        drop(replay);
    }
    eprintln!("{total}");
    if !is_replayed {
        check_coverage(&total, also);
    }
}

fn check_coverage(total: &Tally, also: &[&'static str]) {
    let always = [
        "accepted",
        "apologies",
        "apologies delivered",
        "attempts spent",
        "busy",
        "delivered",
        "drains",
        "expired after an attempt",
        "faults",
        "idle connections closed",
        "limited",
        "outcomes nobody waits for",
        "rejected",
        "requests not complete in time",
        "requests shed",
        "retries",
        "senders that died",
        "stale timestamps",
        "too late",
        "turns with a backlog",
    ];
    for what in always.iter().chain(also) {
        assert!(total.count(what) > 0, "not once: {what}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_or_early_or_settled_twice() {
    simulate(driver::run_freely, STEPS, &["expired before an attempt"]);
}

#[test]
fn every_wake_up_comes_in_time_and_comes_to_something() {
    // Senders are never so far behind here that a reply expires before it has one.
    simulate(driver::run_awake, TURNS, &[]);
}
