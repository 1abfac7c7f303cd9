//! A small pool of threads that post replies, each one attempt at a time.
//!
//! Whether and when there is another attempt is not decided here. A receiver that hangs holds up the
//! thread that waits for it, and the others only when it holds up all of them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::warn;
use mio::Waker;
use ureq::Agent;

use super::agent::{self, Agents};
use crate::bot::{Delivery, Report};
use crate::jobs::Outcome;

/// A thread that has had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(10);

/// The loop's side of the pool.
#[derive(Debug)]
pub(super) struct Senders {
    shared: Arc<Shared>,
    reports: Receiver<Report>,
    agents: Agents,
    threads_max: usize,
    /// Deliveries handed over whose report is not in yet.
    outstanding: usize,
    /// Deliveries of this turn.
    batch: Vec<Delivery>,
}

/// What the threads share with the loop.
#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    available: Condvar,
    reports: Sender<Report>,
    /// Whether the loop has been woken and has not looked yet: one wake-up serves many reports.
    woken: AtomicBool,
    waker: Arc<Waker>,
}

#[derive(Debug, Default)]
struct Queue {
    deliveries: VecDeque<Delivery>,
    /// Threads that exist, and those of them that wait.
    threads: usize,
    idle: usize,
    /// What they post with; it goes with the last of them, and its connections with it.
    agent: Option<Agent>,
    closed: bool,
}

impl Senders {
    /// A pool of at most `threads_max` threads, none of which is started before it is needed.
    pub(super) fn new(agents: Agents, threads_max: usize, waker: Arc<Waker>) -> Self {
        let (sender, reports) = channel();
        let shared = Shared {
            queue: Mutex::default(),
            available: Condvar::new(),
            reports: sender,
            woken: AtomicBool::new(false),
            waker,
        };
        Self {
            shared: Arc::new(shared),
            reports,
            agents,
            threads_max,
            outstanding: 0,
            batch: Vec::new(),
        }
    }

    /// How many more deliveries the queue takes: each thread has one at hand and one to go on with.
    pub(super) const fn room(&self) -> usize {
        (self.threads_max * 2).saturating_sub(self.outstanding)
    }

    /// Deliveries handed over whose report is not in yet.
    pub(super) const fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Threads that live, and how many may.
    pub(super) fn threads(&self) -> (usize, usize) {
        (self.shared.lock().threads, self.threads_max)
    }

    /// Adds a delivery to this turn's batch.
    pub(super) fn enqueue(&mut self, delivery: Delivery) {
        self.outstanding += 1;
        self.batch.push(delivery);
    }

    /// Hands over the batch, wakes the threads that it needs and starts those that are missing.
    pub(super) fn submit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut queue = self.shared.lock();
        queue.deliveries.extend(self.batch.drain(..));
        let waiting = queue.deliveries.len();
        let missing = waiting
            .saturating_sub(queue.idle)
            .min(self.threads_max - queue.threads);
        let woken = waiting.min(queue.idle);
        queue.threads += missing;
        let agent = queue
            .agent
            .get_or_insert_with(|| self.agents.make())
            .clone();
        drop(queue);
        for _ in 0..woken {
            self.shared.available.notify_one();
        }
        for started in 0..missing {
            let (shared, agent) = (self.shared.clone(), agent.clone());
            let thread = thread::Builder::new().name("sender".to_owned());
            if let Err(error) = thread.spawn(move || shared.serve(&agent)) {
                warn!("cannot start a sender thread: {error}");
                self.shared.forget_threads(missing - started);
                break;
            }
        }
    }

    /// The next report, if there is one.
    pub(super) fn poll_report(&mut self) -> Option<Report> {
        // Before looking, so that a report which comes after the look wakes the loop again.
        self.shared.woken.store(false, Ordering::SeqCst);
        let report = self.reports.try_recv().ok()?;
        self.outstanding -= 1;
        Some(report)
    }

    /// Interrupts what is being sent and lets the threads end.
    pub(super) fn stop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        queue.deliveries.clear();
        let agent = queue.agent.take();
        drop(queue);
        self.shared.available.notify_all();
        if let Some(agent) = agent {
            agent.shutdown();
        }
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Queue {
    /// A thread ends.
    fn leave(&mut self) -> Option<Delivery> {
        self.threads -= 1;
        if self.threads == 0 {
            self.agent = None;
        }
        None
    }
}

impl Shared {
    /// A queue is whole between any two statements: a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life: one delivery after the other, until there was none for a while.
    fn serve(&self, agent: &Agent) {
        while let Some(delivery) = self.take() {
            let job = delivery.job;
            let attempt = catch_unwind(AssertUnwindSafe(|| agent::attempt(agent, &delivery)));
            self.report(attempt.unwrap_or_else(|_| Report {
                job,
                outcome: Outcome::Unknown,
                detail: "the HTTP client panicked".to_owned(),
                took_ms: 0,
            }));
        }
    }

    fn take(&self) -> Option<Delivery> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return queue.leave();
            }
            if let Some(delivery) = queue.deliveries.pop_front() {
                return Some(delivery);
            }
            queue.idle += 1;
            let (guard, wait) = self
                .available
                .wait_timeout(queue, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            queue.idle -= 1;
            if wait.timed_out() && queue.deliveries.is_empty() {
                return queue.leave();
            }
        }
    }

    fn report(&self, report: Report) {
        // Neither fails before the loop is gone, and then nobody wants to know.
        let _ = self.reports.send(report);
        if !self.woken.swap(true, Ordering::SeqCst) {
            let _ = self.waker.wake();
        }
    }

    /// Threads that were counted and could not be started. If there is none at all, nobody would ever
    /// take what is queued: it counts as not sent, and comes back after its backoff.
    fn forget_threads(&self, count: usize) {
        let mut queue = self.lock();
        queue.threads -= count;
        if queue.threads > 0 {
            return;
        }
        let stranded = std::mem::take(&mut queue.deliveries);
        drop(queue);
        for delivery in stranded {
            self.report(Report {
                job: delivery.job,
                outcome: Outcome::Unsent,
                detail: "no sender thread".to_owned(),
                took_ms: 0,
            });
        }
    }
}
