//! The thread that the journal writes and syncs on, so that the loop never waits for the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, mem};

use log::{debug, info, warn};
use mio::Waker;

use super::clock::Clock;
use super::directory::{Directory, Place};
use super::mailbox::{LoopSide, Mailbox, Shared};
use crate::journal::Journal;
use crate::store::{Batch, Event, Store, StoreState, Ticket};
use crate::telemetry::metrics::JournalCounters;
use crate::time::{Now, Tick, millis};

/// How long a stop waits for the last commit, ms: a disk that hangs must not keep the process.
const FINISH_MS: u64 = 400;

/// The store as the loop sees it.
pub(crate) struct JournalThread {
    side: LoopSide<State>,
    is_failing: bool,
}

/// What the thread tells besides events.
#[derive(Default)]
struct State {
    is_failing: bool,
    counters: JournalCounters,
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
        let side = LoopSide::new(waker);
        let mut writer = Writer::new(journal, place, clock, side.shared.clone());
        side.spawn("journal", move || writer.run())?;
        Ok(Self {
            side,
            is_failing: false,
        })
    }
}

impl Store for JournalThread {
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick) {
        self.side.submit(batch, ticket, now);
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        let is_failing = &mut self.is_failing;
        let look = |_: &_, mailbox: &mut Mailbox<State>| *is_failing = mailbox.state.is_failing;
        self.side.poll(now, look)
    }

    fn is_accepting(&self, now: Tick) -> bool {
        !self.is_failing && self.side.is_in_time(now)
    }

    fn begin_stop(&mut self) {
        self.side.begin_stop();
    }

    /// If it is not in time, the kernel unlocks the directory when the process has ended and the disk has answered.
    fn finish(&mut self, batch: &mut Batch, ticket: Ticket) -> bool {
        let timeout = Duration::from_millis(FINISH_MS);
        self.side.finish_within(batch, ticket, timeout)
    }

    fn state(&self, now: Tick) -> Option<StoreState> {
        let mailbox = self.side.shared.lock();
        Some(StoreState {
            counters: mailbox.state.counters.clone(),
            commit_age_ms: self.side.age_ms(now),
            collected_bytes: mailbox.batch.bytes(),
            #[cfg(feature = "redis")]
            fleet: None,
        })
    }
}

/// The journal on its thread.
struct Writer {
    journal: Journal<Directory>,
    place: Place,
    clock: Clock,
    shared: Arc<Shared<State>>,
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
    fn new(
        journal: Journal<Directory>,
        place: Place,
        clock: Clock,
        shared: Arc<Shared<State>>,
    ) -> Self {
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
            // A stop wants to know whether the directory is still where it was.
            if mem::take(&mut mailbox.is_stopping) {
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
            mailbox = self.shared.wait(mailbox, wait.map(Duration::from_millis));
        }
    }

    /// Puts the state and an event into the mailbox, and wakes the loop.
    fn publish(&self, event: Event) {
        self.put(Some(event));
        self.shared.wake();
    }

    fn put(&self, event: Option<Event>) {
        let mut mailbox = self.shared.lock();
        mailbox.state.is_failing = self.is_failing;
        mailbox.state.counters.clone_from(&self.counters);
        mailbox.events.extend(event);
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
            self.shared.wake();
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
        self.counters.unreadable_segments = counts.unreadable_segments;
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

#[cfg(test)]
mod tests;
