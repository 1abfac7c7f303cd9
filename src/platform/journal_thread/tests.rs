//! The store as the loop sees it, mostly with a thread that does not answer.

use std::path::{Path, PathBuf};

use mio::{Events, Poll, Token};

use super::*;
use crate::platform::directory::Refused;
use crate::slab::Key;
use crate::store::{Outcome, PendingJob};

/// The loop's side of a thread that does not answer.
fn stuck() -> JournalThread {
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), Token(0)).unwrap();
    JournalThread {
        shared: Arc::new(Shared {
            mailbox: Mutex::default(),
            changed: Condvar::new(),
            waker: Arc::new(waker),
        }),
        waits_since: None,
        last: 0,
        collected_bytes: 0,
        is_failing: false,
    }
}

const fn job(text: &str) -> PendingJob<'_> {
    PendingJob {
        command: "/torrap",
        origin: "https://hooks.slack.com",
        path: "/commands/1",
        text,
        fields: "",
        is_late: false,
        attempts: 0,
        due: Tick(0),
        expires_at: Tick(9_000),
        request: None,
    }
}

/// A directory of this name.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("torrap-{name}-{}", std::process::id()))
}

/// The journal in a directory, and how many jobs are pending there.
fn open(path: &Path, clock: &Clock) -> (Journal<Directory>, Place, usize) {
    let directory = Directory::take(path, Duration::ZERO, |_| {}).unwrap();
    let place = directory.place();
    let mut pending = 0;
    let opened = Journal::open(directory, clock.now(), |number, _| {
        pending += 1;
        Some(Key::from_parts(pending, number as u32))
    });
    (opened.unwrap().0, place, pending as usize)
}

/// The other side with a journal in this directory.
fn writer(path: &Path) -> Writer {
    let clock = Clock::start();
    let (journal, place, _) = open(path, &clock);
    Writer::new(journal, place, clock, stuck().shared.clone())
}

fn answer(thread: &JournalThread, event: Event, is_failing: bool) {
    let mut mailbox = thread.shared.lock();
    mailbox.events.push_back(event);
    mailbox.is_failing = is_failing;
}

#[test]
fn nothing_is_accepted_while_a_batch_is_overdue_or_after_one_that_failed() {
    let mut thread = stuck();
    assert!(thread.is_accepting(Tick(9_000)));
    thread.submit(&mut Batch::default(), 1, Tick(9_000));
    thread.submit(&mut Batch::default(), 2, Tick(9_500));
    assert!(thread.is_accepting(Tick(9_999)));
    assert!(!thread.is_accepting(Tick(10_000)));
    assert_eq!(thread.poll(Tick(10_000)), None);
    answer(&thread, Event::NotKept(1), true);
    assert_eq!(thread.poll(Tick(10_007)), Some(Event::NotKept(1)));
    assert!(!thread.is_accepting(Tick(10_007)));
    answer(&thread, Event::Kept(2), false);
    assert_eq!(thread.poll(Tick(10_008)), Some(Event::Kept(2)));
    assert!(thread.is_accepting(Tick(99_999)), "nothing is with it");
}

#[test]
fn what_is_behind_an_answer_waits_since_then() {
    let mut thread = stuck();
    thread.submit(&mut Batch::default(), 1, Tick(0));
    thread.submit(&mut Batch::default(), 2, Tick(5));
    answer(&thread, Event::Kept(1), false);
    assert_eq!(thread.poll(Tick(900)), Some(Event::Kept(1)));
    assert!(thread.is_accepting(Tick(1_899)));
    assert!(!thread.is_accepting(Tick(1_900)));
}

#[test]
fn batches_collect_while_one_is_written_up_to_a_limit() {
    let mut thread = stuck();
    let mut batch = Batch::default();
    let text = "x".repeat(COLLECTED_BYTES_MAX / 2);
    for (number, is_accepting) in [(1, true), (2, false)] {
        batch.accept(Key::from_parts(number, 1), &job(&text));
        thread.submit(&mut batch, number.into(), Tick(0));
        assert!(batch.is_empty());
        assert_eq!(thread.is_accepting(Tick(0)), is_accepting);
    }
    let mut mailbox = thread.shared.lock();
    assert_eq!(mailbox.ticket, Some(2), "one commit answers both");
    assert_eq!(mailbox.batch.accepted().len(), 2);
    mailbox.batch.clear();
    drop(mailbox);
    assert_eq!(thread.poll(Tick(0)), None);
    assert!(thread.is_accepting(Tick(0)));
}

