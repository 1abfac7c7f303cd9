//! The segments as files: where a batch goes, and what to do when it cannot go there.
//!
//! | failed | then |
//! | --- | --- |
//! | write, because the file may not be so large | the file is cut back, and the batch goes to a new segment, unless it was the first of this one |
//! | any other write | the file is cut back to where it ended, and the next batch goes there; if that fails, too, the segment is given up |
//! | sync | what is on the disk is not known, and no second sync would tell: the segment is given up, and the batch goes to a new one |
//!
//! A segment that is given up stays as it is; the header of the next one says how much of it counts. If its
//! file was deleted while it was written to, there is nothing left of it, and the next one gets its number. No
//! segment is made before the names of all earlier ones are synced, so that no power cut can leave a gap.

use std::{fmt, io};

use super::Disk;
use super::aside;
use super::header::{self, HEADER_BYTES, Header};
use super::record::{seal, set_synced};

/// What could not be done, and why.
#[derive(Debug)]
pub struct Failure {
    /// What could not be done, as a sentence.
    pub what: &'static str,
    /// What the system says.
    pub error: io::Error,
    /// Whether a segment with records was given up: those that were written and not synced may be lost.
    pub(super) is_segment_lost: bool,
}

impl Failure {
    pub(super) fn of(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self {
            what,
            error,
            is_segment_lost: false,
        }
    }

    /// Whether it would have succeeded on a disk with more room.
    pub(super) fn is_for_want_of_room(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.error.kind(), QuotaExceeded | StorageFull)
    }

    /// Whether it would have succeeded in a smaller file: there is a limit (setrlimit(2), `RLIMIT_FSIZE`).
    pub(super) fn is_for_file_size(&self) -> bool {
        self.error.kind() == io::ErrorKind::FileTooLarge
    }

    /// The disk failed a moment ago, and was not tried again.
    pub(super) fn again_soon() -> Self {
        let error = "it has just failed; trying again within a second";
        Self::of("cannot write the journal")(io::Error::other(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)
    }
}

impl std::error::Error for Failure {}

/// The writing end of the log.
pub(super) struct Log<D: Disk> {
    disk: D,
    current: Option<Current<D::File>>,
    /// The newest segment that was made.
    newest: u32,
    /// While there is no `current`: how much of the newest segment counts, and whether that was synced.
    end: u64,
    is_end_synced: bool,
    /// A segment that has grown to this is followed by another one.
    segment_bytes: u64,
    /// Whether the names of all segments have been synced.
    is_linked: bool,
    /// The oldest segment that counts by the newest one's header; 0 if nothing is known of it.
    oldest: u32,
    /// The newest segment whose header is known to be durable: it tells which job number is the next. 0 if there is none.
    anchor: u32,
    /// A segment whose deletion is not known to be durable.
    undeleted: Option<u32>,
}

struct Current<F> {
    file: F,
    /// How much of it counts; 0 before its header is written.
    end: u64,
    /// How much of it is synced.
    synced: u64,
}

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) segment: u32,
    /// Where in the segment its records begin.
    pub(super) offset: u64,
    /// By how much the segment has grown.
    pub(super) bytes: u64,
}

/// Room for a header, which every batch begins with: it is written if the batch is its segment's first.
/// Behind it stands the record that a batch begins with.
pub(super) const BATCH_FRONT: [u8; HEADER_BYTES] = [0; HEADER_BYTES];

impl<D: Disk> Log<D> {
    /// Continues the log after the segment `newest`, of which `end` bytes count. None of them is known to be synced.
    pub(super) const fn new(
        disk: D,
        segment_bytes: u64,
        newest: u32,
        end: u64,
        anchor: u32,
    ) -> Self {
        Self {
            disk,
            current: None,
            newest,
            end,
            is_end_synced: false,
            segment_bytes,
            is_linked: false,
            oldest: 0,
            anchor,
            undeleted: None,
        }
    }

    /// The number of the newest segment.
    pub(super) const fn newest(&self) -> u32 {
        self.newest
    }

    /// Segments before this one may be deleted though no newer header can be written.
    pub(super) const fn anchor(&self) -> u32 {
        self.anchor
    }

    /// Whether the names of all segments have been synced.
    pub(super) const fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// Whether a segment is open that the next batch goes to.
    pub(super) const fn is_begun(&self) -> bool {
        self.current.is_some()
    }

