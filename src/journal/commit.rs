//! A turn's changes as one batch: written, synced if anything was accepted, and booked.

use super::ledger::Ledger;
use super::log::{BATCH_FRONT, Failure, Log, Written};
use super::record::Record;
use super::terms::{JournalClock, entry, number};
use super::{Disk, JournalTime, LOG_PER_LIVE_MAX, Sizes};
use crate::bot::{Bot, Change};
use crate::slab::Key;
use crate::time::{Now, Tick};

/// After a failure the disk is left alone for so long, and every command is answered "busy": a disk that
/// takes long to fail must not hold up the loop at each turn.
const RETRY_MS: u64 = 1_000;

/// A batch moves at most twice its own size of old jobs, and this part of a segment besides: 64 KiB.
const MOVED_PER_SEGMENT: u64 = 64;

/// Outcomes that are written and not synced, as a part of a segment, before a batch of nothing else is
/// synced as well: 1 MiB.
const UNSYNCED_PER_SEGMENT: u64 = 4;

/// A batch's memory that is kept for the next one.
const BATCH_BYTES_KEPT: usize = 1024 * 1024;

/// The same for the lists of a batch's jobs.
const JOBS_KEPT: usize = 4096;

/// A journal that is open. What it does not tell about are the jobs themselves: the bot has them.
pub struct Journal<D: Disk> {
    pub(super) log: Log<D>,
    pub(super) ledger: Ledger,
    pub(super) clock: JournalClock,
    /// The highest number that a job has had.
    pub(super) newest_job: u64,
    /// Records of jobs that were settled, or whose attempt failed, and that are not written yet.
    pub(super) outcomes: Vec<u8>,
    /// Jobs that were withdrawn and may stand in the log nevertheless, if this is not written: the first
    /// and the last one.
    withdrawn: Option<(u64, u64)>,
    /// Such records that are written and not synced.
    unsynced: Vec<u8>,
    /// Whether they are to be synced though nothing was accepted.
    owes_sync: bool,
    /// The batch, with room for a header in front.
    batch: Vec<u8>,
    /// The jobs whose accepted records are in the batch: their keys, how long the records are, and when
    /// they are due.
    booked: Vec<(Key, usize, JournalTime)>,
    changes: Vec<Change>,
    /// After a failure, when the disk is tried again.
    retry_at: Option<Tick>,
    sizes: Sizes,
    /// What was done so far.
    counts: Counts,
}

/// What a journal has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs whose acceptance is durable.
    pub accepted: u64,
    /// Batches written.
    pub writes: u64,
    /// Batches synced.
    pub syncs: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Batches that could not be written or synced.
    pub failures: u64,
    /// Records written anew to free the segments they stood in.
    pub moved: u64,
    /// Bytes that the log has had at most.
    pub peak_bytes: u64,
}

impl<D: Disk> Journal<D> {
    pub(super) fn new(
        log: Log<D>,
        ledger: Ledger,
        clock: JournalClock,
        newest_job: u64,
        sizes: Sizes,
    ) -> Self {
        Self {
            log,
            ledger,
            clock,
            newest_job,
            outcomes: Vec::new(),
            withdrawn: None,
            unsynced: Vec::new(),
            owes_sync: false,
            batch: Vec::new(),
            booked: Vec::new(),
            changes: Vec::new(),
            retry_at: None,
            sizes,
            counts: Counts::default(),
        }
    }

    /// Makes the turn's changes durable. What was accepted may be acknowledged afterwards; settled jobs
    /// are only written, unless something accepted makes a sync worth while.
    ///
    /// # Errors
    /// What was accepted is not durable, and no longer owed: the acknowledgements must not go out. What
    /// was settled is written later.
    pub fn commit(&mut self, bot: &mut Bot, now: Now) -> Result<(), Failure> {
        self.stage(bot, now);
        let accepted = self.booked.len();
        let is_late = self.retry_at.is_some_and(|at| now.tick < at);
        let result = if accepted == 0 && (is_late || !self.has_work()) {
            Ok(())
        } else if is_late {
            Err(Failure {
                what: "cannot write the journal",
                error: std::io::Error::other("it has just failed; trying again within a second"),
                is_segment_lost: false,
            })
        } else {
            self.stage_moves(bot);
            let result = self.write(now);
            if result.is_ok() {
                self.counts.accepted += accepted as u64;
                self.counts.moved += (self.booked.len() - accepted) as u64;
            }
            result
        };
        if result.is_err() {
            self.withdraw(bot, accepted, is_late, now);
        }
        self.booked.clear();
        self.booked.shrink_to(JOBS_KEPT);
        result
    }

