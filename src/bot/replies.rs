//! The replies that are owed: given out when they are due, and judged by what came of them.

use log::{debug, info, warn};

use super::{Bot, Change, REPLIES_DELIVERED, has_line};
use crate::commands::COMMANDS;
use crate::jobs::{ATTEMPTS_MAX, Abandoned, Outcome, State, Verdict};
use crate::slab::Key;
use crate::slack::message::Message;
use crate::time::{Now, Seconds};

/// A reply that is to be posted, once.
#[derive(Debug)]
pub struct Delivery {
    /// The job that it is for.
    pub job: Key,
    /// Where it goes: a secret.
    pub url: String,
    /// The JSON message.
    pub body: Vec<u8>,
}

/// What came of a delivery.
#[derive(Debug)]
pub struct Report {
    /// The job that it was for.
    pub job: Key,
    /// What came of it.
    pub outcome: Outcome,
    /// The same for people, without the URL's path.
    pub detail: String,
    /// How long the attempt took, in milliseconds.
    pub took_ms: u64,
}

impl Bot {
    /// Whether [`Self::poll_delivery`] has something to give.
    #[must_use]
    pub fn has_delivery(&self) -> bool {
        self.jobs.has_ready()
    }

    /// The next reply that is due: its attempt begins, and its outcome is owed to
    /// [`Self::handle_outcome`].
    pub fn poll_delivery(&mut self, now: Now) -> Option<Delivery> {
        loop {
            let (key, job) = self.jobs.poll_ready(now.tick)?;
            let job = match job {
                Ok(job) => job,
                Err(reason) => {
                    self.counters.replies_abandoned[reason.kind()] += 1;
                    warn!("command {}: not answered, {reason}", key.generation());
                    self.note_change(Change::Settled { job: key });
                    continue;
                }
            };
            self.reply.clear();
            let command = &COMMANDS[usize::from(job.command)];
            (command.run)(job.text(), &mut self.reply);
            debug!("sending reply: {}", self.reply);
            let mut body = Vec::with_capacity(self.reply.len() + 16);
            Message {
                visibility: command.visibility_of_replies(self.in_channel),
                text: &self.reply,
            }
            .append_json(&mut body);
            let url = [&*self.origin_texts[usize::from(job.origin)], job.path()].concat();
            return Some(Delivery {
                job: key,
                url,
                body,
            });
        }
    }

    /// Settles a job, schedules its next attempt or gives it up.
    pub fn handle_outcome(&mut self, report: &Report, now: Now) {
        let number = report.job.generation();
        let detail = &report.detail;
        let age_ms = self.jobs.age_ms(report.job, now.tick);
        let verdict = self.jobs.handle_outcome(report.job, &report.outcome, now);
        self.note_verdict(report.job, verdict);
        if let (Some(verdict), Some(age_ms)) = (verdict, age_ms) {
            self.counters.note_attempt(verdict, report.took_ms, age_ms);
        }
        match verdict {
            Some(Verdict::Settled) => {
                debug!("successfully sent reply");
                if has_line(&mut self.traffic, REPLIES_DELIVERED, now) {
                    info!("command {number}: answered");
                }
            }
            Some(Verdict::RetryAt(at)) => {
                let wait = Seconds {
                    ms: at.millis_since(now.tick),
                };
                warn!("command {number}: attempt failed ({detail}), next in {wait} s");
            }
            Some(Verdict::Abandon(Abandoned::Rejected(_))) => {
                warn!("command {number}: not answered, {detail}");
            }
            Some(Verdict::Abandon(reason)) => {
                warn!("command {number}: not answered, {reason}; the last: {detail}");
            }
            None => {}
        }
    }

    /// One line for each reply that is owed.
    pub fn undelivered(&self) -> impl Iterator<Item = String> {
        self.jobs.iter().map(|(key, job)| {
            let state = match job.state {
                State::Scheduled if job.attempts == 0 => "still thinking",
                State::Scheduled => "waiting for its next attempt",
                State::Ready => "waiting for a sender",
                State::Sending => "being sent",
            };
            let (number, attempts) = (key.generation(), job.attempts);
            format!("command {number}: not answered, {state}; {attempts} of {ATTEMPTS_MAX} attempts made")
        })
    }
}
