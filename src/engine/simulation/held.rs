//! Answers that are held over many turns: by a service that decides late, in its order, or not at all.

mod seeded;
mod stale;

use std::collections::BTreeMap;

use super::Generator;
use super::network::{Network, Shared, SimulatedListener};
use crate::endpoint::service::Service;
use crate::endpoint::source::{Role, Source};
use crate::endpoint::{Endpoint, Settings, Turn};
use crate::engine::watermark::Watermark;
use crate::http::{self, Hold, Limits, Request, Response};
use crate::time::{Now, Tick, UnixTime};

const HELD_MS: u64 = 2_000;

/// What became of a request that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    NotKept,
    Withdrawn,
}

/// Holds what is sent to `/held`, and remembers what it was asked.
#[derive(Default)]
struct Holder {
    /// The collecting batch.
    ticket: u64,
    /// Whose request each token is: the wire, and since when.
    held: BTreeMap<u64, (usize, Tick)>,
    fates: BTreeMap<u64, Fate>,
    faults: usize,
}

impl Holder {
    fn decide(&mut self, hold: Hold, fate: Fate) -> Response {
        let before = self.fates.insert(hold.token, fate);
        assert_eq!(before, None, "{fate:?} after that");
        assert!(hold.ticket <= self.ticket);
        Response::json(format!("{fate:?}").into_bytes())
    }
}

impl Service for Holder {
    fn handle_request(&mut self, request: &Request<'_>, now: Now) -> Response {
        let mut response = Response::json(b"Free".as_slice());
        response.is_authenticated = true;
        if let Some(wire) = request.path.strip_prefix("/held/") {
            let token = self.held.len() as u64;
            self.held.insert(token, (wire.parse().unwrap(), now.tick));
            response.hold = Some(Hold {
                ticket: self.ticket,
                token,
            });
        }
        response
    }

    fn on_fault(&mut self, _: http::Error, _: Now) {
        self.faults += 1;
    }

    fn answer_held(&mut self, hold: Hold, is_kept: bool, _: Now) -> Response {
        self.decide(hold, if is_kept { Fate::Kept } else { Fate::NotKept })
    }

    fn withdraw(&mut self, hold: Hold, now: Now) -> Response {
        let (_, since) = self.held[&hold.token];
        assert!(now.tick >= since.after(HELD_MS), "withdrawn too early");
        self.decide(hold, Fate::Withdrawn)
    }
}

struct World {
    network: Shared,
    endpoint: Endpoint<SimulatedListener>,
    holder: Holder,
    watermark: Watermark,
    now: Now,
    /// What is to be released in the next turn.
    decided: Option<(u64, bool)>,
}

impl World {
    fn new(places: usize, turns_max: usize, generator: Generator, fault_percent: u64) -> Self {
        let now = Now {
            tick: Tick(1_000),
            unix: UnixTime(1_700_000_000_000),
        };
        let limits = Limits {
            held_timeout_ms: HELD_MS,
            ..Limits::default()
        };
        let network = Network::new(generator, fault_percent);
        let settings = Settings {
            role: Role::Public,
            places: "all places",
            capacity: places,
            limits,
            turns_max,
        };
        let listeners = vec![SimulatedListener::new(network.clone(), Role::Public)];
        Self {
            endpoint: Endpoint::new(settings, listeners, (), now.tick),
            holder: Holder::default(),
            watermark: Watermark::new(now.tick),
            network,
            now,
            decided: None,
        }
    }

    fn with_places(places: usize) -> Self {
        Self::new(places, 1_000, Generator::new(1), 0)
    }

    fn calm() -> Self {
        Self::with_places(100)
    }

    fn connect(&self, capacity: usize) -> usize {
        self.network.borrow_mut().connect(capacity)
    }

    fn deliver(&self, wire: usize, bytes: impl AsRef<[u8]>) {
        self.network.borrow_mut().deliver(wire, bytes.as_ref());
    }

    fn advance(&mut self, ms: u64) {
        self.now.tick = self.now.tick.after(ms);
        self.now.unix.0 += ms;
    }

