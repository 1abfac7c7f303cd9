//! Senders that take their time, fail, die, report twice, or report what no one has asked for.

mod running;

use std::collections::BTreeSet;

use super::Generator;
use super::clock::SimulatedClock;
use super::life::Life;
use super::receiver::{Answer, Receiver};
use super::runs::SimulatedRuns;
use crate::app::{CommandRun, Delivery, Report, SenderEvent};
use crate::commands::RunEnd;
use crate::engine::platform::Senders;
use crate::jobs::{MadeReply, Outcome};
use crate::slab::Key;
use crate::time::Tick;

/// An attempt that a sender makes.
struct Attempt {
    job: Key,
    answer: Answer,
    ends_at: Tick,
    /// A report that comes a second time keeps no sender busy.
    is_copy: bool,
}

/// What has passed between the bot and its senders in a turn.
pub(super) enum Step {
    /// The bot was told what came of an attempt, and which wait in ms the receiver has asked for.
    Reported(Key, Outcome, u64),
    /// The bot has given this to a sender, which has got that answer, or has died before it could ask.
    Taken(Delivery, Option<Answer>),
    /// The bot has given a command to a sender.
    RunTaken(Key),
    /// A command has posted a message, which has got this answer.
    Message(Delivery, Answer),
    /// The bot was told that so many messages of a command may have been taken.
    MessagesUsed(Key, u8),
    /// The bot was told that a command found no thread.
    NotRun(Key),
    /// The bot was told what a command has made, how it ended, and which wait in ms a 429 has asked for.
    Ran(Key, MadeReply, RunEnd, u64),
}

/// The senders of one process.
pub(crate) struct SimulatedSenders {
    pub(super) clock: SimulatedClock,
    pub(super) life: Life,
    pub(super) generator: Generator,
    pub(super) receiver: Receiver,
    pub(super) runs: SimulatedRuns,
    /// Deliveries that they take at once.
    pub(super) slots: usize,
    /// Of each hundred attempts, so many end with the death of their sender, and so many are reported twice.
    lost_percent: u64,
    copied_percent: u64,
    /// Deliveries of this turn.
    batch: Vec<Delivery>,
    attempts: Vec<Attempt>,
    /// Jobs that a sender has, or had when it died.
    taken: BTreeSet<u64>,
    /// Of this turn, until they are looked at.
    pub(super) steps: Vec<Step>,
    pub(super) lost: u64,
    /// Calls that came to something.
    pub(super) done: u64,
}

impl SimulatedSenders {
    /// Those of a process with a journal report each attempt once: what the next process must know of it is clear
    /// then. Nothing goes wrong with good ones.
    pub(super) fn new(
        mut generator: Generator,
        clock: SimulatedClock,
        life: Life,
        is_bad: bool,
        is_durable: bool,
    ) -> Self {
        let copied_percent = generator.pick(&[0, 0, 5, 30]);
        let lost_percent = generator.pick(&[0, 0, 1, 10]);
        let receiver = Receiver::new(&mut generator);
        Self {
            clock,
            life,
            receiver: if is_bad { receiver } else { Receiver::GOOD },
            slots: generator.pick(&[1, 2, 8, 64]),
            runs: SimulatedRuns::new(&mut generator),
            lost_percent: if is_bad { lost_percent } else { 0 },
            copied_percent: if is_bad && !is_durable {
                copied_percent
            } else {
                0
            },
            generator,
            batch: Vec::new(),
            attempts: Vec::new(),
            taken: BTreeSet::new(),
            steps: Vec::new(),
            lost: 0,
            done: 0,
        }
    }

    /// How many jobs they were given.
    pub(super) fn tried(&self) -> usize {
        self.taken.len()
    }

    /// A sender has this job.
    pub(super) fn note_taken(&mut self, job: Key) {
        self.taken.insert(job.to_u64());
    }