#[test]
fn an_end_does_not_wait_for_a_disk_that_hangs() {
    let mut thread = stuck();
    let timeout = Duration::from_millis(1);
    assert!(!thread.finish_within(&mut Batch::default(), 1, timeout));
    thread.submit(&mut Batch::default(), 2, Tick(0));
    assert!(!thread.finish_within(&mut Batch::default(), 3, timeout));
}

/// The end is told when another bot can have the directory, be it in the same process.
#[test]
fn the_directory_is_free_before_the_end_of_the_thread_is_told() {
    let path = path("files");
    let writer = writer(&path);
    let take = || Directory::take(&path, Duration::ZERO, |_| {});
    assert!(matches!(take(), Err(Refused::Taken(_))));
    let shared = writer.shared.clone();
    // It cannot be told while the mailbox is taken.
    let mailbox = shared.lock();
    let ending = thread::spawn(move || writer.end());
    let is_free = (0..10).any(|_| take().is_ok());
    assert!(is_free, "its files are open");
    assert!(!mailbox.has_ended);
    drop(mailbox);
    ending.join().unwrap();
    assert!(shared.lock().has_ended);
    std::fs::remove_dir_all(path).unwrap();
}

/// Its commands were answered "busy".
#[test]
fn a_batch_that_has_its_answer_is_not_written_with_what_the_journal_does_by_itself() {
    let path = path("maintained");
    let mut writer = writer(&path);
    let key = Key::from_parts(0, 1);
    writer.batch.accept(key, &job("olleh"));
    writer.maintain();
    assert_eq!(writer.journal.counts().accepted, 0);
    assert!(writer.shared.lock().events.is_empty());
    // As a batch that is given to it is.
    writer.batch.accept(key, &job("olleh"));
    assert!(writer.commit());
    assert_eq!(writer.journal.counts().accepted, 1);
    drop(writer);
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn an_answer_says_whether_the_disk_works_with_an_event_and_without() {
    let path = path("failing");
    let (mut thread, mut writer) = (stuck(), writer(&path));
    writer.shared = thread.shared.clone();
    for (event, is_failing) in [(Some(Event::NotKept(1)), true), (None, false)] {
        writer.is_failing = is_failing;
        writer.put(event.clone());
        assert_eq!(thread.poll(Tick(0)), event);
        assert_eq!(thread.is_accepting(Tick(0)), !is_failing);
    }
    drop(writer);
    std::fs::remove_dir_all(path).unwrap();
}

/// On a disk that answers, and with what has become of the jobs by then.
#[test]
fn the_last_batch_is_durable_and_the_thread_is_over() {
    let path = path("last");
    let clock = Clock::start();
    let (journal, place, _) = open(&path, &clock);
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
    let mut thread = JournalThread::start(journal, place, clock, waker).unwrap();
    let mut batch = Batch::default();
    let keys = [Key::from_parts(0, 1), Key::from_parts(1, 2)];
    keys.iter()
        .for_each(|key| batch.accept(*key, &job("olleh")));
    thread.submit(&mut batch, 7, Tick(0));
    let timeout = Duration::from_secs(60);
    let event = loop {
        poll.poll(&mut events, Some(timeout)).unwrap();
        assert!(!events.is_empty(), "nothing wakes the loop");
        if let Some(event) = thread.poll(Tick(0)) {
            break event;
        }
    };
    assert_eq!(event, Event::Kept(7));
    batch.add(Outcome::Settled { job: keys[0] });
    assert!(thread.finish_within(&mut batch, 8, timeout));
    assert_eq!(open(&path, &clock).2, 1);
    std::fs::remove_dir_all(path).unwrap();
}
