//! The journal in the loop: opened before it, given batches, and asked for what came of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use mio::Waker;

use super::Server;
use crate::app::Bot;
use crate::journal::Journal;
use crate::platform::clock::Clock;
use crate::platform::directory::{Directory, Refused, Succession};
use crate::platform::error::{Error, JournalError};
use crate::platform::journal_thread::JournalThread;
use crate::store::PendingJob;
use crate::telemetry::health::Condition;
use crate::time::Now;

/// The journal of a running bot.
pub(crate) struct Keeper {
    pub(crate) thread: JournalThread,
    succession: Succession,
}

/// How long a process that shares its addresses with an older one waits for that one's journal: for
/// somebody to stop it, and for the stop.
const SUCCESSION_PATIENCE: Duration = Duration::from_secs(30);

/// How long a process that has stopped keeps shared addresses for the one that comes after it, once that
/// one can have the journal: it only has to look for the lock again and to listen.
pub(crate) const HANDOVER_PATIENCE: Duration = Duration::from_secs(5);

/// A directory that this process has to itself, and has not read yet.
pub(crate) struct Claim {
    path: PathBuf,
    directory: Directory,
    succession: Succession,
}

impl Claim {
    /// Takes the directory. If `is_successor`, another process may have it that is about to stop.
    pub(crate) fn make(path: &Path, is_successor: bool) -> Result<Self, Error> {
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
    pub(crate) fn open(
        claim: Claim,
        bot: &mut Bot,
        clock: Clock,
        waker: Arc<Waker>,
    ) -> Result<Self, Error> {
        let now = clock.now();
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
        let thread = JournalThread::start(journal, place, clock, waker).map_err(Error::Loop)?;
        Ok(Self { thread, succession })
    }

    /// Gives the thread what has collected, if it has nothing to do: nothing is gained by waiting for more, since
    /// that collects while this one is synced.
    fn submit(&mut self, bot: &mut Bot, now: Now) {
        if bot.has_batch() && self.thread.is_idle() {
            bot.submit(|batch| self.thread.submit(batch, now.tick));
        }
    }

    /// Whether another process waits for this one to stop.
    pub(crate) fn is_awaited(&self) -> bool {
        self.succession.is_under_way()
    }

    /// Gives the directory free for the process that may wait for it.
    pub(crate) fn into_succession(self) -> Succession {
        self.succession
    }
}

impl Server {
    /// Takes in what came of the batch that was with the journal, and releases the answers that waited for it.
    pub(crate) fn take_stored(&mut self, now: Now) {
        let Some(keeper) = &mut self.journal else {
            return;
        };
        if let Some(is_kept) = keeper.thread.poll()
            && let Some(ticket) = self.bot.handle_stored(is_kept, now)
        {
            // First, so that the next sync takes its time while these answers are written and their clients' next
            // commands are read.
            keeper.submit(&mut self.bot, now);
            self.sessions.release(ticket, is_kept, &mut self.bot, now);
            // Before more is read of the same sessions: what closes one must be the last that is staged for it.
            self.sessions.transmit();
        }
        let is_accepting = keeper.thread.is_accepting(now.tick);
        self.bot.set_accepting(is_accepting);
        if self.drain_until.is_none() {
            self.bot.set_condition(match is_accepting {
                true => Condition::Ready,
                false => Condition::JournalFailing,
            });
        } else if keeper.thread.is_lost() == Some(true) {
            self.give_up_journal();
        }
    }

    /// Gives the journal what has collected, if it has nothing to do.
    pub(crate) fn submit(&mut self, now: Now) {
        if let Some(keeper) = &mut self.journal {
            keeper.submit(&mut self.bot, now);
        }
    }

    /// Whether something collects though the journal has nothing to do.
    pub(crate) fn has_batch_to_submit(&self) -> bool {
        let is_idle = |keeper: &Keeper| keeper.thread.is_idle();
        self.journal.as_ref().is_some_and(is_idle) && self.bot.has_batch()
    }
}
