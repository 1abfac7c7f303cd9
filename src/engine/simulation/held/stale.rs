//! An entry in the order of tickets whose answer has gone out, while its client waits for a later one.

use super::{HELD_MS, World, held};
use crate::endpoint::Turn;
use crate::endpoint::source::{Role, Source};

impl World {
    /// Ends what has lasted too long, one entry of the wheel at a time, until this client has an answer.
    fn expire_until_answered(&mut self, wire: usize) {
        self.watermark.begin_poll(self.now.tick);
        self.watermark.end_poll(0, usize::MAX, usize::MAX);
        let known = self.watermark.known_until();
        let turn = &mut Turn {
            now: self.now,
            service: &mut self.holder,
        };
        let sessions = &mut self.endpoint.sessions;
        for _ in 0..100 {
            sessions.begin_turn(self.now, known);
            sessions.expire(turn, &mut 1);
            sessions.transmit();
            if !self.network.borrow().wires[wire].is_unanswered() {
                return;
            }
        }
        panic!("it is held for too long");
    }

    /// A turn in which nothing else ends, and a ticket that is kept by then.
    fn receive_and_release(&mut self, ticket: u64) {
        let known = self.watermark.known_until();
        let (events, _) = self.network.borrow_mut().poll(true);
        let turn = &mut Turn {
            now: self.now,
            service: &mut self.holder,
        };
        let sessions = &mut self.endpoint.sessions;
        sessions.begin_turn(self.now, known);
        for (source, readiness) in events {
            if let Source::Session(Role::Public, key) = source {
                sessions.on_ready(key, readiness);
            }
        }
        sessions.receive(turn);
        sessions.release(ticket, true, turn);
        sessions.transmit();
    }
}

/// The wheel has many to end, and the turn's part of them ends between two that were accepted together.
#[test]
fn a_ticket_releases_no_later_answer_of_a_session_that_has_waited_for_it() {
    let mut world = World::calm();
    let (first, second) = (world.connect(usize::MAX), world.connect(usize::MAX));
    world.settle();
    // Its timer stays where it is, is set anew when it has run out, and so stands behind the other one's.
    world.deliver(first, held(first));
    world.settle();
    world.release(0, true);
    assert_eq!(world.answers(first), ["Kept"]);
    world.holder.ticket = 1;
    world.advance(HELD_MS - 500);
    for wire in [first, second] {
        world.deliver(wire, held(wire));
        world.settle();
    }
    world.advance(500);
    world.settle();
    world.advance(HELD_MS - 500);
    world.expire_until_answered(second);
    assert_eq!(world.answers(first), [""; 0], "it stands before the other");
    assert_eq!(world.answers(second), ["Withdrawn"]);
    world.holder.ticket = 2;
    world.deliver(second, held(second));
    world.receive_and_release(1);
    assert_eq!(world.answers(first), ["Kept"]);
    assert_eq!(world.answers(second), [""; 0], "that is not kept yet");
    world.release(2, true);
    assert_eq!(world.answers(second), ["Kept"]);
}
