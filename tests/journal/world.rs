//! A bot that is killed again and again, on a disk that fails, and what must be true of it nevertheless.

use std::collections::BTreeMap;

use torrap::app::Report;
use torrap::jobs::{LIFETIME_MS, Outcome};
use torrap::journal::{Counts, Sizes};

use crate::command::{Command, Done, Known};
use crate::disk::FakeDisk;
use crate::generator::Generator;
use crate::process::{Answer, Process, config, report, signed};

/// Something has stopped the process.
pub struct Crash;

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub turns: u64,
    /// The step at which the process stops, and whether it may stop again later.
    pub crash_at: Option<u64>,
    pub crashes_again: bool,
    /// Whether the disk fails now and then.
    pub has_faults: bool,
    /// Whether the log is small, so that it is compacted all the time.
    pub is_small: bool,
}

pub struct World {
    pub disk: FakeDisk,
    random: Generator,
    plan: Plan,
    commands: BTreeMap<u64, Command>,
    /// Which command a job number belongs to.
    numbers: BTreeMap<u32, u64>,
    unix: u64,
    delay_ms: u64,
    text: String,
    /// Syncs that had failed when the last commit or start ended.
    failed_syncs: u64,
    in_flight: Vec<(u64, Report)>,
    /// For the sums at the end.
    pub acknowledged: u64,
    pub repeated: u64,
}

impl World {
    pub fn new(seed: u64, plan: Plan) -> Self {
        let mut random = Generator::new(seed);
        let disk = FakeDisk::new(random.number());
        disk.with(|disk| disk.crash_at = plan.crash_at);
        let length = random.pick(&[10, 10, 10, 10, 10, 700, 700, 3000, 3000, 60_000]);
        Self {
            disk,
            delay_ms: random.pick(&[0, 0, 300, 3000]),
            random,
            plan,
            commands: BTreeMap::new(),
            numbers: BTreeMap::new(),
            unix: 1_600_000_000_000,
            text: "x".repeat(length),
            failed_syncs: 0,
            in_flight: Vec::new(),
            acknowledged: 0,
            repeated: 0,
        }
    }

    /// Runs the plan, and then without faults until nothing is pending; then checks.
    pub fn run(&mut self) {
        let mut turns = self.plan.turns;
        while turns > 0 {
            let _ = self.live(&mut turns);
            self.crash(); // after a graceful end as well: the power may be cut
        }
        self.disk.with(|disk| {
            disk.crash_at = None;
            (disk.write_faults, disk.sync_faults, disk.other_faults) = (0, 0, 0);
            disk.capacity = u64::MAX;
        });
        self.settle_all();
        self.check();
    }

    /// Starts a process and lets it run.
    fn live(&mut self, turns: &mut u64) -> Result<(), Crash> {
        let mut process = self.start()?;
        while *turns > 0 {
            *turns -= 1;
            self.change_faults();
            self.turn(&mut process, true)?;
            if self.random.percent(2) {
                return self.finish(process);
            }
        }
        Ok(())
    }

    /// A graceful end.
    fn finish(&mut self, mut process: Process) -> Result<(), Crash> {
        let now = process.at(self.unix);
        self.collect(&mut process);
        let before = process.journal.counts();
        let _ = process.finish(now); // if that fails, it is like a kill
        self.step()?;
        self.book(&process, before);
        Ok(())
    }

    fn start(&mut self) -> Result<Process, Crash> {
        self.in_flight.clear();
        let sizes = match self.plan.is_small {
            true => SMALL,
            false => Sizes::default(),
        };
        let config = config(self.delay_ms);
        let started = Process::start_with(&self.disk, sizes, &config, self.unix);
        let (process, recovery) = started.unwrap_or_else(|error| panic!("refused: {error}"));
        for command in self.commands.values_mut() {
            command.is_excused |= self.unix + 1 >= command.expires;
        }
        if self.disk.with(|disk| disk.crashed) {
            return Err(Crash);
        }
        assert_eq!(recovery.not_allowed, 0);
        if !self.plan.has_faults {
            assert_eq!(recovery.damages, 0, "no crash looks like damage");
        }
        self.compare(&process);
        self.failed_syncs = self.disk.with(|disk| disk.failed_syncs);
        Ok(process)
    }

