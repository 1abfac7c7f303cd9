//! A small pool of threads that post replies, each one attempt at a time, and run blocking commands.
//!
//! Whether and when there is another attempt is not decided here. A receiver that hangs delays the threads that wait for
//! it, and other receivers only when it has all threads. A command that hangs holds its thread; commands never have all
//! threads.

mod concurrency;
mod queue;

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use log::warn;
use mio::Waker;

use self::queue::{Errand, Next, Queue, unsent};
use super::agent::{Agents, Poster};
use crate::app::{CommandRun, Delivery, Report, RunReport, SenderEvent};
use crate::config::runs_max;
use crate::engine::platform::Senders;
use crate::time::{Tick, millis};

/// A thread that has been idle for so long ends.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Deliveries taken from the bot for each thread that may post, the one under way included. With more, threads whose receivers
/// answer at once would never run out of them, and acknowledgements would wait behind all that they post.
const DELIVERIES_PER_THREAD: usize = 8;
/// The threads' niceness above the loop's: where both want the same processor, an acknowledgement goes before a reply.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 4;

/// When a thread could not be started, the next try is made so much later.
const START_RETRY_MS: u64 = 1_000;
/// The warning of that is logged at most once in this time.
const WARNING_PERIOD_MS: u64 = 10_000;

/// The senders as the loop sees them.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads_max: usize,
    /// How many threads may post at once.
    posts_max: usize,
    /// Deliveries without a report yet.
    outstanding: usize,
    /// Commands without a report yet.
    runs: usize,
    /// When the deliveries that still wait then may need more threads.
    review_at: Option<Tick>,
    warned_at: Option<Tick>,
    /// Deliveries of this turn.
    batch: Vec<Delivery>,
    /// Commands of this turn, and by when each must be over.
    run_batch: Vec<(Instant, CommandRun)>,
    /// Reports of this turn.
    reports: VecDeque<SenderEvent>,
}

/// What the threads share with the loop.
#[derive(Debug)]
struct Shared {
    agents: Agents,
    queue: Mutex<Queue>,
    waker: Arc<Waker>,
}

impl Pool {
    /// A pool of at most `threads_max` threads, none of which is started before it is needed.
    pub(crate) fn new(agents: Agents, threads_max: usize, waker: Arc<Waker>) -> Self {
        let shared = Shared {
            agents,
            queue: Mutex::new(Queue::new(threads_max)),
            waker,
        };
        let posts_max = shared.lock().posts_max();
        Self {
            shared: Arc::new(shared),
            threads_max,
            posts_max,
            outstanding: 0,
            runs: 0,
            review_at: None,
            warned_at: None,
            batch: Vec::new(),
            run_batch: Vec::new(),
            reports: VecDeque::new(),
        }
    }

    /// Goes on without threads that could not be started. All others may wait for a receiver that hangs, so that starting
    /// more is tried again.
    fn give_up_threads(&mut self, count: usize, error: &io::Error, now: Tick) {
        if self
            .warned_at
            .is_none_or(|at| now >= at.after(WARNING_PERIOD_MS))
        {
            self.warned_at = Some(now);
            warn!("cannot start a sender thread: {error}");
        }
        if self.shared.lock().give_up_threads(count) {
            self.shared.wake_loop();
        } else {
            self.review_at = Some(now.after(START_RETRY_MS));
        }
    }
}

impl Senders for Pool {
    fn room(&self) -> usize {
        (self.posts_max * DELIVERIES_PER_THREAD).saturating_sub(self.outstanding)
    }

    fn outstanding(&self) -> usize {
        self.outstanding
    }

    fn threads(&self) -> (usize, usize) {
        (self.shared.lock().threads, self.threads_max)
    }

    fn runs(&self) -> (usize, usize) {
        (self.runs, runs_max(self.threads_max))
    }

    fn poll_timeout(&self) -> Option<Tick> {
        self.review_at
    }

    fn enqueue(&mut self, delivery: Delivery) {
        self.outstanding += 1;
        self.batch.push(delivery);
    }

    fn run_room(&self) -> usize {
        runs_max(self.threads_max).saturating_sub(self.runs)
    }

    fn enqueue_run(&mut self, run: CommandRun) {
        self.runs += 1;
        let time_left = Duration::from_millis(run.time_left_ms);
        self.run_batch.push((Instant::now() + time_left, run));
    }

    fn submit(&mut self, now: Tick) {
        if self.batch.is_empty() && self.run_batch.is_empty() && self.review_at.is_none() {
            return;
        }
        let mut queue = self.shared.lock();
        queue.extend(self.batch.drain(..), now);
        let runs = self.run_batch.drain(..);
        queue
            .runs
            .extend(runs.map(|(over_at, run)| (now, over_at, run)));
        self.review_at = queue.scale(now);
        self.posts_max = queue.posts_max();
        let (woken, missing) = queue.wake(self.threads_max);
        drop(queue);
        for thread in woken.iter().rev() {
            thread.unpark();
        }
        for started in 0..missing {
            let shared = self.shared.clone();
            let thread = thread::Builder::new().name("sender".to_owned());
            if let Err(error) = thread.spawn(move || shared.serve()) {
                self.give_up_threads(missing - started, &error, now);
                break;
            }
        }
        debug_assert!(
            self.review_at.is_none_or(|at| at > now),
            "its deadline is met"
        );
    }

