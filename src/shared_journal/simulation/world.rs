//! The fleet, its Redis, the clock, and the faults.

use std::collections::VecDeque;

use super::super::model::Model;
use super::super::replica::tests::{EPOCH, Fate, LEASE_MS};
use super::process::{Bot, Requests};
use crate::engine::simulation::generator::Generator;
use crate::time::Tick;

/// Which faults a run has. A replica that dies together with a Redis that forgets loses what both had: no run has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Lost and late commands and answers, a Redis that is away, full, or has forgotten its scripts: nothing is posted twice.
    Mild,
    /// The same, and processes are killed, stopped, cut off, and leave.
    Deaths,
    /// The same as in mild runs, and Redis is emptied, fails over to a copy that is behind, and its clock is set.
    Forgetting,
}

/// What has happened in all runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [u64; 9],
}

const NAMES: [&str; 9] = [
    "acknowledged",
    "posted",
    "twice",
    "refused",
    "adopted",
    "fenced",
    "duplicates",
    "put again",
    "taken over",
];

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        for (all, one) in self.counts.iter_mut().zip(other.counts) {
            *all += one;
        }
    }

    /// Each of it has happened.
    pub(super) fn check(&self) {
        for (name, count) in NAMES.iter().zip(self.counts) {
            eprintln!("{name}: {count}");
            assert!(count > 0, "{name}");
        }
    }
}

pub(super) struct World {
    generator: Generator,
    class: Class,
    is_told: bool,
    now: Tick,
    /// By how much Redis's clock was set, ms.
    set_by: i64,
    model: Model,
    /// How it was some writes ago.
    behind: VecDeque<Model>,
    down_until: Tick,
    full_until: Tick,
    bots: Vec<Bot>,
    next_number: u64,
    next_request: u64,
    requests: Requests,
    late: Vec<(Tick, Vec<u8>)>,
    pub(super) tally: Tally,
}

