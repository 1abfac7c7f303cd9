//! The journal of the simulated bot, whose thread takes its time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::Generator;
use super::disk::SimulatedDisk;
use super::platform::SimulatedClock;
use crate::app::Bot;
use crate::config::Config;
use crate::journal::{Counts, Journal, Recovery};
use crate::store::{Batch, Event, OVERDUE_MS, PendingJob, Store, StoreState, Ticket};
use crate::time::{Now, Tick};

/// How long a batch is with the journal's thread, ms.
const COMMIT_MS: [u64; 8] = [0, 0, 0, 1, 40, 900, 1_500, 2_500];

pub(crate) struct Kept {
    journal: Journal<SimulatedDisk>,
    pub(crate) disk: SimulatedDisk,
    /// Draws how long a batch takes; none takes no time.
    pace: Option<Generator>,
    /// What is with the journal's thread, and what collects behind it.
    flight: Option<Flight>,
    waiting: Batch,
    ticket: Option<Ticket>,
    clock: SimulatedClock,
    /// The process is about to stop, and has not been told yet that it may leave what is kept.
    is_asked: bool,
    /// What it answers then; nothing while its disk hangs.
    pub(super) stop_answer: Option<Event>,
}

/// A batch that is with the journal's thread: since when, when it is answered, and what the answer is.
struct Flight {
    since: Tick,
    at: Tick,
    event: Event,
}

impl Kept {
    pub(crate) fn new(
        mut generator: Generator,
        is_late: bool,
        bot: &mut Bot,
        clock: SimulatedClock,
    ) -> Self {
        let now = clock.now();
        let pace = is_late.then(|| Generator::new(generator.number()));
        let disk = SimulatedDisk::new(generator);
        let (journal, _) = open(&disk, bot, now);
        Self {
            journal,
            disk,
            pace,
            flight: None,
            waiting: Batch::default(),
            ticket: None,
            clock,
            is_asked: false,
            stop_answer: Some(Event::Recoverable),
        }
    }

    /// The thread takes what collects.
    fn take(&mut self, now: Now) {
        if self.flight.is_none()
            && let Some(ticket) = self.ticket.take()
        {
            let event = match self.journal.commit(&self.waiting, now) {
                Ok(()) => Event::Kept(ticket),
                Err(_) => Event::NotKept(ticket),
            };
            self.waiting.clear();
            let ms = self.pace.as_mut().map_or(0, |pace| pace.pick(&COMMIT_MS));
            self.flight = Some(Flight {
                since: now.tick,
                at: now.tick.after(ms),
                event,
            });
        }
    }

    /// Has what is with the journal's thread answered in the next turn, and tells whether there is something.
    pub(crate) fn hurry(&mut self) -> bool {
        let now = self.clock.now();
        self.flight
            .iter_mut()
            .for_each(|flight| flight.at = now.tick);
        self.flight.is_some()
    }

    /// Has what is with the journal's thread answered so much later.
    pub(crate) fn delay(&mut self, ms: u64) {
        self.flight
            .iter_mut()
            .for_each(|flight| flight.at = flight.at.after(ms));
    }

    /// When there is an answer, or something for the thread to do.
    pub(crate) fn answer_at(&self) -> Option<Tick> {
        match &self.flight {
            Some(flight) => Some(flight.at),
            None => self.journal.poll_timeout(),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.journal.counts()
    }

    /// Shows that the next process has what this one has left, and nothing else. The texts.
    pub(crate) fn restart(&self, bot: &Bot, config: &Config) -> BTreeSet<String> {
        let now = self.clock.now();
        let left = pending(bot, now);
        let mut next = Bot::new(config, now.tick);
        let (_, recovery) = open(&self.disk, &mut next, now);
        // A write that failed half-way, and could not be undone, may have left something.
        let failures = self.journal.counts().failures;
        assert!(recovery.torn_bytes == 0 || failures > 0);
        assert_eq!(recovery.damages, 0);
        assert_eq!(pending(&next, now), left);
        left
    }
}

impl Store for Kept {
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, _: Tick) {
        self.waiting.append(batch);
        self.ticket = Some(ticket);
        self.take(self.clock.now());
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        if self.stop_answer.is_some() && std::mem::take(&mut self.is_asked) {
            return self.stop_answer;
        }
        let flight = self.flight.take_if(|flight| now >= flight.at);
        self.take(self.clock.now());
        let is_due = |at: Tick| at <= now;
        if self.flight.is_none() && self.journal.poll_timeout().is_some_and(is_due) {
            let _ = self.journal.commit(&Batch::default(), self.clock.now());
        }
        flight.map(|flight| flight.event)
    }

    fn is_accepting(&self, now: Tick) -> bool {
        let is_in_time = |flight: &Flight| now.millis_since(flight.since) < OVERDUE_MS;
        self.flight.as_ref().is_none_or(is_in_time) && !self.journal.is_failing()
    }

    fn begin_stop(&mut self) {
        self.is_asked = true;
    }

    fn finish(&mut self, batch: &mut Batch, _: Ticket) -> bool {
        self.waiting.append(batch);
        let last = std::mem::take(&mut self.waiting);
        self.journal.finish(&last, self.clock.now()).is_ok()
    }

    fn state(&self, _: Tick) -> Option<StoreState> {
        None
    }
}

fn open(disk: &SimulatedDisk, bot: &mut Bot, now: Now) -> (Journal<SimulatedDisk>, Recovery) {
    let restore = |number, job: &PendingJob<'_>| bot.restore(number, job, now.tick);
    let opened = Journal::open(disk.clone(), now, restore).unwrap();
    bot.begin_store(opened.0.next_job());
    opened
}

/// The texts of all that is pending and not too old.
fn pending(bot: &Bot, now: Now) -> BTreeSet<String> {
    let jobs = bot.pending_jobs().map(|(_, job)| job);
    let jobs = jobs.filter(|job| job.expires_at > now.tick);
    jobs.map(|job| job.text.to_owned()).collect()
}

/// What an engine is given: a journal that a test can look at, or none.
#[derive(Clone)]
pub(super) struct SimulatedStore(pub(super) Option<Rc<RefCell<Kept>>>);

impl SimulatedStore {
    /// Has a look.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Kept) -> R) -> Option<R> {
        self.0.as_ref().map(|kept| look(&mut kept.borrow_mut()))
    }
}

impl Store for SimulatedStore {
    fn is_durable(&self) -> bool {
        self.0.is_some()
    }

    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick) {
        self.with(|kept| kept.submit(batch, ticket, now));
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        self.with(|kept| kept.poll(now)).flatten()
    }

    fn is_accepting(&self, now: Tick) -> bool {
        self.with(|kept| kept.is_accepting(now)).unwrap_or(true)
    }

    fn begin_stop(&mut self) {
        self.with(Kept::begin_stop);
    }

    fn finish(&mut self, batch: &mut Batch, ticket: Ticket) -> bool {
        self.with(|kept| kept.finish(batch, ticket)).unwrap_or(true)
    }

    fn state(&self, _: Tick) -> Option<StoreState> {
        None
    }
}
