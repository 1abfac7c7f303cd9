//! Between a command that is accepted and its acknowledgement: the batch that a store has to keep first.

use std::collections::VecDeque;

use log::log;

use super::{Bot, busy};
use crate::app::refusals::Refusal;
use crate::http::{Hold, Response, Status};
use crate::slab::Key;
use crate::store::{Batch, COLLECTED_BYTES_MAX, Outcome, PendingJob};
use crate::time::{Now, Tick};

/// What a bot knows of its store.
pub(super) struct Keeping {
    /// Collects while the one before is with the store.
    batch: Batch,
    /// The number of the batch that collects: what is accepted now waits for it.
    ticket: u64,
    /// The accepted jobs that are not kept yet; first those of the batch that is with the store.
    unkept: VecDeque<Unkept>,
    /// How many of them that are.
    submitted: usize,
    /// Whether the store takes jobs at the moment.
    is_accepting: bool,
}

struct Unkept {
    job: Key,
    due: Tick,
    since: Tick,
}

/// Memory for this many jobs is kept when a burst of them has passed.
const UNKEPT_KEPT: usize = 4096;

impl Default for Keeping {
    fn default() -> Self {
        Self {
            batch: Batch::default(),
            ticket: 1,
            unkept: VecDeque::new(),
            submitted: 0,
            is_accepting: true,
        }
    }
}

impl Keeping {
    /// Whether a command may be accepted: it would be kept in time, as far as can be known.
    pub(super) fn is_accepting(&self) -> bool {
        self.is_accepting && self.batch.bytes() <= COLLECTED_BYTES_MAX
    }

    /// Adds an accepted job to the batch that collects. What its acknowledgement waits for.
    pub(super) fn accept(&mut self, job: Key, pending: &PendingJob<'_>, now: Tick) -> Hold {
        self.batch.accept(job, pending);
        self.unkept.push_back(Unkept {
            job,
            due: pending.due,
            since: now,
        });
        Hold {
            ticket: self.ticket,
            token: job.to_u64(),
        }
    }
}

impl Bot {
    /// From now on a store is told of all that becomes of jobs, the answer to a command is held until it is kept, and
    /// jobs are numbered from `next` on.
    pub fn begin_store(&mut self, next: u64) {
        self.keeping.get_or_insert_default();
        self.jobs.number_from(next as u32);
    }

    /// There is no store any more: what waits for it is as good as kept.
    pub fn end_store(&mut self, now: Tick) {
        for Unkept { job, due, since } in self.keeping.take().into_iter().flat_map(|k| k.unkept) {
            if self.jobs.keep(job, due.max(now)) {
                self.counters.note_kept(now.millis_since(since));
            }
        }
    }

    /// Says whether the store takes jobs at the moment.
    pub fn set_accepting(&mut self, is_accepting: bool) {
        if let Some(keeping) = &mut self.keeping {
            keeping.is_accepting = is_accepting;
        }
    }

    /// Whether there is something to be submitted.
    #[must_use]
    pub fn has_batch(&self) -> bool {
        self.keeping
            .as_ref()
            .is_some_and(|keeping| !keeping.batch.is_empty())
    }

    /// Gives the batch to the store, which takes what is in it. No other one may be with the store.
    pub fn submit(&mut self, submit: impl FnOnce(&mut Batch)) {
        let submitted = self.keeping.as_ref().map_or(0, |keeping| keeping.submitted);
        debug_assert_eq!(submitted, 0, "one batch at a time");
        self.submit_last(submit);
    }

    /// The same before the end: what came of the batch before it is not waited for.
    pub fn submit_last(&mut self, submit: impl FnOnce(&mut Batch)) {
        let Some(keeping) = &mut self.keeping else {
            return;
        };
        let jobs = &self.jobs;
        // What was withdrawn while it collected has never been.
        keeping.batch.retain(|job| jobs.get(job).is_some());
        keeping.submitted = keeping.unkept.len();
        keeping.ticket += 1;
        submit(&mut keeping.batch);
        keeping.batch.clear();
    }

    /// The jobs of the batch that is with the store are kept, or cannot be. In the second case they are taken back:
    /// their acknowledgements have not gone out, and [`busy`] goes out in their place. Returns the ticket that their
    /// answers wait for.
    pub fn handle_stored(&mut self, is_kept: bool, now: Now) -> Option<u64> {
        let keeping = self.keeping.as_mut()?;
        let ticket = keeping.ticket - 1;
        let submitted = std::mem::take(&mut keeping.submitted);
        for _ in 0..submitted {
            let unkept = self.keeping.as_mut()?.unkept.pop_front()?;
            if !is_kept {
                self.withdraw(unkept.job, now);
            } else if self.jobs.keep(unkept.job, unkept.due.max(now.tick)) {
                let waited_ms = now.tick.millis_since(unkept.since);
                self.counters.note_kept(waited_ms);
            }
        }
        let unkept = &mut self.keeping.as_mut()?.unkept;
        if unkept.len() < UNKEPT_KEPT {
            unkept.shrink_to(UNKEPT_KEPT);
        }
        Some(ticket)
    }

    /// What is answered to a command that was held: that it is taken on, or, if it could not be kept, that it is
    /// not.
    pub fn answer_held(&mut self, hold: Hold, is_kept: bool) -> Response {
        if !is_kept {
            return busy();
        }
        match self.jobs.get(Key::from_u64(hold.token)) {
            Some(job) => self.acknowledgement(job.command),
            None => Response::empty(Status::Ok), // its reply is there already
        }
    }

    /// Takes back a command whose acknowledgement was held for too long, and tells what is answered instead.
    pub fn withdraw_held(&mut self, hold: Hold, now: Now) -> Response {
        let job = Key::from_u64(hold.token);
        // The batch that collects leaves it out; to the store it may be known already.
        if self
            .keeping
            .as_ref()
            .is_some_and(|keeping| hold.ticket < keeping.ticket)
        {
            self.note_outcome(Outcome::Settled { job });
        }
        self.withdraw(job, now);
        busy()
    }

    pub(super) fn note_outcome(&mut self, outcome: Outcome) {
        if let Some(keeping) = &mut self.keeping {
            keeping.batch.add(outcome);
        }
    }

    /// Takes back a job whose acknowledgement has not gone out, if that was not done before.
    fn withdraw(&mut self, job: Key, now: Now) {
        if self.jobs.get(job).is_none() {
            return;
        }
        self.jobs.withdraw(job);
        let (refusal, number) = (Refusal::NotKept, job.generation());
        let level = self.note_refusal(refusal, now);
        log!(level, "command {number}: refused with {refusal}");
    }
}
