//! The engine without a system: the same turns on sockets, a disk and senders that exist in memory, below a clock that a
//! seeded generator turns, with faults at every edge.
//!
//! A failure prints its seed; `TORRAP_SEED=7` runs that one again, `TORRAP_SEEDS=20000` so many.

mod client;
mod clock;
mod commands;
mod composer;
mod disk;
mod faults;
#[cfg(feature = "redis")]
mod fleet;
#[path = "../../../tests/support/generator.rs"]
#[allow(unreachable_pub)]
pub(crate) mod generator;
mod habits;
mod held;
mod holding;
mod kept;
mod late;
mod life;
mod model;
mod network;
mod pace;
mod platform;
mod receiver;
mod requests;
mod running;
mod runs;
#[allow(clippy::disallowed_methods)] // it reads the seeds from the environment
#[path = "../../../tests/support/seeds.rs"]
#[allow(unreachable_pub)]
pub(crate) mod seeds;
mod senders;
mod standing;
mod stopping;
mod tally;
mod unauthenticated;
mod verdicts;
mod wire;
mod work;
mod world;

use generator::Generator;
use habits::Habits;
use seeds::Replay;
use tally::Tally;
use world::{GET, World};

use crate::telemetry::health::Condition;

const SEEDS: u64 = 256;
const STEPS: usize = 300;

#[test]
fn what_is_acknowledged_is_answered_and_all_is_given_back() {
    simulate(SEEDS, MET, |seed, is_replayed| {
        let mut world = World::new(seed, is_replayed);
        world.run(STEPS);
        world.finish()
    });
}

