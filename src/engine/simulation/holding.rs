//! Clients that have the bot hold bytes: requests that they do not finish, answers that they do not read. A command
//! finds room all the same, and what they hold is theirs for a while only.

use super::habits::Habits;
use super::world::{GET, World};
use crate::http::{ANSWER_TIMEOUT_MS, Limits};

const CONTENT_BYTES: usize = 256 * 1024;
/// One that has up to 64 requests answered in a turn.
const SEED: u64 = 2;
/// More than all may hold together.
const UPLOADS: usize = 300;

fn with_places(places: usize) -> World {
    World::with(
        SEED,
        Habits {
            places,
            descriptors: places,
            ..Habits::calm()
        },
    )
}

impl World {
    /// Lets the bot do all that there is to do.
    fn settle(&mut self) {
        self.turn(true);
        while self.has_work() || self.network.borrow().has_events() {
            self.turn(true);
        }
    }

    fn is_closed(&self, wire: usize) -> bool {
        self.network.borrow().wires[wire].server_fin || self.network.borrow().wires[wire].closed
    }

    /// A request of which all but one byte of so many has come, on connections of their own; which ones.
    fn upload(&mut self, count: usize, bytes: usize) -> Vec<usize> {
        let head =
            format!("POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: {CONTENT_BYTES}\r\n\r\n");
        let begun = [head.as_bytes(), &vec![b'a'; bytes - head.len()]].concat();
        let wires = (0..count).map(|_| self.connect_with(&begun)).collect();
        self.settle();
        wires
    }

    /// Sends a command of so many bytes in two pieces, the larger one first, and shows that it is acknowledged.
    fn assert_room_for(&mut self, wire: usize, text_bytes: usize) {
        let command = self.signed(&"a".repeat(text_bytes));
        let (first, rest) = command.split_at(command.len() - 100);
        self.network.borrow_mut().deliver(wire, first);
        self.settle();
        self.network.borrow_mut().deliver(wire, rest);
        self.turn(true);
        self.assert_answered(wire);
    }

    /// A connection that has carried a signed request.
    fn client(&mut self) -> usize {
        let wire = self.connect_with(&self.signed("help"));
        self.settle();
        self.assert_answered(wire);
        wire
    }
}

/// The connection that holds most goes, not the command that comes in when all is full.
#[test]
fn uploads_that_stall_give_way_to_commands_in_two_pieces() {
    let mut world = with_places(8_192);
    let client = world.client();
    let uploads = world.upload(UPLOADS, CONTENT_BYTES - 1);
    let is_gone = |world: &World, wire: &&usize| world.is_closed(**wire);
    let gone: Vec<usize> = uploads
        .iter()
        .filter(|wire| is_gone(&world, wire))
        .copied()
        .collect();
    assert!((40..60).contains(&gone.len()), "{gone:?} had to go");
    for text_bytes in [10_000, 14_000, 18_000] {
        world.assert_room_for(client, text_bytes);
        let new = world.network.borrow_mut().connect(usize::MAX);
        world.settle();
        world.assert_room_for(new, text_bytes + 1);
    }
    let answer = world.network.borrow_mut().take(gone[0], 512);
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{answer:?}");
}

/// Nor does it if each of them holds a little less than the command, or just what no more is asked of.
#[test]
fn small_pieces_of_many_leave_room_for_a_command_in_two() {
    for (count, bytes) in [(4_000, 17_000), (8_000, 8_192)] {
        let mut world = with_places(8_192);
        world.upload(count, bytes);
        for text_bytes in [10_000, 18_000] {
            let new = world.network.borrow_mut().connect(usize::MAX);
            world.settle();
            world.assert_room_for(new, text_bytes);
        }
    }
}

#[test]
fn a_client_holds_more_than_all_others_and_keeps_it() {
    let mut world = with_places(8_192);
    let client = world.client();
    let text_bytes = 40_000;
    let command = world.signed(&"a".repeat(text_bytes));
    world
        .network
        .borrow_mut()
        .deliver(client, &command[..text_bytes]);
    world.settle();
    world.upload(3_000, 25_000);
    assert!(!world.is_closed(client), "it had to go for the others");
    world
        .network
        .borrow_mut()
        .deliver(client, &command[text_bytes..]);
    world.settle();
    world.assert_answered(client);
}

