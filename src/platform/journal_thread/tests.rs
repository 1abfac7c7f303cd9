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
        side: LoopSide::new(Arc::new(waker)),
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
    Writer::new(journal, place, clock, stuck().side.shared.clone())
}

/// The end is told when another bot can have the directory, be it in the same process.
#[test]
fn the_directory_is_free_before_the_end_of_the_thread_is_told() {
    let path = path("files");
    let writer = writer(&path);
    let take = || Directory::take(&path, Duration::ZERO, |_| {});
    assert!(matches!(take(), Err(Refused::Taken(_))));
    let side = stuck().side;
    let shared = side.shared.clone();
    // It cannot be told while the mailbox is taken.
    let mailbox = shared.lock();
    side.spawn("journal", move || drop(writer)).unwrap();
    let is_free = (0..10).any(|_| take().is_ok());
    assert!(is_free, "its files are open");
    assert!(!mailbox.has_ended);
    drop(mailbox);
    let deadline = Instant::now() + Duration::from_secs(60);
    let ended = shared.wait_until(deadline, |mailbox| mailbox.has_ended);
    assert!(ended.is_some());
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
    writer.shared = thread.side.shared.clone();
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
    assert!(thread.side.finish_within(&mut batch, 8, timeout));
    assert_eq!(open(&path, &clock).2, 1);
    std::fs::remove_dir_all(path).unwrap();
}