impl World {
    pub(super) fn new(seed: u64, class: Class, is_told: bool) -> Self {
        let mut generator = Generator::new(seed);
        let wait = generator.below(2) as u32;
        let bots = 1 + generator.below(3);
        Self {
            class,
            is_told,
            now: Tick(0),
            set_by: 0,
            model: Model {
                acknowledging: 1,
                ..Model::default()
            },
            behind: VecDeque::new(),
            down_until: Tick(0),
            full_until: Tick(0),
            bots: (1..=bots)
                .map(|number| Bot::new(seed << 8 | number, wait, is_told))
                .collect(),
            next_number: (seed << 8) | (bots + 1),
            next_request: 1,
            requests: Requests::new(),
            late: Vec::new(),
            tally: Tally::default(),
            generator,
        }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            eprintln!("{:>7} {}", self.now.0, what());
        }
    }

    fn set_clock(&mut self) {
        self.model.now = (EPOCH + self.now.0).saturating_add_signed(self.set_by);
        self.model.is_full = self.now < self.full_until;
    }

    pub(super) fn step(&mut self) {
        let ms = self.generator.below(120);
        self.now = self.now.after(ms);
        self.set_clock();
        if self.generator.percent(4) {
            self.mild_fault();
        }
        if self.generator.percent(2) {
            match self.class {
                Class::Mild => {}
                Class::Deaths => self.death(),
                Class::Forgetting => self.forget(),
            }
        }
        let (ready, waiting) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= self.now);
        self.late = waiting;
        let ready: Vec<(Tick, Vec<u8>)> = ready;
        for (_, bytes) in ready.into_iter().filter(|_| self.now >= self.down_until) {
            self.model.exchange(&bytes);
        }
        for at in 0..self.bots.len() {
            if self.generator.percent(70) {
                self.turn(at, true);
            }
        }
    }

    /// A turn of one process's loop, and what its store's thread does meanwhile.
    fn turn(&mut self, at: usize, has_work: bool) {
        if self.bots[at].frozen_until > self.now {
            return;
        }
        let now = self.now;
        if has_work && self.bots[at].process.replica.is_accepting(now) {
            for _ in 0..self.generator.below(3) {
                let request = match self.generator.percent(15) {
                    true => 1 + self.generator.below(self.next_request),
                    false => self.next_request,
                };
                // A copy that comes after the reply is another command.
                let is_posted = |request| {
                    self.requests
                        .get(request)
                        .is_some_and(|seen| seen.posted > 0)
                };
                if !self.bots[at].knows(request) && !is_posted(&request) {
                    self.next_request = self.next_request.max(request + 1);
                    self.bots[at].accept(request, now);
                }
            }
        }
        let bot = &mut self.bots[at];
        bot.process.replica.set_room(256);
        if self.generator.percent(60) {
            bot.post(now, &mut self.requests);
        }
        let chance = if has_work { 50 } else { 100 };
        bot.settle(|| self.generator.percent(chance));
        bot.submit(now);
        for _ in 0..8 {
            let fate = match (has_work, self.generator.below(60)) {
                (true, 0) => Fate::Lost,
                (true, 1) => Fate::AnswerLost,
                (true, 2) => Fate::Late,
                _ => Fate::Answered,
            };
            let is_there = now >= self.down_until && now >= bot.cut_off_until;
            let before = is_there.then(|| self.model.clone());
            let model = is_there.then_some(&mut self.model);
            if !bot.act(model, fate, now, &mut self.requests) {
                break;
            }
            if let Some(bytes) = bot.process.late.take() {
                let later = now.after(self.generator.below(4_000));
                self.late.push((later, bytes));
            }
            self.behind.extend(before);
            if self.behind.len() > 20 {
                self.behind.pop_front();
            }
        }
    }

    fn mild_fault(&mut self) {
        match self.generator.below(4) {
            0 => {
                // Longer than a lease, too: then there is a grace.
                let ms = self.generator.below(2 * LEASE_MS);
                self.down_until = self.now.after(ms);
                self.tell(|| format!("Redis is away for {ms} ms"));
            }
            1 => {
                self.full_until = self.now.after(self.generator.below(3_000));
                self.tell(|| "Redis is full".to_owned());
            }
            2 => {
                self.model.acknowledging = self.generator.below(2) as i64;
                self.tell(|| "Redis's replica comes or goes".to_owned());
            }
            _ => self.model.flush_scripts(),
        }
    }

    fn death(&mut self) {
        let at = self.generator.index(self.bots.len());
        let ms = self.generator.below(3 * LEASE_MS);
        match self.generator.below(4) {
            0 => {
                self.tell(|| format!("process {at} is killed"));
                self.replace(at);
            }
            1 => {
                self.bots[at].frozen_until = self.now.after(ms);
                self.tell(|| format!("process {at} is stopped for {ms} ms"));
            }
            2 => {
                self.bots[at].cut_off_until = self.now.after(ms);
                self.tell(|| format!("process {at} is cut off for {ms} ms"));
            }
            _ => {
                self.tell(|| format!("process {at} leaves"));
                self.bots[at].process.replica.begin_stop();
                self.turn(at, false);
                self.bots[at].process.replica.finish();
                self.turn(at, false);
                self.replace(at);
            }
        }
    }

    fn replace(&mut self, at: usize) {
        let wait = self.generator.below(2) as u32;
        self.next_number += 1;
        let bot = std::mem::replace(
            &mut self.bots[at],
            Bot::new(self.next_number, wait, self.is_told),
        );
        self.count(&bot);
    }

    fn forget(&mut self) {
        match self.generator.below(3) {
            0 => {
                self.tell(|| "Redis is emptied".to_owned());
                self.model.keyspace = Default::default();
            }
            1 if !self.behind.is_empty() => {
                let at = self.generator.index(self.behind.len());
                let ago = self.behind.len() - at;
                self.tell(|| format!("Redis fails over to a copy that is {ago} exchanges behind"));
                self.model = self.behind[at].clone();
                self.behind.clear();
                let server = self.generator.number().to_string();
                for bot in &mut self.bots {
                    server.clone_into(&mut bot.process.server);
                    bot.process.replica.drop_connection(self.now);
                }
            }
            _ => {
                let by = self.generator.below(240_000) as i64 - 120_000;
                self.set_by += by;
                self.tell(|| format!("Redis's clock is set by {by} ms"));
            }
        }
        self.set_clock();
    }

    /// No more faults and commands: all is posted, and nothing stays in Redis.
    pub(super) fn end(&mut self) {
        (self.down_until, self.full_until) = (self.now, self.now);
        self.model.acknowledging = 1;
        self.late.clear();
        for bot in &mut self.bots {
            (bot.frozen_until, bot.cut_off_until) = (self.now, self.now);
        }
        let until = self.now.after(20 * 60 * 1_000);
        while self.now < until {
            self.now = self.now.after(200);
            self.set_clock();
            (0..self.bots.len()).for_each(|at| self.turn(at, false));
        }
        assert!(self.bots.iter().all(Bot::is_idle));
        for bot in &self.bots {
            assert_eq!(bot.process.replica.kept(), (0, 0));
        }
        let left = self.model.keyspace.hashes.keys();
        let left = left.filter(|key| key.starts_with(b"{bots}:jobs:") || key.ends_with(b":aside"));
        assert_eq!(left.count(), 0, "jobs are left in Redis");
        for bot in std::mem::take(&mut self.bots) {
            self.count(&bot);
        }
        self.check();
    }

    fn check(&mut self) {
        for (request, seen) in &self.requests {
            let is_acknowledged = seen.acknowledged > 0;
            assert!(
                !is_acknowledged || seen.posted > 0,
                "{request}: lost, {seen:?}"
            );
            if self.class == Class::Mild {
                let expected = u64::from(is_acknowledged).max(seen.kept);
                assert_eq!(seen.posted, expected, "{request}: {seen:?}");
            }
            self.tally.counts[0] += seen.acknowledged;
            self.tally.counts[1] += seen.posted;
            self.tally.counts[2] += u64::from(seen.posted > seen.kept.max(1));
        }
    }

    fn count(&mut self, bot: &Bot) {
        let counters = bot.process.replica.counters(self.now);
        let counts = [
            bot.refused,
            bot.adopted,
            counters.fenced,
            bot.duplicates,
            counters.put_again,
            counters.taken_over,
        ];
        for (all, one) in self.tally.counts[3..].iter_mut().zip(counts) {
            *all += one;
        }
    }
}
