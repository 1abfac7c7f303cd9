//! What the loop and the thread of a store exchange, so that the loop never waits for the store.
//!
//! They share a mailbox, behind a lock that either holds for a few statements. The loop puts a batch in and goes on; the
//! thread commits it, puts the event in, and wakes the loop.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use log::warn;
use mio::Waker;

use crate::store::{Batch, COLLECTED_BYTES_MAX, Event, OVERDUE_MS, Ticket};
use crate::time::Tick;

/// The loop's side.
pub(super) struct LoopSide<S> {
    pub(super) shared: Arc<Shared<S>>,
    /// Since when the oldest batch without an event waits; since the last event if that came later.
    waits_since: Option<Tick>,
    /// The ticket of the last batch.
    last: Ticket,
    collected_bytes: usize,
}

/// What both sides have. `S` is what the two tell each other besides.
pub(super) struct Shared<S> {
    mailbox: Mutex<Mailbox<S>>,
    /// Signalled when there is work, and when the thread has ended.
    changed: Condvar,
    waker: Arc<Waker>,
}

/// What loop and thread exchange.
#[derive(Default)]
pub(super) struct Mailbox<S> {
    /// Collects what the loop submits while the thread commits the batch before, with the ticket of the last submission
    /// in it; `None`: it is empty.
    pub(super) batch: Batch,
    pub(super) ticket: Option<Ticket>,
    /// The outcomes of earlier batches, and what else the store tells.
    pub(super) events: VecDeque<Event>,
    /// A stop begins, of which the thread has not taken note yet.
    pub(super) is_stopping: bool,
    /// The batch is the last one: the thread ends after it.
    pub(super) is_last: bool,
    /// The loop is gone: the thread ends without writing any more.
    pub(super) is_abandoned: bool,
    /// Whether the thread waits for a signal; otherwise it looks here by itself when it has finished its work.
    pub(super) is_waiting: bool,
    pub(super) has_ended: bool,
    /// The thread has met a fault of its own.
    has_panicked: bool,
    pub(super) state: S,
}

impl<S> Mailbox<S> {
    fn add(&mut self, batch: &mut Batch, ticket: Ticket) {
        self.batch.append(batch);
        self.ticket = Some(ticket);
    }
}

impl<S> Shared<S> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Mailbox<S>> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread waits for a signal, for so long.
    pub(super) fn wait<'a>(
        &self,
        mut mailbox: MutexGuard<'a, Mailbox<S>>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, Mailbox<S>> {
        mailbox.is_waiting = true;
        let mut mailbox = match timeout {
            Some(timeout) => {
                let waited = self.changed.wait_timeout(mailbox, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait(mailbox);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        mailbox.is_waiting = false;
        mailbox
    }

    /// Signals the thread, if it waits for that.
    pub(super) fn signal(&self, mailbox: &Mailbox<S>) {
        if mailbox.is_waiting {
            self.changed.notify_all();
        }
    }

    /// Wakes the loop.
    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            warn!("cannot wake the loop: {error}");
        }
    }

    /// Waits until this holds. `None`: it did not by the deadline.
    pub(super) fn wait_until(
        &self,
        deadline: Instant,
        holds: impl Fn(&Mailbox<S>) -> bool,
    ) -> Option<MutexGuard<'_, Mailbox<S>>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waits = |mailbox: &mut Mailbox<S>| !holds(mailbox);
        let waited = self.changed.wait_timeout_while(self.lock(), left, waits);
        let (mailbox, _) = waited.unwrap_or_else(PoisonError::into_inner);
        holds(&mailbox).then_some(mailbox)
    }
}

/// Tells, when it is dropped, that the thread has ended, and how.
struct End<S>(Arc<Shared<S>>);

impl<S> Drop for End<S> {
    fn drop(&mut self) {
        let mut mailbox = self.0.lock();
        mailbox.has_ended = true;
        mailbox.has_panicked = thread::panicking();
        drop(mailbox);
        self.0.changed.notify_all();
        self.0.wake();
    }
}

impl<S: Default + Send + 'static> LoopSide<S> {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self {
            shared: Arc::new(Shared {
                mailbox: Mutex::default(),
                changed: Condvar::new(),
                waker,
            }),
            waits_since: None,
            last: 0,
            collected_bytes: 0,
        }
    }

    /// Has this run on a thread of its own. What it owns is dropped before its end is told.
    ///
    /// # Errors
    /// The system has no thread.
    pub(super) fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let end = End(self.shared.clone());
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || {
            let _end = end;
            run();
        })?;
        Ok(())
    }

    /// Gives a batch to the thread.
    pub(super) fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick) {
        let mut mailbox = self.shared.lock();
        mailbox.add(batch, ticket);
        self.waits_since.get_or_insert(now);
        self.collected_bytes = mailbox.batch.bytes();
        self.last = ticket;
        self.shared.signal(&mailbox);
    }

    /// The next event. `look` sees the mailbox in any case.
    ///
    /// # Panics
    /// The thread has panicked: without its store, the process must not go on.
    pub(super) fn poll(
        &mut self,
        now: Tick,
        look: impl FnOnce(&Shared<S>, &mut Mailbox<S>),
    ) -> Option<Event> {
        let mut mailbox = self.shared.lock();
        assert!(!mailbox.has_panicked, "the thread of the journal is gone");
        look(&self.shared, &mut mailbox);
        self.collected_bytes = mailbox.batch.bytes();
        let event = mailbox.events.pop_front()?;
        drop(mailbox);
        if let Event::Kept(ticket) | Event::NotKept(ticket) = event {
            self.waits_since = (ticket < self.last).then_some(now);
        }
        Some(event)
    }

    /// Whether what is accepted now would be kept in time, if the store itself takes it.
    pub(super) fn is_in_time(&self, now: Tick) -> bool {
        self.age_ms(now) < OVERDUE_MS && self.collected_bytes <= COLLECTED_BYTES_MAX
    }

    /// The age of the oldest batch without an event, ms.
    pub(super) fn age_ms(&self, now: Tick) -> u64 {
        self.waits_since.map_or(0, |since| now.millis_since(since))
    }

    /// Tells the thread that a stop begins.
    pub(super) fn begin_stop(&self) {
        let mut mailbox = self.shared.lock();
        mailbox.is_stopping = true;
        self.shared.signal(&mailbox);
    }

    /// Has the last batch committed, and waits for that for so long. `false`: it was not, as far as is known.
    pub(super) fn finish_within(
        &self,
        batch: &mut Batch,
        ticket: Ticket,
        timeout: Duration,
    ) -> bool {
        let deadline = Instant::now() + timeout;
        let mut mailbox = self.shared.lock();
        mailbox.add(batch, ticket);
        mailbox.is_last = true;
        self.shared.signal(&mailbox);
        drop(mailbox);
        let ended = self
            .shared
            .wait_until(deadline, |mailbox| mailbox.has_ended);
        ended.is_some_and(|mailbox| !mailbox.has_panicked)
    }
}