    /// Whether the current segment has a batch already.
    fn has_records(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.end > 0)
    }

    pub(super) const fn disk(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Writes a batch, which begins with [`BATCH_FRONT`], and syncs it if it is to be durable. If it is the first of a
    /// segment, the header says which job number is the next, and which segment is the oldest that counts: `None` is
    /// the new one.
    pub(super) fn commit(
        &mut self,
        batch: &mut [u8],
        next_job: u64,
        oldest: Option<u32>,
        durable: bool,
    ) -> Result<Written, Failure> {
        let is_full = |current: &Current<_>| current.end >= self.segment_bytes;
        if self.current.as_ref().is_none_or(is_full) {
            self.roll()?;
        }
        let written = match self.write(batch, next_job, oldest) {
            Err(failure) if failure.is_for_file_size() && self.has_records() => {
                self.roll()?;
                self.write(batch, next_job, oldest)?
            }
            result => result?,
        };
        if durable {
            let synced = self.sync();
            synced.map_err(|failure| self.give_up(written.bytes, failure))?;
            self.anchor = self.newest;
        }
        Ok(written)
    }

    fn write(
        &mut self,
        batch: &mut [u8],
        next_job: u64,
        oldest: Option<u32>,
    ) -> Result<Written, Failure> {
        let current = self.current.as_mut().expect("a segment was made");
        let records = &mut batch[HEADER_BYTES..];
        set_synced(records, current.synced);
        seal(records, self.newest);
        let bytes = if current.end == 0 {
            let header = Header {
                segment: self.newest,
                previous_end: self.end,
                is_previous_synced: self.is_end_synced,
                next_job,
                oldest: oldest.unwrap_or(self.newest),
            };
            batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
            &*batch
        } else {
            &batch[HEADER_BYTES..]
        };
        if let Err(error) = self.disk.write(&mut current.file, current.end, bytes) {
            let failure = Failure::of("cannot write the journal")(error);
            return Err(
                match self.disk.truncate(&mut current.file, current.end).is_ok() {
                    true => failure,
                    false => self.give_up(0, failure),
                },
            );
        }
        if current.end == 0 {
            self.oldest = oldest.unwrap_or(self.newest);
        }
        let offset = current.end.max(HEADER_BYTES as u64);
        current.end += bytes.len() as u64;
        Ok(Written {
            segment: self.newest,
            offset,
            bytes: bytes.len() as u64,
        })
    }

    /// Ends the current segment, so that the next batch goes to another one. The whole of it is synced first: after a power
    /// cut only the newest segment may have holes.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        let Some(current) = self.current.as_mut().filter(|current| current.end > 0) else {
            return Ok(());
        };
        if current.synced < current.end
            && let Err(error) = self.disk.sync(&mut current.file)
        {
            return Err(self.give_up(0, Failure::of("cannot sync the journal")(error)));
        }
        (self.end, self.is_end_synced) = (current.end, true);
        self.current = None;
        Ok(())
    }

    /// Makes the next segment.
    fn roll(&mut self) -> Result<(), Failure> {
        self.close()?;
        if !self.is_linked {
            self.link()?;
        }
        let made = match self.newest.checked_add(1) {
            Some(number) => aside::create(&mut self.disk, number).map(|file| (number, file)),
            None => Err(io::Error::other(
                "the numbers of its files have run out; give another directory",
            )),
        };
        let (number, file) = made.map_err(Failure::of("cannot make a segment of the journal"))?;
        self.newest = number;
        self.is_linked = false;
        self.current = Some(Current {
            file,
            end: 0,
            synced: 0,
        });
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        let current = self.current.as_mut().expect("a batch was written");
        if current.synced < current.end {
            self.disk
                .sync(&mut current.file)
                .map_err(Failure::of("cannot sync the journal"))?;
            current.synced = current.end;
        }
        if self.is_linked { Ok(()) } else { self.link() }
    }

    fn link(&mut self) -> Result<(), Failure> {
        self.sync_names()?;
        self.is_linked = true;
        Ok(())
    }

    /// Makes durable which segments there are.
    pub(super) fn sync_names(&mut self) -> Result<(), Failure> {
        let synced = self.disk.sync_names();
        synced.map_err(Failure::of("cannot sync the journal's directory"))
    }

    /// Gives up the current segment because of this failure; its last `retracted` bytes do not count. If nothing else of it
    /// counts, or its file was deleted, the file is removed and the next segment has its number: a disk that fails for a day
    /// must not be littered with empty files, and the numbers must have no gap.
    fn give_up(&mut self, retracted: u64, failure: Failure) -> Failure {
        let Some(mut current) = self.current.take() else {
            return failure;
        };
        self.oldest = 0;
        let end = current.end - retracted;
        let is_gone = failure.error.kind() == io::ErrorKind::NotFound;
        if (end == 0 || is_gone) && self.remove(self.newest).is_ok() {
            self.newest -= 1;
            if self.anchor > self.newest {
                self.anchor = 0;
            }
        } else {
            (self.end, self.is_end_synced) = (end, current.synced >= end);
            // Only for the sake of people who look at it: the next header says where it ends.
            let _ = self.disk.truncate(&mut current.file, end);
        }
        Failure {
            is_segment_lost: end > 0,
            ..failure
        }
    }

    /// The segment that must be deleted before any other, because the newest header may still count it.
    pub(super) fn undeleted(&self) -> Option<u32> {
        self.undeleted
            .filter(|segment| !self.is_told_dead(*segment))
    }

    /// Deletes a segment in which nothing is pending. Returns whether the next one may be deleted.
    pub(super) fn delete(&mut self, segment: u32) -> bool {
        let is_told_dead = self.is_told_dead(segment);
        let deleted = self.remove(segment).and_then(|()| match is_told_dead {
            true => Ok(()),
            false => self.sync_names(),
        });
        let is_first_try = self.undeleted != Some(segment);
        self.undeleted = deleted.is_err().then_some(segment);
        if let Err(failure) = &deleted
            && is_first_try
        {
            ::log::warn!("journal: {failure}");
        }
        is_told_dead || deleted.is_ok()
    }

    /// Whether the newest header says, durably, that this segment no longer counts.
    fn is_told_dead(&self, segment: u32) -> bool {
        self.is_linked && segment < self.oldest
    }

    /// Deletes a segment's file.
    fn remove(&mut self, segment: u32) -> Result<(), Failure> {
        match self.disk.remove(&header::name(segment)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::of("cannot delete a segment of the journal")(error))
            }
            _ => Ok(()),
        }
    }
}
