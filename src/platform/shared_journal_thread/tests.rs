//! The loop's side of a thread that does not answer, and a worker whose Redis is away.

use std::time::Instant;

use mio::{Poll, Token};

use super::*;
use crate::config::SharedJournal;
use crate::platform::clock::Clock;
use crate::platform::redis::Connector;
use crate::redis::RedisUrl;
use crate::shared_journal::{Replica, Sealer, Settings};
use crate::slab::Key;
use crate::store::{ForeignId, Outcome};

const LEASE_MS: u64 = 5_000;

fn waker() -> Arc<Waker> {
    let poll = Poll::new().unwrap();
    Arc::new(Waker::new(poll.registry(), Token(0)).unwrap())
}

/// The loop's side of a thread that does not answer.
fn stuck() -> SharedJournalThread {
    SharedJournalThread {
        side: LoopSide::new(waker()),
        gate: PostingGate::new(LEASE_MS),
        gate_timeout: None,
        is_accepting: false,
    }
}

/// The other side. No connection was possible.
fn worker(thread: &SharedJournalThread, lease_ms: u64) -> Worker {
    let mut random: crate::shared_journal::Random = Box::new(|bytes: &mut [u8]| bytes.fill(7));
    let settings = Settings {
        fleet: "test".to_owned(),
        wait: 0,
        lease_ms,
    };
    let journal = SharedJournal {
        url: RedisUrl::parse("redis://127.0.0.1:1").unwrap(),
        password: None,
        lease_ms,
    };
    let mut connector = Connector::new(&journal, None).unwrap();
    let sealer = Sealer::new([&b"secret"[..]], "test", &mut random);
    let replica = Replica::new(settings, sealer, random);
    let first = connector.connect(None, Instant::now() + Duration::from_secs(60));
    assert!(first.as_ref().is_err_and(|error| !error.is_definite()));
    let driver = Driver::new(replica, connector, first, Clock::start());
    Worker::new(driver, lease_ms, thread.side.shared.clone())
}

#[test]
fn nothing_is_accepted_before_the_thread_says_so_and_while_a_batch_is_overdue() {
    let mut thread = stuck();
    assert_eq!(thread.poll(Tick(0)), None);
    assert!(thread.is_shared() && !thread.is_accepting(Tick(0)));
    thread.side.shared.lock().state.is_accepting = true;
    assert_eq!(thread.poll(Tick(0)), None);
    assert!(thread.is_accepting(Tick(0)));
    thread.submit(&mut Batch::default(), 1, Tick(0));
    assert!(!thread.is_accepting(Tick(1_000)));
}

#[test]
fn replies_are_posted_while_the_lease_is_confirmed_and_without_an_answer_after_a_second() {
    let mut thread = stuck();
    assert!(!thread.may_post(Tick(100)));
    assert_eq!(thread.poll_timeout(), Some(Tick(1_100)));
    thread.side.shared.lock().state.confirmed = Some(Tick(110));
    assert_eq!(thread.poll(Tick(120)), None);
    assert!(thread.may_post(Tick(120)));
    assert_eq!(thread.poll_timeout(), None, "the loop would spin");
    let late = Tick(110 + LEASE_MS);
    assert!(!thread.may_post(late) && thread.may_post(late.after(1_000)));
    assert_eq!(thread.poll_timeout(), None);
}

#[test]
fn a_redis_that_is_away_is_trouble_and_what_the_loop_gives_waits_for_it() {
    let mut thread = stuck();
    let mut worker = worker(&thread, LEASE_MS);
    thread.set_room(5);
    let mut batch = Batch::default();
    let foreign = ForeignId(1);
    batch.add(Outcome::Declined { foreign });
    batch.withdraw(Key::from_parts(1, 1));
    thread.submit(&mut batch, 1, Tick(0));
    assert!(worker.take_mail() && worker.driver.act());
    worker.publish();
    assert_eq!(worker.room, 5);
    let cause = worker.driver.replica.trouble();
    assert!(cause.is_some_and(|cause| cause.to_string().contains("127.0.0.1:1")));
    let told_again = |line: &dyn std::fmt::Display| panic!("{line}");
    worker.trouble.tell(cause, Tick(0), told_again);
    assert_eq!(
        thread.poll(Tick(0)),
        Some(Event::Kept(1)),
        "it accepts nothing"
    );
    assert!(!thread.is_accepting(Tick(0)));
    let state = thread.state(Tick(0)).unwrap();
    let fleet = state.fleet.unwrap();
    assert!(!fleet.is_up && fleet.lease_remaining_ms == 0);
    assert!(fleet.errors.contains(&("no_answer", 1)), "{fleet:?}");
    // Until it tries again there is nothing to send, and an answer nevertheless.
    thread.submit(&mut Batch::default(), 2, Tick(0));
    assert!(worker.take_mail());
    assert!(worker.tell_events() && !worker.tell_events());
    assert_eq!(thread.poll(Tick(0)), Some(Event::Kept(2)));
    drop(thread);
    assert!(!worker.take_mail(), "the loop is gone");
}

/// A loop that hangs posts nothing: others had better have its replies.
#[test]
fn nothing_is_sent_for_a_loop_that_has_made_no_turn_since_it_was_woken() {
    let mut thread = stuck();
    let mut worker = worker(&thread, 0);
    assert!(!worker.is_loop_hung(), "it was not woken");
    worker.publish();
    assert!(worker.is_loop_hung());
    assert_eq!(thread.poll(Tick(0)), None);
    assert!(!worker.is_loop_hung());
}

/// And the thread waits for that turn, however often it would have something to do.
#[test]
fn a_loop_that_turns_again_has_its_thread_go_on() {
    let mut thread = stuck();
    let mut worker = worker(&thread, 0);
    worker.publish();
    let shared = thread.side.shared.clone();
    let resting = std::thread::spawn(move || worker.rest());
    while !shared.lock().is_waiting {
        std::thread::yield_now();
    }
    assert_eq!(thread.poll(Tick(0)), None);
    resting.join().unwrap();
}
