//! What the loop and the sender threads share behind one lock: deliveries, blocking commands, reports, and the threads that
//! are idle.

use std::collections::{HashMap, VecDeque};
use std::thread::{Thread, ThreadId};
use std::time::Instant;

use ureq::Agent;

use super::concurrency::Concurrency;
use crate::app::{CommandRun, Delivery, Report, SenderEvent};
use crate::jobs::Outcome;
use crate::slab::Key;
use crate::time::Tick;

/// A delivery that waits for a thread.
#[derive(Debug)]
pub(crate) struct Waiting {
    since: Tick,
    delivery: Delivery,
}

#[derive(Debug)]
pub(crate) struct Queue {
    /// Deliveries that wait for a thread.
    pub(crate) deliveries: VecDeque<Waiting>,
    /// Blocking commands that wait for a thread, since when, and by when each must be over.
    pub(crate) runs: VecDeque<(Tick, Instant, CommandRun)>,
    /// Reports that the loop has not taken yet. Only the first of them wakes it.
    pub(crate) reports: VecDeque<SenderEvent>,
    /// How many threads may post now; those that run a command are not among them.
    concurrency: Concurrency,
    /// How many threads run a command.
    pub(crate) running: usize,
    /// How many threads there are, those that are about to start included.
    pub(crate) threads: usize,
    /// How many of them were woken or started and have not asked for a delivery yet.
    pub(crate) starting: usize,
    /// Those of them that wait, the latest last. That one is woken first: its connection is the least likely to have been
    /// closed, and the others reach the time after which an idle thread ends.
    pub(crate) idle: Vec<Thread>,
    /// The clients of the threads, which a stop interrupts.
    pub(crate) agents: HashMap<ThreadId, Agent>,
    pub(crate) closed: bool,
}

/// What a thread has to do, once.
#[derive(Debug)]
pub(crate) enum Errand {
    Post(Delivery),
    /// A blocking command, and by when it must be over.
    Run(CommandRun, Instant),
}

/// What a thread is to do.
pub(crate) enum Next {
    Do(Errand),
    Wait,
    End,
}

impl Queue {
    pub(crate) fn new(threads_max: usize) -> Self {
        Self {
            deliveries: VecDeque::new(),
            runs: VecDeque::new(),
            reports: VecDeque::new(),
            concurrency: Concurrency::new(threads_max),
            running: 0,
            threads: 0,
            starting: 0,
            idle: Vec::new(),
            agents: HashMap::new(),
            closed: false,
        }
    }

    const fn at_work(&self) -> usize {
        self.threads - self.idle.len()
    }

    /// How many threads post, or are on their way.
    const fn posting(&self) -> usize {
        self.at_work().saturating_sub(self.running)
    }

    /// Adds deliveries that have become due.
    pub(crate) fn extend(&mut self, deliveries: impl Iterator<Item = Delivery>, now: Tick) {
        if self.deliveries.is_empty() {
            self.concurrency.note_empty();
        }
        let waiting = deliveries.map(|delivery| Waiting {
            since: now,
            delivery,
        });
        self.deliveries.extend(waiting);
    }

    /// Decides how many threads may post, and when to decide again if deliveries wait until then. How many are at work now
    /// does not matter: they may be idle before that.
    pub(crate) fn scale(&mut self, now: Tick) -> Option<Tick> {
        match self.deliveries.is_empty() {
            true => None,
            false => self.concurrency.review(now),
        }
    }

    /// How many threads may post at once.
    pub(crate) fn posts_max(&self) -> usize {
        self.concurrency.limit()
    }

    /// Takes the idle threads to be woken for the deliveries that wait; gives how many have to be started beside them.
    /// Each command that waits has a thread of its own, as long as there are threads.
    pub(crate) fn wake(&mut self, threads_max: usize) -> (Vec<Thread>, usize) {
        let waiting = self.deliveries.len() + self.runs.len();
        let more = (self.posts_max() + self.runs.len())
            .saturating_sub(self.posting())
            .min(waiting.saturating_sub(self.starting))
            .min(threads_max.saturating_sub(self.at_work()));
        let woken = self.idle.split_off(self.idle.len().saturating_sub(more));
        let missing = more - woken.len();
        self.threads += missing;
        self.starting += more;
        (woken, missing)
    }

    /// Uncounts threads that could not be started. `true`: there is no thread at all. Then no thread would take the
    /// deliveries that wait: they are reported as not sent, so that they are tried again after their backoff.
    pub(crate) fn give_up_threads(&mut self, count: usize) -> bool {
        self.threads -= count;
        self.starting -= count;
        if self.threads > 0 {
            return false;
        }
        let unsent = |job| unsent(job, "no sender thread");
        let stranded = self.deliveries.drain(..);
        let stranded = stranded.map(|waiting| SenderEvent::Posted(unsent(waiting.delivery.job)));
        self.reports.extend(stranded);
        let stranded = self.runs.drain(..);
        let stranded = stranded.map(|(.., run)| SenderEvent::NotRun(unsent(run.job)));
        self.reports.extend(stranded);
        true
    }

    /// A thread has done something. `true`: the loop has to be woken for it.
    pub(crate) fn report(&mut self, event: SenderEvent) -> bool {
        self.running -= usize::from(matches!(
            event,
            SenderEvent::Ran(_) | SenderEvent::NotRun(_)
        ));
        self.reports.push_back(event);
        self.reports.len() == 1
    }

    /// The next thing for a thread to do: what has waited longer. Nothing is posted if enough other threads post.
    fn take(&mut self) -> Option<Errand> {
        let may_post = self.posting() <= self.posts_max();
        let delivery = self.deliveries.front().filter(|_| may_post);
        let is_post = match (delivery, self.runs.front()) {
            (Some(first), Some((other, ..))) => first.since <= *other,
            (delivery, _) => delivery.is_some(),
        };
        if is_post {
            let first = self.deliveries.pop_front()?;
            self.concurrency.note_taken();
            return Some(Errand::Post(first.delivery));
        }
        let (_, over_at, run) = self.runs.pop_front()?;
        self.running += 1;
        Some(Errand::Run(run, over_at))
    }

    /// What a thread does next that has nothing to do.
    pub(crate) fn next(&mut self, thread: &Thread, may_wait: bool) -> Next {
        if let Some(errand) = self.take() {
            Next::Do(errand)
        } else if may_wait && !self.closed {
            self.idle.push(thread.clone());
            Next::Wait
        } else {
            self.threads -= 1;
            self.agents.remove(&thread.id());
            Next::End
        }
    }

    /// A thread waits no longer. If it is not listed as idle, [`Self::wake`] has taken it off the list.
    pub(crate) fn forget_idle(&mut self, thread: &Thread) {
        match self.idle.iter().position(|idle| idle.id() == thread.id()) {
            Some(index) => _ = self.idle.remove(index),
            None => self.starting = self.starting.saturating_sub(1),
        }
    }
}

/// The report of something that was not begun.
pub(crate) fn unsent(job: Key, detail: &str) -> Report {
    Report {
        job,
        outcome: Outcome::Unsent,
        detail: detail.to_owned(),
        took_ms: 0,
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod workloads;
