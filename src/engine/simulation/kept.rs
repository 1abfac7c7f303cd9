//! The journal of the simulated bot, and what must be true of it.

use std::collections::BTreeSet;

use super::Generator;
use super::disk::SimulatedDisk;
use super::network::SimulatedSocket;
use crate::app::Bot;
use crate::config::Config;
use crate::endpoint::sessions::Sessions;
use crate::journal::{Counts, Journal, Recovery};
use crate::store::{Batch, Event, OVERDUE_MS, PendingJob, Standing, Store, Ticket};
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
    now: Now,
}

/// A batch that is with the journal's thread: since when, when it is answered, and what the answer is.
struct Flight {
    since: Tick,
    at: Tick,
    event: Event,
}

impl Kept {
    pub(crate) fn new(mut generator: Generator, is_late: bool, bot: &mut Bot, now: Now) -> Self {
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
            now,
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

    /// The loop's phase before it reads.
    pub(crate) fn take_stored(
        &mut self,
        sessions: &mut Sessions<SimulatedSocket>,
        bot: &mut Bot,
        now: Now,
    ) {
        self.now = now;
        while let Some(event) = self.poll(now.tick) {
            if let Event::Kept(ticket) | Event::NotKept(ticket) = event {
                let is_kept = matches!(event, Event::Kept(_));
                bot.handle_stored(ticket, is_kept, now);
                sessions.release(ticket, is_kept, bot, now);
                sessions.transmit();
            }
        }
        bot.set_accepting(self.is_accepting(now.tick));
    }

    /// The loop's phase after it has read.
    pub(crate) fn submit(&mut self, bot: &mut Bot, now: Now) {
        self.now = now;
        if bot.has_batch() {
            let (ticket, batch) = bot.take_batch();
            Store::submit(self, batch, ticket, now.tick);
        }
    }

    /// Has what is with the journal's thread answered in the next turn, and tells whether there is something.
    pub(crate) fn hurry(&mut self, now: Now) -> bool {
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

    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        match &self.flight {
            Some(flight) => Some(flight.at),
            None => self.journal.poll_timeout(),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.journal.counts()
    }

    /// Ends, and shows that the next process owes what this one did, and nothing else. The texts.
    pub(crate) fn restart(&mut self, bot: &mut Bot, config: &Config, now: Now) -> BTreeSet<String> {
        self.now = now;
        let (ticket, batch) = bot.take_batch();
        assert!(self.finish(batch, ticket));
        let left = owed(bot, now);
        let mut next = Bot::new(config, now.tick);
        let (_, recovery) = open(&self.disk, &mut next, now);
        // A write that failed half-way, and could not be undone, may have left something.
        let failures = self.journal.counts().failures;
        assert!(recovery.torn_bytes == 0 || failures > 0);
        assert_eq!(recovery.damages, 0);
        assert_eq!(owed(&next, now), left);
        left
    }
}

impl Store for Kept {
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, _: Tick) {
        self.waiting.append(batch);
        self.ticket = Some(ticket);
        self.take(self.now);
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        let flight = self.flight.take_if(|flight| now >= flight.at);
        self.take(self.now);
        let is_due = |at: Tick| at <= now;
        if self.flight.is_none() && self.journal.poll_timeout().is_some_and(is_due) {
            let _ = self.journal.commit(&Batch::default(), self.now);
        }
        flight.map(|flight| flight.event)
    }

    fn is_accepting(&self, now: Tick) -> bool {
        let is_in_time = |flight: &Flight| now.millis_since(flight.since) < OVERDUE_MS;
        self.flight.as_ref().is_none_or(is_in_time) && !self.journal.is_failing()
    }

    fn begin_stop(&mut self) {}

    fn finish(&mut self, batch: &mut Batch, _: Ticket) -> bool {
        self.waiting.append(batch);
        let last = std::mem::take(&mut self.waiting);
        self.journal.finish(&last, self.now).is_ok()
    }

    fn standing(&self, _: Tick) -> Option<Standing<'_>> {
        None
    }
}

fn open(disk: &SimulatedDisk, bot: &mut Bot, now: Now) -> (Journal<SimulatedDisk>, Recovery) {
    let restore = |number, job: &PendingJob<'_>| bot.restore(number, job, now.tick);
    let opened = Journal::open(disk.clone(), now, restore).unwrap();
    bot.begin_store(opened.0.next_job());
    opened
}

/// The texts of all that is owed and not too old.
fn owed(bot: &Bot, now: Now) -> BTreeSet<String> {
    let jobs = bot.pending_jobs().map(|(_, job)| job);
    let jobs = jobs.filter(|job| job.expires_at > now.tick);
    jobs.map(|job| job.text.to_owned()).collect()
}
