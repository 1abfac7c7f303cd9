//! A stop, step by step: what it waits for, for how long, and what it leaves.

use super::habits::Habits;
use super::kept::Kept;
use super::world::{GET, World};
use crate::engine::drain::Drain;
use crate::telemetry::health::Condition;

const DELAY_MS: u64 = 200;

/// A bot that may take long for its stop.
fn world(is_durable: bool) -> World {
    let mut world = World::with(
        1,
        Habits {
            disk_fault_percent: is_durable.then_some(0),
            delay_ms: DELAY_MS,
            ..Habits::calm()
        },
    );
    world.engine.drain = Drain::new(40_000, is_durable);
    world
}

impl World {
    /// Turns until there is nothing to do at this moment.
    fn pause(&mut self) {
        self.turn(true);
        while self.store.with(Kept::hurry) == Some(true) || self.has_work() {
            self.turn(true);
        }
    }
}

/// And it never says that it is ready again.
#[test]
fn replies_that_fall_due_during_a_stop_are_left_to_the_next_start() {
    let mut world = world(true);
    world.connect_with(&world.signed("c1c"));
    let half = world.connect_with(&GET[..10]);
    world.pause();
    world.stop();
    for _ in 0..4 {
        world.pause();
        assert_eq!(world.engine.bot().condition(), Condition::Draining);
        assert!(!world.engine.is_drained(), "{half} may send the rest");
        world.advance(DELAY_MS / 2);
    }
    assert_eq!(world.engine.senders.tried.len(), 0);
    world.network.borrow_mut().deliver(half, &GET[10..]);
    world.pause();
    world.assert_answered(half);
    assert!(world.engine.is_drained());
    assert_eq!(world.pending(), 1);
}

/// With a store that is half a second, however much time there is for replies; otherwise it is three.
#[test]
fn a_stop_waits_for_clients_as_long_as_is_said() {
    for (is_durable, ms) in [(true, 500), (false, 3_000)] {
        let mut world = world(is_durable);
        world.connect_with(&GET[..10]);
        world.pause();
        world.stop();
        world.pause();
        world.advance(ms);
        world.turn(true);
        assert!(!world.engine.is_drained(), "{is_durable}");
        world.advance(1);
        world.turn(true);
        world.turn(true);
        assert!(world.engine.is_drained(), "{is_durable}");
    }
}
