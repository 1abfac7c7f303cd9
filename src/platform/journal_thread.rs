//! The thread that the journal writes and syncs on, so that the loop never waits for the disk.
//!
//! Loop and thread share a mailbox, behind a lock that either holds for a few statements. The loop puts a batch in and
//! goes on; the thread commits it, puts the event in, and wakes the loop.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, mem, thread};

use log::{debug, info, warn};
use mio::Waker;

use super::clock::Clock;
use super::directory::{Directory, Place};
use crate::journal::Journal;
use crate::store::{Batch, COLLECTED_BYTES_MAX, Event, OVERDUE_MS, Store, StoreState, Ticket};
use crate::telemetry::metrics::JournalCounters;
use crate::time::{Now, Tick, millis};

/// How long a stop waits for the last commit, ms: a disk that hangs must not keep the process.
const FINISH_MS: u64 = 400;

/// The store as the loop sees it.
pub(crate) struct JournalThread {
    shared: Arc<Shared>,
    /// Since when the oldest batch without an event waits; since the last event if that came later.
    waits_since: Option<Tick>,
    /// The ticket of the last batch.
    last: Ticket,
    collected_bytes: usize,
    is_failing: bool,
}

struct Shared {
    mailbox: Mutex<Mailbox>,
    /// Signalled when there is work, and when the thread has ended.
    changed: Condvar,
    waker: Arc<Waker>,
}

/// What loop and thread exchange.
#[derive(Default)]
struct Mailbox {
    /// Collects what the loop submits while the thread commits the batch before, with the ticket of the last submission
    /// in it; `None`: it is empty.
    batch: Batch,
    ticket: Option<Ticket>,
    /// The outcomes of earlier batches.
    events: VecDeque<Event>,
    /// A stop begins: the loop wants to know whether the directory is still where it was.
    is_check_wanted: bool,
    /// The batch is the last one: the thread ends after it.
    is_last: bool,
    /// The loop is gone: the thread ends without writing any more.
    is_abandoned: bool,
    /// Whether the thread waits for a signal; otherwise it looks here by itself when it has finished its work.
    is_waiting: bool,
    is_failing: bool,
    counters: JournalCounters,
    has_ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this holds. `None`: it did not by the deadline.
    fn wait_until(
        &self,
        deadline: Instant,
        holds: impl Fn(&Mailbox) -> bool,
    ) -> Option<MutexGuard<'_, Mailbox>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waits = |mailbox: &mut Mailbox| !holds(mailbox);
        let waited = self.changed.wait_timeout_while(self.lock(), left, waits);
        let (mailbox, _) = waited.unwrap_or_else(PoisonError::into_inner);
        holds(&mailbox).then_some(mailbox)
    }
}

impl JournalThread {
    /// Gives the journal to a thread, which wakes the loop with each event.
    ///
    /// # Errors
    /// The system has no thread.
    pub(crate) fn start(
        journal: Journal<Directory>,
        place: Place,
        clock: Clock,
        waker: Arc<Waker>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            mailbox: Mutex::default(),
            changed: Condvar::new(),
            waker,
        });
        let mut writer = Writer::new(journal, place, clock, shared.clone());
        let thread = thread::Builder::new().name("journal".to_owned());
        thread.spawn(move || {
            writer.run();
            writer.end();
        })?;
        Ok(Self {
            shared,
            waits_since: None,
            last: 0,
            collected_bytes: 0,
            is_failing: false,
        })
    }

    fn wake(&self, mailbox: &Mailbox) {
        if mailbox.is_waiting {
            self.shared.changed.notify_all();
        }
    }

    /// Has the last batch committed, and waits for that for so long. If it is not in time, the kernel unlocks the directory
    /// when the process has ended and the disk has answered.
    fn finish_within(&mut self, batch: &mut Batch, ticket: Ticket, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut mailbox = self.shared.lock();
        mailbox.add(batch, ticket);
        mailbox.is_last = true;
        self.wake(&mailbox);
        drop(mailbox);
        let ended = self
            .shared
            .wait_until(deadline, |mailbox| mailbox.has_ended);
        ended.is_some()
    }

    fn age_ms(&self, now: Tick) -> u64 {
        self.waits_since.map_or(0, |since| now.millis_since(since))
    }
}

impl Mailbox {
    fn add(&mut self, batch: &mut Batch, ticket: Ticket) {
        self.batch.append(batch);
        self.ticket = Some(ticket);
    }
}

impl Store for JournalThread {
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick) {
        let mut mailbox = self.shared.lock();
        mailbox.add(batch, ticket);
        self.waits_since.get_or_insert(now);
        self.collected_bytes = mailbox.batch.bytes();
        self.last = ticket;
        self.wake(&mailbox);
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        let mut mailbox = self.shared.lock();
        self.is_failing = mailbox.is_failing;
        self.collected_bytes = mailbox.batch.bytes();
        let event = mailbox.events.pop_front()?;
        drop(mailbox);
        if let Event::Kept(ticket) | Event::NotKept(ticket) = event {
            self.waits_since = (ticket < self.last).then_some(now);
        }
        Some(event)
    }

    fn is_accepting(&self, now: Tick) -> bool {
        let is_in_time = self.age_ms(now) < OVERDUE_MS;
        !self.is_failing && is_in_time && self.collected_bytes <= COLLECTED_BYTES_MAX
    }

    fn begin_stop(&mut self) {
        let mut mailbox = self.shared.lock();
        mailbox.is_check_wanted = true;
        self.wake(&mailbox);
    }

    fn finish(&mut self, batch: &mut Batch, ticket: Ticket) -> bool {
        self.finish_within(batch, ticket, Duration::from_millis(FINISH_MS))
    }

    fn state(&self, now: Tick) -> Option<StoreState> {
        let mailbox = self.shared.lock();
        Some(StoreState {
            counters: mailbox.counters.clone(),
            commit_age_ms: self.age_ms(now),
            collected_bytes: mailbox.batch.bytes(),
        })
    }
}