    /// What a new process has pending, and what it should.
    fn compare(&mut self, process: &Process) {
        let sure = match self.disk.is_lossy() {
            false => Known::Read,
            true => Known::Doubted,
        };
        let mut pending = BTreeMap::new();
        for found in &process.found {
            let (_, number) = found.path.rsplit_once('/').unwrap();
            let number = number.parse().unwrap();
            let same = *self.numbers.entry(found.number).or_insert(number);
            assert_eq!(same, number, "two jobs have one number");
            let twice = pending.insert(number, u64::from(found.attempts));
            assert_eq!(twice, None, "pending twice");
        }
        for (number, command) in &mut self.commands {
            match pending.get(number) {
                Some(attempts) => command.find(*attempts, sure),
                None => command.miss(sure),
            }
        }
    }

    fn change_faults(&mut self) {
        if !self.plan.has_faults || !self.random.percent(10) {
            return;
        }
        let [write, sync, other] =
            std::array::from_fn(|_| self.random.pick(&[0, 0, 0, 10, 50, 100]));
        let room = self
            .random
            .pick(&[0, 100, 5000, u64::MAX / 2, u64::MAX / 2]);
        self.disk.with(|disk| {
            (disk.write_faults, disk.sync_faults, disk.other_faults) = (write, sync, other);
            disk.capacity = disk.used() + room;
        });
    }

    /// One turn of the loop; the process may stop between any two of its phases.
    fn turn(&mut self, process: &mut Process, has_clients: bool) -> Result<(), Crash> {
        self.unix += self.random.pick(&[0, 1, 7, 200, 1100]);
        let now = process.at(self.unix);
        process.begin(now);
        let mut sent = Vec::new();
        if has_clients {
            for _ in 0..self.random.below(3) {
                sent.push(self.send(process));
            }
        }
        self.step()?;
        self.collect(process);
        let before = process.journal.counts();
        let random = &mut self.random;
        process.commit_late(now, || random.percent(5));
        self.step()?;
        self.book(process, before);
        for (numbers, answers) in sent.into_iter().zip(process.transmit()) {
            self.hear(&numbers, &answers);
        }
        self.step()?;
        self.dispatch(process);
        self.step()
    }

    /// Books what a commit has done.
    fn book(&mut self, process: &Process, before: Counts) {
        let counts = process.journal.counts();
        let failed_syncs = self.disk.with(|disk| disk.failed_syncs);
        let done = Done {
            written: counts.writes > before.writes,
            synced: counts.syncs > before.syncs,
            sync_failed: failed_syncs > self.failed_syncs,
            checkpointed: counts.checkpoints > before.checkpoints,
        };
        self.failed_syncs = failed_syncs;
        for command in self.commands.values_mut() {
            command.commit(done);
        }
    }

    fn step(&self) -> Result<(), Crash> {
        match self.disk.step() {
            true => Err(Crash),
            false => Ok(()),
        }
    }

