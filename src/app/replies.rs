//! The replies that are owed: given out when they are due, and judged by what came of them.

use log::{debug, info, warn};

use super::{Bot, REPLIES_DELIVERED, has_line};
use crate::commands::COMMANDS;
use crate::jobs::{Abandoned, Outcome, Verdict};
use crate::slab::Key;
use crate::slack::message::{Message, Visibility};
use crate::store;
use crate::time::{Now, Seconds};

/// What a person is shown whose reply Slack refuses for what it says. It has nothing of that reply in it, so
/// that it is not refused for the same reason.
const APOLOGY: &str = "Sorry, Slack did not accept my reply. It may have been too long.";

/// Expired replies that one [`Bot::poll_delivery`] gives up, at most.
const EXPIRED_PER_POLL_MAX: usize = 256;

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
        // All that waited may have expired: that must not take one turn of the loop.
        for _ in 0..EXPIRED_PER_POLL_MAX {
            let (key, job) = self.jobs.poll_ready(now.tick)?;
            let job = match job {
                Ok(job) => job,
                Err(reason) => {
                    self.counters.replies_abandoned[reason.kind()] += 1;
                    warn!("command {}: not answered, {reason}", key.generation());
                    self.note_outcome(store::Outcome::Settled { job: key });
                    continue;
                }
            };
            self.reply.clear();
            let command = &COMMANDS[usize::from(job.command)];
            let visibility = if job.is_apology {
                self.reply.push_str(APOLOGY);
                Visibility::Ephemeral
            } else {
                (command.run)(job.text(), &mut self.reply);
                command.visibility_of_replies(self.in_channel)
            };
            debug!("sending reply: {}", self.reply);
            let mut body = Vec::with_capacity(self.reply.len() + 16);
            Message {
                visibility,
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
        None
    }

    /// Settles a job, schedules its next attempt or gives it up.
    pub fn handle_outcome(&mut self, report: &Report, now: Now) {
        let (number, detail) = (report.job.generation(), &report.detail);
        let job = self.jobs.get(report.job);
        let Some((age_ms, was_apology)) = job.map(|job| (job.age_ms(now.tick), job.is_apology))
        else {
            return;
        };
        let verdict = self.jobs.handle_outcome(report.job, &report.outcome, now);
        let Some(verdict) = verdict else { return };
        self.counters.note_attempt(verdict, report.took_ms, age_ms);
        self.note_verdict(report.job, verdict);
        match verdict {
            Verdict::Settled => {
                debug!("successfully sent reply");
                if has_line(&mut self.traffic, REPLIES_DELIVERED, now) {
                    info!("command {number}: answered");
                }
            }
            Verdict::RetryAt(at) | Verdict::HeldUntil(at) if self.failures.note(0, now.tick) => {
                let wait = Seconds {
                    ms: at.millis_since(now.tick),
                };
                if matches!(verdict, Verdict::HeldUntil(_)) {
                    warn!(
                        "command {number}: attempt failed ({detail}), its workspace is limited, next in {wait} s at the earliest"
                    );
                } else {
                    warn!("command {number}: attempt failed ({detail}), next in {wait} s");
                }
            }
            Verdict::RetryAt(_) | Verdict::HeldUntil(_) => {}
            Verdict::Apologise => {
                warn!("command {number}: not answered, {detail}; an apology follows");
            }
            Verdict::Apologised => info!("command {number}: the apology is posted"),
            Verdict::Abandon(_) if was_apology => {
                warn!("command {number}: the apology is not posted either, {detail}");
            }
            Verdict::Abandon(Abandoned::Rejected(_)) => {
                warn!("command {number}: not answered, {detail}");
            }
            Verdict::Abandon(reason) => {
                warn!("command {number}: not answered, {reason}; the last: {detail}");
            }
        }
    }
}
