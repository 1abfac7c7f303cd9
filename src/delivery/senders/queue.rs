//! What the loop and the sender threads share behind one lock: deliveries, blocking commands, reports, and the threads that
//! are idle.

use std::collections::{HashMap, VecDeque};
use std::thread::{Thread, ThreadId};
use std::time::Instant;

use ureq::Agent;

use crate::app::{CommandRun, Delivery, Report, SenderEvent};
use crate::jobs::Outcome;
use crate::slab::Key;
use crate::time::Tick;

/// Threads that take deliveries as long as none is late: enough to keep a processor busy with a receiver that answers at
/// once. More of them would then only take it from each other, and from the acknowledgements.
const PROMPT_THREADS: usize = 4;
/// A delivery that has waited in the queue for so long is late: its receivers are slow, and all threads are needed.
const LATE_MS: u64 = 20;
/// Unless so many others were taken in each millisecond of its wait, one by each of the few threads: then receivers do answer at
/// once, what is short is processor time, and more threads would not give any.
const PROMPT_POSTS_PER_MS: u64 = 4;

/// A delivery that waits for a thread.
#[derive(Debug)]
pub(crate) struct Waiting {
    since: Tick,
    /// How many others waited then: so many have been taken since when it is the first.
    ahead: u64,
    delivery: Delivery,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Deliveries that wait for a thread.
    pub(crate) deliveries: VecDeque<Waiting>,
    /// Blocking commands that wait for a thread, since when, and by when each must be over.
    pub(crate) runs: VecDeque<(Tick, Instant, CommandRun)>,
    /// Reports that the loop has not taken yet. Only the first of them wakes it.
    pub(crate) reports: VecDeque<SenderEvent>,
    /// How many threads may post now; those that run a command are not among them.
    pub(crate) wanted: usize,
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
    const fn at_work(&self) -> usize {
        self.threads - self.idle.len()
    }

    /// How many threads post, or are on their way.
    const fn posting(&self) -> usize {
        self.at_work().saturating_sub(self.running)
    }

    /// Adds deliveries that have become due.
    pub(crate) fn extend(&mut self, deliveries: impl Iterator<Item = Delivery>, now: Tick) {
        let waiting = (self.deliveries.len() as u64..).zip(deliveries);
        self.deliveries
            .extend(waiting.map(|(ahead, delivery)| Waiting {
                since: now,
                ahead,
                delivery,
            }));
    }

    /// Decides how many threads may be at work, and when to decide again: when the first delivery that waits will be late.
    /// How many are at work now does not matter: they may be idle before that.
    pub(crate) fn scale(&mut self, now: Tick, threads_max: usize) -> Option<Tick> {
        let late_at = self.late_at()?;
        if late_at <= now || threads_max <= PROMPT_THREADS {
            self.wanted = threads_max;
            None
        } else {
            self.wanted = PROMPT_THREADS;
            Some(late_at)
        }
    }

    /// When the first delivery that waits is or was late. Where all threads are wanted already, how many they take says nothing
    /// of the few.
    fn late_at(&self) -> Option<Tick> {
        let first = self.deliveries.front()?;
        let wait_ms = match self.wanted > PROMPT_THREADS {
            true => LATE_MS,
            false => LATE_MS.max(first.ahead / PROMPT_POSTS_PER_MS),
        };
        Some(first.since.after(wait_ms))
    }

