//! The thread that keeps a fleet's journal: it has the connection to Redis, and does what the replica says.
//!
//! The loop gives it batches and gets events; see `mailbox.rs`. The replica decides what is sent, and when; this opens the
//! connection, sends, and reads within the deadline that comes with each exchange. A batch that is in flight collects the next.
//!
//! The lease says that the process lives, and a process whose loop hangs posts nothing. So each exchange wakes the loop, and
//! when that has made no turn for one lease nothing is sent any more: the others take over.

mod driver;
mod lines;

use std::sync::Arc;
use std::time::Duration;
use std::{io, iter, mem};

use log::{info, log, warn};
use mio::Waker;

pub(crate) use self::driver::Driver;
use self::lines::{NameLine, TakeLines, TroubleLines};
use super::mailbox::{LoopSide, Mailbox, Shared};
use crate::shared_journal::PostingGate;
use crate::store::{Batch, Event, Store, StoreState, Ticket};
use crate::telemetry::metrics::{FleetCounters, JournalCounters};
use crate::time::Tick;

/// How long a stop waits until the last outcomes are in Redis and the lease is given back, ms.
const FINISH_MS: u64 = 400;

/// The store as the loop sees it.
pub(crate) struct SharedJournalThread {
    side: LoopSide<State>,
    gate: PostingGate,
    /// When the gate must be asked again.
    gate_timeout: Option<Tick>,
    is_accepting: bool,
}

/// What loop and thread tell each other besides batches and events.
#[derive(Default)]
struct State {
    /// How many jobs the loop lets be adopted.
    room: usize,
    /// Since when the loop has been awaited, if it has made no turn since.
    awaited_since: Option<Tick>,
    is_accepting: bool,
    /// When the last confirmed renewal was sent.
    confirmed: Option<Tick>,
    counters: JournalCounters,
    /// As it stood then.
    fleet: FleetCounters,
    published_at: Tick,
}

impl SharedJournalThread {
    /// Gives the replica to a thread, with the connection if there is one already, and wakes the loop with each event.
    ///
    /// # Errors
    /// The system has no thread.
    pub(crate) fn start(driver: Driver, lease_ms: u64, waker: Arc<Waker>) -> io::Result<Self> {
        let side = LoopSide::new(waker);
        let mut worker = Worker::new(driver, lease_ms, side.shared.clone());
        worker.publish();
        side.spawn("journal", move || worker.run())?;
        Ok(Self {
            side,
            gate: PostingGate::new(lease_ms),
            gate_timeout: None,
            is_accepting: false,
        })
    }
}

impl Store for SharedJournalThread {
    fn is_shared(&self) -> bool {
        true
    }

    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick) {
        self.side.submit(batch, ticket, now);
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        let (gate, is_accepting) = (&mut self.gate, &mut self.is_accepting);
        let look = |shared: &Shared<State>, mailbox: &mut Mailbox<State>| {
            if mailbox.state.awaited_since.take().is_some() {
                shared.signal(mailbox);
            }
            *is_accepting = mailbox.state.is_accepting;
            mailbox
                .state
                .confirmed
                .into_iter()
                .for_each(|sent| gate.confirm(sent));
        };
        self.side.poll(now, look)
    }

    fn poll_timeout(&self) -> Option<Tick> {
        self.gate_timeout
    }

    fn is_accepting(&self, now: Tick) -> bool {
        self.is_accepting && self.side.is_in_time(now)
    }

    fn may_post(&mut self, now: Tick) -> bool {
        let may_post = self.gate.may_post(now);
        self.gate_timeout = self.gate.poll_timeout().filter(|_| !may_post);
        may_post
    }

    fn set_room(&mut self, jobs: usize) {
        let mut mailbox = self.side.shared.lock();
        mailbox.state.room = jobs;
        self.side.shared.signal(&mailbox);
    }

    fn begin_stop(&mut self) {
        self.side.begin_stop();
    }

    /// If it is not in time, the lease runs out by itself, and the others post what is left.
    fn finish(&mut self, batch: &mut Batch, ticket: Ticket) -> bool {
        let timeout = Duration::from_millis(FINISH_MS);
        self.side.finish_within(batch, ticket, timeout)
    }

    fn state(&self, now: Tick) -> Option<StoreState> {
        let mailbox = self.side.shared.lock();
        let mut fleet = mailbox.state.fleet.clone();
        let age_ms = now.millis_since(mailbox.state.published_at);
        fleet.lease_remaining_ms = fleet.lease_remaining_ms.saturating_sub(age_ms);
        Some(StoreState {
            counters: mailbox.state.counters.clone(),
            commit_age_ms: self.side.age_ms(now),
            collected_bytes: mailbox.batch.bytes(),
            fleet: Some(fleet),
        })
    }
}

/// The driver on its thread.
struct Worker {
    driver: Driver,
    lease_ms: u64,
    shared: Arc<Shared<State>>,
    batch: Batch,
    /// What the replica has been told.
    room: usize,
    trouble: TroubleLines,
    name: NameLine,
    takes: TakeLines,
}

