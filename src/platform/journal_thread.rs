//! The thread that the journal writes and syncs on, so that the loop never waits for the disk.
//!
//! Loop and thread share a few fields behind a lock that either holds for some statements. The loop gives a batch and
//! goes on; the thread commits it, leaves the answer, and wakes the loop.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, mem, thread};

use log::{debug, info, warn};
use mio::Waker;

use super::clock::Clock;
use super::directory::{Directory, Place};
use crate::journal::Journal;
use crate::store::{Batch, OVERDUE_MS};
use crate::telemetry::metrics::JournalCounters;
use crate::time::{Now, Tick, millis};

/// The loop's side.
pub(crate) struct JournalThread {
    shared: Arc<Shared>,
    /// Since when a batch has been with the thread.
    in_flight: Option<Tick>,
    is_failing: bool,
    counters: JournalCounters,
}

struct Shared {
    desk: Mutex<Desk>,
    /// There is work, or the thread has ended.
    changed: Condvar,
    waker: Arc<Waker>,
}

/// What lies between the two.
#[derive(Default)]
struct Desk {
    batch: Batch,
    has_batch: bool,
    /// The loop asks whether the directory is still where it was.
    is_asked: bool,
    /// The batch is the last one.
    is_last: bool,
    /// The journal is of no use any more.
    is_abandoned: bool,
    /// Whether the jobs of the batch are kept.
    answer: Option<bool>,
    /// Whether the directory is no longer where it was.
    is_lost: Option<bool>,
    is_failing: bool,
    counters: JournalCounters,
    has_ended: bool,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this holds. `None`: not by the deadline.
    fn wait_until(
        &self,
        deadline: Instant,
        holds: impl Fn(&Desk) -> bool,
    ) -> Option<MutexGuard<'_, Desk>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waits = |desk: &mut Desk| !holds(desk);
        let waited = self.changed.wait_timeout_while(self.desk(), left, waits);
        let (desk, _) = waited.unwrap_or_else(PoisonError::into_inner);
        holds(&desk).then_some(desk)
    }
}

impl JournalThread {
    /// Gives the journal to a thread, which wakes the loop with each answer.
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
            desk: Mutex::default(),
            changed: Condvar::new(),
            waker,
        });
        let mut writer = Writer {
            journal,
            place,
            clock,
            shared: shared.clone(),
            batch: Batch::default(),
            counters: JournalCounters::default(),
            is_failing: false,
        };
        let thread = thread::Builder::new().name("journal".to_owned());
        thread.spawn(move || {
            writer.run();
            // First of all its files: another process may wait for the directory.
            let Writer { shared, .. } = writer;
            shared.desk().has_ended = true;
            shared.changed.notify_all();
        })?;
        Ok(Self {
            shared,
            in_flight: None,
            is_failing: false,
            counters: JournalCounters::default(),
        })
    }

    /// Whether there is no batch with the thread.
    pub(crate) const fn is_idle(&self) -> bool {
        self.in_flight.is_none()
    }

    /// For how long the batch that is with the thread has been there, in milliseconds.
    pub(crate) fn age_ms(&self, now: Tick) -> u64 {
        self.in_flight.map_or(0, |since| now.millis_since(since))
    }

    /// Whether what is accepted now would be kept in time, as far as can be known.
    pub(crate) fn is_accepting(&self, now: Tick) -> bool {
        !self.is_failing && self.age_ms(now) < OVERDUE_MS
    }

    /// Takes the contents of a batch.
    pub(crate) fn submit(&mut self, batch: &mut Batch, now: Tick) {
        let mut desk = self.shared.desk();
        mem::swap(&mut desk.batch, batch);
        desk.has_batch = true;
        self.in_flight = Some(now);
        self.shared.changed.notify_all();
    }

    /// Whether the jobs of the batch are kept, once that is known.
    pub(crate) fn poll(&mut self) -> Option<bool> {
        let mut desk = self.shared.desk();
        self.is_failing = desk.is_failing;
        let is_kept = desk.answer.take()?;
        self.counters.clone_from(&desk.counters);
        drop(desk);
        self.in_flight = None;
        Some(is_kept)
    }

    /// Has the thread look whether the directory is still where it was.
    pub(crate) fn ask_place(&self) {
        self.shared.desk().is_asked = true;
        self.shared.changed.notify_all();
    }

    /// Whether the next start will not find what is kept, once the thread has looked.
    pub(crate) fn is_lost(&self) -> Option<bool> {
        self.shared.desk().is_lost
    }

    /// What Prometheus is told.
    pub(crate) const fn counters(&self) -> &JournalCounters {
        &self.counters
    }

    /// Makes the last outcomes durable and gives the directory free. `false`: not within this time; the system
    /// does that when the process has ended and the disk answers.
    pub(crate) fn finish(&mut self, batch: &mut Batch, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let Some(mut desk) = self.shared.wait_until(deadline, |desk| !desk.has_batch) else {
            return false;
        };
        mem::swap(&mut desk.batch, batch);
        (desk.has_batch, desk.is_last) = (true, true);
        drop(desk);
        self.shared.changed.notify_all();
        let ended = self.shared.wait_until(deadline, |desk| desk.has_ended);
        ended.is_some()
    }
}

