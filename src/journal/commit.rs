//! A batch as records: written, synced if anything was accepted, and booked.

use super::clock::JournalClock;
use super::ledger::Ledger;
use super::log::{Failure, Log, Written};
use super::mover::Mover;
use super::outgoing::{BATCH_BYTES_KEPT, Outgoing};
use super::record::Record;
use super::{Disk, LOG_PER_LIVE_MAX, Sizes};
use crate::slab::Key;
use crate::store::{Batch, Outcome};
use crate::time::{Now, Tick};

/// After a failure the disk is left alone for so long, and every command is answered "busy": a disk that
/// takes long to fail must not hold up the loop at each turn.
const RETRY_MS: u64 = 1_000;

/// A batch moves at most twice its own size of old jobs, and this part of a segment besides: 64 KiB.
const MOVED_PER_SEGMENT: u64 = 64;

/// Outcomes that are written and not synced, as a part of a segment, before a batch of nothing else is
/// synced as well: 1 MiB.
const UNSYNCED_PER_SEGMENT: u64 = 4;

/// A journal that is open.
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
    outgoing: Outgoing,
    mover: Mover,
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
    /// Segments that stay until their jobs are settled, since a record in them could not be read again.
    pub unreadable: u64,
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
            outgoing: Outgoing::default(),
            mover: Mover::default(),
            retry_at: None,
            sizes,
            counts: Counts::default(),
        }
    }

    /// Makes a batch durable. What was accepted may be acknowledged afterwards; outcomes
    /// are only written, unless something accepted makes a sync worth while.
    ///
    /// # Errors
    /// What was accepted is not durable, and the journal takes it for withdrawn: the acknowledgements must not go
    /// out. Outcomes are written later.
    pub fn commit(&mut self, batch: &Batch, now: Now) -> Result<(), Failure> {
        self.stage(batch, now);
        let accepted = self.outgoing.jobs();
        let is_late = self.retry_at.is_some_and(|at| now.tick < at);
        if !is_late {
            self.stage_moves(now.tick);
        }
        if self.outgoing.jobs() == 0 && (is_late || !self.has_work(now.tick)) {
            return Ok(());
        }
        if is_late {
            return Err(Failure {
                what: "cannot write the journal",
                error: std::io::Error::other("it has just failed; trying again within a second"),
                is_segment_lost: false,
            });
        }
        let result = self.write(now);
        if result.is_ok() {
            self.counts.accepted += accepted as u64;
            self.counts.moved += (self.outgoing.jobs() - accepted) as u64;
        } else {
            self.withdraw(batch);
        }
        result
    }

    /// What was written of these jobs may be found at the next start: the disk may have more of it than anybody was
    /// told. For as long as none is accepted, the numbers of all that were taken back are one range.
    fn withdraw(&mut self, batch: &Batch) {
        for (job, _) in batch.accepted() {
            let number = self.number(job);
            let (first, last) = self.withdrawn.unwrap_or((number, number));
            self.withdrawn = Some((first.min(number), last.max(number)));
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
    pub(super) fn make_good(&mut self, now: Now) {
        self.owes_sync = !self.outcomes.is_empty();
        if let Err(failure) = self.commit(&Batch::default(), now) {
            ::log::warn!("journal: {failure}");
        }
    }

    /// When [`Self::commit`] must be called though there is nothing to tell.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        if self.has_records() || self.is_failing() {
            return Some(self.retry_at.unwrap_or_default());
        }
        self.is_oversized().then_some(self.mover.next_at())
    }

    /// The numbers of jobs that are accepted from now on begin here.
    #[must_use]
    pub const fn next_job(&self) -> u64 {
        self.newest_job.saturating_add(1)
    }

    /// Writes and syncs what is left and the last batch, before an end.
    ///
    /// # Errors
    /// Replies that were just posted may be posted again by the next process.
    pub fn finish(&mut self, batch: &Batch, now: Now) -> Result<(), Failure> {
        self.retry_at = None;
        self.owes_sync = true;
        self.commit(batch, now)?;
        if self.log.is_begun() {
            // An empty batch tells the next process that all this was synced.
            self.owes_sync = false;
            self.stage(&Batch::default(), now);
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
        Counts {
            unreadable: self.mover.unreadables,
            ..self.counts
        }
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
                Outcome::Settled { job } | Outcome::Withdrawn { job } => {
                    self.ledger.remove(job.index());
                    Record::Settled(self.number(job)).append(&mut self.outcomes);
                }
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

    /// While the log is too large, adds jobs of its oldest segment to the batch.
    fn stage_moves(&mut self, now: Tick) {
        if self.is_move_due(now) {
            let budget = (self.sizes.segment / MOVED_PER_SEGMENT) as usize;
            let end = self.outgoing.records.len() * 3 + budget;
            let (disk, outgoing) = (self.log.disk(), &mut self.outgoing);
            self.mover.stage(disk, &self.ledger, outgoing, end, now);
        }
    }

    fn write(&mut self, now: Now) -> Result<(), Failure> {
        if let Some((first, last)) = self.withdrawn {
            Record::Withdrawn { first, last }.append(&mut self.outgoing.records);
        }
        let end = self.outgoing.records.len();
        self.outgoing.records.extend_from_slice(&self.outcomes);
        let mut durable = self.outgoing.jobs() > 0
            || self.owes_sync
            || self.unsynced.len() as u64 > self.sizes.segment / UNSYNCED_PER_SEGMENT
            || self.is_move_due(now.tick)
            || self.is_failing();
        let next_job = self.next_job();
        let mut result = self
            .log
            .commit(&mut self.outgoing.records, next_job, durable);
        if let Err(failure) = &result
            && failure.is_segment_lost
        {
            if !self.is_failing() {
                ::log::warn!("journal: {failure}; going on in a new segment");
            }
            self.ledger.set_newest(self.log.newest());
            // Never a second sync of the same file: everything that it may have lost goes to a new one.
            self.outgoing
                .records
                .splice(end..end, self.unsynced.iter().copied());
            self.unsynced.append(&mut self.outcomes);
            std::mem::swap(&mut self.unsynced, &mut self.outcomes);
            durable = true;
            result = self
                .log
                .commit(&mut self.outgoing.records, next_job, durable);
        }
        self.ledger.set_newest(self.log.newest());
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
        for (slot, place) in self.outgoing.places(written) {
            self.ledger.put(slot, place);
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
    fn has_work(&self, now: Tick) -> bool {
        self.has_records() || self.is_failing() || self.is_move_due(now)
    }

    /// Whether there are records to be written or synced though nothing was accepted.
    fn has_records(&self) -> bool {
        let is_unsynced = self.owes_sync && !self.unsynced.is_empty();
        !self.outcomes.is_empty() || self.withdrawn.is_some() || is_unsynced
    }

    fn is_move_due(&self, now: Tick) -> bool {
        self.is_oversized() && now >= self.mover.next_at()
    }

    /// Whether there is anything to be gained from moving jobs, and reason to. That is before the log
    /// is as large as it may be: if the oldest segments are full of what is owed, room is gained only when
    /// all that has been moved, and half as much is accepted meanwhile.
    fn is_oversized(&self) -> bool {
        let live = self.ledger.live();
        let bound = self.sizes.log_min.max(live * LOG_PER_LIVE_MAX);
        let begin = bound - live / 2 - self.sizes.segment;
        self.ledger.old_segment().is_some() && self.ledger.bytes() > begin
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
