//! The journal in the loop: opened before it, committed to before the acknowledgements of each turn.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::Server;
use super::clock::Clock;
use super::directory::{Directory, Place, Refused, Succession};
use super::error::{Error, JournalError};
use crate::bot::Bot;
use crate::health::Condition;
use crate::journal::{self, Journal};
use crate::metrics::JournalCounters;
use crate::store::PendingJob;
use crate::time::{Now, Tick, millis};

/// The journal of a running bot.
pub(super) struct Keeper {
    journal: Journal<Directory>,
    place: Place,
    succession: Succession,
    /// Whether the last batch could not be written: the log is told once, and once when it is over.
    is_failing: bool,
    counters: JournalCounters,
}

/// How long a process that shares its addresses with an older one waits for that one's journal: for
/// somebody to stop it, and for the stop.
const SUCCESSION_PATIENCE: Duration = Duration::from_secs(30);

/// How long a process that has stopped keeps shared addresses for the one that comes after it, once that
/// one can have the journal: it only has to look for the lock again and to listen.
pub(super) const HANDOVER_PATIENCE: Duration = Duration::from_secs(5);

/// A directory that this process has to itself, and has not read yet.
pub(super) struct Claim {
    path: PathBuf,
    directory: Directory,
    succession: Succession,
}

impl Claim {
    /// Takes the directory. If `is_successor`, another process may have it that is about to stop.
    pub(super) fn make(path: &Path, is_successor: bool) -> Result<Self, Error> {
        let patience = match is_successor {
            true => SUCCESSION_PATIENCE,
            false => Duration::ZERO,
        };
        let waits = |process: Option<u32>| {
            let holder = process.map_or_else(
                || "another torrap".to_owned(),
                |process| format!("process {process}"),
            );
            let secs = patience.as_secs();
            info!("journal: waiting up to {secs} s for {holder}, which uses it, to stop");
        };
        let taken = Directory::take(path, patience, waits);
        let (directory, succession) = taken.map_err(|error| Error::Journal {
            path: path.to_owned(),
            error: match error {
                Refused::Taken(process) => JournalError::Taken(process),
                Refused::Awaited => JournalError::Awaited,
                Refused::Unusable(error) => JournalError::Unusable(error),
            },
        })?;
        Ok(Self {
            path: path.to_owned(),
            directory,
            succession,
        })
    }
}

impl Keeper {
    /// Has the bot owe what an earlier process has left in the directory. The doors are open by now.
    pub(super) fn open(claim: Claim, bot: &mut Bot, now: Now) -> Result<Self, Error> {
        let Claim {
            path,
            directory,
            succession,
        } = claim;
        if let Err(error) = succession.complete() {
            warn!("journal: no other process can take its place, its lock is stuck: {error}");
        }
        for exposure in directory.exposures() {
            warn!("--journal: {exposure}");
        }
        let place = directory.place();
        let restore = |number, pending: &PendingJob<'_>| bot.restore(number, pending, now.tick);
        let opened = Journal::open(directory, now, restore);
        let (journal, recovery) = opened.map_err(|error| Error::Journal {
            path,
            error: JournalError::Unreadable(error),
        })?;
        bot.begin_store(journal.next_job());
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
            place,
            succession,
            is_failing: false,
            counters: JournalCounters::default(),
        })
    }

    /// Whether the next start will not find what is kept.
    pub(super) fn is_lost(&self) -> bool {
        self.place.is_lost()
    }

    /// Whether another process waits for this one to stop.
    pub(super) fn is_awaited(&self) -> bool {
        self.succession.is_under_way()
    }

    /// What Prometheus is told.
    pub(super) const fn counters(&self) -> &JournalCounters {
        &self.counters
    }

    /// Books what a commit that took so long has done.
    fn count(&mut self, before: &journal::Counts, begun: Option<Instant>) {
        let counts = self.journal.counts();
        if let Some(begun) = begun.filter(|_| counts.syncs > before.syncs) {
            self.counters.sync.observe(millis(begun.elapsed()));
        }
        self.counters.commits = counts.writes;
        self.counters.syncs = counts.syncs;
        self.counters.bytes = counts.bytes;
        self.counters.failures = counts.failures;
    }

    /// Makes durable what the turn has accepted. Otherwise it is taken back, and `false`.
    pub(super) fn commit(&mut self, bot: &mut Bot, now: Now) -> bool {
        let before = self.journal.counts();
        let begun = (!bot.batch().is_empty()).then(Instant::now);
        let result = self.journal.commit(bot.batch(), now);
        bot.end_batch(result.is_ok(), now);
        self.count(&before, begun);
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

    /// Gives the directory free for the process that may wait for it.
    pub(super) fn close(self) -> Succession {
        drop(self.journal);
        self.succession
    }

    /// Makes the last outcomes durable.
    pub(super) fn finish(&mut self, bot: &Bot, now: Now) {
        if let Err(failure) = self.journal.finish(bot.batch(), now) {
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
    /// Makes durable what the turn has accepted, before it is acknowledged. What need not wait goes out first.
    pub(super) fn commit(&mut self, now: Now) {
        if self.sessions.has_held() {
            self.sessions.transmit();
        }
        let Some(journal) = &mut self.journal else {
            // It was closed for good: what was held for it is not lost for that.
            return self.sessions.release(u64::MAX, true, &mut self.bot, now);
        };
        let ticket = self.bot.ticket();
        let is_kept = journal.commit(&mut self.bot, now);
        self.sessions.release(ticket, is_kept, &mut self.bot, now);
        if self.drain_until.is_none() {
            self.bot.set_condition(match journal.is_failing {
                true => Condition::JournalFailing,
                false => Condition::Ready,
            });
        }
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

/// Whether a bot could keep its journal there: what there is to say about it, and what other users could do
/// to it. Nothing is changed.
///
/// # Errors
/// It could not.
pub fn probe(path: &Path) -> Result<(&'static str, Vec<String>), Error> {
    let error = |error| Error::Journal {
        path: path.to_owned(),
        error,
    };
    let was_there = Directory::probe(path).map_err(|e| error(JournalError::Unusable(e)))?;
    if !was_there {
        return Ok(("is not there yet; the bot makes it", Vec::new()));
    }
    let mut directory = Directory::look_at(path).map_err(|e| error(JournalError::Unusable(e)))?;
    let now = Clock::start().now().unix;
    journal::inspect(&mut directory, now, false).map_err(|e| error(JournalError::Unreadable(e)))?;
    let found = match directory.user() {
        Some(_) => "can be written and read, and a bot uses it; see `torrap journal`",
        None => "can be written and read; see `torrap journal`",
    };
    Ok((found, directory.exposures()))
}