    /// The loop's phases, as far as sessions are concerned.
    fn turn(&mut self, all: bool) {
        self.watermark.begin_poll(self.now.tick);
        let (events, _) = self.network.borrow_mut().poll(all);
        if !self.network.borrow().has_untold() {
            self.watermark
                .end_poll(events.len(), usize::MAX, usize::MAX);
        }
        let sessions = &mut self.endpoint.sessions;
        sessions.begin_turn(self.now, self.watermark.known_until());
        for (source, readiness) in events {
            if let Source::Session(Role::Public, key) = source {
                sessions.on_ready(key, readiness);
            }
        }
        if self.network.borrow_mut().take_arrivals(Role::Public) {
            self.endpoint.on_listener_ready(0);
        }
        let turn = &mut Turn {
            now: self.now,
            service: &mut self.holder,
        };
        let sessions = &mut self.endpoint.sessions;
        sessions.receive(turn);
        sessions.expire(turn, &mut 4096);
        if sessions.has_held() {
            sessions.transmit();
        }
        if let Some((ticket, is_kept)) = self.decided.take() {
            sessions.release(ticket, is_kept, turn);
        }
        sessions.transmit();
        self.endpoint.accept(turn);
        self.endpoint.check();
    }

    fn release(&mut self, ticket: u64, is_kept: bool) {
        self.decided = Some((ticket, is_kept));
        self.settle();
    }

    /// Does all that there is to do at this moment.
    fn settle(&mut self) {
        self.turn(true);
        for _ in 0..10_000 {
            let is_done = !self.endpoint.has_work() && !self.network.borrow().has_events();
            if is_done {
                return;
            }
            self.turn(true);
        }
        panic!("it spins while it holds answers");
    }

    /// The contents of the answers that a client finds.
    fn answers(&self, wire: usize) -> Vec<String> {
        let bytes = self.network.borrow_mut().take(wire, usize::MAX);
        contents(std::str::from_utf8(&bytes).unwrap())
    }

    fn is_closed(&self, wire: usize) -> bool {
        self.network.borrow().wires[wire].closed
    }
}

fn contents(text: &str) -> Vec<String> {
    let answers = text.split("HTTP/1.1 ").skip(1);
    let content = |answer: &str| {
        let (head, content) = answer.split_once("\r\n\r\n").expect("a whole answer");
        match content {
            "" => head[..3].to_owned(),
            content => content.to_owned(),
        }
    };
    answers.map(content).collect()
}

fn held(wire: usize) -> String {
    format!("GET /held/{wire} HTTP/1.1\r\nHost: x\r\n\r\n")
}

const FREE: &str = "GET /free HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn what_comes_behind_a_held_request_has_its_turn_after_the_release() {
    let mut world = World::calm();
    let wire = world.connect(usize::MAX);
    world.deliver(wire, [FREE, &held(wire), FREE].concat());
    world.settle();
    assert_eq!(world.answers(wire), ["Free"], "it does not wait");
    // Told while it is held, and not again.
    world.deliver(wire, [&held(wire), FREE].concat());
    world.settle();
    world.advance(1_999);
    world.settle();
    assert_eq!(world.answers(wire), [""; 0]);
    world.release(0, true);
    assert_eq!(world.answers(wire), ["Kept", "Free"]);
    world.release(0, false);
    assert_eq!(world.answers(wire), ["NotKept", "Free"]);
}

#[test]
fn one_ticket_releases_all_up_to_it_and_none_behind_it() {
    let mut world = World::calm();
    let wires: Vec<usize> = (0..6).map(|_| world.connect(usize::MAX)).collect();
    world.settle();
    for pair in wires.chunks(2) {
        for wire in pair {
            world.deliver(*wire, held(*wire));
        }
        world.settle();
        world.holder.ticket += 1;
    }
    world.release(1, false);
    let answers: Vec<_> = wires.iter().map(|wire| world.answers(*wire)).collect();
    let expected = ["NotKept"; 4].map(|kept| vec![kept.to_owned()]);
    assert_eq!(answers[..4], expected);
    assert_eq!(answers[4..], [Vec::<String>::new(), Vec::new()]);
    world.release(1, true);
    assert_eq!(world.holder.fates.len(), 4, "each of them once");
    world.release(2, true);
    assert_eq!(world.answers(wires[5]), ["Kept"]);
}

#[test]
fn an_answer_that_is_held_for_too_long_is_withdrawn_once_and_a_release_finds_nothing() {
    let mut world = World::calm();
    let wire = world.connect(usize::MAX);
    world.deliver(wire, [&held(wire), FREE].concat());
    world.settle();
    world.advance(1_999);
    world.settle();
    assert_eq!(world.holder.fates.len(), 0);
    world.advance(1);
    world.settle();
    assert_eq!(world.answers(wire), ["Withdrawn", "Free"]);
    assert!(!world.endpoint.sessions.has_held());
    world.release(0, true);
    assert_eq!(world.answers(wire), [""; 0]);
    assert_eq!(world.holder.fates[&0], Fate::Withdrawn);
    // A client that sends all the time moves that limit by nothing.
    world.deliver(wire, held(wire));
    for _ in 0..20 {
        world.settle();
        assert_eq!(world.endpoint.sessions.held_len(), 1);
        world.deliver(wire, FREE);
        world.advance(100);
    }
    world.settle();
    assert_eq!(world.holder.fates[&1], Fate::Withdrawn);
    assert_eq!(world.answers(wire).len(), 21);
}