    fn poll_report(&mut self, _: Tick) -> Option<SenderEvent> {
        if self.reports.is_empty() && self.outstanding + self.runs > 0 {
            std::mem::swap(&mut self.reports, &mut self.shared.lock().reports);
        }
        let done = self.reports.pop_front()?;
        match done {
            SenderEvent::Posted(_) => self.outstanding -= 1,
            SenderEvent::MessagesUsed(..) => {}
            SenderEvent::Ran(_) | SenderEvent::NotRun(_) => self.runs -= 1,
        }
        Some(done)
    }

    fn stop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        queue.deliveries.clear();
        queue.runs.clear();
        let idle = std::mem::take(&mut queue.idle);
        let agents = std::mem::take(&mut queue.agents);
        drop(queue);
        for thread in idle {
            thread.unpark();
        }
        for agent in agents.into_values() {
            agent.shutdown();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One attempt, whatever the client does.
fn attempt(poster: &mut Poster, delivery: &Delivery) -> Report {
    let attempt = catch_unwind(AssertUnwindSafe(|| poster.attempt(delivery)));
    attempt.unwrap_or_else(|_| Report {
        job: delivery.job,
        outcome: poster.outcome_of_failure(),
        detail: "the HTTP client panicked".to_owned(),
        took_ms: 0,
    })
}

/// Puts this thread behind the loop. Only Linux has a niceness for each thread; POSIX has one for the process, which would
/// lower the loop's as well.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        log::debug!("a sender thread keeps its priority: {error}");
    }
}

impl Shared {
    /// A poisoned lock is taken all the same: the queue is consistent between any two statements.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does: one delivery after the other, until it was idle for too long.
    fn serve(&self) {
        let thread = thread::current();
        lower_priority();
        let mut poster = self.agents.make();
        let mut queue = self.lock();
        queue.agents.insert(thread.id(), poster.agent().clone());
        queue.starting -= 1;
        drop(queue);
        let mut done = None;
        while let Some(errand) = self.exchange(&thread, done) {
            done = Some(match errand {
                Errand::Post(delivery) => SenderEvent::Posted(attempt(&mut poster, &delivery)),
                Errand::Run(run, over_at) => self.run(run, over_at, &mut poster),
            });
        }
    }

    /// Runs a blocking command. Its messages are posted from here.
    fn run(&self, mut run: CommandRun, over_at: Instant, poster: &mut Poster) -> SenderEvent {
        let begun = Instant::now();
        // It has waited for too long: the loop gives it up, and tells the person so.
        if begun >= over_at {
            let detail = "its time was over before a thread was free";
            return SenderEvent::NotRun(unsent(run.job, detail));
        }
        run.time_left_ms = millis(over_at.saturating_duration_since(begun));
        let mut post = |delivery: &Delivery| {
            let may_post = Instant::now() < over_at && !self.lock().closed;
            may_post.then(|| attempt(poster, delivery))
        };
        // Not when it is over: the process may die before.
        let mut used = |uses| {
            if self.lock().report(SenderEvent::MessagesUsed(run.job, uses)) {
                self.wake_loop();
            }
        };
        let report = run.perform(&mut post, &mut used);
        SenderEvent::Ran(RunReport {
            took_ms: millis(begun.elapsed()),
            ..report
        })
    }

    /// Hands in a report and takes the next delivery, after waiting for one if necessary; `None`: the thread ends. Both are
    /// one step under the lock: when the loop sees the report, the thread is either at work again or listed as idle, and
    /// never counted as busy when the loop scales the pool for the next delivery.
    fn exchange(&self, thread: &Thread, done: Option<SenderEvent>) -> Option<Errand> {
        let mut queue = self.lock();
        let is_first = done.is_some_and(|done| queue.report(done));
        let next = queue.next(thread, true);
        drop(queue);
        if is_first {
            self.wake_loop();
        }
        match next {
            Next::Do(errand) => Some(errand),
            Next::Wait => self.wait(thread),
            Next::End => None,
        }
    }

    /// Waits, listed as idle, until there is something to do, or for as long as a thread may be idle.
    fn wait(&self, thread: &Thread) -> Option<Errand> {
        let until = Instant::now() + IDLE_MAX;
        loop {
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
            let may_wait = Instant::now() < until;
            let mut queue = self.lock();
            queue.forget_idle(thread);
            match queue.next(thread, may_wait) {
                Next::Do(errand) => return Some(errand),
                Next::Wait => {}
                Next::End => return None,
            }
        }
    }

    fn wake_loop(&self) {
        // It fails only when the loop is gone, and then there is nothing to wake.
        let _ = self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token};

    use super::*;
    use crate::app::command_run::tests::command_run;
    use crate::config::{Config, Settings};

    #[test]
    #[cfg(target_os = "linux")]
    fn a_sender_thread_goes_behind_the_loop() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let lowered = thread::spawn(move || {
            lower_priority();
            niceness()
        });
        assert_eq!(lowered.join().unwrap(), (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
    }

    #[test]
    fn a_command_whose_time_is_over_does_not_begin() {
        let poll = Poll::new().unwrap();
        let config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        let shared = Shared {
            agents: Agents::new(&config).unwrap(),
            queue: Mutex::new(Queue::new(1)),
            waker: Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()),
        };
        let run = command_run(&|_, _| panic!("it has begun"));
        let done = shared.run(run, Instant::now(), &mut shared.agents.make());
        assert!(matches!(done, SenderEvent::NotRun(_)), "{done:?}");
        shared.lock().running = 1;
        shared.lock().report(done);
        assert_eq!(shared.lock().running, 0);
    }
}
