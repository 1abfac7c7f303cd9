//! The journal before there is a loop: its directory is locked, and read into the bot.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use mio::Waker;

use super::clock::Clock;
use super::directory::{Directory, Refused};
use super::error::{Error, JournalError};
use super::journal_thread::JournalThread;
use crate::app::Bot;
use crate::journal::Journal;
use crate::store::PendingJob;

/// How long a process with a passed socket waits for an older process to release the journal: until the operator stops
/// that process, and its stop is over. Connections wait in the kernel meanwhile, at the socket that both have.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(30);

/// A journal's directory that this process has locked, and has not read yet.
pub(crate) struct DirectoryLock {
    path: PathBuf,
    directory: Directory,
}

impl DirectoryLock {
    /// Locks the directory. If another process has it, a process whose sockets were passed waits: its clients wait in the
    /// kernel. Without passed sockets they would be refused meanwhile, so that it fails at once instead.
    pub(crate) fn take(path: &Path, has_passed_sockets: bool) -> Result<Self, Error> {
        let timeout = match has_passed_sockets {
            true => TAKEOVER_TIMEOUT,
            false => Duration::ZERO,
        };
        let waits = |process: Option<u32>| {
            let holder = process.map_or_else(
                || "another torrap".to_owned(),
                |process| format!("process {process}"),
            );
            let secs = timeout.as_secs();
            info!("journal: waiting up to {secs} s for {holder}, which uses it, to stop");
        };
        let taken = Directory::take(path, timeout, waits);
        let directory = taken.map_err(|error| Error::Journal {
            path: path.to_owned(),
            error: match error {
                Refused::Taken(process) => JournalError::Taken(process),
                Refused::Unusable(error) => JournalError::Unusable(error),
            },
        })?;
        Ok(Self {
            path: path.to_owned(),
            directory,
        })
    }

    /// Reads what an earlier process has left pending into the bot, and gives the journal to its thread. The listeners are
    /// open by now, so that connections wait in the kernel.
    pub(crate) fn open(
        self,
        bot: &mut Bot,
        clock: Clock,
        waker: Arc<Waker>,
    ) -> Result<JournalThread, Error> {
        let now = clock.now();
        let Self { path, directory } = self;
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
                "journal: {bytes} bytes in {places} places are damaged; the commands in them are not answered"
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
        JournalThread::start(journal, place, clock, waker).map_err(Error::Loop)
    }
}
