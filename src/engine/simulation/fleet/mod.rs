//! A fleet: several engines on one simulated Redis, with lost and late answers, failovers, and processes that die, stop and go
//! on.
//!
//! What was acknowledged is posted by one of them; twice only if something went wrong before.
//!
//! A failure prints its seed; `TORRAP_SEED=7` runs that one again, `TORRAP_SEEDS=20000` so many.

mod member;
mod redis;
mod store;
mod world;

use self::world::World;
use super::simulate;
use super::tally::Tally;

const SEEDS: u64 = 48;
const STEPS: usize = 250;

#[test]
fn what_one_process_of_a_fleet_acknowledges_is_posted_by_one_of_them() {
    simulate(SEEDS, MET, run);
}

fn run(seed: u64, is_traced: bool) -> Tally {
    let mut world = World::new(seed, is_traced);
    world.run(STEPS);
    world.finish()
}

/// Redis was emptied and had no memory to take a job again, when the process that had it stood still until it was taken for dead.
#[test]
fn a_process_that_was_taken_for_dead_posts_what_redis_had_lost() {
    run(592, false);
}

/// A failover had forgotten jobs, when the process that had them was cut off until it was taken for dead.
#[test]
fn a_process_that_was_taken_for_dead_posts_what_a_failover_has_forgotten() {
    run(1584, false);
}

/// What must happen in some seed.
const MET: &[&str] = &[
    "accepted",
    "adopted",
    "busy",
    "clocks set",
    "copies",
    "copies acknowledged by another process",
    "cuts",
    "declined",
    "failovers",
    "fenced",
    "flushes",
    "full",
    "kills",
    "late requests",
    "lost and late answers",
    "posted",
    "posted twice",
    "put again",
    "Redis down",
    "runs",
    "seeds without a fault",
    "stops",
    "stops and continues",
    "taken over",
];
