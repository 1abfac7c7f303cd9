//! The journal of the simulated bot, and what must be true of it.

use std::collections::BTreeSet;

use super::Generator;
use super::disk::SimulatedDisk;
use super::network::{Shared, SimulatedSocket};
use crate::bot::Bot;
use crate::config::Config;
use crate::journal::{Counts, Journal, Recovery};
use crate::server::sessions::Sessions;
use crate::store::PendingJob;
use crate::time::{Now, Tick};

pub(super) struct Kept {
    journal: Journal<SimulatedDisk>,
    pub(super) disk: SimulatedDisk,
}

impl Kept {
    pub(super) fn new(generator: Generator, network: Shared, bot: &mut Bot, now: Now) -> Self {
        let disk = SimulatedDisk::new(generator, network);
        let (journal, _) = open(&disk, bot, now);
        Self { journal, disk }
    }

    /// The loop's phase.
    pub(super) fn commit(
        &mut self,
        sessions: &mut Sessions<SimulatedSocket>,
        bot: &mut Bot,
        now: Now,
    ) {
        if sessions.has_held() {
            sessions.transmit();
        }
        let ticket = bot.ticket();
        let is_kept = self.journal.commit(bot.batch(), now).is_ok();
        bot.end_batch(is_kept, now);
        sessions.release(ticket, is_kept, bot, now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.journal.poll_timeout()
    }

    pub(super) fn counts(&self) -> Counts {
        self.journal.counts()
    }

    /// Ends, and shows that the next process owes what this one did, and nothing else. The texts.
    pub(super) fn restart(&mut self, bot: &mut Bot, config: &Config, now: Now) -> BTreeSet<String> {
        self.journal.finish(bot.batch(), now).unwrap();
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
