//! One process, its death, and the next one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Kept, Pace, SimulatedClock, SimulatedDisk, SimulatedStore, SimulatedSystem, World};
use crate::app::Bot;
use crate::config::Config;
use crate::endpoint::source::Role;
use crate::engine::simulation::Generator;
use crate::engine::simulation::commands::number_in;
use crate::engine::simulation::habits::Habits;
use crate::engine::simulation::kept::Known;
use crate::engine::simulation::life::Life;
use crate::engine::simulation::network::{Shared, SimulatedListener};
use crate::engine::simulation::senders::{SimulatedSenders, Step};
use crate::engine::{Engine, Parts};
use crate::journal::Recovery;
use crate::slab::Key;
use crate::store::Event;
use crate::time::{Tick, UnixTime};

/// What a process starts with.
pub(super) struct Start<'a> {
    pub(super) config: &'a Config,
    pub(super) habits: &'a Habits,
    pub(super) clock: &'a SimulatedClock,
    pub(super) network: &'a Shared,
    pub(super) disk: Option<&'a SimulatedDisk>,
    pub(super) life: &'a Life,
}

impl Start<'_> {
    pub(super) fn engine(
        &self,
        generator: &mut Generator,
    ) -> (Engine<SimulatedSystem>, SimulatedStore, Option<Recovery>) {
        let (clock, network) = (self.clock, self.network);
        let mut bot = Bot::new(self.config, clock.now().tick);
        let pace = Generator::new(generator.number());
        let opened = self.disk.map(|disk| {
            let pace = self.habits.late_events.then_some(pace);
            let (mut kept, recovery) = Kept::open(disk.clone(), pace, &mut bot, clock.clone());
            if self.habits.loses_directory {
                kept.stop_answer = Some(Event::GivenUp);
            }
            (Rc::new(RefCell::new(kept)), recovery)
        });
        let (kept, recovery) = opened.unzip();
        let store = SimulatedStore(kept);
        let listener = |side| SimulatedListener::new(network.clone(), side);
        let admin = self.habits.has_admin.then(|| listener(Role::Admin));
        let parts = Parts {
            platform: SimulatedSystem::new(clock.clone(), network.clone()),
            public: vec![listener(Role::Public)],
            admin: admin.into_iter().collect(),
            registry: (),
            bot,
            store: Box::new(store.clone()),
            senders: SimulatedSenders::new(
                Generator::new(generator.number()),
                clock.clone(),
                self.life.clone(),
                self.habits.is_followed,
                self.disk.is_some(),
            ),
            connections_max: self.habits.places,
            turns_max: self.habits.turns_max,
        };
        (Engine::new(parts, self.config), store, recovery)
    }
}

impl World {
    /// The process dies: at once, or with one of its next calls.
    pub(super) fn crash(&mut self) {
        // Nothing is said of a directory that is gone.
        if self.disk.is_some() && !self.is_durable() {
            return;
        }
        let calls = self.generator.pick(&[0, 0, 1, 2, 3, 5, 9, 20, 50]);
        self.trace(|| format!("the process dies with its call {calls}"));
        match calls {
            0 => self.bury(false),
            _ => self.life.end_after(calls),
        }
    }

    /// The process is dead, perhaps in the middle of a turn. What it has sent by then may still arrive.
    pub(super) fn bury(&mut self, is_in_turn: bool) {
        self.tally.note("crashes");
        self.tally.add("crashes in a turn", u64::from(is_in_turn));
        for step in std::mem::take(&mut self.engine.senders.steps) {
            match step {
                Step::Taken(delivery, answer) => {
                    let job = delivery.job.generation();
                    self.commands.post(number_in(&delivery.url), job, answer);
                }
                Step::Message(delivery, answer) => {
                    let job = delivery.job.generation();
                    let command = self.commands.of_mut(number_in(&delivery.url), job);
                    command.post(Some(answer));
                }
                _ => {}
            }
        }
        for index in 0..self.clients.len() {
            if self.generator.percent(50) {
                self.read_last(index);
            }
        }
        for client in std::mem::take(&mut self.clients) {
            self.tally.add("answers", client.answers);
        }
        let is_power_cut = self.disk.is_some() && self.generator.percent(50);
        self.tally.add("power cuts", u64::from(is_power_cut));
        let known = self
            .store
            .with(|kept| [Known::Written, Known::Durable].map(|enough| kept.remembered(enough)));
        self.commands.end_process(known.as_ref(), is_power_cut);
        let ms = self.generator.pick(&[0, 100, 2_000, 60_000, 31 * 60_000]);
        self.clock.advance(ms);
        if self.generator.percent(20 * self.habits.wall_percent) {
            self.set_wall_clock();
        }
        self.life.renew();
        self.start(is_power_cut);
    }

    /// The next process starts, on a disk that works for now.
    fn start(&mut self, is_power_cut: bool) {
        if let Some(disk) = &self.disk {
            disk.fail(0);
            if is_power_cut {
                disk.cut_power();
            }
        }
        let lost = self.engine.senders.lost;
        self.tally.add("senders that died", lost);
        let failures = self.store.with(|kept| kept.counts().failures).unwrap_or(0);
        self.tally.add("commits that failed", failures);
        let start = Start {
            config: &self.config,
            habits: &self.habits,
            clock: &self.clock,
            network: &self.network,
            disk: self.disk.as_ref(),
            life: &self.life,
        };
        let (engine, store, recovery) = start.engine(&mut self.generator);
        // Its sockets are closed before others have their places.
        self.engine = engine;
        self.store = store;
        self.network.borrow_mut().end_process();
        self.pace = Pace::default();
        self.stopped_at = None;
        let may_be_damaged = self.habits.disk_fault_percent > Some(0);
        let damages = recovery.map_or(0, |recovery| recovery.damages);
        assert!(may_be_damaged || damages == 0, "a crash looks like damage");
        self.compare();
    }

    /// What the new process has found, and what it should.
    fn compare(&mut self) {
        let mut found = BTreeMap::<u32, (u64, Key, u8)>::new();
        for (key, job) in self.engine.bot().pending_jobs() {
            let id = number_in(job.path);
            // The end of one job of a request may be forgotten when there is another.
            let is_twice = found.values().any(|(other, ..)| *other == id);
            assert!(
                !is_twice || self.commands.get(id).copies > 1,
                "pending twice"
            );
            self.tally.add("found twice", u64::from(is_twice));
            found.insert(key.generation(), (id, key, job.attempts));
        }
        self.tally
            .add("replies found by the next process", found.len() as u64);
        self.trace(|| format!("another process starts, and finds {}", found.len()));
        let (now, ahead_ms) = (self.clock.now().tick, self.wall_ahead_ms);
        let has_expired = |at: Tick| at <= now.after(ahead_ms);
        self.commands.begin_process(&found, has_expired);
        let is_steady = !self.is_wall_set;
        let bot = self.engine.bot();
        self.model
            .begin_process(bot, &self.commands, is_steady, now);
    }

    /// A person, or a time server, sets the clock on the wall.
    pub(super) fn set_wall_clock(&mut self) {
        let ms = self.generator.magnitude(1..=38);
        let unix = self.clock.now().unix.0;
        self.is_wall_set = true;
        let set = if self.generator.percent(50) {
            unix.saturating_sub(ms).max(1_000_000)
        } else {
            self.wall_ahead_ms = self.wall_ahead_ms.saturating_add(ms);
            unix + ms
        };
        self.clock.set_wall(UnixTime(set));
        self.tally.note("clocks set");
        self.trace(|| String::from("the wall clock is set"));
    }
}
