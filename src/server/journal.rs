//! The journal in the loop: opened before it, committed to before the acknowledgements of each turn.

use std::path::Path;
use std::time::Instant;

use log::{debug, info, warn};

use super::Server;
use super::clock::Clock;
use super::directory::{Directory, Refused};
use super::error::{Error, JournalError};
use crate::bot::{self, Bot};
use crate::health::Condition;
use crate::journal::{self, Journal};
use crate::metrics::JournalCounters;
use crate::time::{Now, Tick};

/// The journal of a running bot.
pub(super) struct Keeper {
    journal: Journal<Directory>,
    /// Whether the last batch could not be written: the log is told once, and once when it is over.
    is_failing: bool,
    /// Until when commands should go elsewhere. Not for ever: only another command shows that the disk
    /// takes records again, and a proxy that asks for readiness would send none.
    avoid_until: Tick,
    counters: JournalCounters,
}

/// How long commands should go elsewhere after a batch could not be written, ms.
const AVOID_MS: u64 = 5_000;

impl Keeper {
    /// Takes the directory, and has the bot owe what an earlier process has left in it.
    pub(super) fn open(path: &Path, bot: &mut Bot, now: Now) -> Result<Self, Error> {
        let refused = |error| Error::Journal {
            path: path.to_owned(),
            error,
        };
        let directory = Directory::take(path).map_err(|error| {
            refused(match error {
                Refused::Taken(process) => JournalError::Taken(process),
                Refused::Unusable(error) => JournalError::Unusable(error),
            })
        })?;
        if let Some(mode) = directory.open_mode() {
            warn!(
                "--journal: other users may look into the directory, its mode is {mode:o}; chmod 700 it"
            );
        }
        let (journal, recovery) = Journal::open(directory, bot, now)
            .map_err(|error| refused(JournalError::Unreadable(error)))?;
        info!("journal: {recovery}");
        if recovery.damages > 0 {
            let (places, bytes) = (recovery.damages, recovery.damaged_bytes);
            warn!(
                "journal: {bytes} bytes in {places} places are damaged; what was there is not answered"
            );
        }
        for aside in &recovery.kept_aside {
            warn!(
                "journal: {aside} is kept aside for a look; delete it when it is no longer needed"
            );
        }
        if recovery.torn_bytes > 0 {
            let bytes = recovery.torn_bytes;
            info!("journal: {bytes} bytes of unfinished writes, which were never acknowledged");
        }
        Ok(Self {
            journal,
            is_failing: false,
            avoid_until: Tick(0),
            counters: JournalCounters::default(),
        })
    }

    /// Whether commands should be sent elsewhere.
    pub(super) fn is_to_be_avoided(&self, now: Tick) -> bool {
        now < self.avoid_until
    }

    /// What Prometheus is told.
    pub(super) const fn counters(&self) -> &JournalCounters {
        &self.counters
    }

    /// Books what a commit that took so long has done.
    fn count(&mut self, before: &journal::Counts, begun: Option<Instant>, now: Tick) {
        let counts = self.journal.counts();
        if counts.failures > before.failures {
            self.avoid_until = now.after(AVOID_MS);
        } else if counts.writes > before.writes {
            self.avoid_until = Tick(0);
            let took = begun.map_or(0, |begun| begun.elapsed().as_millis());
            self.counters
                .commit
                .observe(u64::try_from(took).unwrap_or(u64::MAX));
        }
        self.counters.commits = counts.writes;
        self.counters.bytes = counts.bytes;
        self.counters.failures = counts.failures;
    }

    /// Makes durable what the turn has accepted. Otherwise it is taken back, and `false`.
    pub(super) fn commit(&mut self, bot: &mut Bot, now: Now) -> bool {
        let before = self.journal.counts();
        let begun = bot.has_changes().then(Instant::now);
        let result = self.journal.commit(bot, now);
        self.count(&before, begun, now.tick);
        let has_failed = self.journal.counts().failures > before.failures;
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

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.journal.poll_timeout()
    }

    /// Makes the last outcomes durable.
    pub(super) fn finish(&mut self, bot: &mut Bot, now: Now) {
        if let Err(failure) = self.journal.finish(bot, now) {
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

impl Server {
    /// Makes durable what the turn has accepted, before it is acknowledged. What else is to be answered
    /// does not wait for the disk.
    pub(super) fn commit(&mut self, now: Now) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if self.sessions.has_promises() {
            self.sessions.transmit_free();
        }
        if !journal.commit(&mut self.bot, now) {
            self.sessions.break_promises(&bot::busy());
        }
        if self.drain_until.is_none() {
            self.bot
                .set_condition(match journal.is_to_be_avoided(now.tick) {
                    true => Condition::JournalFailing,
                    false => Condition::Ready,
                });
        }
    }

    /// Whether it is stopping, and what no sender has yet is left to the next start.
    pub(super) const fn leaves_rest(&self) -> bool {
        self.journal.is_some() && self.drain_until.is_some()
    }

    /// The end: how many replies are left undelivered. What a journal keeps is not.
    pub(super) fn leave_rest(&mut self) -> usize {
        let pending = self.bot.pending();
        let Some(journal) = &mut self.journal else {
            return pending;
        };
        journal.finish(&mut self.bot, self.clock.now());
        info!("replies left to the next start: {pending}");
        0
    }
}

/// What `torrap journal` prints: the report, and one line for each job if they are asked for. Nothing
/// is changed, and no lock is taken that a bot could notice.
///
/// # Errors
/// The journal cannot be read.
pub fn inspect(path: &Path, jobs: bool, print: &mut dyn FnMut(&str) -> bool) -> Result<(), Error> {
    let error = |error| Error::Journal {
        path: path.to_owned(),
        error,
    };
    let mut directory = Directory::look_at(path).map_err(|e| error(JournalError::Unusable(e)))?;
    let user = match directory.user() {
        None => "by nobody".to_owned(),
        Some(None) => "by a running torrap".to_owned(),
        Some(Some(process)) => format!("by process {process}"),
    };
    let now = Clock::start().now().unix;
    let report = journal::inspect(&mut directory, now, jobs)
        .map_err(|e| error(JournalError::Unreadable(e)))?;
    if !print(&format!("in use: {user}\n{report}")) || !jobs {
        return Ok(());
    }
    for job in report.jobs() {
        if !print(&format!("{job}\n")) {
            break;
        }
    }
    Ok(())
}
