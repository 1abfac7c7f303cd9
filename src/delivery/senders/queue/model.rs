//! The loop and its sender threads in virtual time, around the queue that they share. As in a running bot the loop turns only
//! when something wakes it: replies that are due, the first report, or the deadline that [`Queue::scale`] has given.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::thread;

use super::super::DELIVERIES_PER_THREAD;
use super::super::START_RETRY_MS;
use super::*;
use crate::app::command_run::tests::command_run;
use crate::config::runs_max;

/// From a wake-up until the thread, or the loop, runs.
const WAKE_US: u64 = 30;
const IDLE_MAX_US: u64 = 10_000_000;
pub(super) const THREADS_MOST: usize = 64;
/// What does not move for so long while a thread is free is stuck: two reviews, one of them in vain.
const STUCK_US: u64 = 45_000;

/// How long the receiver takes for a reply of this number at this time, both in µs.
pub(super) type Takes<'a> = &'a dyn Fn(u32, u64) -> u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// So many replies and commands become due.
    Due(u32, u32),
    Turn,
    /// A thread that was started, or woken, runs.
    Started(usize),
    Woken(usize),
    /// It has done what it had to.
    Done(usize),
    /// It has been idle for too long if it has waited since then.
    Idle(usize, u64),
}

/// What a thread does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    Ended,
    Starting,
    Posting(Key),
    Running(Key),
    WaitingSince(u64),
}

pub(super) struct Model<'a> {
    pub(super) queue: Queue,
    threads_max: usize,
    /// More threads cannot be started.
    pub(super) startable: usize,
    /// How long a turn of the loop takes.
    pub(super) turn_us: u64,
    takes: Takes<'a>,
    /// How long a command runs.
    pub(super) run_us: u64,
    pub(super) now_us: u64,
    events: BTreeSet<(u64, u64, Event)>,
    planned: u64,
    threads: Vec<Doing>,
    turn_at: Option<u64>,
    busy_until: u64,
    /// Due, and not handed to the senders.
    due: u32,
    runs_due: u32,
    numbers: u32,
    posts_max: usize,
    outstanding: usize,
    runs: usize,
    review_at: Option<Tick>,
    /// When one of them was taken last, or waited for no free thread.
    reply_moved_us: u64,
    run_moved_us: u64,
    pub(super) turns: u64,
    /// Reports that have woken the loop.
    pub(super) wake_ups: u64,
    pub(super) posted: u64,
    pub(super) unsent: u64,
    pub(super) ran: u64,
    /// The longest that a reply has waited for a thread.
    pub(super) waited_ms: u64,
}

/// Threads that only lend their names.
fn names() -> &'static [Thread] {
    static NAMES: OnceLock<Vec<Thread>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let name = |_| thread::spawn(|| {}).thread().clone();
        (0..THREADS_MOST).map(name).collect()
    })
}

impl<'a> Model<'a> {
    pub(super) fn new(threads_max: usize, takes: Takes<'a>) -> Self {
        let queue = Queue::new(threads_max);
        Self {
            posts_max: queue.posts_max(),
            queue,
            threads_max,
            startable: threads_max,
            turn_us: 20,
            takes,
            run_us: 0,
            now_us: 0,
            events: BTreeSet::new(),
            planned: 0,
            threads: vec![Doing::Ended; threads_max],
            turn_at: None,
            busy_until: 0,
            due: 0,
            runs_due: 0,
            numbers: 0,
            outstanding: 0,
            runs: 0,
            review_at: None,
            reply_moved_us: 0,
            run_moved_us: 0,
            turns: 0,
            wake_ups: 0,
            posted: 0,
            unsent: 0,
            ran: 0,
            waited_ms: 0,
        }
    }

    const fn tick(&self) -> Tick {
        Tick(self.now_us / 1_000)
    }

    fn plan(&mut self, at_us: u64, event: Event) {
        self.planned += 1;
        self.events.insert((at_us, self.planned, event));
    }

