//! The start: what an earlier process has left is pending again.

use std::fmt;

use super::aside::{keep_aside, move_aside};
use super::clock::JournalClock;
use super::commit::Journal;
use super::header;
use super::ledger::{Ledger, Location};
use super::log::Log;
use super::replay::Replay;
use super::{Disk, Error, Sizes};
use crate::slab::Key;
use crate::store::PendingJob;
use crate::time::Now;

/// What was found at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Jobs that are pending again.
    pub pending: usize,
    /// Jobs whose `response_url` has expired in the meantime.
    pub expired: usize,
    /// Jobs whose reply the settings no longer allow.
    pub not_allowed: usize,
    /// Damaged places, of which a missing segment is one, and the bytes that are known to be lost in all.
    pub damages: u64,
    /// See `damages`.
    pub damaged_bytes: u64,
    /// Bytes of unfinished writes.
    pub torn_bytes: u64,
    /// The second names of damaged segments, for people to look at.
    pub kept_aside: Vec<String>,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} replies pending from an earlier process",
            self.pending
        )?;
        if self.expired > 0 {
            write!(f, ", {} expired and not answered", self.expired)?;
        }
        if self.not_allowed > 0 {
            write!(
                f,
                ", {} no longer allowed and not answered",
                self.not_allowed
            )?;
        }
        Ok(())
    }
}

impl<D: Disk> Journal<D> {
    /// Reads the log, calls `restore` for each pending job, and continues the log. `restore` gives the key by which batches
    /// will name the job; a job without a key is settled. No other process may use the directory.
    ///
    /// Nothing is written: the first commits copy what is pending, and [`Self::poll_timeout`] asks for them.
    ///
    /// # Errors
    /// See [`Error`]. Damage is no error: the [`Recovery`] says what was found.
    pub fn open(
        disk: D,
        now: Now,
        restore: impl FnMut(u64, &PendingJob<'_>) -> Option<Key>,
    ) -> Result<(Self, Recovery), Error> {
        Self::open_with(disk, Sizes::default(), now, restore)
    }

    /// The same with other sizes. The log may have been written with different ones.
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
        keep_damaged(&mut disk, &replay, &mut recovery);
        let mut ledger = Ledger::new(replay.segments.first().map_or(1, |first| first.number));
        for number in &replay.stale {
            let name = header::name(*number);
            ::log::info!(
                "journal: {name} is older than the log; it is not read, and will be deleted"
            );
        }
        ledger.add_stale(&replay.stale);
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
        let synced = replay.segments.iter().rev().find(|found| found.is_synced);
        let anchor = synced.map_or(0, |found| found.number);
        let log = Log::new(disk, sizes.segment, newest, end, anchor);
        let mut journal = Self::new(log, ledger, clock, replay.newest_job(), sizes);
        journal.checkpoint = replay.segments.last().map(|last| last.number);
        journal.restore(&replay, restore, &mut recovery)?;
        Ok((journal, recovery))
    }

    fn restore(
        &mut self,
        replay: &Replay,
        mut restore: impl FnMut(u64, &PendingJob<'_>) -> Option<Key>,
        recovery: &mut Recovery,
    ) -> Result<(), Error> {
        let Self {
            log, ledger, clock, ..
        } = self;
        let left = replay.read_pending(log.disk(), &mut |pending| {
            let (number, entry) = (pending.number, &pending.entry);
            let key = if clock.has_come(entry.expires_at) {
                recovery.expired += 1;
                ::log::debug!("command {number}: not answered, its response_url has expired");
                None
            } else {
                let key = restore(number, &clock.pending(entry));
                recovery.not_allowed += usize::from(key.is_none());
                key
            };
            // Without a key it is not copied, and goes with its segment.
            let Some(key) = key else { return };
            recovery.pending += 1;
            let location = Location {
                due: entry.due,
                segment: pending.segment,
                // An offset of 4 GiB or more does not fit: a record there is found damaged if it is to be moved.
                offset: u32::try_from(pending.offset).unwrap_or(u32::MAX),
                bytes: pending.bytes as u32,
                attempts: entry.attempts,
            };
            ledger.put(key.index(), location);
        })?;
        if left > 0 {
            ::log::warn!(
                "journal: the records of {left} pending replies cannot be read a second time"
            );
            recovery.damages += left as u64;
        }
        Ok(())
    }
}

/// Keeps damaged segments aside, and files that are no segments of the log.
fn keep_damaged<D: Disk>(disk: &mut D, replay: &Replay, recovery: &mut Recovery) {
    for found in replay.segments.iter().filter(|found| found.damages > 0) {
        let name = header::name(found.number);
        let (places, bytes) = (found.damages, found.damaged_bytes);
        ::log::warn!("journal: {name} is damaged in {places} places, {bytes} bytes are lost");
        recovery.kept_aside.extend(keep_aside(disk, &name));
    }
    for (first, last) in &replay.missing {
        let (first, count) = (header::name(*first), last - first + 1);
        ::log::warn!(
            "journal: {count} segments are missing from {first} on: what they held is lost"
        );
        recovery.damages += u64::from(count);
    }
    for number in &replay.unproven {
        // A segment to come will have that name.
        let aside = move_aside(disk, &header::name(*number));
        recovery.kept_aside.extend(aside);
    }
}