/// The journal on its thread.
struct Writer {
    journal: Journal<Directory>,
    place: Place,
    clock: Clock,
    shared: Arc<Shared>,
    batch: Batch,
    counters: JournalCounters,
    /// Whether the last commit failed: the log has one line when that begins, and one when it ends.
    is_failing: bool,
}

/// What the thread does next.
enum Work {
    Commit(Ticket),
    CheckDirectory,
    /// Work of the journal's own, while there is no batch.
    Maintain,
    Finish,
    Abandon,
}

impl Writer {
    fn new(journal: Journal<Directory>, place: Place, clock: Clock, shared: Arc<Shared>) -> Self {
        Self {
            journal,
            place,
            clock,
            shared,
            batch: Batch::default(),
            counters: JournalCounters::default(),
            is_failing: false,
        }
    }

    /// Closes the files, and tells that the thread has ended.
    fn end(self) {
        let shared = self.shared.clone();
        // First of all its files: another process may wait for the directory.
        drop(self);
        shared.lock().has_ended = true;
        shared.changed.notify_all();
    }

    fn run(&mut self) {
        loop {
            match self.next() {
                Work::Commit(ticket) => {
                    let is_kept = self.commit();
                    self.publish(match is_kept {
                        true => Event::Kept(ticket),
                        false => Event::NotKept(ticket),
                    });
                }
                Work::Maintain => self.maintain(),
                Work::CheckDirectory => {
                    let is_lost = self.place.is_lost();
                    self.publish(match is_lost {
                        true => Event::GivenUp,
                        false => Event::Recoverable,
                    });
                }
                Work::Finish => return self.finish(),
                Work::Abandon => return,
            }
        }
    }

    /// Waits for work.
    fn next(&mut self) -> Work {
        let mut mailbox = self.shared.lock();
        loop {
            if mailbox.is_abandoned {
                return Work::Abandon;
            }
            if mailbox.is_check_wanted {
                mailbox.is_check_wanted = false;
                return Work::CheckDirectory;
            }
            if let Some(ticket) = mailbox.ticket.take() {
                self.batch.clear();
                mem::swap(&mut self.batch, &mut mailbox.batch);
                return match mailbox.is_last {
                    true => Work::Finish,
                    false => Work::Commit(ticket),
                };
            }
            let now = self.clock.now().tick;
            let wait = self.journal.poll_timeout().map(|at| at.millis_since(now));
            if wait == Some(0) {
                return Work::Maintain;
            }
            mailbox.is_waiting = true;
            let changed = &self.shared.changed;
            mailbox = match wait {
                Some(ms) => {
                    let waited = changed.wait_timeout(mailbox, Duration::from_millis(ms));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = changed.wait(mailbox);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
            mailbox.is_waiting = false;
        }
    }

    /// Puts the state and an event into the mailbox, and wakes the loop.
    fn publish(&self, event: Event) {
        self.put(Some(event));
        self.wake();
    }

    fn put(&self, event: Option<Event>) {
        let mut mailbox = self.shared.lock();
        mailbox.is_failing = self.is_failing;
        mailbox.counters.clone_from(&self.counters);
        mailbox.events.extend(event);
    }

    fn wake(&self) {
        if let Err(error) = self.shared.waker.wake() {
            warn!("cannot wake the loop: {error}");
        }
    }

    /// Has the journal do what it has to do by itself. The last batch has its answer: if that was not kept, it is
    /// never to be.
    fn maintain(&mut self) {
        let was_failing = self.is_failing;
        self.batch.clear();
        self.commit();
        self.put(None);
        // A checkpoint commits some thousand times, which is nothing to the loop.
        if self.is_failing != was_failing {
            self.wake();
        }
    }

    /// Makes the batch durable. `false`: the jobs that it accepts are not kept.
    fn commit(&mut self) -> bool {
        let before = self.journal.counts();
        let begun = Instant::now();
        let result = self.journal.commit(&self.batch, self.now());
        let counts = self.journal.counts();
        if counts.syncs > before.syncs {
            self.counters.sync.observe(millis(begun.elapsed()));
        }
        self.counters.commits = counts.writes;
        self.counters.syncs = counts.syncs;
        self.counters.bytes = counts.bytes;
        self.counters.failures = counts.failures;
        self.counters.unreadable = counts.unreadable;
        let has_failed = counts.failures > before.failures;
        match &result {
            Err(failure) if has_failed && !self.is_failing => {
                warn!("journal: {failure}; commands are answered \"busy\" until it can be written");
            }
            Err(failure) => debug!("journal: {failure}"),
            Ok(()) if self.is_failing && !self.journal.is_failing() => {
                warn!("journal: writable again");
            }
            Ok(()) => {}
        }
        self.is_failing = self.journal.is_failing();
        result.is_ok()
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn finish(&mut self) {
        if let Err(failure) = self.journal.finish(&self.batch, self.now()) {
            warn!("journal: {failure}; replies that were just posted may be posted again");
        }
        let counts = self.journal.counts();
        info!(
            "journal: accepted {}, writes {}, syncs {}, bytes {}, moved {}, failures {}, at most {} bytes",
            counts.accepted,
            counts.writes,
            counts.syncs,
            counts.bytes,
            counts.moved,
            counts.failures,
            counts.peak_bytes,
        );
    }
}

impl Drop for JournalThread {
    /// The thread ends when it has finished its present work. It is not joined: a disk that hangs must not keep the
    /// process.
    fn drop(&mut self) {
        self.shared.lock().is_abandoned = true;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
