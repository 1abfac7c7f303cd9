//! A process of a simulated fleet.

use std::collections::BTreeMap;

use super::redis::SharedRedis;
use super::store::FleetStore;
use crate::app::Bot;
use crate::config::Config;
use crate::endpoint::source::Role;
use crate::engine::platform::Stop;
use crate::engine::simulation::Generator;
use crate::engine::simulation::clock::SimulatedClock;
use crate::engine::simulation::commands::number_in;
use crate::engine::simulation::life::Life;
use crate::engine::simulation::network::{Network, Shared, SimulatedListener};
use crate::engine::simulation::platform::SimulatedSystem;
use crate::engine::simulation::requests::SECRET;
use crate::engine::simulation::senders::{SimulatedSenders, Step};
use crate::engine::simulation::tally::Tally;
use crate::engine::simulation::wire;
use crate::engine::{Engine, Parts};
use crate::time::Tick;

/// A process, which lives.
pub(super) struct Member {
    engine: Engine<SimulatedSystem>,
    pub(super) store: FleetStore,
    network: Shared,
    clock: SimulatedClock,
    /// Its settings allow fewer origins.
    pub(super) is_narrow: bool,
    /// It is stopped until then.
    pub(super) frozen_until: Option<Tick>,
    /// Which command each connection has sent, until it is answered.
    asked: BTreeMap<usize, u64>,
}

/// What a process starts with.
pub(super) struct Start<'a> {
    pub(super) is_narrow: bool,
    pub(super) config: &'a Config,
    pub(super) clock: &'a SimulatedClock,
    pub(super) redis: &'a SharedRedis,
    pub(super) wait: u32,
    pub(super) fault_percent: u64,
}

/// What has come of a turn.
pub(super) enum Seen {
    /// This command was answered, with "busy" or not.
    Answered { id: u64, is_busy: bool },
    /// The reply to it was posted.
    Posted(u64),
    /// A command was run.
    Run,
}

impl Member {
    pub(super) fn start(start: &Start<'_>, generator: &mut Generator) -> Self {
        let clock = start.clock.clone();
        let now = clock.now().tick;
        let network = Network::new(Generator::new(generator.number()), 0);
        let mut bot = Bot::new(start.config, now);
        bot.begin_store(1);
        let store = FleetStore::new(
            clock.clone(),
            start.redis.clone(),
            Generator::new(generator.number()),
            start.wait,
            SECRET.as_bytes(),
        );
        store.with(|thread| thread.fault_percent = start.fault_percent);
        let mut senders = SimulatedSenders::new(
            Generator::new(generator.number()),
            clock.clone(),
            Life::default(),
            false,
            true,
        );
        // A run that hangs, and replies that expire for want of senders, are for the simulation of one process.
        senders.runs.hung_percent = 0;
        senders.runs.max = 56;
        senders.slots = 64;
        let parts = Parts {
            platform: SimulatedSystem::new(clock.clone(), network.clone()),
            public: vec![SimulatedListener::new(network.clone(), Role::Public)],
            admin: Vec::new(),
            registry: (),
            bot,
            store: Box::new(store.clone()),
            senders,
            connections_max: 1_000,
            turns_max: 1_000,
        };
        Self {
            engine: Engine::new(parts, start.config),
            store,
            network,
            clock,
            is_narrow: start.is_narrow,
            frozen_until: None,
            asked: BTreeMap::new(),
        }
    }

    pub(super) const fn is_frozen(&self) -> bool {
        self.frozen_until.is_some()
    }

    pub(super) const fn is_stopping(&self) -> bool {
        self.engine.platform.stop.is_some()
    }

    /// Tells what it has counted.
    pub(super) fn note(&mut self, tally: &mut Tally) {
        let counters = self.engine.bot.counters_mut();
        tally.add("adopted", counters.replies_adopted);
        tally.add("declined", counters.replies_declined);
        tally.add("forgotten", counters.replies_forgotten);
        let fleet = self.store.with(|thread| thread.replica.counters(Tick(0)));
        tally.add("fenced", fleet.fenced);
        tally.add("taken over", fleet.taken_over);
        tally.add("put again", fleet.put_again);
        tally.add("poisoned", fleet.poisoned);
    }

    pub(super) fn pending(&self) -> usize {
        self.engine.bot().pending()
    }

    /// A client sends a command and takes its answer later.
    pub(super) fn send(&mut self, id: u64, request: &[u8]) {
        let mut network = self.network.borrow_mut();
        let wire = network.connect(usize::MAX);
        network.deliver(wire, request);
        self.asked.insert(wire, id);
    }

    pub(super) const fn stop(&mut self) {
        self.engine.platform.stop = Some(Stop::Graceful);
    }

    /// Whether its stop is over. Then it has ended, and its last answers are sent.
    pub(super) fn end_if_drained(&mut self, seen: &mut Vec<Seen>) -> bool {
        let is_drained = self.engine.is_drained();
        if is_drained {
            self.engine.end();
            self.look(seen);
        }
        is_drained
    }

    /// When it has something to do.
    pub(super) fn next_at(&self) -> Option<Tick> {
        if self.is_frozen() {
            return self.frozen_until;
        }
        let times = [
            self.engine.deadline(),
            self.engine.senders.report_at(),
            self.store.with(|thread| thread.next_at()),
        ];
        times.into_iter().flatten().min()
    }

    /// Does all that it has to do at this moment.
    pub(super) fn settle(&mut self, seen: &mut Vec<Seen>) {
        let now = self.clock.now().tick;
        if self.is_frozen() {
            return self.store.with(|thread| thread.deliver(now));
        }
        let mut turns = 0;
        while self.store.advance(now) || self.has_work(now) {
            self.engine.turn().unwrap();
            self.look(seen);
            turns += 1;
            assert!(turns < 1_000, "it spins");
        }
    }

    fn has_work(&self, now: Tick) -> bool {
        let is_due = |at: Option<Tick>| at.is_some_and(|at| at <= now);
        if self.is_stopping() && self.engine.is_drained() {
            return false;
        }
        self.engine.has_work()
            || self.network.borrow().has_events()
            || is_due(self.engine.deadline())
            || is_due(self.engine.senders.report_at())
            || self.is_stopping() && !self.engine.drain.has_begun()
    }

    /// What clients have received, and what was posted.
    fn look(&mut self, seen: &mut Vec<Seen>) {
        let may_post = self.store.with(|thread| thread.may_post);
        for step in std::mem::take(&mut self.engine.senders.steps) {
            let begins = matches!(step, Step::Taken(..) | Step::RunTaken(_));
            assert!(may_post || !begins, "posted, or run, without asking");
            match step {
                Step::Taken(delivery, Some(_)) => {
                    seen.push(Seen::Posted(number_in(&delivery.url)));
                }
                Step::RunTaken(_) => seen.push(Seen::Run),
                _ => {}
            }
        }
        let mut network = self.network.borrow_mut();
        for index in network.answered() {
            let mut received = network.take(index, usize::MAX);
            let response = wire::take(&mut received, false).flatten();
            let response = response.expect("a whole answer");
            assert_eq!(response.status, 200);
            let id = self.asked.remove(&index).expect("one answer each");
            let is_busy = response.content.contains("I am busy");
            assert_eq!(response.content.is_empty(), !is_busy, "{response:?}");
            seen.push(Seen::Answered { id, is_busy });
            network.end(index, false);
        }
    }
}
