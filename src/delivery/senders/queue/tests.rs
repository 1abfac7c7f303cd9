//! Which thread does what next, and how many there are.

use std::{iter, thread};

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
        delivery,
    }
}

/// A queue with so many deliveries, and threads of which so many are at work, and so many may post.
fn queue(deliveries: u32, at_work: usize, idle: usize, posts_max: usize) -> Queue {
    Queue {
        deliveries: (0..deliveries).map(delivery).collect(),
        threads: at_work + idle,
        idle: (0..idle).map(|_| other_thread()).collect(),
        ..Queue::new(posts_max)
    }
}

fn other_thread() -> Thread {
    thread::spawn(|| {}).thread().clone()
}

#[test]
fn the_latest_idle_threads_are_woken_before_new_ones_are_started() {
    let mut queue = queue(3, 0, 2, 6);
    let latest = queue.idle[1].id();
    let (woken, missing) = queue.wake(64);
    assert_eq!((woken.len(), missing, queue.at_work()), (2, 1, 3));
    assert_eq!(woken[1].id(), latest);
    let (woken, missing) = queue.wake(64);
    assert_eq!((woken.len(), missing), (0, 0), "they are on their way");
    let mut queue = self::queue(1, 0, 2, 6);
    let latest = queue.idle[1].id();
    let (woken, missing) = queue.wake(64);
    assert_eq!((woken.len(), missing, queue.at_work()), (1, 0, 1));
    assert_eq!(woken[0].id(), latest);
}

#[test]
fn no_more_threads_are_put_to_work_than_may_post_or_have_something_to_do() {
    assert_eq!(queue(100, 3, 0, 6).wake(64).1, 3);
    assert_eq!(queue(2, 3, 0, 6).wake(64).1, 2);
    assert_eq!(queue(100, 6, 0, 6).wake(64).1, 0);
    assert_eq!(queue(100, 64, 0, 6).wake(64).1, 0);
}

#[test]
fn a_thread_beyond_those_that_may_post_takes_nothing() {
    let mut queue = queue(2, 5, 0, 4);
    assert!(queue.take().is_none());
    queue.threads = 4;
    assert!(queue.take().is_some());
}

/// Six of ten threads hang. Before, all ten might post; of those the others have gone idle.
#[test]
fn what_waits_behind_threads_that_hang_gets_the_others() {
    let mut queue = queue(1, 6, 4, 10);
    let review_at = queue.scale(Tick(0));
    assert!(review_at.is_some());
    assert_eq!(queue.wake(10).0.len(), 0);
    assert_eq!(queue.scale(review_at.unwrap()), None);
    assert_eq!(queue.wake(10).0.len(), 1);
}

#[test]
fn receivers_are_slow_when_the_few_take_little_of_what_waits_all_the_time() {
    let waiting = |taken: usize| {
        let mut queue = queue(200, 6, 0, 64);
        let review_at = queue.scale(Tick(0)).unwrap();
        let _ = iter::from_fn(|| queue.take()).take(taken).count();
        queue.extend(iter::once(delivery(0).delivery), review_at);
        queue.scale(review_at);
        queue.posts_max()
    };
    assert_eq!(waiting(3), 64);
    assert_eq!(waiting(199), 6, "they answer at once");
    assert_eq!(waiting(200), 6, "none has waited all the time");
    assert_eq!(queue(0, 6, 0, 64).scale(Tick(0)), None);
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
    assert_eq!(wake(queue(0, 6, 0, 6)), 3);
    assert_eq!(wake(queue(9, 6, 0, 6)), 3);
    assert_eq!(wake(queue(0, 62, 0, 6)), 0, "enough are on their way");
    let running = |at_work, running| Queue {
        running,
        ..queue(9, at_work, 0, 6)
    };
    assert_eq!(wake(running(60, 56)), 4, "there are no more");
    assert_eq!(wake(running(50, 50)), 9);
}

#[test]
fn a_thread_beyond_those_that_post_takes_a_command() {
    let mut queue = with_runs(queue(2, 7, 0, 6), 1);
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
    let mut queue = with_runs(queue(1, 1, 0, 6), 1);
    queue.deliveries[0].since = Tick(6);
    assert!(matches!(queue.take(), Some(Errand::Run(..))));
    let mut queue = with_runs(self::queue(1, 1, 0, 6), 1);
    queue.deliveries[0].since = Tick(5);
    assert!(matches!(queue.take(), Some(Errand::Post(_))));
}

#[test]
fn a_command_that_no_thread_can_run_is_reported_as_not_run() {
    let mut queue = with_runs(queue(1, 0, 0, 6), 2);
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
fn what_no_thread_can_take_is_reported_as_unsent() {
    let mut queue = queue(3, 1, 0, 6);
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
    let mut queue = queue(0, 2, 1, 6);
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
