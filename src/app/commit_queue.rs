//! Between a command that is accepted and its acknowledgement: the batch that collects for the store, and the jobs that
//! wait to be kept.

use std::collections::{BTreeSet, VecDeque};
use std::mem;

use crate::http::Hold;
use crate::jobs::{Tries, Verdict};
use crate::slab::Key;
use crate::store::{Batch, COLLECTED_BYTES_MAX, ForeignId, Outcome, PendingJob, Ticket};
use crate::time::Tick;

/// The batch that collects for the store, and the jobs of earlier batches that are not kept yet.
pub(super) struct CommitQueue {
    /// Collects while the one before is with the store.
    batch: Batch,
    /// The number of the batch that collects: what is accepted now waits for it.
    ticket: Ticket,
    /// The accepted jobs that are not kept yet.
    unkept: VecDeque<Unkept>,
    /// Those of them that are pending with another process.
    duplicates: BTreeSet<u64>,
    /// Whether the store takes jobs at the moment.
    is_accepting: bool,
}

/// An accepted job that is not kept yet.
pub(super) struct Unkept {
    ticket: Ticket,
    pub(super) job: Key,
    pub(super) due: Tick,
    /// When its command came.
    pub(super) since: Tick,
}

/// Memory for this many jobs is kept when a burst of them has passed.
const UNKEPT_KEPT: usize = 4096;

impl Default for CommitQueue {
    fn default() -> Self {
        Self {
            batch: Batch::default(),
            ticket: 1,
            unkept: VecDeque::new(),
            duplicates: BTreeSet::new(),
            is_accepting: true,
        }
    }
}

impl CommitQueue {
    /// Whether a command may be accepted: whether it would be kept in time, as far as is known.
    pub(super) fn is_accepting(&self) -> bool {
        self.is_accepting && self.batch.bytes() <= COLLECTED_BYTES_MAX
    }

    /// Adds an accepted job to the batch that collects, and gives what its acknowledgement waits for.
    pub(super) fn accept(&mut self, job: Key, pending: &PendingJob<'_>, now: Tick) -> Hold {
        self.batch.accept(job, pending);
        self.unkept.push_back(Unkept {
            ticket: self.ticket,
            job,
            due: pending.due,
            since: now,
        });
        Hold {
            ticket: self.ticket,
            token: job.to_u64(),
        }
    }

    /// What the acknowledgement of a job waits for that is not kept yet.
    pub(super) fn hold_of(&self, job: Key) -> Option<Hold> {
        // They are numbered in their order.
        let first = self.unkept.front()?.job.generation();
        let distance = |job: Key| job.generation().wrapping_sub(first);
        let found = self
            .unkept
            .binary_search_by_key(&distance(job), |unkept| distance(unkept.job));
        let ticket = self.unkept[found.ok()?].ticket;
        let token = job.to_u64();
        Some(Hold { ticket, token })
    }

    /// Says whether the store takes jobs at the moment.
    pub(super) const fn set_accepting(&mut self, is_accepting: bool) {
        self.is_accepting = is_accepting;
    }

    /// Whether something has collected.
    pub(super) const fn has_batch(&self) -> bool {
        !self.batch.is_empty()
    }

    /// What has collected, for a store, which leaves it empty, and the ticket that its commands wait for.
    pub(super) const fn take_batch(&mut self) -> (Ticket, &mut Batch) {
        self.ticket += 1;
        (self.ticket - 1, &mut self.batch)
    }

    /// The next job of the batches up to this one.
    pub(super) fn pop(&mut self, ticket: Ticket) -> Option<Unkept> {
        let first = self.unkept.front();
        if first.is_some_and(|first| first.ticket <= ticket) {
            return self.unkept.pop_front();
        }
        if self.unkept.len() < UNKEPT_KEPT {
            self.unkept.shrink_to(UNKEPT_KEPT);
        }
        None
    }

    /// A job that is not kept yet is pending with another process: it is to be forgotten when its command is acknowledged.
    pub(super) fn note_duplicate(&mut self, job: Key) {
        self.duplicates.insert(job.to_u64());
    }

    /// Whether a job is pending with another process.
    pub(super) fn is_duplicate(&self, job: Key) -> bool {
        !self.duplicates.is_empty() && self.duplicates.contains(&job.to_u64())
    }

    /// The jobs that are to be forgotten, since their commands are acknowledged.
    pub(super) fn take_duplicates(&mut self) -> impl Iterator<Item = Key> + use<> {
        let duplicates = mem::take(&mut self.duplicates);
        duplicates.into_iter().map(Key::from_u64)
    }

    /// An adopted job is pending under this key, or is declined.
    pub(super) fn note_adopted(&mut self, foreign: ForeignId, job: Option<Key>) {
        self.batch.add(match job {
            Some(job) => Outcome::Adopted { foreign, job },
            None => Outcome::Declined { foreign },
        });
    }

