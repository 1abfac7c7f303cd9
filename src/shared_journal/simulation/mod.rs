//! Several replicas on one model of Redis, below one clock, with faults of both.
//!
//! What is acknowledged is posted at least once, and more often only if the trace has a fault that explains it: a replica that
//! died, was stopped or cut off, or a Redis that forgot or whose clock was set. A command that was answered "busy" is not posted
//! without one.
//!
//! A failure prints its seed; `TORRAP_SEED=7` runs that one again, `TORRAP_SEEDS=20000` so many.

mod process;
mod world;

use self::world::{Class, World};
use crate::engine::simulation::seeds::{self, Replay};

const SEEDS: u64 = 60;
const STEPS: usize = 600;

#[test]
fn what_a_fleet_has_acknowledged_it_posts() {
    let mut total = world::Tally::default();
    for seed in seeds::chosen(SEEDS) {
        let _replay = Replay(seed);
        let class = [Class::Mild, Class::Deaths, Class::Forgetting][(seed % 3) as usize];
        let mut world = World::new(seed, class, seeds::replayed().is_some());
        for _ in 0..STEPS {
            world.step();
        }
        world.end();
        total.add(&world.tally);
    }
    if seeds::replayed().is_none() {
        total.check();
    }
}
