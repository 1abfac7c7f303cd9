//! What a store commits at once: the jobs that were accepted, and the outcomes of others.

use std::collections::BTreeSet;
use std::mem;

use super::{ForeignId, PendingJob, StoredJob};
use crate::slab::Key;
use crate::time::Tick;

/// What became of a job that the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An attempt that may have reached the receiver has failed, and another follows. Attempts that were certainly not
    /// sent are not recorded: in an outage that would be a record for each job every 30 s.
    Attempted {
        /// Its key.
        job: Key,
        /// How many attempts have been made.
        attempts: u8,
        /// When the next one is due.
        due: Tick,
    },
    /// It is delivered or abandoned.
    Settled {
        /// Its key.
        job: Key,
    },
    /// Its command was answered "busy", since it was not kept in time.
    Withdrawn {
        /// Its key.
        job: Key,
    },
    /// An adopted job is pending here. From now on outcomes name it by this key.
    Adopted {
        /// The store's name for it.
        foreign: ForeignId,
        /// Its key.
        job: Key,
    },
    /// The settings allow no reply to an adopted job here. Another process may be allowed to post it.
    Declined {
        /// The store's name for it.
        foreign: ForeignId,
    },
}

/// Accepted jobs and outcomes, each in the order in which they came.
///
/// Outcomes are of jobs of earlier batches, never of the jobs that the same batch accepts: a store applies them
/// first, so that a slot may have a new occupant in the same batch.
#[derive(Debug, Default)]
pub struct Batch {
    accepted: Vec<Accepted>,
    /// The texts of all accepted jobs, one after the other.
    texts: String,
    outcomes: Vec<Outcome>,
}

/// An accepted job.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    job: Key,
    /// Where its texts begin, and in their place how long each of them is.
    start: usize,
    pending: StoredJob<u32, Tick>,
}

/// Memory that is kept for the next batch.
const TEXT_BYTES_KEPT: usize = 1024 * 1024;
const ENTRIES_KEPT: usize = 4096;

impl Batch {
    /// Adds a job, which the store knows by its key from now on.
    pub fn accept(&mut self, job: Key, pending: &PendingJob<'_>) {
        let start = self.texts.len();
        let pending = pending.map_texts(|text| {
            self.texts.push_str(text);
            text.len() as u32
        });
        self.accepted.push(Accepted {
            job,
            start,
            pending,
        });
    }

    /// Adds the outcome of a job that is kept.
    pub fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// Withdraws an accepted job: out of this batch, or with an outcome if an earlier batch has it.
    pub fn withdraw(&mut self, job: Key) {
        let accepted = self.accepted.len();
        self.accepted.retain(|entry| entry.job != job);
        if self.accepted.len() == accepted {
            self.outcomes.push(Outcome::Withdrawn { job });
        }
    }

    /// Moves the contents of a later batch to the end of this one.
    pub fn append(&mut self, later: &mut Self) {
        if self.is_empty() {
            return mem::swap(self, later);
        }
        // In one pass: while a disk hangs, thousands of commands are withdrawn in one turn.
        let mut withdrawn = BTreeSet::new();
        for outcome in later.outcomes.drain(..) {
            match outcome {
                // No other outcome can be of a job that is accepted here: it is not scheduled before it is kept.
                Outcome::Withdrawn { job } => _ = withdrawn.insert(job.to_u64()),
                other => self.outcomes.push(other),
            }
        }
        if !withdrawn.is_empty() {
            let is_kept = |entry: &Accepted| !withdrawn.remove(&entry.job.to_u64());
            self.accepted.retain(is_kept);
        }
        // Jobs that are not accepted here are in a batch that the store already has.
        let jobs = withdrawn.into_iter().map(Key::from_u64);
        self.outcomes
            .extend(jobs.map(|job| Outcome::Withdrawn { job }));
        let start = self.texts.len();
        self.texts.push_str(&later.texts);
        let accepted = later.accepted.drain(..);
        self.accepted.extend(accepted.map(|entry| Accepted {
            start: entry.start + start,
            ..entry
        }));
        later.clear();
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.texts.len()
            + self.accepted.len() * size_of::<Accepted>()
            + self.outcomes.len() * size_of::<Outcome>()
    }

    /// The accepted jobs.
    pub fn accepted(&self) -> impl ExactSizeIterator<Item = (Key, PendingJob<'_>)> {
        self.accepted.iter().map(|accepted| {
            let mut rest = &self.texts[accepted.start..];
            let pending = accepted.pending.map_texts(|length| {
                let (text, others) = rest.split_at(*length as usize);
                rest = others;
                text
            });
            (accepted.job, pending)
        })
    }