/// Runs with each chosen seed, and says what happened in all of them: each of these things in some.
fn simulate(seeds: u64, must: &[&'static str], run: impl Fn(u64, bool) -> Tally) {
    let mut met = Tally::default();
    let is_replayed = seeds::replayed().is_some();
    for seed in seeds::chosen(seeds) {
        let replay = Replay(seed);
        met.add_all(&run(seed, is_replayed));
        drop(replay);
    }
    println!("{met}");
    for what in must {
        let is_met = is_replayed || met.count(what) > 0;
        assert!(is_met, "not once: {what}");
    }
}

/// What must happen in some seed.
const MET: &[&str] = &[
    "accepted",
    "accepted again",
    "accepted commands",
    "answers",
    "apologies",
    "apologies delivered",
    "attempts spent",
    "busy",
    "busy repeats",
    "clocks set",
    "commands delivered",
    "commands run again",
    "commands that waited for too long",
    "commands turned down",
    "commits",
    "commits that failed",
    "crashes",
    "crashes in a turn",
    "delivered",
    "directories gone at a stop",
    "descriptors ran out",
    "events for closed sessions",
    "evictions",
    "expired after an attempt",
    "expired before an attempt",
    "faults",
    "given up while limited",
    "limited",
    "outcomes that were not waited for",
    "pages of metrics",
    "polls that told nothing",
    "power cuts",
    "refusals for want of time",
    "rejected",
    "repeats",
    "replies found by the next process",
    "replies left to the next process",
    "replies pending when the directory was gone",
    "resets",
    "messages",
    "messages that met a limit",
    "messages that the store was told of",
    "retries",
    "runs",
    "runs given up",
    "runs that ended too late",
    "runs that failed",
    "runs that found no thread",
    "runs that panicked",
    "runs that replied",
    "senders that died",
    "stale timestamps",
    "stops",
    "stops at once",
    "too late",
    "wake-ups of the bot alone",
];

/// However many send as much as they can, a command that comes in is answered in the same turn.
#[test]
fn a_command_does_not_wait_for_those_who_send_much() {
    let mut world = World::with(1, Habits::calm());
    let head = b"POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n";
    for _ in 0..300 {
        world.connect_with(head);
    }
    world.turn(true);
    world.turn(true);
    for wire in 0..300 {
        world.network.borrow_mut().deliver(wire, &[b'a'; 200_000]);
    }
    world.turn(true);
    world.network.borrow_mut().bytes_read = 0;
    let good = world.network.borrow_mut().connect(usize::MAX);
    world.turn(true);
    let request = world.signed("c1");
    world.network.borrow_mut().deliver(good, &request);
    world.turn(true);
    world.assert_answered(good);
    let read = world.network.borrow().bytes_read;
    assert!(read < 2 * 17 * 288 * 1024, "{read} bytes in two turns");
}

/// However many clients go at once, a command that comes in after them is answered in the same turn.
#[test]
fn a_command_does_not_wait_for_those_who_leave() {
    const LEAVERS: usize = 2_000;
    let mut world = World::with(
        1,
        Habits {
            places: LEAVERS + 1,
            descriptors: LEAVERS + 1,
            ..Habits::calm()
        },
    );
    for _ in 0..=LEAVERS {
        world.network.borrow_mut().connect(usize::MAX);
    }
    while world.network.borrow().has_backlog() {
        world.turn(true);
    }
    for wire in 0..LEAVERS {
        world.network.borrow_mut().end(wire, false);
    }
    let request = world.signed("help");
    world.network.borrow_mut().deliver(LEAVERS, &request);
    world.turn(true);
    world.assert_answered(LEAVERS);
    while world.has_work() {
        world.turn(true);
    }
    assert_eq!(world.network.borrow().open, 1, "the others are gone");
}

/// A connection is no longer idle when the kernel holds a request whose event has not been told.
#[test]
fn an_idle_session_with_a_request_in_the_kernel_keeps_its_place() {
    let mut world = World::with_places(1);
    let wire = world.network.borrow_mut().connect(usize::MAX);
    world.turn(true);
    world.turn(true);
    world.advance(1_000);
    let request = world.signed("c1");
    // It arrives after the events of this turn were taken, and so does another client.
    let network = world.network.clone();
    world.interrupted_turn(move || {
        network.borrow_mut().deliver(wire, &request);
        network.borrow_mut().connect(usize::MAX);
    });
    world.turn(true);
    assert!(!world.network.borrow().wires[wire].closed, "it had to go");
    world.turn(true);
    world.assert_answered(wire);
}

/// Who waits for a place costs nothing until there is one, or time for another look.
#[test]
fn a_shortage_of_places_is_slept_through() {
    let mut world = World::with_places(1);
    let command = world.signed("help");
    for first in [&command[..], b"", b""] {
        world.connect_with(first);
    }
    for _ in 0..3 {
        world.turn(true);
    }
    // It is authenticated, so that it may keep its place for longer.
    world.network.borrow_mut().deliver(0, b"GET / HT");
    for _ in 0..3 {
        world.turn(true);
    }
    assert!(!world.has_work(), "it spins");
    let wakes_at = world.poll_timeout().unwrap();
    assert!(wakes_at > world.clock.now().tick);
    world.advance(wakes_at.millis_since(world.clock.now().tick));
    world.turn(true);
    assert!(!world.network.borrow().wires[0].closed, "it had no time");
    world.advance(100);
    world.turn(true);
    assert!(world.network.borrow().wires[0].closed, "it had enough");
}

/// A connection that the system has no room to watch is counted, takes no place, and ends no other one.
#[test]
fn a_connection_that_cannot_be_watched_is_dropped_and_counted() {
    let mut world = World::with_places(5);
    let good = world.connect_with(&world.signed("help"));
    world.turn(true);
    world.network.borrow_mut().is_watch_full = true;
    for _ in 0..3 {
        let dropped = world.connect_with(GET);
        world.turn(true);
        assert!(world.network.borrow().wires[dropped].closed);
    }
    assert_eq!((world.dropped(), world.network.borrow().open), (3, 1));
    world.network.borrow_mut().is_watch_full = false;
    let next = world.connect_with(GET);
    world.turn(true);
    world.turn(true);
    world.assert_answered(good);
    world.assert_answered(next);
    assert_eq!(world.dropped(), 3);
}

/// A command is acknowledged after its record is durable, in a later turn, and no one else waits for that.
#[test]
fn an_acknowledgement_goes_out_after_the_commit_and_all_else_before_it() {
    let mut world = World::with(
        1,
        Habits {
            disk_fault_percent: Some(100),
            delay_ms: 60_000,
            ..Habits::calm()
        },
    );
    let connect = || world.network.borrow_mut().connect(usize::MAX);
    let (command, other) = (connect(), connect());
    world.turn(true);
    for (number, is_bad) in [(1, false), (2, true), (3, false)] {
        let disk = world.store.with(|kept| kept.disk.clone()).unwrap();
        disk.fail(if is_bad { 100 } else { 0 });
        let request = world.signed(&format!("c{number}"));
        world.network.borrow_mut().deliver(command, &request);
        world.network.borrow_mut().deliver(other, GET);
        world.turn(true);
        assert_eq!(disk.has_kept(number), !is_bad);
        assert!(world.network.borrow_mut().take(command, 512).is_empty());
        assert!(!world.network.borrow_mut().take(other, 512).is_empty());
        world.turn(true);
        let answer = world.network.borrow_mut().take(command, 512);
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let is_busy = answer.contains("I am busy");
        assert_eq!(is_busy, is_bad, "{answer}");
        disk.fail(0);
        world.advance(1_000);
        world.turn(true);
    }
}

/// While a batch takes long, further commands are answered "busy" at once, and the one that waits after two seconds;
/// it has no reply then. Everything else goes on.
#[test]
fn a_slow_commit_holds_up_commands_alone_and_none_of_them_for_long() {
    let mut world = World::with(
        1,
        Habits {
            disk_fault_percent: Some(0),
            delay_ms: 60_000,
            ..Habits::calm()
        },
    );
    let connect = || world.network.borrow_mut().connect(usize::MAX);
    let (first, second, other) = (connect(), connect(), connect());
    world.turn(true);
    let take = |world: &World, wire| {
        let answer = world.network.borrow_mut().take(wire, 512);
        String::from_utf8(answer).unwrap()
    };
    let send = |world: &World, wire, id| {
        let request = world.signed(id);
        world.network.borrow_mut().deliver(wire, &request);
    };
    send(&world, first, "c1c");
    world.turn(true);
    world.store.with(|kept| kept.delay(6_000));
    world.advance(1_000);
    send(&world, second, "c2c");
    world.network.borrow_mut().deliver(other, GET);
    world.turn(true);
    assert!(take(&world, second).contains("I am busy"));
    assert!(take(&world, other).starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(take(&world, first), "");
    let condition = |world: &World| world.engine.bot().condition();
    assert_eq!(condition(&world), Condition::JournalFailing);
    world.advance(1_000);
    world.turn(true);
    assert!(take(&world, first).contains("I am busy"));
    world.advance(4_000);
    world.turn(true);
    world.turn(true);
    send(&world, second, "c3c");
    world.turn(true);
    world.turn(true);
    assert!(!take(&world, second).contains("busy"));
    assert_eq!(condition(&world), Condition::Ready);
    assert_eq!(world.pending(), 1, "the last one alone has a reply");
}
