//! The journal of the simulated bot, and what must be true of it.

use std::collections::BTreeSet;

use super::Generator;
use super::disk::SimulatedDisk;
use super::network::{Shared, SimulatedSocket};
use crate::bot::{self, Bot};
use crate::config::Config;
use crate::journal::{Counts, Journal};
use crate::server::sessions::Sessions;
use crate::time::{Now, Tick};

/// More than ever are pending.
const SLOTS: u32 = 2_000;

pub(super) struct Kept {
    journal: Journal<SimulatedDisk>,
    pub(super) disk: SimulatedDisk,
}

impl Kept {
    pub(super) fn new(generator: Generator, network: Shared, bot: &mut Bot, now: Now) -> Self {
        let disk = SimulatedDisk::new(generator, network);
        let (journal, _) = Journal::open(disk.clone(), bot, now).unwrap();
        Self { journal, disk }
    }

    /// The loop's phase.
    pub(super) fn commit(
        &mut self,
        sessions: &mut Sessions<SimulatedSocket>,
        bot: &mut Bot,
        now: Now,
    ) {
        let commit = || self.journal.commit(bot, now).is_ok();
        sessions.keep_promises(commit, &bot::busy());
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.journal.poll_timeout()
    }

    pub(super) fn counts(&self) -> Counts {
        self.journal.counts()
    }

    /// Ends, and shows that the next process owes what this one did, and nothing else. The texts.
    pub(super) fn restart(&mut self, bot: &mut Bot, config: &Config, now: Now) -> BTreeSet<String> {
        self.journal.finish(bot, now).unwrap();
        let left = owed(bot, now);
        let mut next = Bot::new(config, now.tick);
        let (_, recovery) = Journal::open(self.disk.clone(), &mut next, now).unwrap();
        // A write that failed half-way, and could not be undone, may have left something.
        let failures = self.journal.counts().failures;
        assert!(recovery.torn_bytes == 0 || failures > 0);
        assert_eq!(recovery.damages, 0);
        assert_eq!(owed(&next, now), left);
        left
    }
}

/// The texts of all that is owed and not too old.
fn owed(bot: &Bot, now: Now) -> BTreeSet<String> {
    let jobs = (0..SLOTS).filter_map(|slot| bot.owed(slot, now.tick));
    let jobs = jobs.filter(|(_, owed)| owed.expires_at > now.tick);
    jobs.map(|(_, owed)| owed.text.to_owned()).collect()
}