    /// The outcomes of jobs of earlier batches.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.outcomes.is_empty()
    }

    /// Empties it, and gives back the memory of a burst.
    pub fn clear(&mut self) {
        self.accepted.clear();
        self.accepted.shrink_to(ENTRIES_KEPT);
        self.outcomes.clear();
        self.outcomes.shrink_to(ENTRIES_KEPT);
        self.texts.clear();
        self.texts.shrink_to(TEXT_BYTES_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_id::RequestId;

    fn job(index: u32, text: &str) -> (Key, PendingJob<'_>) {
        let pending = PendingJob {
            command: "/torrap",
            origin: "https://hooks.slack.com",
            path: "/commands/é",
            text,
            fields: if index.is_multiple_of(2) {
                ""
            } else {
                "fields"
            },
            is_late: index == 3,
            attempts: index as u8,
            due: Tick(u64::from(index)),
            expires_at: Tick(1000),
            request: (index % 2 == 1).then_some(RequestId(u64::from(index))),
        };
        (Key::from_parts(index, index + 10), pending)
    }

    #[test]
    fn jobs_come_out_as_they_went_in() {
        let mut batch = Batch::default();
        let jobs = [job(1, "olleh"), job(2, ""), job(3, "日本")];
        jobs.iter().for_each(|(key, job)| batch.accept(*key, job));
        assert!(batch.accepted().eq(jobs));
        batch.clear();
        assert!(batch.is_empty() && batch.accepted().len() == 0);
    }

    #[test]
    fn a_later_batch_is_appended_and_withdraws_jobs_of_the_earlier_one() {
        let (mut first, mut later) = (Batch::default(), Batch::default());
        let jobs = [job(1, "olleh"), job(2, "back"), job(3, "日本")];
        let known = Key::from_parts(7, 1);
        first.accept(jobs[0].0, &jobs[0].1);
        first.accept(jobs[1].0, &jobs[1].1);
        later.withdraw(jobs[1].0);
        later.withdraw(known);
        later.accept(jobs[2].0, &jobs[2].1);
        first.append(&mut later);
        assert!(later.is_empty() && later.bytes() == 0);
        assert!(first.accepted().eq([jobs[0], jobs[2]]));
        assert_eq!(first.outcomes(), [Outcome::Withdrawn { job: known }]);
        first.withdraw(jobs[2].0);
        assert!(first.accepted().eq([jobs[0]]));
        assert_eq!(first.outcomes().len(), 1, "it never was");
    }

    #[test]
    fn outcomes_keep_their_order() {
        let mut batch = Batch::default();
        let job = Key::from_parts(0, 1);
        let attempted = Outcome::Attempted {
            job,
            attempts: 2,
            due: Tick(3),
        };
        let outcomes = [attempted, Outcome::Settled { job }];
        outcomes.iter().for_each(|outcome| batch.add(*outcome));
        assert!(!batch.is_empty());
        assert_eq!(batch.outcomes(), outcomes);
    }

    /// A limit is put on it: outcomes count as well as texts and entries.
    #[test]
    fn its_size_is_that_of_all_that_it_holds() {
        let mut batch = Batch::default();
        let (key, job) = job(1, "olleh");
        let texts = [job.command, job.origin, job.path, job.text, job.fields].concat();
        batch.accept(key, &job);
        let accepted = texts.len() + size_of::<Accepted>();
        assert_eq!(batch.bytes(), accepted);
        batch.add(Outcome::Settled { job: key });
        batch.add(Outcome::Settled { job: key });
        assert_eq!(batch.bytes(), accepted + 2 * size_of::<Outcome>());
    }

    #[test]
    fn a_burst_gives_its_memory_back() {
        let mut batch = Batch::default();
        let long = "x".repeat(1000);
        for index in 0..10_000 {
            let (key, job) = job(index, &long);
            batch.accept(key, &job);
            batch.add(Outcome::Settled { job: key });
        }
        batch.clear();
        assert!(batch.texts.capacity() <= TEXT_BYTES_KEPT);
        assert!(batch.accepted.capacity() <= ENTRIES_KEPT);
        assert!(batch.outcomes.capacity() <= ENTRIES_KEPT);
    }

    /// A disk that hangs has all that was held taken back within a second, and the loop waits for none of it.
    #[test]
    #[allow(clippy::disallowed_methods)] // it measures: for each of them a walk over all takes half a minute
    fn what_is_taken_back_costs_no_walk_over_the_batch_for_each() {
        const JOBS: u32 = 30_000;
        let (mut collecting, mut later) = (Batch::default(), Batch::default());
        for index in 0..JOBS {
            let (key, job) = job(index, "x");
            collecting.accept(key, &job);
            later.withdraw(key);
        }
        let known = Key::from_parts(JOBS, 1);
        later.withdraw(known);
        let begun = std::time::Instant::now();
        collecting.append(&mut later);
        assert!(begun.elapsed().as_secs() < 5);
        assert_eq!(collecting.accepted().len(), 0);
        assert_eq!(collecting.outcomes(), [Outcome::Withdrawn { job: known }]);
    }
}
