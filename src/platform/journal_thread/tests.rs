//! The loop's side, with a thread that does not answer.

use mio::{Poll, Token};

use super::*;

/// The loop's side of a thread that does not answer.
fn stuck() -> JournalThread {
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), Token(0)).unwrap();
    JournalThread {
        shared: Arc::new(Shared {
            desk: Mutex::default(),
            changed: Condvar::new(),
            waker: Arc::new(waker),
        }),
        in_flight: None,
        is_failing: false,
        counters: JournalCounters::default(),
    }
}

#[test]
fn nothing_is_accepted_while_a_batch_is_overdue_or_after_one_that_failed() {
    let mut thread = stuck();
    assert!(thread.is_accepting(Tick(9_000)));
    thread.submit(&mut Batch::default(), Tick(9_000));
    assert!(!thread.is_idle() && thread.is_accepting(Tick(9_999)));
    assert!(!thread.is_accepting(Tick(10_000)));
    assert_eq!(thread.poll(), None);
    let desk = |is_kept: bool| Desk {
        answer: Some(is_kept),
        is_failing: !is_kept,
        ..Desk::default()
    };
    *thread.shared.desk() = desk(false);
    assert_eq!(thread.poll(), Some(false));
    assert!(thread.is_idle() && !thread.is_accepting(Tick(10_007)));
    *thread.shared.desk() = desk(true);
    assert_eq!(thread.poll(), Some(true));
    assert!(thread.is_accepting(Tick(10_008)));
}

#[test]
fn an_end_does_not_wait_for_a_disk_that_hangs() {
    let mut thread = stuck();
    let patience = Duration::from_millis(1);
    assert!(!thread.finish(&mut Batch::default(), patience));
    thread.submit(&mut Batch::default(), Tick(0));
    assert!(!thread.finish(&mut Batch::default(), patience));
}
