//! The end of a run: everything comes to rest, is settled and given back.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::engine::simulation::client::Client;
use crate::engine::simulation::network;
use crate::jobs::{ATTEMPTS_MAX, LIFETIME_MS};

impl World {
    /// Lets everything come to rest: nobody does anything new, and time stands still.
    fn rest(&mut self) {
        for _ in 0..10_000 {
            for index in 0..self.clients.len() {
                self.read(index);
            }
            let now = self.now;
            let is_answered_next = self.kept.as_mut().is_some_and(|kept| kept.hurry(now));
            if !(is_answered_next || self.has_work() || self.network.borrow().has_events()) {
                return self.check_rest();
            }
            self.turn(true);
        }
        panic!("it never comes to rest");
    }

    /// Whoever has a place, reads its answers and has sent something complete has got the answer to it:
    /// no wake-up was lost.
    fn check_rest(&self) {
        let network = self.network.borrow();
        let is_kept = |wire: &network::Wire| wire.is_seated() && wire.is_over();
        assert!(!network.wires.iter().any(is_kept), "nobody noticed a FIN");
        if self.stopping {
            let is_open = |wire: &&network::Wire| wire.is_seated() && !wire.server_fin;
            let open = network.wires.iter().filter(is_open).count();
            assert_eq!(open, self.sessions.owed(), "an idle one outlives the stop");
        }
        for client in self.clients.iter().filter(|client| client.reads) {
            let wire: &network::Wire = &network.wires[client.wire];
            if wire.is_seated() {
                assert!(client.owed() == 0 || wire.server_fin, "a wake-up was lost");
            }
            // One that had to make room, or that did not read in time, may be gone.
            let may_go = self.habits.is_crowded() || self.stopping || wire.was_blocked;
            assert!(
                may_go || client.owed() == 0 || !wire.closed,
                "closed unanswered: {client:?} {wire:?}"
            );
        }
    }

    /// All clients go home, what is owed is settled, and everything is given back.
    pub(in super::super) fn finish(mut self) -> BTreeMap<&'static str, u64> {
        self.rest();
        if let Some(kept) = &self.kept {
            kept.disk.fail(0);
        }
        if self.generator.percent(50) {
            self.stop();
        }
        for client in &mut self.clients {
            if !client.has_ended && self.generator.percent(50) {
                client.has_ended = true;
                self.network.borrow_mut().end(client.wire, false);
            }
        }
        for round in 0.. {
            self.rest();
            let Some(next) = self.poll_timeout() else {
                break;
            };
            self.advance(next.millis_since(self.now.tick));
            self.turn(true);
            assert!(round < 10_000, "it never ends");
        }
        self.sessions.check_empty();
        let network = self.network.borrow();
        assert_eq!(network.open, 0, "a descriptor is left");
        let is_waiting = network.is_anyone_at_the_door();
        assert!(self.stopping || !is_waiting, "nobody opened");
        let is_turned_away = network.wires.iter().any(network::Wire::is_turned_away);
        assert!(self.stopping || !is_turned_away, "turned away at the door");
        drop(network);
        let lost = self.senders.lost.len();
        let left = self.bot.pending() - lost;
        assert!(
            left == 0 || self.leaves_rest(),
            "owed, but not with a dead sender"
        );
        let owed = self.restart();
        for id in &self.acknowledged {
            let is_settled =
                self.senders.settled.contains_key(id) || self.senders.lost.contains_key(id);
            let is_given_up = self.senders.counted.get(id) == Some(&ATTEMPTS_MAX)
                || self.now.tick >= self.sent[id].after(LIFETIME_MS / 2);
            assert!(
                is_settled || is_given_up || owed.contains(id),
                "{id} was acknowledged and is lost"
            );
        }
        for (what, count) in std::mem::take(&mut self.senders.met) {
            self.note(what, count);
        }
        let lost: Vec<_> = self.senders.lost.values().copied().collect();
        lost.into_iter().for_each(|how| self.note(how, 1));
        self.note("replies left to the next process", left as u64);
        let (accepted, settled) = (self.acknowledged.len(), self.senders.settled.len());
        self.note("accepted commands", accepted as u64);
        self.note("commands delivered", settled as u64);
        let exhausted = self.network.borrow().exhausted;
        self.note("descriptors ran out", exhausted);
        let answers = self.clients.iter().map(|client| client.answers).sum();
        self.note("answers", answers);
        let refused = |status| move |client: &&Client| client.refused == Some(status);
        let late = self.clients.iter().filter(refused(408)).count();
        let evicted = self.clients.iter().filter(refused(503)).count();
        self.note("refusals for want of time", late as u64);
        self.note("evictions", evicted as u64);
        self.met
    }

    /// What the next process owes, if there is a journal.
    fn restart(&mut self) -> BTreeSet<String> {
        let Some(mut kept) = self.kept.take() else {
            return BTreeSet::new();
        };
        let counts = kept.counts();
        self.note("commits", counts.writes);
        self.note("commits that failed", counts.failures);
        self.note("commands turned down", self.turned_down.len() as u64);
        kept.restart(&mut self.bot, &self.config, self.now)
    }
}
