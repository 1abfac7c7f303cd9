//! The pending replies: the jobs, and what a store has to be told of them.

use std::collections::BTreeSet;
use std::iter;

use log::{debug, warn};

use super::command::Command as Asked;
use super::commit_queue::{CommitQueue, Unkept};
use super::refusals::{Refusal, Withdrawal};
use crate::commands::{Command, Commands, run};
use crate::config::Config;
use crate::http::Hold;
use crate::jobs::{
    ATTEMPTS_MAX, Abandoned, Job, Jobs, LIFETIME_MS, MadeReply, NewJob, Outcome, State, Texts,
    Tries, Verdict,
};
use crate::slab::Key;
use crate::slack::response_url::{Origin, is_path};
use crate::store::{Batch, PendingJob, Ticket};
use crate::time::{Now, Tick};

/// The job of a command, and what its acknowledgement waits for.
pub(super) enum Acceptance {
    /// It is pending from now on.
    New(Key, Option<Hold>),
    /// The same request came before, and its job is pending.
    Repeat(Key, Option<Hold>),
}

/// A job that is due.
pub(super) enum Due<'a> {
    /// Its attempt begins.
    Post(Post<'a>),
    /// It is too late for it.
    Abandoned { key: Key, reason: Abandoned },
}

/// A job whose reply is to be posted.
pub(super) struct Post<'a> {
    pub(super) key: Key,
    pub(super) job: &'a Job,
    /// Its reply, if a run has made it.
    pub(super) made: Option<&'a [u8]>,
    pub(super) texts: Texts<'a>,
    /// Its `response_url`, which is a secret.
    pub(super) url: String,
}

/// A job whose command is to be run.
pub(super) struct DueRun<'a> {
    pub(super) key: Key,
    pub(super) job: &'a Job,
    pub(super) texts: Texts<'a>,
    /// Whether Slack limits its workspace.
    pub(super) is_limited: bool,
    /// Its `response_url`, which is a secret, and where in that the path begins.
    pub(super) url: String,
    pub(super) path_start: usize,
}

/// The replies that are pending. Whatever changes a job here is told to the store, if there is one.
pub(super) struct PendingReplies {
    jobs: Jobs,
    commands: Commands,
    /// The allowed origins as text, to be put before the path of a reply's URL.
    origins: Vec<String>,
    /// What a store has to be told; `None` without one.
    queue: Option<CommitQueue>,
    /// Whether a repeat makes a further job.
    allows_replays: bool,
}

impl PendingReplies {
    /// No replies, and no store.
    pub(super) fn new(config: &Config, now: Tick) -> Self {
        Self {
            jobs: Jobs::new(config.max_pending, now),
            commands: config.commands.all().clone(),
            origins: config.reply_origins.iter().map(Origin::to_string).collect(),
            queue: None,
            allows_replays: config.allow_replays,
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

    /// Schedules a job whose reply can still be posted when it is due, or has a store keep it first: then its
    /// acknowledgement is held. The repeats of a request have one job as long as that is pending.
    pub(super) fn accept(
        &mut self,
        new: &Asked<'_, '_>,
        due: Tick,
        now: Tick,
    ) -> Result<Acceptance, Refusal> {
        let request = Some(new.request).filter(|_| !self.allows_replays);
        // First of all: a repeat needs no room, no time and no store that accepts jobs.
        if let Some(job) = request.and_then(|request| self.jobs.find(request)) {
            let queue = self.queue.as_ref();
            let hold = queue.and_then(|queue| queue.hold_of(job));
            return Ok(Acceptance::Repeat(job, hold));
        }
        if due >= new.expires_at {
            return Err(Refusal::TooLate);
        }
        let (url, text) = (new.response_url, new.text);
        let job = NewJob {
            command: new.position,
            origin: index(url.origin),
            path: url.path,
            text,
            fields: new.fields,
            is_late: new.is_late,
            needs_run: self.is_blocking(new.position),
            due,
            expires_at: new.expires_at,
            request,
        };
        let Some(queue) = &mut self.queue else {
            return Ok(Acceptance::New(self.jobs.schedule(job)?, None));
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
            fields: new.fields,
            is_late: new.is_late,
            attempts: 0,
            due,
            expires_at: new.expires_at,
            request,
        };
        let hold = queue.accept(key, &pending, now);
        Ok(Acceptance::New(key, Some(hold)))
    }

    fn is_blocking(&self, command: u8) -> bool {
        let command = self.commands.get(command);
        command.is_some_and(Command::is_blocking)
    }

    /// Schedules a job that is kept now, and gives for how long it has waited for that, ms. `None`: it was withdrawn
    /// meanwhile.
    pub(super) fn keep(&mut self, unkept: &Unkept, now: Tick) -> Option<u64> {
        let is_kept = self.jobs.keep(unkept.job, unkept.due.max(now));
        is_kept.then(|| now.millis_since(unkept.since))
    }

    /// Withdraws a job whose command was not acknowledged, and tells the store if that may keep it. `false`: it was
    /// withdrawn before, with another request that waited for the same job.
    pub(super) fn withdraw(&mut self, job: Key, why: Withdrawal) -> bool {
        if self.jobs.get(job).is_none() {
            return false;
        }
        self.jobs.withdraw(job);
        if let (Some(queue), Withdrawal::HeldTooLong | Withdrawal::Stop) = (&mut self.queue, why) {
            queue.withdraw(job);
        }
        true
    }

    /// Adds a job that an earlier process has acknowledged, whatever the capacity. `None`, and a
    /// line in the log, if the settings no longer allow its reply.
    pub(super) fn restore(
        &mut self,
        number: u64,
        pending: &PendingJob<'_>,
        now: Tick,
    ) -> Option<Key> {
        let Some(job) = self.allowed(pending, now) else {
            warn!(
                "command {number}: not answered, its response_url is of an origin that is not allowed"
            );
            return None;
        };
        let key = self.jobs.restore(job, pending.attempts, number as u32)?;
        debug!("command {number}: pending since before the start");
        Some(key)
    }

    /// Adds a job that another process has acknowledged, whatever the capacity. `None` if the settings allow no reply to it
    /// here. A job that is kept here already, for the same request, is the same job.
    pub(super) fn adopt(&mut self, pending: &PendingJob<'_>, now: Tick) -> Option<Key> {
        let same = pending.request.and_then(|request| self.jobs.find(request));
        let is_kept = |job: &Job| job.state != State::Unkept;
        if let Some(key) = same
            && self.jobs.get(key).is_some_and(is_kept)
        {
            return Some(key);
        }
        let job = self.allowed(pending, now)?;
        let due = job.due.max(now);
        self.jobs.adopt(NewJob { due, ..job }, pending.attempts)
    }

    /// A job of a store as the table has it; `None` if the settings do not allow its reply.
    fn allowed<'a>(&self, pending: &PendingJob<'a>, now: Tick) -> Option<NewJob<'a>> {
        let mut origins = self.origins.iter();
        let origin = origins.position(|origin| origin == pending.origin);
        let origin = origin.filter(|_| is_path(pending.path))?;
        // Whatever a store has read, no job waits for longer than its lifetime.
        let latest = now.after(LIFETIME_MS);
        let command = self.commands.position(pending.command);
        Some(NewJob {
            command,
            origin: index(origin),
            path: pending.path,
            text: pending.text,
            fields: pending.fields,
            is_late: pending.is_late,
            needs_run: self.is_blocking(command),
            due: pending.due.min(latest),
            expires_at: pending.expires_at.min(latest),
            request: pending.request,
        })
    }

