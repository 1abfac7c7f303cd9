//! Senders that run commands, which take their time, hang, or find no thread.

use super::{SimulatedSenders, Step};
use crate::app::{CommandRun, Delivery, Report, SenderEvent};
use crate::engine::simulation::receiver::{Answer, Receiver, RetryAfter};
use crate::engine::simulation::runs::{Asked, EndedRun, Running};
use crate::jobs::Outcome;
use crate::slab::Key;
use crate::time::Tick;

impl SimulatedSenders {
    /// The commands of this turn begin.
    pub(super) fn begin_runs(&mut self, now: Tick) {
        for run in std::mem::take(&mut self.runs.batch) {
            if self.life.count_call() {
                return;
            }
            self.begin_run(run, now);
        }
    }

    fn begin_run(&mut self, run: CommandRun, now: Tick) {
        self.done += 1;
        self.note_taken(run.job);
        self.steps.push(Step::RunTaken(run.job));
        let generator = &mut self.generator;
        let is_missed = generator.percent(self.runs.missed_percent);
        let is_hung = !is_missed && generator.percent(self.runs.hung_percent);
        let took_ms =
            generator.pick(&[0, 1, 900, 60_000, 400_000, 1_750_000, 1_780_000, 1_900_000]);
        let posts_at_once = !is_missed && generator.percent(50);
        let over_at = now.after(run.time_left_ms);
        let report = posts_at_once.then(|| self.perform(&run, over_at, now));
        self.runs.running.push(Running {
            run,
            over_at,
            ends_at: (!is_hung).then(|| now.after(took_ms)),
            report,
            is_missed,
        });
    }

    fn perform(&mut self, run: &CommandRun, over_at: Tick, now: Tick) -> EndedRun {
        let mut asked = Asked::Ms(0);
        let mut post = |delivery: &Delivery| {
            if now >= over_at || self.life.count_call() {
                return None;
            }
            let answer = Receiver::draw(&self.receiver, &mut self.generator);
            let now = self.clock.now();
            let (outcome, asked_ms) = answer.outcome(now);
            match answer {
                // Also one that is past: the wall clock may be set before the run is over.
                Answer::Limited(RetryAfter::Date(offset)) => {
                    let secs = now.unix.secs().saturating_add_signed(offset);
                    asked = Asked::Until(secs * 1000);
                }
                Answer::Limited(_) => asked = Asked::Ms(asked_ms),
                _ => {}
            }
            let posted = Delivery {
                job: delivery.job,
                url: delivery.url.clone(),
                body: delivery.body.clone(),
            };
            self.steps.push(Step::Message(posted, answer));
            Some(report(delivery.job, outcome))
        };
        let reports = &mut self.runs.reports;
        let mut used = |uses| reports.push_back(SenderEvent::MessagesUsed(run.job, uses));
        let report = run.perform(&mut post, &mut used);
        EndedRun { report, asked }
    }

    /// What the commands that run have reported, and what came of one that has ended.
    pub(super) fn poll_run(&mut self, now: Tick) -> Option<SenderEvent> {
        if self.runs.reports.is_empty() {
            let done = self.end_run(now)?;
            // Behind what it reports of its last messages.
            self.runs.reports.push_back(done);
        }
        self.done += 1;
        let done = self.runs.reports.pop_front()?;
        if let SenderEvent::MessagesUsed(job, uses) = done {
            self.steps.push(Step::MessagesUsed(job, uses));
        }
        Some(done)
    }

    fn end_run(&mut self, now: Tick) -> Option<SenderEvent> {
        let has_ended = |run: &Running| run.ends_at.is_some_and(|at| at <= now);
        let index = self.runs.running.iter().position(has_ended)?;
        let Running {
            run,
            over_at,
            report: ran,
            is_missed,
            ..
        } = self.runs.running.swap_remove(index);
        if is_missed {
            self.steps.push(Step::NotRun(run.job));
            return Some(SenderEvent::NotRun(report(run.job, Outcome::Unsent)));
        }
        let ran = ran.unwrap_or_else(|| self.perform(&run, over_at, now));
        let EndedRun { report, asked } = ran;
        let asked_ms = asked.ms(self.clock.now().unix);
        self.steps.push(Step::Ran(
            report.job,
            report.made.clone(),
            report.end,
            asked_ms,
        ));
        Some(SenderEvent::Ran(report))
    }
}

fn report(job: Key, outcome: Outcome) -> Report {
    Report {
        job,
        outcome,
        took_ms: 0,
        detail: String::new(),
    }
}
