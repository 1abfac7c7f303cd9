//! Turns a batch into records, writes them, syncs them if a job was accepted, and notes in the ledger where they stand.
//!
//! # Checkpoints
//!
//! What an earlier process has written, and what stands in a segment of which a sync has failed, is not known to be
//! durable, and no sync could prove it (<https://wiki.postgresql.org/wiki/Fsync_Errors>). So after a start and after a
//! failed sync a checkpoint replaces all segments that there are: the mover copies what is pending into new segments, a
//! part with each batch or on its own, and a segment is deleted when the copies of all that is pending in it are synced,
//! the oldest first. What was settled or withdrawn is not copied, so that no record of it is relied on either. At the end
//! a new segment begins, whose header says that all segments before the checkpoint count no more, whatever a power cut
//! brings back. Until then the next process finds the old segments, the copies, or both.
//!
//! A checkpoint with nothing pending copies nothing, and leaves a segment with the next number and the time. It is made
//! at a stop and after a minute of rest as well, so that what was delivered does not stay on the disk.

use super::clock::JournalClock;
use super::dead::{self, EMPTY_BYTES};
use super::ledger::Ledger;
use super::log::{Failure, Log, Written};
use super::mover::Mover;
use super::outgoing::{BATCH_BYTES_KEPT, Outgoing};
use super::record::Record;
use super::withdrawn::Withdrawn;
use super::{Disk, LOG_PER_LIVE_MAX, Sizes};
use crate::slab::Key;
use crate::store::{Batch, Outcome};
use crate::time::{Now, Tick};

/// After a failure the disk is left alone for this long, and commands are answered "busy" at once: a disk may take long to
/// fail, and each of them would wait for that.
const RETRY_MS: u64 = 1_000;

/// When nothing is pending, and nothing was written for this long, the log is emptied.
const REST_MS: u64 = 60_000;

/// A batch moves old jobs of at most twice its own size, plus this fraction of a segment: 64 KiB.
const MOVED_PER_SEGMENT: u64 = 64;