    /// A few commands come, and perhaps something else between them.
    fn send(&mut self, process: &mut Process) -> Vec<Option<u64>> {
        let now = process.at(self.unix);
        let (mut requests, mut numbers) = (Vec::new(), Vec::new());
        for _ in 0..=self.random.below(3) {
            if self.random.percent(20) {
                requests.push(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
                numbers.push(None);
                continue;
            }
            let number = self.commands.len() as u64;
            let expires = self.unix / 1000 * 1000 + LIFETIME_MS;
            let command = Command::new(self.unix + self.delay_ms, expires);
            self.commands.insert(number, command);
            requests.push(signed(number, &self.text, self.unix));
            numbers.push(Some(number));
        }
        process.receive(requests, now);
        numbers
    }

    fn hear(&mut self, numbers: &[Option<u64>], answers: &[Answer]) {
        assert_eq!(numbers.len(), answers.len(), "each request has its answer");
        for (number, answer) in numbers.iter().zip(answers) {
            let Some(number) = number else {
                assert_eq!(*answer, Answer::Other, "in their order");
                continue;
            };
            let command = self.commands.get_mut(number).unwrap();
            match answer {
                Answer::Acknowledged => {
                    command.acknowledged = true;
                    self.acknowledged += 1;
                }
                Answer::Busy => command.busy = Some(Known::Told),
                Answer::Other => panic!("{number} was refused"),
            }
        }
    }

    fn collect(&mut self, process: &mut Process) {
        let now = process.at(self.unix);
        for (number, report) in std::mem::take(&mut self.in_flight) {
            if self.random.percent(30) {
                self.in_flight.push((number, report));
                continue;
            }
            let command = self.commands.get_mut(&number).unwrap();
            match report.outcome {
                Outcome::Delivered | Outcome::Rejected { .. } => command.tell_final(),
                Outcome::Unsent | Outcome::Limited { .. } => command.tell_unsent(),
                Outcome::Unknown | Outcome::Unavailable { .. } => command.tell_failed(),
            }
            process.settle(&report, now);
        }
    }

    fn dispatch(&mut self, process: &mut Process) {
        let now = process.at(self.unix);
        while self.in_flight.len() < 8 {
            let Some(delivery) = process.dispatch(now) else {
                return;
            };
            let (_, number) = delivery.url.rsplit_once('/').unwrap();
            let number = number.parse().unwrap();
            let generation = delivery.job.generation();
            let same = *self.numbers.entry(generation).or_insert(number);
            assert_eq!(same, number, "job number {generation} was given out twice");
            let outcome = self.post(number);
            self.in_flight.push((number, report(delivery.job, outcome)));
        }
    }

    /// An attempt reaches the receiver, or does not.
    fn post(&mut self, number: u64) -> Outcome {
        let command = self.commands.get_mut(&number).unwrap();
        assert!(self.unix >= command.due, "{number} is early");
        assert!(self.unix <= command.expires, "{number} has expired");
        let may_fail = command.post();
        if self.random.percent(20) {
            let limited = Outcome::Limited { retry_after: None };
            let outcomes = [&Outcome::Unsent, &Outcome::Unsent, &limited];
            return self.random.pick(&outcomes).clone();
        }
        if may_fail && self.random.percent(20) {
            return Outcome::Unknown;
        }
        self.repeated += u64::from(command.finals > 0);
        command.answer();
        match self.random.percent(10) {
            true => Outcome::Rejected {
                status: 404,
                is_about_message: false,
            },
            false => Outcome::Delivered,
        }
    }

    /// The process or the machine stops; after a while there is another one.
    fn crash(&mut self) {
        let is_power_cut = self.random.percent(60);
        let sync_failed = self.disk.with(|disk| disk.failed_syncs) > self.failed_syncs;
        let enough = match is_power_cut || sync_failed {
            true => Known::Durable,
            false => Known::Read,
        };
        for command in self.commands.values_mut() {
            command.crash(enough);
        }
        if is_power_cut || self.disk.is_lossy() {
            // What was never acknowledged may be gone, and its number free again; what a start finds
            // of it counts again.
            let commands = &self.commands;
            self.numbers
                .retain(|_, number| commands[number].acknowledged);
        }
        match is_power_cut {
            true => self.disk.cut_power(),
            false => self.disk.kill(),
        }
        let down = self
            .random
            .pick(&[0, 100, 2000, 60_000, 60_000, 31 * 60_000]);
        self.unix += if self.random.percent(30) { down } else { 10 };
        let next = self.random.below(400);
        let again = self.plan.crashes_again && self.random.percent(80);
        self.disk
            .with(|disk| disk.crash_at = again.then_some(disk.steps + next + 1));
    }

    fn settle_all(&mut self) {
        let Ok(mut process) = self.start() else {
            panic!("a start on a disk that works was refused");
        };
        for _ in 0..10_000 {
            if process.bot.pending() == 0 && self.in_flight.is_empty() {
                break;
            }
            let Ok(()) = self.turn(&mut process, false) else {
                unreachable!("there are no more crashes");
            };
        }
        assert_eq!(process.bot.pending(), 0, "all is settled in the end");
        let now = process.at(self.unix);
        let before = process.journal.counts();
        process.finish(now).unwrap();
        self.book(&process, before);
        drop(process);
        for command in self.commands.values_mut() {
            command.crash(Known::Durable);
        }
        self.disk.cut_power();
        self.plan.has_faults = true; // what they have done is still there
        assert!(self.start().is_ok(), "nothing stops this one");
    }

    fn check(&self) {
        self.commands.values().for_each(Command::check);
    }
}

/// So small that a few turns fill it.
pub const SMALL: Sizes = Sizes {
    segment: 2048,
    log_min: 8192,
};
