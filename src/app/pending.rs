//! The pending replies: the jobs, and what a store has to be told of them.

use std::iter;

use log::{debug, warn};

use super::commit_queue::{CommitQueue, Unkept};
use super::refusals::Refusal;
use crate::commands::Commands;
use crate::config::Config;
use crate::http::Hold;
use crate::jobs::{
    ATTEMPTS_MAX, Abandoned, Job, Jobs, LIFETIME_MS, NewJob, Outcome, State, Tries, Verdict,
};
use crate::slab::Key;
use crate::slack::response_url::{Origin, ResponseUrl, is_path};
use crate::store::{Batch, PendingJob, Ticket};
use crate::time::{Now, Tick};

/// A command that is accepted.
pub(super) struct NewReply<'a> {
    /// The command's position among all commands.
    pub(super) command: u8,
    /// The command's built-in name.
    pub(super) name: &'static str,
    pub(super) text: &'a str,
    pub(super) response_url: ResponseUrl<'a>,
    pub(super) due: Tick,
    /// When its `response_url` expires.
    pub(super) expires_at: Tick,
}

/// A job that is due.
pub(super) enum Due<'a> {
    /// Its attempt begins: its reply is posted to this URL, which is a secret.
    Post { key: Key, job: &'a Job, url: String },
    /// It is too late for it.
    Abandoned { key: Key, reason: Abandoned },
}

/// The replies that are pending. Whatever changes a job here is told to the store, if there is one.
pub(super) struct PendingReplies {
    jobs: Jobs,
    commands: Commands,
    /// The allowed origins as text, to be put before the path of a reply's URL.
    origins: Vec<String>,
    /// What a store has to be told; `None` without one.
    queue: Option<CommitQueue>,
}

impl PendingReplies {
    /// No replies, and no store.
    pub(super) fn new(config: &Config, now: Tick) -> Self {
        Self {
            jobs: Jobs::new(config.max_pending, now),
            commands: config.commands.all().clone(),
            origins: config.reply_origins.iter().map(Origin::to_string).collect(),
            queue: None,
        }
    }

    pub(super) const fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Makes ready what is due, as far as the budget goes.
    pub(super) fn handle_timeout(&mut self, now: Tick, budget: &mut usize) {
        self.jobs.handle_timeout(now, budget);
    }

    /// From now on there is a store; jobs are numbered from `next` on.
    pub(super) fn begin_store(&mut self, next: u64) {
        self.queue.get_or_insert_default();
        self.jobs.number_from(next as u32);
    }

    /// From now on there is no store. The jobs that waited for it count as kept; gives for how long each has waited, ms.
    pub(super) fn end_store(&mut self, now: Tick) -> impl Iterator<Item = u64> {
        let mut queue = self.queue.take();
        let unkept = iter::from_fn(move || queue.as_mut()?.pop(Ticket::MAX));
        unkept.filter_map(move |unkept| self.keep(&unkept, now))
    }

    /// What a store has to be told, if there is one.
    pub(super) const fn queue_mut(&mut self) -> Option<&mut CommitQueue> {
        self.queue.as_mut()
    }

    /// Whether something has collected for the store.
    pub(super) fn has_batch(&self) -> bool {
        self.queue.as_ref().is_some_and(CommitQueue::has_batch)
    }

    /// What has collected for the store, and the ticket that its commands wait for.
    pub(super) fn take_batch(&mut self) -> (Ticket, &mut Batch) {
        self.queue.get_or_insert_default().take_batch()
    }

    /// Schedules a job whose reply can still be posted when it is due, or has a store keep it first: then its acknowledgement is held.
    pub(super) fn accept(
        &mut self,
        new: &NewReply<'_>,
        now: Tick,
    ) -> Result<(Key, Option<Hold>), Refusal> {
        if new.due >= new.expires_at {
            return Err(Refusal::TooLate);
        }
        let (url, text) = (new.response_url, new.text);
        let job = NewJob {
            command: new.command,
            origin: index(url.origin),
            path: url.path,
            text,
            due: new.due,
            expires_at: new.expires_at,
        };
        let Some(queue) = &mut self.queue else {
            return Ok((self.jobs.schedule(job)?, None));
        };
        if !queue.is_accepting() {
            return Err(Refusal::NotKept);
        }
        let key = self.jobs.accept(job)?;
        let pending = PendingJob {
            command: new.name,
            origin: &self.origins[url.origin],
            path: url.path,
            text,
            attempts: 0,
            due: new.due,
            expires_at: new.expires_at,
        };
        Ok((key, Some(queue.accept(key, &pending, now))))
    }