    /// So many replies and commands become due at this time.
    pub(super) fn plan_due(&mut self, at_us: u64, replies: u32, commands: u32) {
        self.plan(at_us, Event::Due(replies, commands));
    }

    fn turn_from(&mut self, at_us: u64) {
        let at_us = at_us.max(self.busy_until);
        if self.turn_at.is_none_or(|planned| at_us < planned) {
            self.turn_at = Some(at_us);
            self.plan(at_us, Event::Turn);
        }
    }

    fn wake_loop(&mut self) {
        self.turn_from(self.now_us + WAKE_US);
    }

    /// Goes on until nothing more happens, or until this time.
    pub(super) fn run_until(&mut self, end_us: u64) {
        while let Some(&first) = self.events.first() {
            if first.0 > end_us {
                break;
            }
            self.events.remove(&first);
            self.now_us = first.0;
            match first.2 {
                Event::Due(replies, commands) => {
                    self.due += replies;
                    self.runs_due += commands;
                    self.wake_loop();
                }
                Event::Turn if self.turn_at == Some(first.0) => self.turn(),
                Event::Turn => {}
                Event::Started(thread) => {
                    self.queue.starting -= 1;
                    self.next(thread, true);
                }
                Event::Woken(thread) => self.go_on(thread, true),
                Event::Done(thread) => self.report(thread),
                Event::Idle(thread, since) => {
                    if self.threads[thread] == Doing::WaitingSince(since) {
                        self.go_on(thread, false);
                    }
                }
            }
            self.check();
        }
    }

    /// As the engine does, and [`super::super::Pool`].
    fn turn(&mut self) {
        self.turns += 1;
        self.turn_at = None;
        self.busy_until = self.now_us + self.turn_us;
        for event in std::mem::take(&mut self.queue.reports) {
            match event {
                SenderEvent::Posted(report) => {
                    self.outstanding -= 1;
                    self.posted += u64::from(report.outcome == Outcome::Delivered);
                    self.unsent += u64::from(report.outcome == Outcome::Unsent);
                }
                _ => {
                    self.runs -= 1;
                    self.ran += 1;
                }
            }
        }
        let deliveries: Vec<_> = (0..self.due.min(self.room()))
            .map(|_| self.make())
            .collect();
        let runs: Vec<_> = (0..self.runs_due.min(self.run_room()))
            .map(|_| command_run(&|_, _| Ok("".into())))
            .collect();
        self.due -= u32::try_from(deliveries.len()).unwrap();
        self.runs_due -= u32::try_from(runs.len()).unwrap();
        self.outstanding += deliveries.len();
        self.runs += runs.len();
        if !deliveries.is_empty() || !runs.is_empty() || self.review_at.is_some() {
            self.submit(deliveries, runs);
        }
        if self.due.min(self.room()) + self.runs_due.min(self.run_room()) > 0 {
            self.turn_from(self.now_us);
        } else if let Some(at) = self.review_at {
            self.turn_from(at.0 * 1_000);
        }
    }

    fn room(&self) -> u32 {
        let room = (self.posts_max * DELIVERIES_PER_THREAD).saturating_sub(self.outstanding);
        u32::try_from(room).unwrap()
    }

    fn run_room(&self) -> u32 {
        u32::try_from(runs_max(self.threads_max) - self.runs).unwrap()
    }

    fn make(&mut self) -> Delivery {
        self.numbers += 1;
        Delivery {
            job: Key::from_parts(self.numbers, 1),
            url: String::new(),
            body: Vec::new(),
        }
    }