    /// Withdraws an accepted job: out of the batch that collects, or with an outcome for the store.
    pub(super) fn withdraw(&mut self, job: Key) {
        self.batch.withdraw(job);
    }

    /// A job is delivered or abandoned.
    pub(super) fn settle(&mut self, job: Key) {
        self.batch.add(Outcome::Settled { job });
    }

    /// Tells the store how many posts to a job's `response_url` may have been taken, messages included.
    pub(super) fn note_uses(&mut self, job: Key, attempts: u8, due: Tick) {
        self.batch.add(Outcome::Attempted { job, attempts, due });
    }

    /// Tells the store the outcome of an attempt, as far as the next start has to know it. `tries` are those of the job,
    /// if it is still pending.
    pub(super) fn note_verdict(&mut self, job: Key, tries: Option<Tries>, verdict: Verdict) {
        let due = match verdict {
            // An attempt that was not sent does not count.
            Verdict::RetryAt(due) if tries.is_some_and(|tries| tries.unsent == 0) => due,
            Verdict::RetryAt(_) | Verdict::HeldUntil(_) => return,
            Verdict::Apologise => Tick(0),
            Verdict::Settled | Verdict::Apologised | Verdict::Abandon(_) => {
                return self.settle(job);
            }
        };
        let attempts = tries.map_or(0, |tries| tries.attempts);
        self.batch.add(Outcome::Attempted { job, attempts, due });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(index: u32) -> Key {
        Key::from_parts(index, 1)
    }

    fn pending() -> PendingJob<'static> {
        PendingJob {
            command: "/torrap",
            origin: "https://hooks.slack.com",
            path: "/commands/1",
            text: "olleh",
            fields: "",
            is_late: false,
            attempts: 0,
            due: Tick(7),
            expires_at: Tick(1000),
            request: None,
        }
    }

    #[test]
    fn jobs_wait_for_the_batch_that_has_them_and_come_in_its_order() {
        let mut queue = CommitQueue::default();
        let first = [1, 2].map(|index| queue.accept(job(index), &pending(), Tick(0)).ticket);
        let (ticket, batch) = queue.take_batch();
        batch.clear();
        assert_eq!(first, [ticket; 2]);
        let later = queue.accept(job(3), &pending(), Tick(1)).ticket;
        assert!(later > ticket && queue.has_batch());
        let mut pop = |ticket| queue.pop(ticket).map(|unkept| (unkept.job, unkept.since));
        assert_eq!(pop(ticket), Some((job(1), Tick(0))));
        assert_eq!(pop(ticket), Some((job(2), Tick(0))));
        assert_eq!(pop(ticket), None);
        assert_eq!(pop(later), Some((job(3), Tick(1))));
    }

    #[test]
    fn what_a_job_waits_for_is_found_also_where_the_numbers_begin_anew() {
        let mut queue = CommitQueue::default();
        let numbers = [u32::MAX - 1, u32::MAX, 1, 2, 3].map(|number| Key::from_parts(7, number));
        let mut holds = Vec::new();
        for key in numbers {
            holds.push(queue.accept(key, &pending(), Tick(0)));
            queue.take_batch().1.clear();
        }
        assert_eq!(numbers.map(|key| queue.hold_of(key).unwrap()), holds[..]);
        assert!(queue.pop(holds[1].ticket).is_some() && queue.pop(holds[1].ticket).is_some());
        let left = numbers.map(|key| queue.hold_of(key).is_some());
        assert_eq!(left, [false, false, true, true, true]);
        assert_eq!(queue.hold_of(Key::from_parts(7, 4)), None);
    }

    #[test]
    fn a_store_is_told_of_attempts_that_may_have_reached_the_receiver() {
        let mut queue = CommitQueue::default();
        let tries = |attempts, unsent| Some(Tries { attempts, unsent });
        let due = Tick(5);
        queue.note_verdict(job(1), tries(0, 1), Verdict::RetryAt(due));
        queue.note_verdict(job(1), tries(1, 0), Verdict::HeldUntil(due));
        assert!(!queue.has_batch());
        queue.note_verdict(job(1), tries(1, 0), Verdict::RetryAt(due));
        queue.note_verdict(job(1), None, Verdict::Settled);
        let attempted = Outcome::Attempted {
            job: job(1),
            attempts: 1,
            due,
        };
        let settled = Outcome::Settled { job: job(1) };
        assert_eq!(queue.take_batch().1.outcomes(), [attempted, settled]);
    }

    #[test]
    fn a_full_batch_takes_no_more_and_neither_does_a_store_that_says_so() {
        let mut queue = CommitQueue::default();
        queue.set_accepting(false);
        assert!(!queue.is_accepting());
        queue.set_accepting(true);
        let text = "x".repeat(COLLECTED_BYTES_MAX);
        let large = PendingJob {
            text: &text,
            ..pending()
        };
        queue.accept(job(1), &large, Tick(0));
        assert!(!queue.is_accepting());
        queue.take_batch().1.clear();
        assert!(queue.is_accepting());
    }
}