    /// Schedules a job that is kept now, and gives for how long it has waited for that, ms. `None`: it was withdrawn
    /// meanwhile.
    pub(super) fn keep(&mut self, unkept: &Unkept, now: Tick) -> Option<u64> {
        let is_kept = self.jobs.keep(unkept.job, unkept.due.max(now));
        is_kept.then(|| now.millis_since(unkept.since))
    }

    /// Withdraws a job whose command was not acknowledged. `false`: that was done before.
    pub(super) fn withdraw(&mut self, job: Key) -> bool {
        let is_there = self.jobs.get(job).is_some();
        if is_there {
            self.jobs.withdraw(job);
        }
        is_there
    }

    /// Adds a job that an earlier process has acknowledged, whatever the capacity. `None`, and a
    /// line in the log, if the settings no longer allow its reply.
    pub(super) fn restore(
        &mut self,
        number: u64,
        pending: &PendingJob<'_>,
        now: Tick,
    ) -> Option<Key> {
        let mut origins = self.origins.iter();
        let origin = origins.position(|origin| origin == pending.origin);
        let Some(origin) = origin.filter(|_| is_path(pending.path)) else {
            warn!(
                "command {number}: not answered, its response_url is of an origin that is not allowed"
            );
            return None;
        };
        // Whatever a store has read, no job waits for longer than its lifetime.
        let latest = now.after(LIFETIME_MS);
        let job = NewJob {
            command: self.commands.position(pending.command),
            origin: index(origin),
            path: pending.path,
            text: pending.text,
            due: pending.due.min(latest),
            expires_at: pending.expires_at.min(latest),
        };
        let key = self.jobs.restore(job, pending.attempts, number as u32)?;
        debug!("command {number}: pending since before the start");
        Some(key)
    }

    /// The next job that is due.
    pub(super) fn poll_ready(&mut self, now: Tick) -> Option<Due<'_>> {
        let (key, job) = self.jobs.poll_ready(now)?;
        Some(match job {
            Ok(job) => {
                let origin = &*self.origins[usize::from(job.origin)];
                let url = [origin, job.path()].concat();
                Due::Post { key, job, url }
            }
            Err(reason) => {
                if let Some(queue) = &mut self.queue {
                    queue.settle(key);
                }
                Due::Abandoned { key, reason }
            }
        })
    }

    /// Judges an attempt. `None` if the job is not with a sender: an outcome counts once.
    pub(super) fn handle_outcome(
        &mut self,
        job: Key,
        outcome: &Outcome,
        now: Now,
    ) -> Option<Verdict> {
        let verdict = self.jobs.handle_outcome(job, outcome, now)?;
        if let Some(queue) = &mut self.queue {
            let tries = self.jobs.get(job).map(|job| job.tries);
            queue.note_verdict(job, tries, verdict);
        }
        Some(verdict)
    }

    /// One line for each of them.
    pub(super) fn undelivered(&self) -> impl Iterator<Item = String> {
        self.jobs.iter().map(|(key, job)| {
            let state = match job.state {
                State::Unkept => "not kept by the journal yet",
                State::Scheduled if job.tries == Tries::default() => "still thinking",
                State::Scheduled => "waiting for its next attempt",
                State::Ready => "waiting for a sender",
                State::Held => "waiting because Slack limits its workspace",
                State::Sending => "being sent",
            };
            let (number, attempts) = (key.generation(), job.attempts_begun());
            format!("command {number}: not answered, {state}; {attempts} of {ATTEMPTS_MAX} attempts made")
        })
    }
}

