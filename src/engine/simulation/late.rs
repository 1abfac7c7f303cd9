//! A process that was stopped, or that has much to do, judges no client before it has read what that client sent.

use std::cell::RefCell;
use std::rc::Rc;

use super::habits::Habits;
use super::kept::Kept;
use super::network::Network;
use super::platform::Tells;
use super::world::{GET, World};
use crate::jobs::LIFETIME_MS;

/// Longer than every wait.
const LONG_MS: u64 = 700_000;

/// A turn of a process that is stopped behind its poll: `then` happens, and a long time passes.
fn stopped_turn(world: &mut World, then: impl FnOnce(&mut Network) + 'static) {
    let (network, clock) = (world.network.clone(), world.clock.clone());
    world.interrupted_turn(move || {
        then(&mut network.borrow_mut());
        clock.advance(LONG_MS);
    });
}

fn deliver(world: &World, wire: usize, bytes: &[u8]) {
    world.network.borrow_mut().deliver(wire, bytes);
}

/// The whole of a request that the bot answers with 200 however late it is.
fn post(content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), content].concat()
}

#[test]
fn the_rest_of_a_request_that_has_come_is_read_before_its_time_is_judged() {
    let request = post(b"abcde");
    // Before it, in its head and in its content.
    for cut in [0, 10, request.len() - 2] {
        let mut world = World::with_places(5);
        let wire = world.connect_with(&request[..cut]);
        for _ in 0..2 {
            world.turn(true);
        }
        let rest = request[cut..].to_vec();
        stopped_turn(&mut world, move |network| network.deliver(wire, &rest));
        assert!(!world.network.borrow().wires[wire].closed, "cut at {cut}");
        world.turn(true);
        world.assert_answered(wire);
    }
}

/// The same when no poll has told of anything, as one that a signal interrupts.
#[test]
fn a_turn_that_has_heard_nothing_ends_nothing() {
    let mut world = World::with_places(5);
    let (half, idle) = (world.connect_with(&GET[..10]), world.connect_with(GET));
    for _ in 0..2 {
        world.turn(true);
    }
    world.assert_answered(idle);
    world.advance(LONG_MS);
    deliver(&world, half, &GET[10..]);
    deliver(&world, idle, GET);
    world.turn_that_hears(Tells::Nothing);
    world.turn(true);
    world.assert_answered(half);
    world.assert_answered(idle);
    // And what has not come ends in the end.
    world.advance(LONG_MS);
    world.turn(true);
    assert_eq!(world.network.borrow().open, 0);
}

#[test]
fn answers_that_were_read_are_followed_by_what_was_asked_for_behind_them() {
    const ROOM: usize = 100;
    let mut world = World::with_places(5);
    let wire = world.network.borrow_mut().connect(ROOM);
    deliver(&world, wire, &GET.repeat(2));
    for _ in 0..4 {
        world.turn(true);
    }
    let taken = Rc::new(RefCell::new(Vec::new()));
    let reader = taken.clone();
    stopped_turn(&mut world, move |network| {
        *reader.borrow_mut() = network.take(wire, usize::MAX);
        network.deliver(wire, GET);
    });
    let mut wire_bytes = taken.take();
    assert_eq!(wire_bytes.len(), ROOM, "it was blocked");
    for _ in 0..20 {
        world.turn(true);
        wire_bytes.extend(world.network.borrow_mut().take(wire, usize::MAX));
    }
    let text = String::from_utf8(wire_bytes).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
}

/// What a turn leaves for the next ones is read before anything is judged, whatever the reason.
#[test]
fn what_is_left_for_later_turns_is_read_before_it_is_late() {
    const CROWD: usize = 300;
    /// The head, and some of the content.
    const CUT: usize = 100;
    let mut world = World::with(1, Habits::calm());
    let request = post(&[b'a'; 100_000]);
    let wires: Vec<usize> = (0..CROWD)
        .map(|_| world.connect_with(&request[..CUT]))
        .collect();
    for _ in 0..2 {
        world.turn(true);
    }
    for wire in &wires {
        deliver(&world, *wire, &request[CUT..]);
        // Of those who say in the same breath that they send no more, only some are heard in a turn.
        if wire % 2 == 0 {
            world.network.borrow_mut().end(*wire, false);
        }
    }
    world.advance(LONG_MS);
    while world.has_work() || world.network.borrow().has_events() {
        world.turn(true);
        world.advance(1);
    }
    for wire in wires {
        world.assert_answered(wire);
    }
}

/// A client that only keeps the server reading gets no more time for that.
#[test]
fn a_client_that_never_stops_sending_is_not_read_for_ever() {
    let mut world = World::with(1, Habits::calm());
    let wire = world.connect_with(b"nonsense\r\n");
    world.turn(true);
    world.turn(true);
    for _ in 0..100 {
        deliver(&world, wire, &[b'a'; 600_000]);
        world.advance(100);
        world.turn(true);
    }
    assert!(world.network.borrow().wires[wire].closed);
}

/// What a turn makes of the jobs last of all, the store hears of as well: the loop may sleep for long behind it.
#[test]
fn a_reply_that_is_too_late_is_settled_in_the_store_with_the_turn_that_finds_out() {
    let mut world = World::with(
        1,
        Habits {
            disk_fault_percent: Some(0),
            delay_ms: 1_000,
            ..Habits::calm()
        },
    );
    world.connect_with(&world.signed("c1c"));
    while world.pending() == 0 || world.store.with(Kept::hurry) == Some(true) {
        world.turn(true);
    }
    world.advance(LIFETIME_MS);
    world.turn(true);
    assert_eq!(world.pending(), 0, "it is given up");
    assert!(!world.engine.bot().has_batch());
}