    /// Forgets the jobs that a store has kept, but those that it had lost, and gives how many they were.
    pub(super) fn forget_kept(&mut self, lost: &BTreeSet<Key>) -> usize {
        self.jobs.forget_kept(lost)
    }

    /// Forgets the jobs that are pending with another process, since their commands are acknowledged.
    pub(super) fn forget_duplicates(&mut self) {
        if let Some(queue) = &mut self.queue {
            for job in queue.take_duplicates() {
                self.jobs.withdraw(job);
            }
        }
    }

    /// The next job that is due.
    pub(super) fn poll_ready(&mut self, now: Tick) -> Option<Due<'_>> {
        let (key, job) = self.jobs.poll_ready(now)?;
        Some(match job.map(|_| ()) {
            Ok(()) => {
                let (job, made) = (self.jobs.get(key)?, self.jobs.made(key));
                let texts = job.texts();
                let origin = &*self.origins[usize::from(job.origin)];
                Due::Post(Post {
                    key,
                    job,
                    made,
                    texts,
                    url: [origin, texts.path].concat(),
                })
            }
            Err(reason) => {
                if let Some(queue) = &mut self.queue {
                    queue.settle(key);
                }
                Due::Abandoned { key, reason }
            }
        })
    }

    /// The next job whose command is to be run, and where its messages go.
    pub(super) fn poll_run(&mut self) -> Option<DueRun<'_>> {
        let (key, _) = self.jobs.poll_run()?;
        let job = self.jobs.get(key)?;
        let texts = job.texts();
        let origin = &*self.origins[usize::from(job.origin)];
        Some(DueRun {
            key,
            job,
            texts,
            is_limited: self.jobs.is_limited(job),
            url: [origin, texts.path].concat(),
            path_start: origin.len(),
        })
    }

    /// A run is over. `false`: it was given up before. The store is told of the messages that it has posted, which may all
    /// have been taken.
    pub(super) fn end_run(&mut self, key: Key, made: MadeReply, now: Now) -> bool {
        let uses = made.uses;
        let is_running = self.jobs.end_run(key, made, now);
        if let (Some(queue), Some(job)) = (&mut self.queue, self.jobs.get(key))
            && is_running
            && uses > 0
        {
            queue.note_uses(key, job.tries.attempts, now.tick);
        }
        is_running
    }

    /// A run has posted so many messages that may have been taken, and goes on. The store is told at once: if the process dies
    /// now, the next one may post what is left of Slack's five.
    pub(super) fn note_uses(&mut self, key: Key, uses: u8, now: Tick) {
        if let (Some(queue), Some(job)) = (&mut self.queue, self.jobs.get(key))
            && job.state == State::Running
        {
            let uses = uses.min(job.messages_max());
            queue.note_uses(key, job.tries.attempts + uses, now);
        }
    }

    /// A run that is not over in time, or has not begun, is given up: the person is told so in place of its reply.
    pub(super) fn give_up_overdue(&mut self, now: Tick) -> Option<Key> {
        let key = self.jobs.poll_overdue(now)?;
        self.jobs.give_up_run(key, run::overdue());
        Some(key)
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
                State::Ready if job.needs_run() => "waiting for a thread to run its command",
                State::Ready => "waiting for a sender",
                State::Held => "waiting because Slack limits its workspace",
                State::Running => "its command is running",
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
mod tests;
