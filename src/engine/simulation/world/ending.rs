//! The end of a run: everything comes to rest, is settled and given back.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::engine::simulation::client::Client;
use crate::engine::simulation::kept::Kept;
use crate::engine::simulation::network;
use crate::jobs::{ATTEMPTS_MAX, LIFETIME_MS};

impl World {
    /// Lets everything come to rest: nobody does anything new, and time stands still.
    fn rest(&mut self) {
        for _ in 0..10_000 {
            for index in 0..self.clients.len() {
                self.read(index);
            }
            let is_answered_next = self.store.with(Kept::hurry) == Some(true);
            let is_woken = self.network.borrow().has_events() || self.is_asked_to_stop();
            if !(is_answered_next || self.has_work() || is_woken) {
                return self.check_rest();
            }
            if self.engine.is_drained() {
                return;
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
        if self.is_stopping() {
            let is_open = |wire: &&network::Wire| wire.is_seated() && !wire.server_fin;
            let open = network.wires.iter().filter(is_open).count();
            assert_eq!(
                open,
                self.engine.public().sessions.unfinished(),
                "an idle one outlives the stop"
            );
        }
        for client in self.clients.iter().filter(|client| client.reads) {
            let wire: &network::Wire = &network.wires[client.wire];
            if wire.is_seated() {
                assert!(client.owed() == 0 || wire.server_fin, "a wake-up was lost");
            }
            // One that had to make room, or that did not read in time, may be gone.
            let may_go = self.habits.is_crowded() || self.is_stopping() || wire.was_blocked;
            assert!(
                may_go || client.owed() == 0 || !wire.closed,
                "closed unanswered: {client:?} {wire:?}"
            );
        }
    }

    /// All clients go home, what is pending is settled or left, and everything is given back.
    pub(in super::super) fn finish(mut self) -> BTreeMap<&'static str, u64> {
        self.rest();
        self.store.with(|kept| kept.disk.fail(0));
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
            if self.engine.is_drained() {
                break;
            }
            let Some(next) = self.poll_timeout() else {
                break;
            };
            self.advance(next.millis_since(self.clock.now().tick));
            self.turn(true);
            assert!(round < 10_000, "it never ends");
        }
        let is_stopped = self.engine.is_drained();
        assert_eq!(
            is_stopped,
            self.is_stopping(),
            "a stop ends, and nothing else"
        );
        if !is_stopped {
            self.check_all_given_back();
        }
        let pending = self.pending();
        let undelivered = self.engine.end();
        for index in 0..self.clients.len() {
            self.read(index);
        }
        let left = self.restart();
        let is_durable = left.is_some();
        let expected = if is_durable { 0 } else { self.pending() };
        assert_eq!(undelivered, expected);
        let left = left.unwrap_or_else(|| self.undelivered());
        for id in &self.acknowledged {
            self.check_acknowledged(id, &left);
        }
        self.count(pending)
    }

    fn check_all_given_back(&self) {
        self.engine.public().sessions.check_empty();
        let network = self.network.borrow();
        assert_eq!(network.open, 0, "a descriptor is left");
        assert!(!network.is_anyone_at_the_door(), "nobody opened");
        let is_turned_away = network.wires.iter().any(network::Wire::is_turned_away);
        assert!(!is_turned_away, "turned away at the door");
        let lost = self.engine.senders.lost.len();
        assert_eq!(self.pending(), lost, "pending, but not with a dead sender");
    }

    /// Settled, given up by the rules, or found by the next process, or told to the operator at the end.
    fn check_acknowledged(&self, id: &String, left: &BTreeSet<String>) {
        let senders = &self.engine.senders;
        let is_settled = senders.settled.contains_key(id) || senders.lost.contains_key(id);
        let is_given_up = senders.counted.get(id) == Some(&ATTEMPTS_MAX)
            || self.clock.now().tick >= self.sent[id].after(LIFETIME_MS / 2);
        assert!(
            is_settled || is_given_up || left.contains(id),
            "{id} was acknowledged and is lost"
        );
    }

    /// The texts of what a bot without a journal leaves undelivered.
    fn undelivered(&self) -> BTreeSet<String> {
        let jobs = self.engine.bot().pending_jobs();
        jobs.map(|(_, job)| job.text.to_owned()).collect()
    }

    /// What was met.
    fn count(mut self, left: usize) -> BTreeMap<&'static str, u64> {
        for (what, count) in std::mem::take(&mut self.engine.senders.met) {
            self.note(what, count);
        }
        let lost: Vec<_> = self.engine.senders.lost.values().copied().collect();
        lost.into_iter().for_each(|how| self.note(how, 1));
        self.note("replies left to the next process", left as u64);
        let (accepted, settled) = (self.acknowledged.len(), self.engine.senders.settled.len());
        self.note("accepted commands", accepted as u64);
        self.note("commands delivered", settled as u64);
        let exhausted = self.network.borrow().exhausted;
        self.note("descriptors ran out", exhausted);
        let stale = self.network.borrow().stale;
        self.note("events for closed sessions", stale);
        let answers = self.clients.iter().map(|client| client.answers).sum();
        self.note("answers", answers);
        let refused = |status| move |client: &&Client| client.refused == Some(status);
        let late = self.clients.iter().filter(refused(408)).count();
        let evicted = self.clients.iter().filter(refused(503)).count();
        self.note("refusals for want of time", late as u64);
        self.note("evictions", evicted as u64);
        self.met
    }

    /// What the next process finds, if there is a journal.
    pub(in super::super) fn restart(&mut self) -> Option<BTreeSet<String>> {
        let counts = self.store.with(|kept| kept.counts())?;
        self.note("commits", counts.writes);
        self.note("commits that failed", counts.failures);
        self.note("commands turned down", self.turned_down.len() as u64);
        let (bot, config) = (self.engine.bot(), &self.config);
        self.store.with(|kept| kept.restart(bot, config))
    }
}
