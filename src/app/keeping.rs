//! Between a command that is accepted and its acknowledgement: the batch that a store has to keep first.

use std::collections::VecDeque;

use log::log;

use super::{Bot, busy};
use crate::app::refusals::{Refusal, Withdrawal};
use crate::http::{Hold, Response, Status};
use crate::slab::Key;
use crate::store::{Batch, COLLECTED_BYTES_MAX, Outcome, PendingJob, Ticket};
use crate::telemetry::health::Condition;
use crate::time::{Now, Tick};

/// What a bot knows of its store.
pub(super) struct Keeping {
    /// Collects while the one before is with the store.
    batch: Batch,
    /// The number of the batch that collects: what is accepted now waits for it.
    ticket: Ticket,
    /// The accepted jobs that are not kept yet.
    unkept: VecDeque<Unkept>,
    /// Whether the store takes jobs at the moment.
    is_accepting: bool,
}

struct Unkept {
    ticket: Ticket,
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
        for Unkept {
            job, due, since, ..
        } in self.keeping.take().into_iter().flat_map(|k| k.unkept)
        {
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

    /// Whether something has collected.
    #[must_use]
    pub fn has_batch(&self) -> bool {
        let keeping = self.keeping.as_ref();
        keeping.is_some_and(|keeping| !keeping.batch.is_empty())
    }

    /// What has collected, for a store, which leaves it empty, and the ticket that its commands wait for.
    pub fn take_batch(&mut self) -> (Ticket, &mut Batch) {
        let keeping = self.keeping.get_or_insert_default();
        keeping.ticket += 1;
        (keeping.ticket - 1, &mut keeping.batch)
    }

    /// The jobs of the batches up to this one are kept, or cannot be. In the second case they are taken back:
    /// their acknowledgements have not gone out, and [`busy`] goes out in their place.
    pub fn handle_stored(&mut self, ticket: Ticket, is_kept: bool, now: Now) {
        while let Some(unkept) = self.pop_unkept(ticket) {
            if !is_kept {
                self.withdraw(unkept.job, Withdrawal::NotKept, now);
            } else if self.jobs.keep(unkept.job, unkept.due.max(now.tick)) {
                let waited_ms = now.tick.millis_since(unkept.since);
                self.counters.note_kept(waited_ms);
            }
        }
        let unkept = self.keeping.iter_mut().map(|keeping| &mut keeping.unkept);
        unkept
            .filter(|unkept| unkept.len() < UNKEPT_KEPT)
            .for_each(|unkept| unkept.shrink_to(UNKEPT_KEPT));
    }

    fn pop_unkept(&mut self, ticket: Ticket) -> Option<Unkept> {
        let unkept = &mut self.keeping.as_mut()?.unkept;
        unkept.front().filter(|first| first.ticket <= ticket)?;
        unkept.pop_front()
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
        if let Some(keeping) = &mut self.keeping {
            keeping.batch.withdraw(job);
        }
        let why = match self.condition {
            Condition::Draining => Withdrawal::Stop,
            _ => Withdrawal::HeldTooLong,
        };
        self.withdraw(job, why, now);
        busy()
    }

    pub(super) fn note_outcome(&mut self, outcome: Outcome) {
        if let Some(keeping) = &mut self.keeping {
            keeping.batch.add(outcome);
        }
    }

    /// Takes back a job whose acknowledgement has not gone out, if that was not done before.
    fn withdraw(&mut self, job: Key, why: Withdrawal, now: Now) {
        if self.jobs.get(job).is_none() {
            return;
        }
        self.jobs.withdraw(job);
        self.counters.withdrawn[why as usize] += 1;
        let (refusal, number) = (Refusal::NotKept, job.generation());
        let level = self.note_refusal(refusal, now);
        log!(level, "command {number}: refused with {refusal}");
    }
}