/// The thread's side.
struct Writer {
    journal: Journal<Directory>,
    place: Place,
    clock: Clock,
    shared: Arc<Shared>,
    batch: Batch,
    counters: JournalCounters,
    /// Whether the last batch could not be written: the log is told once, and once when it is over.
    is_failing: bool,
}

/// What the thread is to do next.
enum Work {
    Commit,
    Look,
    /// Nothing is asked for, and the journal has work of its own.
    Tend,
    Finish,
    Abandon,
}

impl Writer {
    fn run(&mut self) {
        loop {
            match self.next() {
                Work::Commit => {
                    let is_kept = self.commit();
                    self.answer(|desk| {
                        desk.has_batch = false;
                        desk.answer = Some(is_kept);
                    });
                }
                Work::Tend => {
                    self.batch.clear();
                    self.commit();
                    self.answer(|_| {});
                }
                Work::Look => {
                    let is_lost = self.place.is_lost();
                    self.answer(|desk| desk.is_lost = Some(is_lost));
                }
                Work::Finish => return self.finish(),
                Work::Abandon => return,
            }
        }
    }

    /// Waits for work.
    fn next(&mut self) -> Work {
        let mut desk = self.shared.desk();
        loop {
            if desk.is_abandoned {
                return Work::Abandon;
            }
            if desk.is_asked {
                desk.is_asked = false;
                return Work::Look;
            }
            if desk.has_batch {
                self.batch.clear();
                mem::swap(&mut self.batch, &mut desk.batch);
                return match desk.is_last {
                    true => Work::Finish,
                    false => Work::Commit,
                };
            }
            let now = self.clock.now().tick;
            let wait = self.journal.poll_timeout().map(|at| at.millis_since(now));
            desk = match wait {
                Some(0) => return Work::Tend,
                Some(ms) => {
                    let waited = self
                        .shared
                        .changed
                        .wait_timeout(desk, Duration::from_millis(ms));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.shared.changed.wait(desk);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Leaves what is to be known on the desk, and wakes the loop.
    fn answer(&self, change: impl FnOnce(&mut Desk)) {
        let mut desk = self.shared.desk();
        desk.is_failing = self.is_failing;
        desk.counters.clone_from(&self.counters);
        change(&mut desk);
        drop(desk);
        self.shared.changed.notify_all();
        if let Err(error) = self.shared.waker.wake() {
            warn!("cannot wake the loop: {error}");
        }
    }

    /// Makes the batch durable. Otherwise what it accepts is not kept, and `false`.
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
        let has_failed = counts.failures > before.failures;
        match &result {
            Err(failure) if has_failed && !self.is_failing => {
                warn!("journal: {failure}; commands are answered \"busy\" until it can be written");
            }
            Err(failure) => debug!("journal: {failure}"),
            Ok(()) if self.is_failing && !self.journal.is_failing() => {
                warn!("journal: can be written again");
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
    /// The thread ends with what it is doing. It is not waited for: a disk that hangs must not keep the process.
    fn drop(&mut self) {
        self.shared.desk().is_abandoned = true;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