impl<S> Drop for LoopSide<S> {
    /// The thread ends when it has finished its present work. It is not joined: a store that hangs must not keep the
    /// process.
    fn drop(&mut self) {
        self.shared.lock().is_abandoned = true;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token};

    use super::*;
    use crate::slab::Key;
    use crate::store::PendingJob;

    /// The loop's side of a thread that does not answer.
    fn stuck() -> LoopSide<()> {
        let poll = Poll::new().unwrap();
        LoopSide::new(Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()))
    }

    fn poll(side: &mut LoopSide<()>, now: u64) -> Option<Event> {
        side.poll(Tick(now), |_, _| {})
    }

    fn answer(side: &LoopSide<()>, event: Event) {
        side.shared.lock().events.push_back(event);
    }

    #[test]
    fn a_batch_is_overdue_after_a_second_and_what_is_behind_an_answer_waits_since_then() {
        let mut side = stuck();
        assert!(side.is_in_time(Tick(9_000)));
        side.submit(&mut Batch::default(), 1, Tick(9_000));
        side.submit(&mut Batch::default(), 2, Tick(9_500));
        assert!(side.is_in_time(Tick(9_999)) && !side.is_in_time(Tick(10_000)));
        assert_eq!(poll(&mut side, 10_000), None);
        answer(&side, Event::NotKept(1));
        assert_eq!(poll(&mut side, 10_900), Some(Event::NotKept(1)));
        assert!(side.is_in_time(Tick(11_899)) && !side.is_in_time(Tick(11_900)));
        answer(&side, Event::Kept(2));
        assert_eq!(poll(&mut side, 12_000), Some(Event::Kept(2)));
        assert!(side.is_in_time(Tick(99_999)), "nothing is with it");
    }

    #[test]
    fn batches_collect_while_one_is_written_up_to_a_limit() {
        let mut side = stuck();
        let mut batch = Batch::default();
        let text = "x".repeat(COLLECTED_BYTES_MAX / 2);
        let job = PendingJob {
            command: "/torrap",
            origin: "https://hooks.slack.com",
            path: "/commands/1",
            text: &text,
            fields: "",
            is_late: false,
            attempts: 0,
            due: Tick(0),
            expires_at: Tick(9_000),
            request: None,
        };
        for (number, is_in_time) in [(1, true), (2, false)] {
            batch.accept(Key::from_parts(number, 1), &job);
            side.submit(&mut batch, number.into(), Tick(0));
            assert!(batch.is_empty());
            assert_eq!(side.is_in_time(Tick(0)), is_in_time);
        }
        let mut mailbox = side.shared.lock();
        assert_eq!(mailbox.ticket, Some(2), "one commit answers both");
        assert_eq!(mailbox.batch.accepted().len(), 2);
        mailbox.batch.clear();
        drop(mailbox);
        assert_eq!(poll(&mut side, 0), None);
        assert!(side.is_in_time(Tick(0)));
    }

    #[test]
    fn an_end_does_not_wait_for_a_store_that_hangs() {
        let mut side = stuck();
        let timeout = Duration::from_millis(1);
        assert!(!side.finish_within(&mut Batch::default(), 1, timeout));
        side.submit(&mut Batch::default(), 2, Tick(0));
        assert!(!side.finish_within(&mut Batch::default(), 3, timeout));
    }

    #[test]
    fn a_thread_that_panics_over_the_last_batch_has_not_kept_it() {
        let side = stuck();
        let shared = side.shared.clone();
        let run = move || {
            let mut mailbox = shared.lock();
            while !mailbox.is_last {
                mailbox = shared.wait(mailbox, None);
            }
            drop(mailbox);
            panic!("a fault of its own");
        };
        side.spawn("journal", run).unwrap();
        let timeout = Duration::from_secs(60);
        assert!(!side.finish_within(&mut Batch::default(), 1, timeout));
        assert!(side.shared.lock().has_ended, "it was waited for");
    }

    #[test]
    #[should_panic(expected = "the thread of the journal is gone")]
    fn a_thread_that_panics_takes_the_loop_with_it() {
        let mut poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let mut side = LoopSide::<()>::new(waker);
        side.spawn("journal", || panic!("a fault of its own"))
            .unwrap();
        let mut events = mio::Events::with_capacity(1);
        while events.is_empty() {
            poll.poll(&mut events, Some(Duration::from_secs(60)))
                .unwrap();
        }
        side.poll(Tick(0), |_, _| {});
    }
}