#[test]
fn a_client_that_has_sent_its_last_byte_is_answered_and_one_that_has_gone_is_not() {
    for (with_reset, ticket) in [(false, 0), (true, 1)] {
        let mut world = World::calm();
        let wire = world.connect(usize::MAX);
        world.deliver(wire, [&held(wire), FREE].concat());
        world.settle();
        world.network.borrow_mut().end(wire, with_reset);
        world.settle();
        assert!(!world.is_closed(wire), "it is not heard before the release");
        world.release(ticket, true);
        let answers = world.answers(wire);
        assert_eq!(answers.len(), if with_reset { 0 } else { 2 });
        assert!(world.is_closed(wire) && !world.endpoint.sessions.has_held());
        // Its command stays what it is.
        assert_eq!(world.holder.fates[&0], Fate::Kept);
    }
}

#[test]
fn one_that_has_gone_does_not_stay_in_the_order_of_tickets() {
    let mut world = World::calm();
    let (first, gone) = (world.connect(usize::MAX), world.connect(60));
    world.deliver(first, held(first));
    world.settle();
    world.holder.ticket = 1;
    world.deliver(gone, [FREE, FREE, &held(gone)].concat());
    world.settle();
    world.network.borrow_mut().end(gone, true);
    world.settle();
    assert!(world.is_closed(gone), "it did not read");
    assert_eq!(world.endpoint.sessions.held_len(), 2);
    world.release(0, true);
    assert_eq!(world.endpoint.sessions.held_len(), 0);
    assert_eq!(world.holder.fates.len(), 1, "its command stays accepted");
}

/// All places are held: a new connection waits, and none is closed for it.
#[test]
fn a_held_answer_keeps_its_place_and_what_it_has_behind_it_does_not() {
    let mut world = World::with_places(3);
    let wires: Vec<usize> = (0..3).map(|_| world.connect(usize::MAX)).collect();
    world.settle();
    for wire in &wires {
        world.deliver(*wire, held(*wire));
    }
    world.settle();
    let next = world.connect(usize::MAX);
    world.deliver(next, FREE);
    for _ in 0..19 {
        world.advance(100);
        world.turn(true);
    }
    assert!(wires.iter().all(|wire| !world.is_closed(*wire)));
    assert_eq!(world.answers(next), [""; 0]);
    world.release(0, true);
    world.advance(100);
    world.settle();
    world.settle();
    assert_eq!(world.answers(next), ["Free"], "one is idle now");
}

/// Neither for a place nor for its time: the limit of a held answer holds for one that does not read, too.
#[test]
fn one_that_does_not_read_keeps_its_held_answer_until_it_is_withdrawn() {
    let mut world = World::with_places(1);
    let wire = world.connect(60);
    world.deliver(wire, [FREE, FREE, &held(wire)].concat());
    world.settle();
    let next = world.connect(usize::MAX);
    for _ in 0..19 {
        world.advance(100);
        world.turn(true);
    }
    assert!(!world.is_closed(wire) && world.holder.fates.is_empty());
    world.advance(100);
    world.turn(true);
    assert_eq!(world.holder.fates[&0], Fate::Withdrawn);
    // From now on it is one like others.
    world.deliver(next, FREE);
    world.advance(100);
    world.settle();
    assert!(world.is_closed(wire));
    assert_eq!(world.answers(next), ["Free"]);
}

/// The end of a drain, and a stop that begins while answers are held.
#[test]
fn what_is_held_when_nothing_is_waited_for_any_more_is_withdrawn_and_answered() {
    let mut world = World::calm();
    let wire = world.connect(usize::MAX);
    world.deliver(wire, [&held(wire), FREE].concat());
    world.settle();
    world.endpoint.drain();
    world.settle();
    assert_eq!(world.endpoint.sessions.unfinished(), 1);
    world.advance(HELD_MS);
    let known = world.watermark.known_until();
    world.endpoint.sessions.begin_turn(world.now, known);
    let turn = &mut Turn {
        now: world.now,
        service: &mut world.holder,
    };
    world.endpoint.sessions.withdraw_held(turn);
    world.endpoint.sessions.transmit();
    assert!(world.network.borrow().wires[wire].server_fin);
    assert_eq!(world.answers(wire), ["Withdrawn"]);
    assert_eq!(world.endpoint.sessions.unfinished(), 0);
}
