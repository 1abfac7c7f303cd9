//! Reads a log from its oldest segment to its newest: what is owed, and what is damaged.
//!
//! It is read twice, so that no more is in memory than what becomes of it: first where the records of owed jobs
//! stand, 20 bytes each, then these.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Take};

use super::doubts::{Doubt, Doubts};
use super::header::{self, HEADER_BYTES, Header, Reading, Synced};
use super::lineage::Lineage;
use super::record::{Entry, Record};
use super::scan::{Piece, Scanner};
use super::{Disk, Error, JournalTime};
use crate::time::UnixTime;

/// Where the accepted record of an owed job stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    segment: u32,
    /// How many accepted records stand before it in that segment.
    index: u32,
    /// Checksum of what does not change when the record is repeated.
    job: u32,
}

/// A job that is owed by the log.
pub(super) struct Pending<'a> {
    pub(super) number: u64,
    /// The job as it stands after all that was recorded.
    pub(super) entry: Entry<'a>,
    /// The segment of its newest accepted record that is not in doubt, where in it that begins, and how long it is.
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) bytes: usize,
}

/// A segment as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) number: u32,
    /// How much of it counts.
    pub(super) bytes: u64,
    /// How much of its file is read.
    limit: u64,
    /// Places where something is that is no record, and how many bytes that is in all.
    pub(super) damages: u64,
    pub(super) damaged_bytes: u64,
    /// Bytes of unfinished writes, which were never acknowledged.
    pub(super) torn_bytes: u64,
}

/// All that a log says.
#[derive(Default)]
pub(super) struct Replay {
    /// The jobs that are owed, by number.
    places: BTreeMap<u64, Place>,
    /// Of those with failed attempts, how many, and when the next one is due.
    failed: BTreeMap<u64, (u8, JournalTime)>,
    /// The segments that count, the oldest first.
    pub(super) segments: Vec<Found>,
    /// Segments in front of a gap.
    pub(super) stale: Vec<u32>,
    /// Files behind the log that are called like segments and are none.
    pub(super) foreign: Vec<u32>,
    /// What of all this a power cut may take back.
    pub(super) doubts: Doubts,
    /// The highest number that a job has had.
    pub(super) newest_job: u64,
    /// The last time that was recorded, by both clocks.
    pub(super) time: Option<(JournalTime, UnixTime)>,
}

impl Replay {
    /// Reads everything, and changes nothing.
    pub(super) fn of<D: Disk>(disk: &mut D) -> Result<Self, Error> {
        let mut replay = Self::default();
        let names = disk.names().map_err(io_error("list the directory"))?;
        let mut numbers: Vec<u32> = names
            .iter()
            .filter_map(|name| header::number(name))
            .collect();
        numbers.sort_unstable();
        let mut files = Vec::with_capacity(numbers.len());
        for number in numbers {
            files.push((number, read_header(disk, number)?));
        }
        let lineage = Lineage::of(files);
        for (index, (number, header)) in lineage.log.iter().enumerate() {
            let next = lineage.log.get(index + 1).and_then(|(_, next)| *next);
            replay.read_segment(disk, *number, *header, next)?;
        }
        (replay.stale, replay.foreign) = (lineage.stale, lineage.foreign);
        // What a later record contradicts is not said again: it would end what is owed.
        let Self { doubts, places, .. } = &mut replay;
        doubts.retain(|doubt| match *doubt {
            Doubt::Settled(number) => !places.contains_key(&number),
            Doubt::Withdrawn { first, last } => {
                first > last || places.range(first..=last).next().is_none()
            }
            Doubt::Failed(_) | Doubt::Moved(..) => true,
        });
        Ok(replay)
    }