/// Who has authenticated does not wait behind all who have not, however many of them have more to say.
#[test]
fn a_client_with_more_to_read_has_its_turn_before_a_crowd() {
    const CROWD: usize = 2_000;
    let mut world = with_places(8_192);
    let client = world.client();
    let crowd: Vec<usize> = (0..CROWD).map(|_| world.connect_with(b"")).collect();
    world.settle();
    for wire in crowd {
        let mut network = world.network.borrow_mut();
        network.deliver(wire, &GET.repeat(600));
    }
    world.turn(true);
    // More than is read of each in its first turn.
    let command = world.signed(&"a".repeat(18_000));
    world.network.borrow_mut().deliver(client, &command);
    for _ in 0..3 {
        world.turn(true);
    }
    world.assert_answered(client);
    let new = world.network.borrow_mut().connect(usize::MAX);
    let command = world.signed(&"a".repeat(18_001));
    world.network.borrow_mut().deliver(new, &command);
    let turns = (0..).take_while(|_| {
        world.turn(true);
        world.network.borrow().wires[new].is_unanswered()
    });
    let turns = turns.count();
    assert!(turns < CROWD / 8 + 8, "a new one waited for {turns} turns");
}

/// Answers that are not read are held as requests are, and are bounded with them.
#[test]
fn answers_that_are_not_read_count_with_the_requests() {
    const CROWD: usize = 8_000;
    let mut world = with_places(8_192);
    for _ in 0..CROWD / 16 {
        for _ in 0..16 {
            let wire = world.network.borrow_mut().connect(0);
            // As many as are answered in one turn: nothing else is held.
            world.network.borrow_mut().deliver(wire, &GET.repeat(64));
        }
        world.settle();
    }
    let open = world.network.borrow().open;
    assert!((1_000..7_500).contains(&open), "{open} hold their answers");
    let new = world.network.borrow_mut().connect(usize::MAX);
    world.settle();
    world.assert_room_for(new, 18_000);
}

#[test]
fn answers_are_to_be_read_in_time_and_a_byte_now_and_then_is_not_enough() {
    let limits = Limits::default();
    assert!(ANSWER_TIMEOUT_MS < limits.idle_timeout_ms.min(limits.content_timeout_ms));
    let mut world = World::with_places(10);
    let connect = |world: &World, first: &[u8]| {
        let wire = world.network.borrow_mut().connect(60);
        world.network.borrow_mut().deliver(wire, first);
        wire
    };
    let silent = connect(&world, GET);
    let slow = connect(&world, GET);
    let refused = connect(&world, b"nonsense\r\n\r\n");
    let good = connect(&world, GET);
    let half = connect(&world, &[GET, &GET[..20]].concat());
    world.settle();
    for _ in 0..9 {
        world.advance(ANSWER_TIMEOUT_MS / 10);
        world.network.borrow_mut().take(slow, 1);
        world.settle();
    }
    world.advance(ANSWER_TIMEOUT_MS / 10 - 1);
    while !world.network.borrow_mut().take(good, 60).is_empty() {
        world.settle();
    }
    for wire in [silent, slow, refused, good, half] {
        assert!(!world.is_closed(wire), "{wire} had more time");
    }
    world.advance(1);
    world.settle();
    for wire in [silent, slow, refused, half] {
        assert!(world.network.borrow().wires[wire].closed, "{wire}");
    }
    assert!(!world.is_closed(good), "it has read in time");
}

/// The bot may have been stopped and continued: what the client has read meanwhile is seen before it is judged.
#[test]
fn a_client_that_has_read_while_the_bot_was_held_up_keeps_its_connection() {
    let mut world = World::with_places(10);
    let wire = world.network.borrow_mut().connect(200);
    world.network.borrow_mut().deliver(wire, &GET.repeat(2));
    world.settle();
    world.advance(3 * ANSWER_TIMEOUT_MS);
    let mut answers = Vec::new();
    loop {
        let taken = world.network.borrow_mut().take(wire, 200);
        if taken.is_empty() {
            break;
        }
        answers.extend(taken);
        world.settle();
    }
    let text = String::from_utf8(answers).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
}