impl Worker {
    fn new(driver: Driver, lease_ms: u64, shared: Arc<Shared<State>>) -> Self {
        Self {
            driver,
            lease_ms,
            shared,
            batch: Batch::default(),
            room: 0,
            trouble: TroubleLines::new(),
            name: NameLine::default(),
            takes: TakeLines::default(),
        }
    }

    fn run(&mut self) {
        while self.take_mail() {
            if !self.is_loop_hung() && self.driver.act() {
                self.publish();
            } else if self.tell_events() {
                // There may be more.
            } else if self.driver.replica.is_finished() {
                return self.finish();
            } else {
                self.rest();
            }
        }
    }

    /// Tells the loop what follows from its own words, for which nothing had to be sent. `false`: nothing.
    fn tell_events(&mut self) -> bool {
        let Some(event) = self.driver.replica.poll_event() else {
            return false;
        };
        self.shared.lock().events.push_back(event);
        self.publish();
        true
    }

    /// Tells the replica what the loop has said. `false`: the loop is gone.
    fn take_mail(&mut self) -> bool {
        let mut mailbox = self.shared.lock();
        if mailbox.is_abandoned {
            return false;
        }
        let ticket = mailbox.ticket.take();
        if ticket.is_some() {
            self.batch.clear();
            mem::swap(&mut self.batch, &mut mailbox.batch);
        }
        let is_stopping = mem::take(&mut mailbox.is_stopping);
        let is_last = mem::take(&mut mailbox.is_last);
        let room = mailbox.state.room;
        drop(mailbox);
        let now = self.driver.clock.now().tick;
        let replica = &mut self.driver.replica;
        if mem::replace(&mut self.room, room) != room {
            replica.set_room(room);
        }
        if is_stopping {
            replica.begin_stop();
        }
        if let Some(ticket) = ticket {
            replica.submit(&mut self.batch, ticket, now);
        }
        if is_last {
            replica.finish();
        }
        true
    }

    /// Whether the loop has made no turn for one lease though it was woken.
    fn is_loop_hung(&self) -> bool {
        let now = self.driver.clock.now().tick;
        let awaited_since = self.shared.lock().state.awaited_since;
        awaited_since.is_some_and(|since| now.millis_since(since) >= self.lease_ms)
    }

    /// Waits until there is something to do.
    fn rest(&self) {
        let is_hung = self.is_loop_hung();
        let now = self.driver.clock.now().tick;
        let next = self.driver.replica.poll_timeout();
        let wait_ms = next.map(|at| at.millis_since(now)).filter(|_| !is_hung);
        let mailbox = self.shared.lock();
        let has_mail = mailbox.ticket.is_some()
            || mailbox.is_abandoned
            || mailbox.is_stopping
            || mailbox.is_last
            || mailbox.state.room != self.room;
        // What has come while the lock was free, the turn of a loop that hung included, is looked at first.
        let is_awaited = mailbox.state.awaited_since.is_some();
        if !has_mail && wait_ms != Some(0) && (is_awaited || !is_hung) {
            drop(
                self.shared
                    .wait(mailbox, wait_ms.map(Duration::from_millis)),
            );
        }
    }

    /// Puts events and state into the mailbox, and wakes the loop: for what it is to know, and to see that it turns.
    fn publish(&mut self) {
        let now = self.driver.clock.now().tick;
        let fleet = self.driver.fleet();
        let ends = TakeLines::ends(&fleet);
        let replica = &mut self.driver.replica;
        let confirmed = replica.last_ok();
        let is_accepting = replica.is_accepting(now);
        let mut mailbox = self.shared.lock();
        mailbox
            .events
            .extend(iter::from_fn(|| replica.poll_event()));
        let state = &mut mailbox.state;
        state.is_accepting = is_accepting;
        state.confirmed = confirmed;
        (state.fleet, state.published_at) = (fleet, now);
        state.counters.clone_from(&self.driver.counters);
        if state.awaited_since.is_none() {
            state.awaited_since = Some(now);
        }
        drop(mailbox);
        self.shared.wake();
        self.tell(ends, is_accepting, now);
    }

    /// Logs what is new, after the loop could learn of it: who reads that commands are taken again may send one.
    fn tell(&mut self, ends: [u64; 4], is_accepting: bool, now: Tick) {
        let replica = &mut self.driver.replica;
        if is_accepting || replica.trouble().is_some() {
            self.trouble
                .tell(replica.trouble(), now, |line| warn!("journal: {line}"));
        }
        if let Some(name) = self.name.take(replica.name()) {
            info!("journal: this process is {name} in the fleet");
        }
        self.takes
            .tell(ends, now, |level, line| log!(level, "journal: {line}"));
        // That process is left alone for a while, so these are few.
        if let Some((process, cause)) = replica.take_refusal() {
            warn!("journal: the replies of process {process:?} cannot be taken over: {cause}");
        }
    }

    fn finish(&self) {
        let counters = &self.driver.counters;
        info!(
            "journal: exchanges {}, bytes {}, failures {}, reconnects {}",
            counters.commits,
            counters.bytes,
            counters.failures,
            self.driver.opened.saturating_sub(1),
        );
    }
}

#[cfg(test)]
mod tests;
