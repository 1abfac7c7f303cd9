//! What unauthenticated clients do must not keep a command from its answer.

use std::ops::Range;

use super::habits::Habits;
use super::world::{GET, World};

/// However many send many requests at once, a command that comes in is not behind all of them.
#[test]
fn a_command_does_not_wait_for_those_who_send_many_requests() {
    const CROWD: usize = 100;
    const VOLLEY: usize = 64;
    // How many requests are answered in a turn at most differs from seed to seed.
    for seed in 1..=8 {
        let mut world = World::with(seed, Habits::calm());
        for _ in 0..=CROWD {
            world.network.borrow_mut().connect(usize::MAX);
        }
        while world.network.borrow().has_backlog() {
            world.turn(true);
        }
        for wire in 0..CROWD {
            let volley = GET.repeat(VOLLEY);
            world.network.borrow_mut().deliver(wire, &volley);
        }
        let request = world.signed("help");
        world.network.borrow_mut().deliver(CROWD, &request);
        world.turn(true);
        world.assert_answered(CROWD);
        let first = answers(&world, 0..CROWD);
        assert!((CROWD..=4 * CROWD).contains(&first), "{first} in one turn");
        while world.has_work() {
            world.turn(true);
        }
        let all = first + answers(&world, 0..CROWD);
        assert_eq!(all, CROWD * VOLLEY, "in the end");
    }
}

/// An address may have so small a part in each turn that its clients cost a command one page, however many
/// they are: all are served, one after the other.
#[test]
fn an_address_with_a_small_part_in_each_turn_serves_all_of_a_crowd() {
    const CROWD: usize = 16;
    let habits = Habits {
        turns_max: 1,
        ..Habits::calm()
    };
    let mut world = World::with(1, habits);
    for _ in 0..CROWD {
        world.network.borrow_mut().connect(usize::MAX);
    }
    while world.network.borrow().has_backlog() {
        world.turn(true);
    }
    for wire in 0..CROWD {
        world.network.borrow_mut().deliver(wire, GET);
    }
    for served in 1..=CROWD {
        world.turn(true);
        assert_eq!(world.network.borrow().answered().len(), served);
    }
    for wire in 0..CROWD {
        world.network.borrow_mut().end(wire, false);
    }
    for left in (0..CROWD).rev() {
        world.turn(true);
        assert_eq!(world.network.borrow().open, left);
    }
}

/// Takes what these have been answered, and counts it.
fn answers(world: &World, wires: Range<usize>) -> usize {
    let mut network = world.network.borrow_mut();
    let bytes = wires.flat_map(|wire| network.take(wire, usize::MAX));
    let text = String::from_utf8(bytes.collect()).unwrap();
    text.matches("HTTP/1.1 ").count()
}

/// Places that are taken by unauthenticated clients that always have another request are no different from others.
#[test]
fn a_command_gets_a_place_though_unauthenticated_clients_never_rest() {
    let mut world = World::with_places(3);
    let flood = GET.repeat(1_000);
    let client = world.connect_with(&world.signed("help"));
    for _ in 0..2 {
        world.connect_with(&flood);
    }
    for _ in 0..3 {
        world.advance(1);
        world.turn(true);
    }
    world.advance(200);
    let good = world.connect_with(&world.signed("c1"));
    for _ in 0..4 {
        world.turn(true);
        world.advance(2);
    }
    world.assert_answered(good);
    assert!(
        !world.network.borrow().wires[client].closed,
        "one who has signed a request goes last"
    );
}

/// One signed request is not enough to keep a place for ever.
#[test]
fn a_client_that_signs_no_more_is_unauthenticated_again() {
    let mut world = World::with_places(1);
    let wire = world.network.borrow_mut().connect(usize::MAX);
    let request = [world.signed("help"), GET.repeat(1_000)].concat();
    world.network.borrow_mut().deliver(wire, &request);
    for _ in 0..80 {
        world.turn(true);
    }
    assert!(world.has_work(), "it never rests");
    let good = world.connect_with(&world.signed("c1"));
    for _ in 0..4 {
        world.turn(true);
        world.advance(2);
    }
    world.assert_answered(good);
}

/// The rest of a request may have come since the last turn, which may have taken a while.
#[test]
fn the_rest_of_a_request_is_read_before_its_place_is_given_away() {
    let mut world = World::with_places(1);
    let good = world.network.borrow_mut().connect(usize::MAX);
    let request = world.signed("c1");
    world
        .network
        .borrow_mut()
        .deliver(good, &request[..request.len() / 2]);
    for _ in 0..2 {
        world.turn(true);
    }
    world.advance(50);
    world
        .network
        .borrow_mut()
        .deliver(good, &request[request.len() / 2..]);
    world.network.borrow_mut().connect(usize::MAX);
    world.turn(true);
    world.assert_answered(good);
}

/// However much unauthenticated clients make the bot hold, there is room for a command that comes in two pieces.
#[test]
fn a_command_in_two_pieces_finds_room_beside_those_who_fill_it() {
    const CONTENT_BYTES: usize = 256 * 1024;
    let mut world = World::with(1, Habits::calm());
    let head =
        format!("POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: {CONTENT_BYTES}\r\n\r\n");
    // The last of them leave no gap.
    let sizes = [(300, CONTENT_BYTES - 1), (20, 20_000), (50, 1_000), (50, 0)];
    for (count, bytes) in sizes {
        for _ in 0..count {
            let wire = world.network.borrow_mut().connect(usize::MAX);
            world.turn(true);
            let begun = [head.as_bytes(), &vec![b'a'; bytes]].concat();
            world.network.borrow_mut().deliver(wire, &begun);
            while world.has_work() {
                world.turn(true);
            }
        }
    }
    let good = world.network.borrow_mut().connect(usize::MAX);
    let request = world.signed("c1");
    for piece in request.chunks(request.len() / 2 + 1) {
        world.network.borrow_mut().deliver(good, piece);
        for _ in 0..2 {
            world.turn(true);
        }
    }
    world.assert_answered(good);
}

/// Those that are evicted while they wait for their turn wait there no longer: otherwise clients that come faster than they
/// have turns would take more and more memory.
#[test]
fn the_queues_of_turns_do_not_grow_with_those_who_are_evicted_from_them() {
    const PLACES: usize = 64;
    let mut world = World::with_places(PLACES);
    let volley = GET.repeat(100);
    for _ in 0..200 {
        for _ in 0..PLACES {
            world.connect_with(&volley);
        }
        world.turn(true);
        let queued = world.engine.public().sessions.queued_len();
        assert!(queued < 2_000, "{queued} in the queues");
    }
    assert!(world.engine.public().counts().evicted > 5_000);
}