    /// Takes the idle threads to be woken for the deliveries that wait; gives how many have to be started beside them.
    /// Each command that waits has a thread of its own, as long as there are threads.
    pub(crate) fn wake(&mut self, threads_max: usize) -> (Vec<Thread>, usize) {
        let waiting = self.deliveries.len() + self.runs.len();
        let more = (self.wanted + self.runs.len())
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
        let may_post = self.posting() <= self.wanted;
        let delivery = self.deliveries.front().filter(|_| may_post);
        let is_post = match (delivery, self.runs.front()) {
            (Some(first), Some((other, ..))) => first.since <= *other,
            (delivery, _) => delivery.is_some(),
        };
        if is_post {
            let first = self.deliveries.pop_front()?;
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
mod tests {
    use std::thread;

    use super::*;
    use crate::app::command_run::tests::command_run;
    use crate::slab::Key;

    fn delivery(number: u32) -> Waiting {
        let delivery = Delivery {
            job: Key::from_parts(number, 1),
            url: String::new(),
            body: Vec::new(),
        };
        Waiting {
            since: Tick(0),
            ahead: 0,
            delivery,
        }
    }

    /// A queue with so many deliveries, and threads of which so many are at work.
    fn queue(deliveries: u32, at_work: usize, idle: usize, wanted: usize) -> Queue {
        Queue {
            deliveries: (0..deliveries).map(delivery).collect(),
            wanted,
            threads: at_work + idle,
            idle: (0..idle).map(|_| other_thread()).collect(),
            ..Queue::default()
        }
    }

    fn other_thread() -> Thread {
        thread::spawn(|| {}).thread().clone()
    }

    #[test]
    fn the_latest_idle_threads_are_woken_before_new_ones_are_started() {
        let mut queue = queue(3, 0, 2, 8);
        let latest = queue.idle[1].id();
        let (woken, missing) = queue.wake(64);
        assert_eq!((woken.len(), missing, queue.at_work()), (2, 1, 3));
        assert_eq!(woken[1].id(), latest);
        let (woken, missing) = queue.wake(64);
        assert_eq!((woken.len(), missing), (0, 0), "they are on their way");
        let mut queue = self::queue(1, 0, 2, 8);
        let latest = queue.idle[1].id();
        let (woken, missing) = queue.wake(64);
        assert_eq!((woken.len(), missing, queue.at_work()), (1, 0, 1));
        assert_eq!(woken[0].id(), latest);
    }

    #[test]
    fn no_more_threads_are_put_to_work_than_are_wanted_or_have_something_to_do() {
        assert_eq!(queue(100, 3, 0, 8).wake(64).1, 5);
        assert_eq!(queue(2, 3, 0, 8).wake(64).1, 2);
        assert_eq!(queue(100, 8, 0, 8).wake(64).1, 0);
        assert_eq!(queue(100, 64, 0, 8).wake(64).1, 0);
    }

    #[test]
    fn a_thread_beyond_those_that_are_wanted_takes_nothing() {
        let mut queue = queue(2, 9, 0, 8);
        assert!(queue.take().is_none());
        queue.wanted = 9;
        assert!(queue.take().is_some());
    }

    /// Of ten threads at work eight hang, and the other two go idle since only eight are wanted.
    #[test]
    fn what_waits_behind_all_threads_becomes_late_even_so() {
        let mut queue = queue(1, 10, 0, 10);
        assert_eq!(queue.scale(Tick(0), 10), Some(Tick(LATE_MS)));
        assert_eq!(queue.wake(64).1, 0);
        let thread = other_thread();
        assert!(matches!(queue.next(&thread, true), Next::Wait));
        assert!(matches!(queue.next(&thread, true), Next::Wait));
        assert_eq!(queue.scale(Tick(LATE_MS), 10), None);
        assert_eq!(queue.wake(64).0.len(), 1);
    }

    /// A queue with so many commands besides, at ticks from 5 on.
    fn with_runs(mut queue: Queue, runs: u64) -> Queue {
        let run = |at| (Tick(at), Instant::now(), command_run(&|_, _| Ok("".into())));
        queue.runs = (5..5 + runs).map(run).collect();
        queue
    }

    #[test]
    fn each_command_has_a_thread_of_its_own_beside_those_that_post() {
        let wake = |queue| with_runs(queue, 3).wake(64).1;
        assert_eq!(wake(queue(0, 8, 0, 8)), 3);
        assert_eq!(wake(queue(9, 8, 0, 8)), 3);
        assert_eq!(wake(queue(0, 62, 0, 8)), 0, "enough are on their way");
        let running = |at_work, running| Queue {
            running,
            ..queue(9, at_work, 0, 8)
        };
        assert_eq!(wake(running(60, 56)), 4, "there are no more");
        assert_eq!(wake(running(50, 50)), 11);
    }

    #[test]
    fn a_thread_beyond_those_that_post_takes_a_command() {
        let mut queue = with_runs(queue(2, 9, 0, 8), 1);
        assert!(matches!(queue.take(), Some(Errand::Run(..))));
        assert_eq!(queue.running, 1);
        assert!(
            matches!(queue.take(), Some(Errand::Post(_))),
            "it posts no more"
        );
        let report = queue.take().is_some().then_some(());
        assert_eq!((report, queue.deliveries.len()), (Some(()), 0));
    }

    #[test]
    fn what_has_waited_longer_is_taken_first() {
        let mut queue = with_runs(queue(1, 1, 0, 8), 1);
        queue.deliveries[0].since = Tick(6);
        assert!(matches!(queue.take(), Some(Errand::Run(..))));
        let mut queue = with_runs(self::queue(1, 1, 0, 8), 1);
        queue.deliveries[0].since = Tick(5);
        assert!(matches!(queue.take(), Some(Errand::Post(_))));
    }

    #[test]
    fn a_command_that_no_thread_can_run_is_reported_as_not_run() {
        let mut queue = with_runs(queue(1, 0, 0, 8), 2);
        assert_eq!(queue.wake(64).1, 3);
        assert!(queue.give_up_threads(3));
        let kinds = queue
            .reports
            .iter()
            .map(|done| matches!(done, SenderEvent::NotRun(_)));
        assert_eq!(kinds.collect::<Vec<_>>(), [false, true, true]);
        assert_eq!((queue.runs.len(), queue.running), (0, 0));
    }

    #[test]
    fn all_threads_are_wanted_when_they_are_few_or_something_is_late() {
        let mut queue = queue(1, 0, 0, 0);
        assert_eq!((queue.scale(Tick(0), 3), queue.wanted), (None, 3));
        let late = Some(Tick(LATE_MS));
        assert_eq!(queue.scale(Tick(0), 64), late);
        assert_eq!(queue.wanted, PROMPT_THREADS);
        assert_eq!(queue.scale(Tick(LATE_MS - 1), 64), late);
        assert_eq!((queue.scale(Tick(LATE_MS), 64), queue.wanted), (None, 64));
        queue.deliveries.clear();
        assert_eq!(queue.scale(Tick(LATE_MS), 64), None);
    }

    /// What came at once was taken at such a rate that receivers answer at once.
    #[test]
    fn a_delivery_behind_many_that_were_taken_quickly_is_not_late() {
        let mut queue = queue(0, 4, 0, 4);
        queue.extend((0..200).map(|number| delivery(number).delivery), Tick(0));
        assert_eq!(queue.scale(Tick(0), 64), Some(Tick(LATE_MS)));
        queue.deliveries.drain(..160);
        assert_eq!(queue.scale(Tick(LATE_MS), 64), Some(Tick(40)));
        assert_eq!(queue.wanted, PROMPT_THREADS);
        assert_eq!((queue.scale(Tick(40), 64), queue.wanted), (None, 64));
        // Now that all threads take them, they take more, and are wanted until none waits for long.
        queue.extend((200..300).map(|number| delivery(number).delivery), Tick(41));
        queue.deliveries.drain(..40);
        assert_eq!((queue.scale(Tick(61), 64), queue.wanted), (None, 64));
        assert_eq!(queue.scale(Tick(60), 64), Some(Tick(61)));
        assert_eq!(queue.wanted, PROMPT_THREADS);
    }

    #[test]
    fn what_no_thread_can_take_is_reported_as_unsent() {
        let mut queue = queue(3, 1, 0, 8);
        assert_eq!(queue.wake(64).1, 3);
        assert!(!queue.give_up_threads(3), "there is one that may take it");
        assert_eq!(
            (queue.threads, queue.starting, queue.deliveries.len()),
            (1, 0, 3)
        );
        queue.threads = 0;
        assert_eq!(queue.wake(64).1, 3);
        assert!(queue.give_up_threads(3));
        assert_eq!(
            (queue.threads, queue.starting, queue.deliveries.len()),
            (0, 0, 0)
        );
        assert!(queue.reports.iter().all(
            |done| matches!(done, SenderEvent::Posted(report) if report.outcome == Outcome::Unsent)
        ));
        assert_eq!(queue.reports.len(), 3);
    }

    #[test]
    fn a_thread_that_finds_nothing_waits_once_and_ends_when_it_may_not() {
        let mut queue = queue(0, 2, 1, 8);
        let thread = queue.idle[0].clone();
        queue.forget_idle(&thread);
        assert_eq!((queue.idle.len(), queue.at_work()), (0, 3));
        queue.starting = 1;
        queue.forget_idle(&thread);
        assert_eq!((queue.starting, queue.at_work()), (0, 3));
        assert!(matches!(queue.next(&thread, true), Next::Wait));
        assert_eq!((queue.idle.len(), queue.at_work()), (1, 2));
        queue.forget_idle(&thread);
        assert!(matches!(queue.next(&thread, false), Next::End));
        queue.closed = true;
        assert!(matches!(queue.next(&thread, true), Next::End));
        assert_eq!((queue.threads, queue.at_work()), (1, 1));
        queue.deliveries.push_back(delivery(0));
        assert!(matches!(
            queue.next(&thread, false),
            Next::Do(Errand::Post(_))
        ));
    }
}