    /// `next` is the header of the next segment, if there is one and it is intact.
    fn read_segment<D: Disk>(
        &mut self,
        disk: &mut D,
        number: u32,
        header: Option<Header>,
        next: Option<Header>,
    ) -> Result<(), Error> {
        let mut found = Found {
            number,
            bytes: 0,
            limit: next.map_or(u64::MAX, |next| next.previous_end),
            damages: 0,
            damaged_bytes: 0,
            torn_bytes: 0,
        };
        let (mut scanner, front_bytes) = scan(disk, number, found.limit)?;
        let mut index = 0;
        let mut gaps = Gaps::default();
        match header {
            Some(header) => {
                self.newest_job = self.newest_job.max(header.next_job.saturating_sub(1))
            }
            None => gaps.add(0, front_bytes),
        }
        loop {
            let at = scanner.offset();
            match scanner.next() {
                Some(Piece::Record(record, len)) => {
                    if let Record::Batch { synced, .. } = record {
                        gaps.know_synced(synced);
                        self.know_synced(number, synced);
                    }
                    found.bytes = at + len as u64;
                    if let Record::Accepted(job, entry) = record {
                        self.accept(number, at, index, job, &entry);
                        index += 1;
                    } else {
                        self.take(number, at, record);
                    }
                }
                Some(Piece::Damage(bytes) | Piece::Tail(bytes)) => gaps.add(at, bytes),
                None => break,
            }
        }
        if let Some(next) = next {
            let end = scanner.offset();
            if end < next.previous_end {
                gaps.add(end, next.previous_end - end);
            }
            found.bytes = next.previous_end.min(end);
            if next.previous_sync != Synced::Unknown {
                gaps.know_synced(u64::MAX);
            }
            if next.previous_sync == Synced::Yes {
                self.know_synced(number, next.previous_end);
            }
        }
        if let Some(error) = scanner.into_error() {
            ::log::warn!(
                "journal: cannot read on in {}: {error}",
                header::name(number)
            );
            found.damages += 1;
        }
        found.damages += gaps.damages;
        found.damaged_bytes = gaps.damaged_bytes;
        found.torn_bytes = gaps.unknown.iter().map(|(_, bytes)| bytes).sum();
        self.segments.push(found);
        Ok(())
    }

    fn take(&mut self, segment: u32, at: u64, record: Record<'_>) {
        let doubt = match record {
            Record::Accepted(..) => return, // see `accept`
            Record::Settled(number) => {
                self.forget(number, number);
                Doubt::Settled(number)
            }
            Record::Withdrawn { first, last } => {
                self.forget(first, last);
                Doubt::Withdrawn { first, last }
            }
            Record::Failed { number, .. } if !self.places.contains_key(&number) => return,
            Record::Failed {
                number,
                attempts,
                due,
            } => {
                self.failed.insert(number, (attempts, due));
                Doubt::Failed(number)
            }
            Record::Batch { journal, unix, .. } => {
                self.time = Some((journal, unix));
                return;
            }
        };
        self.doubts.add(segment, at, doubt);
    }

    fn accept(&mut self, segment: u32, at: u64, index: u32, number: u64, entry: &Entry<'_>) {
        self.newest_job = self.newest_job.max(number);
        let job = entry.checksum();
        let place = Place {
            segment,
            index,
            job,
        };
        // A number may have been given out again if the only records that had it were never acknowledged
        // and could not be found then; those count no more.
        if self.places.get(&number).is_some_and(|old| old.job == job) {
            if entry.attempts > 0 {
                self.failed.insert(number, (entry.attempts, entry.due));
            }
            self.doubts.add(segment, at, Doubt::Moved(number, place));
        } else {
            self.places.insert(number, place);
            self.failed.remove(&number);
        }
    }

    /// None of these is owed.
    fn forget(&mut self, first: u64, last: u64) {
        self.newest_job = self.newest_job.max(last);
        while let Some((&number, _)) = self.places.range(first..).next()
            && number <= last
        {
            self.places.remove(&number);
            self.failed.remove(&number);
        }
    }

    fn know_synced(&mut self, segment: u32, synced: u64) {
        for doubt in self.doubts.know_synced(segment, synced) {
            // Of one elsewhere that is settled by not being relied on.
            if let Doubt::Moved(number, place) = doubt
                && place.segment == segment
                && let Some(old) = self.places.get_mut(&number)
                && old.job == place.job
            {
                *old = place;
            }
        }
    }

    /// How many failed attempts at an owed job there were, and when the next one is due; `None` if there
    /// were none.
    pub(super) fn failed(&self, number: u64) -> Option<(u8, JournalTime)> {
        self.failed.get(&number).copied()
    }