/// A journal that is open.
pub struct Journal<D: Disk> {
    pub(super) log: Log<D>,
    pub(super) ledger: Ledger,
    pub(super) clock: JournalClock,
    /// The highest number that a job has had.
    newest_job: u64,
    /// Records of settled jobs and of failed attempts that are not written yet.
    outcomes: Vec<u8>,
    /// Jobs whose commands were answered "busy" and whose records may stand in the log all the same: until this is written,
    /// the next process would answer them.
    withdrawn: Withdrawn,
    outgoing: Outgoing,
    mover: Mover,
    /// The last of the segments that a checkpoint is to replace. Batches go to later ones: the batch that ends a checkpoint
    /// begins a segment.
    pub(super) checkpoint: Option<u32>,
    /// After a failure, when the disk is tried again.
    retry_at: Option<Tick>,
    /// When the log is emptied if nothing happens until then.
    rest_at: Tick,
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
    /// Jobs whose record could not be read again to be written anew.
    pub unreadable: u64,
    /// Segments in which a record could not be read again.
    pub unreadable_segments: u64,
    /// Checkpoints that have ended.
    pub checkpoints: u64,
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
            withdrawn: Withdrawn::new(newest_job),
            outgoing: Outgoing::default(),
            mover: Mover::default(),
            checkpoint: None,
            retry_at: None,
            rest_at: Tick::default(),
            sizes,
            counts: Counts::default(),
        }
    }

    /// Makes a batch durable, so that the commands of its accepted jobs may be acknowledged. A batch of outcomes alone is
    /// written and not synced.
    ///
    /// # Errors
    /// The accepted jobs are not durable, and the journal takes them for withdrawn: their commands must not be
    /// acknowledged. Outcomes are written later.
    pub fn commit(&mut self, batch: &Batch, now: Now) -> Result<(), Failure> {
        self.stage(batch, now);
        let accepted = self.outgoing.jobs();
        if self.retry_at.is_some_and(|at| now.tick < at) {
            let is_over = accepted == 0;
            return is_over.then_some(()).ok_or_else(Failure::again_soon);
        }
        if self.is_at_rest() && now.tick >= self.rest_at {
            self.checkpoint = Some(self.log.newest());
        }
        self.stage_moves(now.tick);
        let has_work = self.has_records() || self.is_failing() || self.ends_checkpoint();
        if self.outgoing.jobs() == 0 && !has_work {
            return Ok(());
        }
        self.write(batch, now, self.outgoing.jobs() > 0)
    }

    /// When [`Self::commit`] must be called, with an empty batch if there is no other.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        if self.is_failing() {
            self.retry_at
        } else if self.has_records() || self.ends_checkpoint() {
            Some(Tick::default())
        } else if self.movable().is_some() {
            Some(self.mover.next_at())
        } else {
            self.is_at_rest().then_some(self.rest_at)
        }
    }

    /// The numbers of jobs that are accepted from now on begin here.
    #[must_use]
    pub const fn next_job(&self) -> u64 {
        self.newest_job.saturating_add(1)
    }

    /// Before the process ends: writes and syncs the last batch and what earlier ones have left, and empties the log if
    /// nothing is pending.
    ///
    /// # Errors
    /// Replies that were just posted may be posted again by the next process.
    pub fn finish(&mut self, batch: &Batch, now: Now) -> Result<(), Failure> {
        self.retry_at = None;
        self.stage(batch, now);
        if self.outgoing.jobs() > 0 || self.has_records() || self.log.is_begun() {
            self.write_last(batch, now)?;
        }
        if self.ledger.live() == 0 && self.ledger.bytes() > EMPTY_BYTES {
            self.checkpoint = Some(self.log.newest());
            if let Err(failure) = self.commit(&Batch::default(), now) {
                ::log::warn!("journal: {failure}; what was delivered stays on the disk");
            }
        } else if self.log.is_begun() {
            // An empty batch tells the next process that all this was synced, as it is.
            self.stage(&Batch::default(), now);
            if let Err(failure) = self.write(&Batch::default(), now, false) {
                ::log::debug!("journal: {failure}; the next start does not know what was synced");
            }
        }
        Ok(())
    }

    /// Writes the last batch. If it finds the disk full, that may have made room by now, and nothing will come later: it is tried
    /// again, without the jobs that it accepts, which are withdrawn.
    fn write_last(&mut self, batch: &Batch, now: Now) -> Result<(), Failure> {
        match self.write(batch, now, true) {
            Err(failure) if failure.is_for_want_of_room() => {
                self.stage(&Batch::default(), now);
                self.write(&Batch::default(), now, true)
            }
            result => result,
        }
    }

    /// Whether the last batch could not be written.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.retry_at.is_some()
    }

    /// What was done so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        Counts {
            unreadable: self.mover.unreadable,
            unreadable_segments: self.mover.unreadable_segments,
            ..self.counts
        }
    }

    /// Bytes of the log, and of the records of all pending jobs in it.
    #[must_use]
    pub const fn bytes(&self) -> (u64, u64) {
        (self.ledger.bytes(), self.ledger.live())
    }

    /// The files.
    pub const fn disk(&mut self) -> &mut D {
        self.log.disk()
    }

    /// Turns a batch into records. Outcomes come first, since a slot may have a new job by now.
    fn stage(&mut self, batch: &Batch, now: Now) {
        for outcome in batch.outcomes() {
            match *outcome {
                Outcome::Attempted { job, attempts, due } => {
                    let (number, due) = (self.number(job), self.clock.at(due));
                    self.ledger.postpone(job.index(), attempts, due);
                    let failed = Record::Failed {
                        number,
                        attempts,
                        due,
                    };
                    failed.append(&mut self.outcomes);
                }
                Outcome::Settled { job } => {
                    self.ledger.remove(job.index());
                    Record::Settled(self.number(job)).append(&mut self.outcomes);
                }
                Outcome::Withdrawn { job } => {
                    self.ledger.remove(job.index());
                    self.withdrawn.add(self.number(job));
                }
                // This store offers no job for adoption: what it restores has its key from the start.
                Outcome::Adopted { .. } | Outcome::Declined { .. } => {}
            }
        }
        self.outgoing.begin(self.clock.at(now.tick), now.unix);
        for (job, pending) in batch.accepted() {
            let number = self.number(job);
            self.newest_job = self.newest_job.max(number);
            let entry = self.clock.entry(&pending);
            self.outgoing.accept(job.index(), number, entry);
        }
    }

    /// Adds old jobs to the batch, as many as are due and allowed.
    fn stage_moves(&mut self, now: Tick) {
        let Some(segment) = self.movable().filter(|_| now >= self.mover.next_at()) else {
            return;
        };
        let budget = (self.sizes.segment / MOVED_PER_SEGMENT) as usize;
        let end = self.outgoing.records.len() * 3 + budget;
        let (disk, ledger, outgoing) = (self.log.disk(), &mut self.ledger, &mut self.outgoing);
        self.mover.stage(disk, ledger, segment, outgoing, end, now);
    }

    /// Writes the staged records, and notes what became of them.
    fn write(&mut self, batch: &Batch, now: Now, is_durable: bool) -> Result<(), Failure> {
        self.withdrawn.append_to(&mut self.outgoing.records);
        self.outgoing.records.extend_from_slice(&self.outcomes);
        let is_durable = is_durable || self.is_failing();
        let result = self.append(is_durable).or_else(|failure| {
            if !failure.is_segment_lost {
                return Err(failure);
            }
            if !self.is_failing() {
                ::log::warn!("journal: {failure}; going on in a new segment");
            }
            // Never a second sync of the same file: everything that it may have lost goes to a new one.
            self.checkpoint = Some(self.log.newest());
            self.append(true)
        });
        match result {
            Ok(written) => {
                self.book(batch, written, now.tick);
                Ok(())
            }
            Err(failure) => {
                self.counts.failures += 1;
                self.retry_at = Some(now.tick.after(RETRY_MS));
                // The next process may find the records of these jobs. The header of the next segment says where this one
                // ends; but the next one may fail, too, and then nothing says it.
                for (job, _) in batch.accepted() {
                    self.withdrawn.add(self.number(job));
                }
                if failure.is_for_file_size() && self.outgoing.jobs() > batch.accepted().len() {
                    self.mover.shorten(self.outgoing.records.len());
                }
                if failure.is_for_want_of_room() {
                    dead::make_room(&mut self.log, &mut self.ledger);
                }
                Err(failure)
            }
        }
    }

    fn append(&mut self, is_durable: bool) -> Result<Written, Failure> {
        let ends_checkpoint = self.ends_checkpoint();
        if ends_checkpoint {
            self.log.close()?;
        }
        let is_durable = is_durable || ends_checkpoint;
        let (next_job, oldest) = (self.next_job(), self.ledger.oldest_live());
        let records = &mut self.outgoing.records;
        let result = self.log.commit(records, next_job, oldest, is_durable);
        self.ledger.set_newest(self.log.newest());
        if result.is_ok() {
            if ends_checkpoint {
                self.checkpoint = None;
                self.counts.checkpoints += 1;
            }
            self.counts.syncs += u64::from(is_durable);
        }
        result
    }

    fn book(&mut self, batch: &Batch, written: Written, now: Tick) {
        self.retry_at = None;
        self.rest_at = now.after(REST_MS);
        self.ledger.grow(written.bytes);
        for (slot, location) in self.outgoing.locations(written) {
            self.ledger.put(slot, location);
        }
        self.outcomes.clear();
        self.outcomes.shrink_to(BATCH_BYTES_KEPT);
        self.withdrawn.clear();
        for (job, _) in batch.accepted() {
            self.withdrawn.keep(self.number(job));
        }
        let accepted = batch.accepted().len();
        self.counts.accepted += accepted as u64;
        self.counts.moved += (self.outgoing.jobs() - accepted) as u64;
        self.counts.writes += 1;
        self.counts.bytes += written.bytes;
        self.counts.peak_bytes = self.counts.peak_bytes.max(self.ledger.bytes());
        dead::delete(&mut self.log, &mut self.ledger);
    }

    /// Whether records wait to be written, whether or not a job is accepted.
    const fn has_records(&self) -> bool {
        !self.outcomes.is_empty() || !self.withdrawn.is_empty()
    }

    /// Whether nothing pending stands in the segments that a checkpoint is to replace: the next batch ends it.
    fn ends_checkpoint(&self) -> bool {
        self.checkpoint
            .is_some_and(|last| self.ledger.oldest_live().is_none_or(|oldest| oldest > last))
    }

    /// The segment that jobs are moved from, if there is one.
    fn movable(&self) -> Option<u32> {
        let oldest = self.ledger.oldest_live()?;
        let is_replaced = self.checkpoint.is_some_and(|last| oldest <= last);
        let is_old = is_replaced || oldest < self.log.newest() && self.is_oversized();
        is_old.then_some(oldest)
    }

    /// Whether the log is so large that jobs are moved. That begins before the log is as large as it may be: if the
    /// oldest segments are full of pending jobs, room is gained only when all of these have been moved, and half as much is
    /// accepted meanwhile.
    fn is_oversized(&self) -> bool {
        let live = self.ledger.live();
        let bound = self.sizes.log_min.max(live * LOG_PER_LIVE_MAX);
        let begin = bound - live / 2 - self.sizes.segment;
        self.ledger.bytes() > begin
    }

    /// Whether the log will be emptied if nothing happens for a while.
    const fn is_at_rest(&self) -> bool {
        self.checkpoint.is_none() && self.ledger.live() == 0 && self.ledger.bytes() > EMPTY_BYTES
    }

    /// The number of a job: its key's generation is the lower half, and the upper one is that which comes
    /// nearest to the newest job's.
    fn number(&self, job: Key) -> u64 {
        const ERA: u64 = 1 << 32;
        let here = self.newest_job & !(ERA - 1) | u64::from(job.generation());
        let others = [here.checked_sub(ERA), here.checked_add(ERA)];
        let all = others.into_iter().flatten().chain([here]);
        all.min_by_key(|number| number.abs_diff(self.newest_job))
            .unwrap_or(here)
    }
}
