//! Copies records of pending jobs from old segments into batches, so that the segments can be deleted.

use std::io;

use super::aside::keep_aside;
use super::entry::Entry;
use super::ledger::{Ledger, Location};
use super::outgoing::Outgoing;
use super::record::{Record, is_intact};
use super::{Disk, header};
use crate::time::Tick;

/// After a segment could not be read, nothing is moved for this long.
const REST_MS: u64 = 1_000;

/// How often a segment is tried in which a record cannot be read: an error of the disk may pass.
const TRIES_MAX: u32 = 5;

/// Most unreadable records that are passed over for one batch: a failing disk may take seconds for each.
const UNREADABLE_AT_ONCE_MAX: usize = 16;

/// Least `end_max`, in bytes: what a batch begins with is shorter, so that every batch has room for a job.
const END_MAX_MIN: usize = 1024;

/// Copies records, with a buffer for one of them.
///
/// A job whose record cannot be read is not lost, for the bot has it in memory; but the journal no longer has its texts. Its
/// segment is kept aside for people, and the log does not wait for the job any more.
#[derive(Debug)]
pub(super) struct Mover {
    record: Vec<u8>,
    /// When moving goes on.
    next_at: Tick,
    /// The segment in which a record could not be read, and how often that was.
    failed: (u32, u32),
    /// Jobs whose record could not be read.
    pub(super) unreadable: u64,
    /// Segments in which a record could not be read again, and the last of them: one after the other is emptied.
    pub(super) unreadable_segments: u64,
    last_unreadable: Option<u32>,
    /// No old job is added to a batch of this many bytes: a longer one was too large for a file.
    end_max: usize,
}

impl Default for Mover {
    fn default() -> Self {
        Self {
            record: Vec::new(),
            next_at: Tick::default(),
            failed: (0, 0),
            unreadable: 0,
            unreadable_segments: 0,
            last_unreadable: None,
            end_max: usize::MAX,
        }
    }
}

impl Mover {
    /// When moving goes on.
    pub(super) const fn next_at(&self) -> Tick {
        self.next_at
    }

    /// A batch of this length, with old jobs in it, was too long for a file. Until the next start, old jobs are added to
    /// batches of at most half that length.
    pub(super) fn shorten(&mut self, len: usize) {
        self.end_max = (len / 2).max(END_MAX_MIN);
    }

    /// Adds jobs of a segment to a batch, until it has `end` bytes.
    pub(super) fn stage<D: Disk>(
        &mut self,
        disk: &mut D,
        ledger: &mut Ledger,
        segment: u32,
        outgoing: &mut Outgoing,
        end: usize,
        now: Tick,
    ) {
        let name = header::name(segment);
        let end = end.min(self.end_max);
        let file = match disk.open(&name) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                // This says nothing about the file: the process may have too many open.
                ::log::debug!("journal: cannot open {name}: {error}");
                self.next_at = now.after(REST_MS);
                return;
            }
        };
        let (failed, tries) = self.failed;
        let tries = if failed == segment { tries } else { 0 };
        let (jobs, before) = (ledger.jobs_of(segment), outgoing.jobs());
        let copied = self.copy(disk, file, jobs, outgoing, end, tries >= TRIES_MAX);
        let tries = match outgoing.jobs() > before {
            true => 0,
            false => tries,
        };
        self.failed = (segment, tries + u32::from(copied.is_err()));
        match copied {
            Ok(unreadable) if unreadable.is_empty() => {}
            Ok(unreadable) => {
                let count = unreadable.len();
                ::log::warn!(
                    "journal: {count} records in {name} cannot be read again: their replies are posted, unless this process dies before"
                );
                unreadable.into_iter().for_each(|slot| ledger.remove(slot));
                self.unreadable += count as u64;
                if self.last_unreadable.replace(segment) != Some(segment) {
                    self.unreadable_segments += 1;
                }
                keep_aside(disk, &name);
            }
            Err(error) => {
                ::log::debug!("journal: cannot read {name}: {error}");
                self.next_at = now.after(REST_MS);
            }
        }
    }

    /// Adds jobs to the batch. Returns the slots of those whose records cannot be read and will not be tried again.
    fn copy<D: Disk>(
        &mut self,
        disk: &mut D,
        file: Option<D::File>,
        jobs: impl Iterator<Item = (u32, Location)>,
        outgoing: &mut Outgoing,
        end: usize,
        is_last_try: bool,
    ) -> io::Result<Vec<u32>> {
        let Some(mut file) = file else {
            let slots = is_last_try.then(|| jobs.map(|(slot, _)| slot).collect());
            return slots.ok_or_else(|| io::ErrorKind::NotFound.into());
        };
        let mut unreadable = Vec::new();
        for (slot, location) in jobs {
            if outgoing.records.len() >= end || unreadable.len() >= UNREADABLE_AT_ONCE_MAX {
                break;
            }
            match self.read(disk, &mut file, location) {
                Ok(Some((number, entry))) => outgoing.accept(slot, number, entry),
                Err(error) if !is_last_try => return Err(error),
                Ok(None) | Err(_) => unreadable.push(slot),
            }
        }
        Ok(unreadable)
    }

    /// The job whose record stands at this place, with what has changed since it was written; `None` if the record is damaged.
    fn read<D: Disk>(
        &mut self,
        disk: &mut D,
        file: &mut D::File,
        location: Location,
    ) -> io::Result<Option<(u64, Entry<'_>)>> {
        self.record.resize(location.bytes as usize, 0);
        disk.read_at(file, u64::from(location.offset), &mut self.record)?;
        let record =
            Record::read(&self.record).filter(|_| is_intact(&self.record, location.segment));
        let Some(Record::Accepted(number, entry)) = record else {
            return Ok(None);
        };
        let entry = Entry {
            attempts: location.attempts,
            due: location.due,
            ..entry
        };
        Ok(Some((number, entry)))
    }
}