    /// Takes back the first `accepted` jobs of the batch. Unless it was not tried, what was written of it may
    /// be found at the next start: the disk may have more of it than anybody was told. For as long as
    /// none is accepted, the numbers of all that were taken back are one range.
    fn withdraw(&mut self, bot: &mut Bot, accepted: usize, is_late: bool, now: Now) {
        for index in 0..accepted {
            let key = self.booked[index].0;
            bot.withdraw(key, now);
            if !is_late {
                let number = self.number(key);
                let (first, last) = self.withdrawn.unwrap_or((number, number));
                self.withdrawn = Some((first.min(number), last.max(number)));
            }
        }
    }

    /// See [`Log::sync_left`].
    pub(super) fn sync_left(&mut self) {
        match self.log.sync_left() {
            Ok(()) => self.counts.syncs += 1,
            Err(failure) => ::log::warn!("journal: {failure}"),
        }
    }

    /// Writes and syncs what was found at the start and is in doubt. If that fails, it is tried again like
    /// any other batch.
    pub(super) fn make_good(&mut self, bot: &mut Bot, now: Now) {
        self.owes_sync = !self.outcomes.is_empty();
        if let Err(failure) = self.commit(bot, now) {
            ::log::warn!("journal: {failure}");
        }
    }

    /// When [`Self::commit`] must be called though nothing has changed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.has_work().then(|| self.retry_at.unwrap_or_default())
    }

    /// Writes and syncs what is left, before an end.
    ///
    /// # Errors
    /// Replies that were just posted may be posted again by the next process.
    pub fn finish(&mut self, bot: &mut Bot, now: Now) -> Result<(), Failure> {
        self.retry_at = None;
        self.owes_sync = true;
        self.commit(bot, now)?;
        if self.log.is_begun() {
            // An empty batch tells the next process that all this was synced.
            self.owes_sync = false;
            self.stage(bot, now);
            self.write(now)?;
        }
        Ok(())
    }

    /// Whether the last batch could not be written.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.retry_at.is_some()
    }

    /// What was done so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes of the log, and of what in it is owed.
    #[must_use]
    pub const fn bytes(&self) -> (u64, u64) {
        (self.ledger.bytes(), self.ledger.live())
    }

    /// The files.
    pub const fn disk(&mut self) -> &mut D {
        self.log.disk()
    }

    /// Turns changes into records.
    fn stage(&mut self, bot: &mut Bot, now: Now) {
        self.batch.clear();
        self.batch.shrink_to(BATCH_BYTES_KEPT);
        self.batch.extend_from_slice(&BATCH_FRONT);
        let mut changes = bot.take_changes(std::mem::take(&mut self.changes));
        let begin = Record::Batch {
            journal: self.clock.at(now.tick),
            unix: now.unix,
            synced: 0,
        };
        begin.append(&mut self.batch);
        for change in &changes {
            match *change {
                Change::Accepted { job, due } => self.book(bot, job.index(), due),
                Change::Failed { job, due } => {
                    let Some((_, owed)) = bot.owed(job.index(), due).filter(|(key, _)| *key == job)
                    else {
                        continue; // it has been settled since
                    };
                    let record = Record::Failed {
                        number: self.number(job),
                        attempts: owed.attempts,
                        due: self.clock.at(due),
                    };
                    record.append(&mut self.outcomes);
                    self.ledger.postpone(job.index(), self.clock.at(due));
                }
                Change::Settled { job } => {
                    Record::Settled(self.number(job)).append(&mut self.outcomes);
                    self.ledger.remove(job.index());
                }
            }
        }
        changes.clear();
        changes.shrink_to(JOBS_KEPT);
        self.changes = changes;
    }

    /// Adds a job's accepted record to the batch.
    fn book(&mut self, bot: &Bot, slot: u32, due: Tick) {
        let Some((key, owed)) = bot.owed(slot, due) else {
            return;
        };
        let number = self.number(key);
        self.newest_job = self.newest_job.max(number);
        let entry = entry(&owed, self.clock, self.clock.at(due));
        let len = Record::Accepted(number, entry).append(&mut self.batch);
        self.booked.push((key, len, entry.due));
    }

    /// While the log is too large, adds jobs of its oldest segment to the batch.
    fn stage_moves(&mut self, bot: &Bot) {
        if !self.is_oversized() {
            return;
        }
        let budget = self.batch.len() * 2 + (self.sizes.segment / MOVED_PER_SEGMENT) as usize;
        let end = self.batch.len() + budget;
        for slot in self.ledger.oldest_jobs() {
            if self.batch.len() >= end {
                break;
            }
            let Some((key, owed)) = bot.owed(slot, Tick(0)) else {
                continue;
            };
            let number = number(key, self.newest_job);
            let due = self.ledger.due(slot).unwrap_or_default();
            let entry = entry(&owed, self.clock, due);
            let len = Record::Accepted(number, entry).append(&mut self.batch);
            self.booked.push((key, len, due));
        }
    }

    fn write(&mut self, now: Now) -> Result<(), Failure> {
        if let Some((first, last)) = self.withdrawn {
            Record::Withdrawn { first, last }.append(&mut self.batch);
        }
        let end = self.batch.len();
        self.batch.extend_from_slice(&self.outcomes);
        let mut durable = !self.booked.is_empty()
            || self.owes_sync
            || self.unsynced.len() as u64 > self.sizes.segment / UNSYNCED_PER_SEGMENT
            || self.is_oversized()
            || self.is_failing();
        let next_job = self.newest_job + 1;
        let mut result = self.log.commit(&mut self.batch, next_job, durable);
        if let Err(failure) = &result
            && failure.is_segment_lost
        {
            if !self.is_failing() {
                ::log::warn!("journal: {failure}; going on in a new segment");
            }
            // Never a second sync of the same file: everything that it may have lost goes to a new one.
            self.batch.splice(end..end, self.unsynced.iter().copied());
            self.unsynced.append(&mut self.outcomes);
            std::mem::swap(&mut self.unsynced, &mut self.outcomes);
            durable = true;
            result = self.log.commit(&mut self.batch, next_job, durable);
        }
        self.ledger.extend_to(self.log.newest());
        match result {
            Ok(written) => {
                self.note_written(written, durable);
                Ok(())
            }
            Err(failure) => {
                self.counts.failures += 1;
                self.retry_at = Some(now.tick.after(RETRY_MS));
                Err(failure)
            }
        }
    }

    fn note_written(&mut self, written: Written, durable: bool) {
        self.retry_at = None;
        self.ledger.grow(written.bytes);
        for (key, len, due) in &self.booked {
            self.ledger.put(key.index(), written.segment, *len, *due);
        }
        if durable {
            self.owes_sync = false;
            self.unsynced.clear();
            self.outcomes.clear();
            self.withdrawn = None;
        } else {
            if let Some((first, last)) = self.withdrawn.take() {
                Record::Withdrawn { first, last }.append(&mut self.unsynced);
            }
            self.unsynced.append(&mut self.outcomes);
        }
        for records in [&mut self.outcomes, &mut self.unsynced] {
            records.shrink_to(BATCH_BYTES_KEPT);
        }
        self.counts.writes += 1;
        self.counts.syncs += u64::from(durable);
        self.counts.bytes += written.bytes;
        self.counts.peak_bytes = self.counts.peak_bytes.max(self.ledger.bytes());
        self.delete_dead();
    }

    /// Deletes what nothing owed stands in. One that cannot be deleted is found at the next start.
    ///
    /// Not before the newest segment's name is synced: a power cut may bring back some of what was
    /// deleted, and it is by the gap in front of a newer one that this is noticed.
    fn delete_dead(&mut self) {
        if !self.log.is_linked() {
            return;
        }
        while let Some(dead) = self.ledger.take_dead() {
            if let Err(failure) = self.log.remove(dead) {
                ::log::warn!("journal: {failure}");
            }
        }
        self.ledger.shrink();
    }

    /// While it fails there always is: a batch, be it empty, shows whether the disk works again, and
    /// nobody need send a command to find that out.
    fn has_work(&self) -> bool {
        let is_unsynced = self.owes_sync && !self.unsynced.is_empty();
        let has_outcomes = !self.outcomes.is_empty() || self.withdrawn.is_some();
        has_outcomes || is_unsynced || self.is_oversized() || self.is_failing()
    }

    /// Whether there is anything to be gained from moving jobs, and reason to. That is before the log
    /// is as large as it may be: if the oldest segments are full of what is owed, room is gained only when
    /// all that has been moved, and half as much is accepted meanwhile.
    fn is_oversized(&self) -> bool {
        let live = self.ledger.live();
        let bound = self.sizes.log_min.max(live * LOG_PER_LIVE_MAX);
        let begin = bound - live / 2 - self.sizes.segment;
        self.ledger.has_old_segments() && self.ledger.bytes() > begin
    }

    fn number(&self, job: Key) -> u64 {
        number(job, self.newest_job)
    }
}