    /// Reads the owed jobs, in the order of the log. Returns how many could not be read again.
    pub(super) fn read_pending<D: Disk>(
        &self,
        disk: &mut D,
        each: &mut dyn FnMut(&Pending<'_>),
    ) -> Result<usize, Error> {
        let homes: BTreeSet<u32> = self.places.values().map(|place| place.segment).collect();
        let mut left = self.places.len();
        for found in &self.segments {
            if homes.contains(&found.number) {
                left -= self.read_home(disk, found, each)?;
            }
        }
        Ok(left)
    }

    /// Reads the owed jobs of one segment. Returns how many there are.
    fn read_home<D: Disk>(
        &self,
        disk: &mut D,
        found: &Found,
        each: &mut dyn FnMut(&Pending<'_>),
    ) -> Result<usize, Error> {
        let segment = found.number;
        let (mut scanner, _) = scan(disk, segment, found.limit)?;
        let (mut index, mut count) = (0, 0);
        loop {
            let offset = scanner.offset();
            let Some(piece) = scanner.next() else {
                return Ok(count);
            };
            let Piece::Record(Record::Accepted(number, mut entry), bytes) = piece else {
                continue;
            };
            let job = entry.checksum();
            let place = Place {
                segment,
                index,
                job,
            };
            index += 1;
            if self.places.get(&number) == Some(&place) {
                if let Some((attempts, due)) = self.failed(number) {
                    (entry.attempts, entry.due) = (attempts, due);
                }
                each(&Pending {
                    number,
                    entry,
                    segment,
                    offset,
                    bytes,
                });
                count += 1;
            }
        }
    }
}

/// The file of a segment, as far as it counts.
type Segment<'a> = Take<Box<dyn Read + 'a>>;

/// Reads a segment's records, behind so many bytes at its beginning.
fn scan<D: Disk>(
    disk: &mut D,
    number: u32,
    limit: u64,
) -> Result<(Scanner<Segment<'_>>, u64), Error> {
    let mut file = open(disk, number)?.take(limit);
    let front_bytes = read_front(&mut file, &mut [0; HEADER_BYTES]) as u64;
    Ok((Scanner::new(file, number, front_bytes), front_bytes))
}

/// The places of a segment where something is that is no record.
#[derive(Default)]
struct Gaps {
    /// How much of the segment is known to have been synced.
    synced: u64,
    /// Places in that part, and the bytes that they have in all.
    damages: u64,
    damaged_bytes: u64,
    /// Those behind it, and their bytes: a power cut leaves such, where nothing was acknowledged yet.
    unknown: Vec<(u64, u64)>,
}

impl Gaps {
    fn add(&mut self, at: u64, bytes: u64) {
        if at < self.synced {
            self.damages += 1;
            self.damaged_bytes += bytes;
        } else if bytes > 0 {
            self.unknown.push((at, bytes));
        }
    }

    fn know_synced(&mut self, synced: u64) {
        if synced > self.synced {
            self.synced = synced;
            for (at, bytes) in std::mem::take(&mut self.unknown) {
                self.add(at, bytes);
            }
        }
    }
}

fn read_header<D: Disk>(disk: &mut D, number: u32) -> Result<Option<Header>, Error> {
    let mut front = [0; HEADER_BYTES];
    let len = read_front(&mut open(disk, number)?, &mut front);
    match Header::read(&front[..len], number) {
        Reading::Intact(header) => Ok(Some(header)),
        Reading::Damaged => Ok(None),
        Reading::Unknown(version) => Err(Error::Version {
            name: header::name(number),
            version,
        }),
    }
}

/// Fills `front` as far as there is anything that can be read.
fn read_front(file: &mut impl Read, front: &mut [u8; HEADER_BYTES]) -> usize {
    let mut filled = 0;
    while filled < front.len() {
        match file.read(&mut front[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(read) => filled += read,
        }
    }
    filled
}

fn open<D: Disk>(disk: &mut D, number: u32) -> Result<Box<dyn Read + '_>, Error> {
    disk.read(&header::name(number))
        .map_err(io_error("open a segment"))
}

pub(super) fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Io { what, error }
}
