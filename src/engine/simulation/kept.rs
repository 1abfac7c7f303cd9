//! The journal of the simulated bot, whose thread takes its time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Generator;
use super::clock::SimulatedClock;
use super::disk::SimulatedDisk;
use crate::app::Bot;
use crate::journal::{Counts, Journal, Recovery};
use crate::slab::Key;
use crate::store::{Batch, Event, OVERDUE_MS, Outcome, PendingJob, Store, StoreState, Ticket};
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
    /// What was told, and what was done about it.
    pub(super) done: u64,
    /// What the journal was told of each job, by its number.
    told: BTreeMap<u32, Told>,
}

/// A batch that is with the journal's thread: since when, when it is answered, and what the answer is.
struct Flight {
    since: Tick,
    at: Tick,
    event: Event,
}

/// How well the journal knows something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// As long as the process lives.
    #[default]
    Told,
    /// As long as there is power.
    Written,
    /// The same, in a file that was given up: only the end of a checkpoint makes it durable.
    Stranded,
    Durable,
}

/// What became of a job, and how well that is known.
#[derive(Default)]
struct Told {
    settled: Option<Known>,
    attempts: Vec<(u8, Known)>,
}

impl Told {
    fn all(&mut self) -> impl Iterator<Item = &mut Known> {
        let attempts = self.attempts.iter_mut().map(|(_, known)| known);
        attempts.chain(&mut self.settled)
    }

    fn advance(&mut self, to: Known, is_checkpoint: bool) {
        let stays = |known: &Known| *known == Known::Stranded && !is_checkpoint;
        for known in self.all().filter(|known| !stays(known)) {
            *known = to.max(*known);
        }
    }

    fn strand(&mut self) {
        let written = self.all().filter(|known| **known == Known::Written);
        written.for_each(|known| *known = Known::Stranded);
    }
}

/// What the next process must know of a job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remembered {
    pub(super) is_settled: bool,
    /// The journal was told so, which may be more than is remembered.
    pub(super) may_be_settled: bool,
    pub(super) attempts: u8,
}

impl Remembered {
    /// And this as well.
    pub(super) fn add(&mut self, more: Option<&Self>) {
        if let Some(more) = more {
            self.is_settled |= more.is_settled;
            self.may_be_settled |= more.may_be_settled;
            self.attempts = self.attempts.max(more.attempts);
        }
    }
}

impl Kept {
    /// A journal on what is on the disk, and what it has found there.
    pub(crate) fn open(
        disk: SimulatedDisk,
        pace: Option<Generator>,
        bot: &mut Bot,
        clock: SimulatedClock,
    ) -> (Self, Recovery) {
        let (journal, recovery) = open(&disk, bot, clock.now());
        let kept = Self {
            journal,
            disk,
            pace,
            flight: None,
            waiting: Batch::default(),
            ticket: None,
            clock,
            is_asked: false,
            stop_answer: Some(Event::Recoverable),
            done: 0,
            told: BTreeMap::new(),
        };
        (kept, recovery)
    }

    /// The thread takes what collects.
    fn take(&mut self, now: Now) {
        if self.flight.is_none()
            && let Some(ticket) = self.ticket.take()
        {
            let batch = std::mem::take(&mut self.waiting);
            let event = match self.commit(&batch, now) {
                true => Event::Kept(ticket),
                false => Event::NotKept(ticket),
            };
            let ms = self.pace.as_mut().map_or(0, |pace| pace.pick(&COMMIT_MS));
            self.flight = Some(Flight {
                since: now.tick,
                at: now.tick.after(ms),
                event,
            });
        }
    }

    fn commit(&mut self, batch: &Batch, now: Now) -> bool {
        self.done += 1;
        let before = (self.journal.counts(), self.disk.given_up());
        self.note_told(batch);
        let is_kept = self.journal.commit(batch, now).is_ok();
        self.note_done(before);
        is_kept
    }

    fn note_told(&mut self, batch: &Batch) {
        for outcome in batch.outcomes() {
            match *outcome {
                Outcome::Attempted { job, attempts, .. } => {
                    let told = self.told.entry(job.generation()).or_default();
                    told.attempts.push((attempts, Known::Told));
                }
                Outcome::Settled { job } => {
                    let told = self.told.entry(job.generation()).or_default();
                    told.settled.get_or_insert_default();
                }
                Outcome::Withdrawn { .. } => {}
                Outcome::Adopted { .. } | Outcome::Declined { .. } => {
                    unreachable!("a journal has no jobs of others")
                }
            }
        }
    }

    /// Whether it was told of so many attempts of a job, or will be with what collects.
    pub(super) fn was_told(&self, job: Key, attempts: u8) -> bool {
        let collected = self.waiting.outcomes().iter().any(|outcome| {
            matches!(outcome, Outcome::Attempted { job: other, attempts: count, .. }
                if *other == job && *count == attempts)
        });
        let told = self.told.get(&job.generation());
        let mut told = told.iter().flat_map(|told| &told.attempts);
        collected || told.any(|(count, _)| *count == attempts)
    }

    fn note_done(&mut self, (before, given_up): (Counts, u64)) {
        if self.disk.given_up() > given_up {
            self.told.values_mut().for_each(Told::strand);
        }
        let counts = self.journal.counts();
        let known = match (counts.writes > before.writes, counts.syncs > before.syncs) {
            (_, true) => Known::Durable,
            (true, _) => Known::Written,
            _ => return,
        };
        let is_checkpoint = counts.checkpoints > before.checkpoints;
        let told = self.told.values_mut();
        told.for_each(|told| told.advance(known, is_checkpoint));
    }

    /// What the next process must know, if as much is forgotten as is not known so well.
    pub(super) fn remembered(&self, enough: Known) -> BTreeMap<u32, Remembered> {
        let is_enough = |known: &Known| *known >= enough;
        let remembered = self.told.iter().map(|(number, told)| {
            let attempts = told.attempts.iter().filter(|(_, known)| is_enough(known));
            let remembered = Remembered {
                is_settled: told.settled.as_ref().is_some_and(is_enough),
                may_be_settled: told.settled.is_some(),
                attempts: attempts.map(|(attempts, _)| *attempts).max().unwrap_or(0),
            };
            (*number, remembered)
        });
        remembered.collect()
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
}

impl Store for Kept {
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, _: Tick) {
        self.waiting.append(batch);
        self.ticket = Some(ticket);
        self.done += 1;
        self.take(self.clock.now());
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        if self.stop_answer.is_some() && std::mem::take(&mut self.is_asked) {
            self.done += 1;
            return self.stop_answer.clone();
        }
        let flight = self.flight.take_if(|flight| now >= flight.at);
        self.done += u64::from(flight.is_some());
        self.take(self.clock.now());
        let is_due = |at: Tick| at <= now;
        if self.flight.is_none() && self.journal.poll_timeout().is_some_and(is_due) {
            self.commit(&Batch::default(), self.clock.now());
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
        self.note_told(&last);
        let before = (self.journal.counts(), self.disk.given_up());
        let is_done = self.journal.finish(&last, self.clock.now()).is_ok();
        self.note_done(before);
        is_done
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
