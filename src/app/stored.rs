//! The bot's side of a store: what it is told, and what becomes of commands that wait for it.

use std::collections::BTreeSet;

use log::{debug, log, warn};

use super::refusals::{Refusal, Withdrawal};
use super::{Bot, busy};
use crate::http::{Hold, Response};
use crate::slab::Key;
use crate::store::{ADOPTED_AT_ONCE_MAX, Adopted, Batch, PendingJob, Ticket};
use crate::telemetry::health::Condition;
use crate::time::{Now, Tick};

impl Bot {
    /// From now on there is a store: it is told of all that changes jobs, and the answer to a command is held until it has
    /// kept the job. Jobs are numbered from `next` on.
    pub fn begin_store(&mut self, next: u64) {
        self.pending.begin_store(next);
    }

    /// From now on there is no store: jobs that waited for it count as kept.
    pub fn end_store(&mut self, now: Tick) {
        for waited_ms in self.pending.end_store(now) {
            self.counters.note_kept(waited_ms);
        }
    }

    /// Says whether the store takes jobs at the moment.
    pub const fn set_accepting(&mut self, is_accepting: bool) {
        if let Some(queue) = self.pending.queue_mut() {
            queue.set_accepting(is_accepting);
        }
    }

    /// Whether something has collected for the store.
    #[must_use]
    pub fn has_batch(&self) -> bool {
        self.pending.has_batch()
    }

    /// What has collected, for a store, which leaves it empty, and the ticket that its commands wait for.
    pub fn take_batch(&mut self) -> (Ticket, &mut Batch) {
        self.pending.take_batch()
    }

    /// The jobs of the batches up to this one are kept, or cannot be. In the second case they are withdrawn: their
    /// commands are not acknowledged but answered [`busy`].
    pub fn handle_stored(&mut self, ticket: Ticket, is_kept: bool, now: Now) {
        while let Some(unkept) = self.pending.queue_mut().and_then(|queue| queue.pop(ticket)) {
            if !is_kept {
                self.withdraw(unkept.job, Withdrawal::NotKept, now);
            } else if self.is_duplicate(unkept.job) {
                self.counters.commands_repeated += 1;
                self.log.repeated(unkept.job.generation(), now);
            } else if let Some(waited_ms) = self.pending.keep(&unkept, now.tick) {
                self.counters.note_kept(waited_ms);
            }
        }
    }

    fn is_duplicate(&mut self, job: Key) -> bool {
        let is_pending = self.pending.jobs().get(job).is_some();
        let queue = self.pending.queue_mut();
        is_pending && queue.is_some_and(|queue| queue.is_duplicate(job))
    }

    /// The answers to the commands of a batch are on their way: the jobs of those that are pending with another process are
    /// forgotten. Until now they said how their commands are acknowledged.
    pub fn end_release(&mut self) {
        self.pending.forget_duplicates();
    }

    /// A job of the batch that is with the store is pending with another process.
    pub fn note_duplicate(&mut self, job: Key) {
        if let Some(queue) = self.pending.queue_mut() {
            queue.note_duplicate(job);
        }
    }

    /// Adds a job that another process has acknowledged, whatever the capacity, and tells the store what became of it. It is
    /// due now if it was due before.
    pub fn adopt(&mut self, adopted: &Adopted, now: Tick) {
        let job = self.pending.adopt(&adopted.job(), now);
        match job {
            Some(job) => {
                self.counters.replies_adopted += 1;
                debug!("command {}: adopted from the fleet", job.generation());
            }
            None => {
                self.counters.replies_declined += 1;
                self.log.declined(now);
            }
        }
        if let Some(queue) = self.pending.queue_mut() {
            queue.note_adopted(adopted.foreign, job);
        }
    }

    /// Other processes answer all that the store has kept for this one, but what it had lost: those jobs are forgotten.
    pub fn forget_kept(&mut self, lost: &BTreeSet<Key>) {
        let forgotten = self.pending.forget_kept(lost);
        self.counters.replies_forgotten += forgotten as u64;
        warn!(
            "journal: the fleet took this process for dead and answers what it had pending: {forgotten} replies are left to it"
        );
    }

    /// How many jobs may be adopted at once.
    #[must_use]
    pub fn room(&self) -> usize {
        self.pending.jobs().room().min(ADOPTED_AT_ONCE_MAX)
    }

    /// The response to a command that was held: that it is accepted, or, if it could not be kept, that it is not.
    pub fn answer_held(&mut self, hold: Hold, is_kept: bool) -> Response {
        if !is_kept {
            return busy();
        }
        // No attempt at its reply has begun yet. It is not there if it was withdrawn with another request that has waited
        // for it, and for too long.
        self.acknowledgement_of(Key::from_u64(hold.token))
    }

    /// Withdraws a command whose acknowledgement was held for too long, and gives what is answered instead.
    pub fn withdraw_held(&mut self, hold: Hold, now: Now) -> Response {
        let why = match self.condition {
            Condition::Draining => Withdrawal::Stop,
            _ => Withdrawal::HeldTooLong,
        };
        self.withdraw(Key::from_u64(hold.token), why, now);
        busy()
    }

    /// Withdraws a job whose command was not acknowledged, if that was not done before.
    fn withdraw(&mut self, job: Key, why: Withdrawal, now: Now) {
        if self.pending.withdraw(job, why) {
            self.counters.withdrawn[why as usize] += 1;
            let (refusal, number) = (Refusal::NotKept, job.generation());
            let level = self.note_refusal(refusal, now);
            log!(level, "command {number}: refused with {refusal}");
        }
    }

    /// Adds a job that an earlier process has acknowledged, whatever the capacity. `None`, and a line in the log, if the
    /// settings no longer allow its reply.
    pub fn restore(&mut self, number: u64, pending: &PendingJob<'_>, now: Tick) -> Option<Key> {
        self.pending.restore(number, pending, now)
    }
}