    fn submit(&mut self, deliveries: Vec<Delivery>, runs: Vec<CommandRun>) {
        let now = self.tick();
        self.queue.extend(deliveries.into_iter(), now);
        let runs = runs.into_iter().map(|run| (now, Instant::now(), run));
        self.queue.runs.extend(runs);
        self.review_at = self.queue.scale(now);
        self.posts_max = self.queue.posts_max();
        let (woken, missing) = self.queue.wake(self.threads_max);
        for thread in woken {
            let named = |name: &Thread| name.id() == thread.id();
            let thread = names().iter().position(named).unwrap();
            self.threads[thread] = Doing::Starting;
            self.plan(self.now_us + WAKE_US, Event::Woken(thread));
        }
        for started in 0..missing {
            let ended = |doing: &Doing| *doing == Doing::Ended;
            let alive = self.threads.iter().filter(|doing| !ended(doing)).count();
            if alive == self.startable {
                if self.queue.give_up_threads(missing - started) {
                    self.wake_loop();
                } else {
                    self.review_at = Some(now.after(START_RETRY_MS));
                }
                break;
            }
            let thread = self.threads.iter().position(ended).unwrap();
            self.threads[thread] = Doing::Starting;
            self.plan(self.now_us + 2 * WAKE_US, Event::Started(thread));
        }
        let review_at = self.review_at;
        assert!(review_at.is_none_or(|at| at > now), "the loop would spin");
    }

    /// An idle thread was woken, or its time is over.
    fn go_on(&mut self, thread: usize, may_wait: bool) {
        self.queue.forget_idle(&names()[thread]);
        self.next(thread, may_wait);
    }

    fn next(&mut self, thread: usize, may_wait: bool) {
        let since = self.queue.deliveries.front().map(|first| first.since);
        let doing = match self.queue.next(&names()[thread], may_wait) {
            Next::Do(errand) => {
                let (doing, takes_us) = match errand {
                    Errand::Post(Delivery { job, .. }) => {
                        let waited_ms = self.tick().millis_since(since.unwrap());
                        self.reply_moved_us = self.now_us;
                        self.waited_ms = self.waited_ms.max(waited_ms);
                        let takes_us = (self.takes)(job.index(), self.now_us);
                        (Doing::Posting(job), takes_us)
                    }
                    Errand::Run(run, _) => {
                        self.run_moved_us = self.now_us;
                        (Doing::Running(run.job), self.run_us)
                    }
                };
                self.plan(self.now_us + takes_us, Event::Done(thread));
                doing
            }
            Next::Wait => {
                let over_at = self.now_us + IDLE_MAX_US;
                self.plan(over_at, Event::Idle(thread, self.now_us));
                Doing::WaitingSince(self.now_us)
            }
            Next::End => Doing::Ended,
        };
        self.threads[thread] = doing;
    }

    /// A thread hands in its report and takes the next thing, under one lock.
    fn report(&mut self, thread: usize) {
        let event = match self.threads[thread] {
            Doing::Posting(job) => SenderEvent::Posted(Report {
                outcome: Outcome::Delivered,
                ..unsent(job, "")
            }),
            Doing::Running(job) => SenderEvent::NotRun(unsent(job, "")),
            ref other => panic!("{other:?} is done"),
        };
        if self.queue.report(event) {
            self.wake_ups += 1;
            self.wake_loop();
        }
        self.next(thread, true);
    }

    /// What must hold at any moment between two steps under the lock.
    fn check(&mut self) {
        let queue = &self.queue;
        let is_free = queue.at_work() < self.threads_max.min(self.startable) && queue.starting == 0;
        if !is_free || queue.deliveries.is_empty() {
            self.reply_moved_us = self.now_us;
        }
        if !is_free || queue.runs.is_empty() {
            self.run_moved_us = self.now_us;
        }
        assert!(
            !is_free || queue.deliveries.is_empty() || queue.posting() >= queue.posts_max(),
            "a thread that may post is free, and a reply waits"
        );
        let stuck_us = STUCK_US + self.turn_us;
        let [reply_us, run_us] =
            [self.reply_moved_us, self.run_moved_us].map(|at_us| self.now_us - at_us);
        assert!(reply_us < stuck_us, "a thread is free, and a reply waits");
        assert!(run_us < stuck_us, "a thread is free, and a command waits");
    }
}