    /// A sender begins an attempt, unless it dies of it.
    fn take(&mut self, delivery: Delivery, now: Tick) {
        if self.life.count_call() {
            return;
        }
        let job = delivery.job;
        self.done += 1;
        self.note_taken(job);
        if self.generator.percent(self.lost_percent) {
            self.lost += 1;
            return self.steps.push(Step::Taken(delivery, None));
        }
        // A report names a job and not an attempt: a copy of an earlier one would be taken for this one's.
        self.attempts
            .retain(|attempt| !attempt.is_copy || attempt.job != job);
        let answer = self.receiver.draw(&mut self.generator);
        let took_ms = self.generator.pick(&[0, 1, 70, 900, 10_000]);
        let mut add = |is_copy, ends_at| {
            self.attempts.push(Attempt {
                job,
                answer,
                ends_at,
                is_copy,
            });
        };
        add(false, now.after(took_ms));
        if self.generator.percent(self.copied_percent) {
            add(
                true,
                now.after(took_ms + self.generator.pick(&[0, 500, 60_000])),
            );
        }
        self.steps.push(Step::Taken(delivery, Some(answer)));
    }

    /// When the next report comes.
    pub(crate) fn report_at(&self) -> Option<Tick> {
        let attempts = self.attempts.iter().map(|attempt| attempt.ends_at);
        attempts
            .chain(self.runs.report_at(self.clock.now().tick))
            .min()
    }

    /// A report that no one has asked for: with a key of the past, of the future, or of another slot.
    fn misreport(&mut self) -> Option<(Key, Outcome, u64)> {
        if !self.generator.percent(1) {
            return None;
        }
        let index = self.generator.below(4) as u32;
        let job = Key::from_parts(index, self.generator.below(200) as u32);
        let is_known = self.taken.contains(&job.to_u64());
        (!is_known).then_some((job, Outcome::Delivered, 0))
    }

    /// What came of one of the attempts that have ended, in any order.
    fn ended(&mut self, now: Tick) -> Option<(Key, Outcome, u64)> {
        let ended = self.attempts.iter().enumerate();
        let ended = ended.filter(|(_, attempt)| attempt.ends_at <= now);
        let ended: Vec<usize> = ended.map(|(index, _)| index).collect();
        if ended.is_empty() {
            return None;
        }
        let Attempt { job, answer, .. } = self.attempts.swap_remove(self.generator.pick(&ended));
        let (outcome, asked_ms) = answer.outcome(self.clock.now());
        Some((job, outcome, asked_ms))
    }
}

impl Senders for SimulatedSenders {
    fn room(&self) -> usize {
        let busy = self.attempts.iter().filter(|attempt| !attempt.is_copy);
        self.slots.saturating_sub(busy.count() + self.batch.len())
    }

    fn enqueue(&mut self, delivery: Delivery) {
        self.batch.push(delivery);
    }

    fn run_room(&self) -> usize {
        self.runs.room()
    }

    fn enqueue_run(&mut self, run: CommandRun) {
        self.runs.enqueue(run);
    }

    fn submit(&mut self, now: Tick) {
        for delivery in std::mem::take(&mut self.batch) {
            self.take(delivery, now);
        }
        self.begin_runs(now);
    }

    fn poll_report(&mut self, now: Tick) -> Option<SenderEvent> {
        if let Some(done) = self.poll_run(now) {
            return Some(done);
        }
        let (job, outcome, asked_ms) = self.misreport().or_else(|| self.ended(now))?;
        self.done += 1;
        let step = Step::Reported(job, outcome.clone(), asked_ms);
        self.steps.push(step);
        Some(SenderEvent::Posted(Report {
            job,
            outcome,
            took_ms: 0,
            detail: String::new(),
        }))
    }

    /// A report wakes the loop.
    fn poll_timeout(&self) -> Option<Tick> {
        None
    }

    fn outstanding(&self) -> usize {
        self.attempts.len()
    }

    fn threads(&self) -> (usize, usize) {
        (self.slots, self.slots)
    }

    fn runs(&self) -> (usize, usize) {
        self.runs.counts()
    }

    fn stop(&mut self) {
        self.attempts.clear();
        self.runs.stop();
    }
}
