//! The beginning: what an earlier process has left becomes owed again.

use std::fmt;

use super::clock::JournalClock;
use super::commit::Journal;
use super::header;
use super::ledger::{Ledger, Place};
use super::log::Log;
use super::record::Record;
use super::replay::{Replay, io_error};
use super::{ASIDE_SUFFIX, Disk, Error, KEPT_ASIDE_MAX, Sizes};
use crate::slab::Key;
use crate::store::PendingJob;
use crate::time::Now;

/// What was found at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Jobs that are owed again.
    pub pending: usize,
    /// Jobs whose `response_url` has expired in the meantime.
    pub expired: usize,
    /// Jobs whose reply the settings no longer allow.
    pub foreign: usize,
    /// Damaged places, and the bytes that they have in all.
    pub damages: u64,
    /// See `damages`.
    pub damaged_bytes: u64,
    /// Bytes of unfinished writes.
    pub torn_bytes: u64,
    /// Damaged segments that were given a second name, for a look.
    pub kept_aside: Vec<String>,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} replies owed from before", self.pending)?;
        if self.expired > 0 {
            write!(f, ", {} expired and not answered", self.expired)?;
        }
        if self.foreign > 0 {
            write!(f, ", {} no longer allowed and not answered", self.foreign)?;
        }
        Ok(())
    }
}

impl<D: Disk> Journal<D> {
    /// Reads the log, tells `restore` of each job that is owed, and goes on behind it. `restore` gives the key by which
    /// batches will name the job; a job without a key is settled. The directory must be nobody else's by now.
    ///
    /// # Errors
    /// See [`Error`]. Damage is none: it is told of in the [`Recovery`].
    pub fn open(
        disk: D,
        now: Now,
        restore: impl FnMut(u64, &PendingJob<'_>) -> Option<Key>,
    ) -> Result<(Self, Recovery), Error> {
        Self::open_with(disk, Sizes::default(), now, restore)
    }

    /// The same for a log of other sizes, which those that it has had so far need not be.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open_with(
        mut disk: D,
        sizes: Sizes,
        now: Now,
        restore: impl FnMut(u64, &PendingJob<'_>) -> Option<Key>,
    ) -> Result<(Self, Recovery), Error> {
        let replay = Replay::of(&mut disk)?;
        let mut recovery = Recovery::default();
        remove_stale(&mut disk, &replay.stale);
        keep_aside(&mut disk, &replay, &mut recovery)?;
        let mut ledger = Ledger::new(replay.segments.first().map_or(1, |first| first.number));
        for found in &replay.segments {
            recovery.damages += found.damages;
            recovery.damaged_bytes += found.damaged_bytes;
            recovery.torn_bytes += found.torn_bytes;
            ledger.set_newest(found.number);
            ledger.grow(found.bytes);
        }
        let (newest, end) = replay
            .segments
            .last()
            .map_or((0, 0), |last| (last.number, last.bytes));
        let clock = JournalClock::start(replay.time, now);
        let log = Log::new(disk, sizes.segment, newest, end);
        let mut journal = Self::new(log, ledger, clock, replay.newest_job, sizes);
        let newest = replay.segments.last();
        if newest.is_some_and(|newest| newest.torn_bytes + newest.damaged_bytes == 0) {
            journal.sync_left();
        }
        let failed = |number| replay.failed(number);
        replay.doubts.append_to(&mut journal.outcomes, failed);
        journal.restore(&replay, restore, &mut recovery)?;
        journal.make_good(now);
        Ok((journal, recovery))
    }

    fn restore(
        &mut self,
        replay: &Replay,
        mut restore: impl FnMut(u64, &PendingJob<'_>) -> Option<Key>,
        recovery: &mut Recovery,
    ) -> Result<(), Error> {
        let Self {
            log,
            ledger,
            outcomes,
            clock,
            ..
        } = self;
        let left = replay.read_pending(log.disk(), &mut |pending| {
            let (number, entry) = (pending.number, &pending.entry);
            let key = if clock.has_come(entry.expires) {
                recovery.expired += 1;
                ::log::debug!("command {number}: not answered, its response_url has expired");
                None
            } else {
                let key = restore(number, &clock.pending(entry));
                recovery.foreign += usize::from(key.is_none());
                key
            };
            let Some(key) = key else {
                Record::Settled(number).append(outcomes);
                return;
            };
            recovery.pending += 1;
            let place = Place {
                due: entry.due,
                segment: pending.segment,
                // What a file of that size has behind it is found damaged if it must be moved.
                offset: u32::try_from(pending.offset).unwrap_or(u32::MAX),
                bytes: pending.bytes as u32,
                attempts: entry.attempts,
            };
            ledger.put(key.index(), place);
        })?;
        if left > 0 {
            ::log::warn!("journal: {left} replies are owed that cannot be read a second time");
            recovery.damages += left as u64;
        }
        Ok(())
    }
}

/// Deletes segments that were deleted before, as far as the log can know.
fn remove_stale<D: Disk>(disk: &mut D, stale: &[u32]) {
    for number in stale {
        let name = header::name(*number);
        match disk.remove(&name) {
            Ok(()) => ::log::warn!("journal: {name} stands in front of a gap, and is deleted"),
            // It is in front of the gap at the next start as well.
            Err(error) => ::log::warn!("journal: {name} stands in front of a gap: {error}"),
        }
    }
}

/// Gives damaged segments a second name, as many as are allowed, and files that are no segments no other.
fn keep_aside<D: Disk>(
    disk: &mut D,
    replay: &Replay,
    recovery: &mut Recovery,
) -> Result<(), Error> {
    let names = disk.names().map_err(io_error("list the directory"))?;
    let is_aside = |name: &&String| name.ends_with(ASIDE_SUFFIX);
    let mut left = KEPT_ASIDE_MAX.saturating_sub(names.iter().filter(is_aside).count());
    let mut keep = |disk: &mut D, name: &str| {
        let aside = format!("{name}{ASIDE_SUFFIX}");
        if names.contains(&aside) || left == 0 {
            return false;
        }
        match disk.keep_aside(name, &aside) {
            Ok(()) => {
                left -= 1;
                recovery.kept_aside.push(aside);
                true
            }
            Err(error) => {
                ::log::warn!("journal: cannot keep {name} aside: {error}");
                false
            }
        }
    };
    for found in replay.segments.iter().filter(|found| found.damages > 0) {
        let name = header::name(found.number);
        let (places, bytes) = (found.damages, found.damaged_bytes);
        ::log::warn!("journal: {name} is damaged in {places} places, {bytes} bytes are lost");
        keep(disk, &name);
    }
    for number in &replay.foreign {
        let name = header::name(*number);
        ::log::warn!("journal: {name} is no segment of this log, and is not read");
        // Out of the way of one that will have its name.
        if keep(disk, &name)
            && let Err(error) = disk.remove(&name)
        {
            ::log::warn!("journal: cannot delete {name}: {error}");
        }
    }
    Ok(())
}
