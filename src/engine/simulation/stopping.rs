//! A stop, step by step: what it waits for, for how long, and what it leaves.

use super::habits::Habits;
use super::kept::Kept;
use super::world::{GET, World};
use crate::engine::drain::Drain;
use crate::engine::platform::Stop;
use crate::store::Event;
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
    /// A client sends a command and will send nothing else; who.
    fn command(&self, id: &str) -> usize {
        let wire = self.connect_with(&self.signed(id));
        self.network.borrow_mut().end(wire, false);
        wire
    }

    /// The same, and the disk hangs while its batch is with the store.
    fn held_command(&mut self, id: &str) -> usize {
        let wire = self.command(id);
        let before = self.pending();
        while self.pending() == before {
            self.turn(true);
        }
        self.store.with(|kept| kept.delay(60_000));
        wire
    }

    /// Turns until there is nothing to do at this moment.
    fn pause(&mut self) {
        self.turn(true);
        while self.store.with(Kept::hurry) == Some(true)
            || self.has_work()
            || self.network.borrow().has_events()
        {
            self.turn(true);
        }
    }
}

/// And it never says that it is ready again.
#[test]
fn replies_that_fall_due_during_a_stop_are_left_to_the_next_start() {
    let mut world = world(true);
    world.command("c1c");
    let half = world.connect_with(&GET[..10]);
    world.pause();
    world.stop(Stop::Graceful);
    for _ in 0..4 {
        world.pause();
        assert_eq!(world.engine.bot().condition(), Condition::Draining);
        assert!(!world.engine.is_drained(), "{half} may send the rest");
        world.advance(DELAY_MS / 2);
    }
    assert_eq!(world.engine.senders.tried(), 0);
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
        world.stop(Stop::Graceful);
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

/// Whether the directory is still there is known before anything is left in it.
#[test]
fn a_stop_waits_for_the_store_to_say_what_becomes_of_the_rest() {
    let mut world = world(true);
    world.command("c1c");
    world.pause();
    world.store.with(|kept| kept.stop_answer = None);
    world.stop(Stop::Graceful);
    world.pause();
    assert_eq!(world.engine.public().sessions.unfinished(), 0);
    assert!(!world.engine.is_drained());
    world
        .store
        .with(|kept| kept.stop_answer = Some(Event::Recoverable));
    world.turn(true);
    assert!(world.engine.is_drained());
}

/// A command whose batch is not kept by then is acknowledged and answered, as all others, before the end.
#[test]
fn a_store_that_gives_up_leaves_everything_to_this_process() {
    let mut world = world(true);
    let kept = world.command("c1c");
    world.pause();
    world.assert_answered(kept);
    let held = world.held_command("c2c");
    assert!(world.network.borrow().wires[held].is_unanswered());
    world
        .store
        .with(|kept| kept.stop_answer = Some(Event::GivenUp));
    world.stop(Stop::Graceful);
    world.turn(true);
    world.assert_answered(held);
    assert!(!world.engine.bot().has_batch());
    while !world.engine.is_drained() {
        world.turn(true);
        let next = world.poll_timeout().unwrap();
        world.advance(next.millis_since(world.clock.now().tick));
    }
    // None is left to a next start.
    assert_eq!(world.engine.senders.tried(), 2);
    assert_eq!((world.pending(), world.engine.end()), (0, 0));
}

/// The disk hangs until then: there is no reply, neither from this process nor from the next.
#[test]
fn what_is_held_at_the_end_is_told_that_the_bot_is_busy() {
    let mut world = world(true);
    let held = world.held_command("c1c");
    world.stop(Stop::Graceful);
    world.turn(true);
    world.advance(501);
    world.turn(true);
    world.turn(true);
    assert!(world.engine.is_drained());
    assert!(world.network.borrow().wires[held].is_unanswered());
    assert_eq!(world.engine.end(), 0);
    let answer = world.network.borrow_mut().take(held, 512);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("I am busy"), "{answer}");
    assert_eq!(world.pending(), 0);
    world.check_next();
}

/// The next start would find nothing: what is pending is posted, and what comes meanwhile waits for no store.
#[test]
fn a_directory_that_is_gone_at_a_stop_holds_up_no_command() {
    let mut world = World::with(
        1,
        Habits {
            disk_fault_percent: Some(0),
            delay_ms: 5_000,
            loses_directory: true,
            ..Habits::calm()
        },
    );
    let first = world.connect_with(&world.signed("c1"));
    let second = world.network.borrow_mut().connect(usize::MAX);
    for _ in 0..3 {
        world.turn(true);
    }
    world.assert_answered(first);
    world.engine.platform.stop = Some(Stop::Graceful);
    let request = world.signed("c2");
    world.network.borrow_mut().deliver(second, &request);
    world.turn(true);
    world.assert_answered(second);
    assert_eq!(world.pending(), 2);
    assert!(!world.engine.drain.leaves_pending(), "it posts them itself");
}

/// The place becomes free with the turn that hears of the stop.
#[test]
fn a_connection_that_waits_for_a_place_is_served_by_a_stop_that_has_one() {
    let mut world = World::with_places(1);
    let first = world.connect_with(&world.signed("help"));
    world.pause();
    world.assert_answered(first);
    // It has begun a request, and not long enough ago for its place to be taken.
    world.network.borrow_mut().deliver(first, &GET[..10]);
    world.turn(true);
    let waiting = world.connect_with(GET);
    world.turn(true);
    let is_accepted = !world.network.borrow().has_backlog();
    assert!(is_accepted && world.network.borrow().wires[waiting].is_unanswered());
    world.network.borrow_mut().end(first, true);
    world.stop(Stop::Graceful);
    world.pause();
    world.assert_answered(waiting);
}