/// The position of an origin, as a job keeps it.
fn index(position: usize) -> u8 {
    u8::try_from(position).expect("settings allow fewer than 256 origins")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Bot;
    use crate::config::Settings;

    fn bot() -> Bot {
        let mut config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        config.reply_origins = vec![Origin::parse("https://hooks.slack.com").unwrap()];
        config.max_pending = 1;
        let mut bot = Bot::new(&config, Tick(0));
        bot.begin_store(1);
        bot
    }

    impl PendingReplies {
        fn name(&self, job: &Job) -> &'static str {
            self.commands
                .get(job.command)
                .map_or("", |command| command.name)
        }
    }

    impl Bot {
        /// All jobs that are pending, as a store would be told; when they are due is not known here.
        pub(crate) fn pending_jobs(&self) -> impl Iterator<Item = (Key, PendingJob<'_>)> {
            self.pending.jobs.iter().map(|(key, job)| {
                let pending = PendingJob {
                    command: self.pending.name(job),
                    origin: &self.pending.origins[usize::from(job.origin)],
                    path: job.path(),
                    text: job.text(),
                    attempts: job.tries.attempts,
                    due: PENDING.due,
                    expires_at: job.expires_at,
                };
                (key, pending)
            })
        }
    }

    const PENDING: PendingJob<'_> = PendingJob {
        command: "/torrap",
        origin: "https://hooks.slack.com",
        path: "/commands/1",
        text: "olleh",
        attempts: 3,
        due: Tick(7),
        expires_at: Tick(1000),
    };

    #[test]
    fn a_restored_job_is_pending_as_before_and_keeps_its_number() {
        let mut bot = bot();
        let key = bot.restore((5 << 32) | 42, &PENDING, Tick(0)).unwrap();
        assert_eq!(key.generation(), 42);
        assert!(bot.pending_jobs().eq([(key, PENDING)]));
        assert!(
            bot.restore(43, &PENDING, Tick(0)).is_some(),
            "capacity is for new ones"
        );
        bot.handle_timeout(at(7), &mut 100);
        let delivery = bot.poll_delivery(at(7)).unwrap();
        assert_eq!(delivery.url, "https://hooks.slack.com/commands/1");
        assert_eq!(delivery.body, br#"{"text": "hello"}"#);
        let (_, in_flight) = bot.pending_jobs().next().unwrap();
        assert_eq!(in_flight.attempts, 3, "its outcome is not known");
        assert_eq!(bot.sending(), 1);
    }

    #[test]
    fn a_reply_that_the_settings_no_longer_allow_is_not_pending() {
        let mut bot = bot();
        for (origin, path) in [("https://example.com", "/1"), (PENDING.origin, "/\r\n")] {
            assert_eq!(
                bot.restore(
                    1,
                    &PendingJob {
                        origin,
                        path,
                        ..PENDING
                    },
                    Tick(0)
                ),
                None
            );
        }
        assert_eq!(bot.pending(), 0);
    }

    /// Another command would do what the person has not asked for.
    #[test]
    fn a_job_whose_command_is_gone_tells_the_person() {
        let mut bot = bot();
        let pending = PendingJob {
            command: "/gone",
            ..PENDING
        };
        bot.restore(1, &pending, Tick(0)).unwrap();
        bot.handle_timeout(at(7), &mut 100);
        let body = bot.poll_delivery(at(7)).unwrap().body;
        let body = String::from_utf8(body).unwrap();
        assert!(
            body.starts_with(r#"{"response_type": "ephemeral", "text": "Sorry, I was stopped"#),
            "{body}"
        );
    }

    /// The settings choose `/torrap` alone; the journal holds what an earlier process was to answer.
    #[test]
    fn a_command_that_is_not_chosen_any_more_is_answered_as_itself() {
        let mut bot = bot();
        let pending = PendingJob {
            command: "/shout",
            ..PENDING
        };
        let key = bot.restore(1, &pending, Tick(0)).unwrap();
        assert!(bot.pending_jobs().eq([(key, pending)]));
        bot.handle_timeout(at(7), &mut 100);
        assert_eq!(
            bot.poll_delivery(at(7)).unwrap().body,
            br#"{"response_type": "in_channel", "text": "OLLEH"}"#
        );
    }

    fn at(ms: u64) -> Now {
        Now {
            tick: Tick(ms),
            unix: crate::time::UnixTime(ms),
        }
    }
}
