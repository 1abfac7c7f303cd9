//! Reads a log from its oldest segment to its newest: what is pending, and what is damaged.
//!
//! It is read twice, to save memory: the first pass finds where the records of pending jobs stand, 20 bytes each, and the second
//! reads these records.
//!
//! Nothing that is read is known to be durable, unless a header says so of the segment before: it may be in the page cache
//! alone, even for good if a sync has failed. So the process that has read it copies what is pending before it deletes
//! anything (see [`super::commit`]), also what the newest header no longer counts.

use std::io::{self, Read, Take};

use super::entry::Entry;
use super::files::{File, SegmentFiles};
use super::header::{self, HEADER_BYTES, Header, Reading};
use super::pending::PendingIndex;
use super::record::Record;
use super::scan::{Piece, Scanner};
use super::{Disk, Error, JournalTime};
use crate::time::UnixTime;

/// A job that is pending by the log.
pub(crate) struct Pending<'a> {
    pub(crate) number: u64,
    /// The job as it stands after all that was recorded.
    pub(crate) entry: Entry<'a>,
    /// The segment of its first accepted record, where in it that begins, and how long it is.
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) bytes: usize,
}

/// A segment as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) number: u32,
    /// How much of it counts.
    pub(crate) bytes: u64,
    /// Where its first record begins, and how much of its file is read.
    begin: u64,
    limit: u64,
    /// Places that hold bytes and no record, and how many bytes these are in all.
    pub(crate) damages: u64,
    pub(crate) damaged_bytes: u64,
    /// Bytes of unfinished writes, which were never acknowledged.
    pub(crate) torn_bytes: u64,
    /// Whether it is durable, and its header with it: the process that has made the next one had synced it.
    pub(super) is_synced: bool,
}

/// What a log says: its pending jobs, its segments and its damage.
#[derive(Default)]
pub(crate) struct Replay {
    pending: PendingIndex,
    /// The segments that count, the oldest first.
    pub(crate) segments: Vec<Found>,
    /// Segments that count no more.
    pub(crate) stale: Vec<u32>,
    /// The first and the last of each run of segments that count and have no file.
    pub(crate) missing: Vec<(u32, u32)>,
    /// Files behind the log that have names of segments and are none.
    pub(crate) unproven: Vec<u32>,
    /// The last time that was recorded, by both clocks.
    pub(crate) time: Option<(JournalTime, UnixTime)>,
}

impl Replay {
    /// Reads everything, and changes nothing.
    pub(crate) fn of<D: Disk>(disk: &mut D) -> Result<Self, Error> {
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
        let files = SegmentFiles::of(files);
        for (index, file) in files.log.iter().enumerate() {
            let next = files.log.get(index + 1).and_then(|(_, next)| *next);
            // Behind a gap stands nothing about this one.
            let next = next.filter(|(header, _)| header.segment - file.0 == 1);
            replay.read_segment(disk, *file, next.map(|(header, _)| header))?;
        }
        (replay.stale, replay.unproven) = (files.stale, files.unproven);
        replay.missing = files.missing;
        Ok(replay)
    }

    /// `next` is the header of the next segment, if there is one and it is intact.
    fn read_segment<D: Disk>(
        &mut self,
        disk: &mut D,
        (number, header): File,
        next: Option<Header>,
    ) -> Result<(), Error> {
        let begin = header.map_or(0, |(_, len)| len as u64);
        let limit = next.map_or(u64::MAX, |next| next.previous_end);
        let mut found = Found {
            number,
            bytes: 0,
            begin,
            limit,
            damages: 0,
            damaged_bytes: 0,
            torn_bytes: 0,
            is_synced: false,
        };
        if let Some((header, _)) = header {
            self.pending.count_up_to(header.next_job.saturating_sub(1));
        }
        let mut scanner = scan(disk, &found)?;
        let mut gaps = Gaps::default();
        let mut index = 0;
        loop {
            let at = scanner.offset();
            match scanner.next() {
                Some(Piece::Record(record, len)) => {
                    found.bytes = at + len as u64;
                    self.pending.take(number, index, &record);
                    match record {
                        Record::Accepted(..) => index += 1,
                        Record::Batch {
                            journal,
                            unix,
                            synced,
                        } => {
                            self.time = Some((journal, unix));
                            gaps.know_synced(synced);
                        }
                        _ => {}
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
            if next.is_previous_synced {
                found.is_synced = header.is_some() && found.bytes > 0;
                gaps.know_synced(u64::MAX);
            }
        }
        if let Some(error) = scanner.into_error() {
            let name = header::name(number);
            ::log::warn!("journal: cannot read on in {name}: {error}");
            found.damages += 1;
        }
        found.damages += gaps.damages;
        found.damaged_bytes = gaps.damaged_bytes;
        found.torn_bytes = gaps.unknown.iter().map(|(_, bytes)| bytes).sum();
        self.segments.push(found);
        Ok(())
    }

    /// The highest number that a job has had.
    pub(crate) const fn newest_job(&self) -> u64 {
        self.pending.newest_job()
    }

    /// Reads the pending jobs, in the order of the log. Returns how many could not be read again.
    pub(crate) fn read_pending<D: Disk>(
        &self,
        disk: &mut D,
        each: &mut dyn FnMut(&Pending<'_>),
    ) -> Result<usize, Error> {
        let homes = self.pending.segments();
        let mut left = self.pending.len();
        for found in &self.segments {
            if homes.contains(&found.number) {
                left -= self.read_home(disk, found, each)?;
            }
        }
        Ok(left)
    }

    /// Reads the pending jobs of one segment. Returns how many there are.
    fn read_home<D: Disk>(
        &self,
        disk: &mut D,
        found: &Found,
        each: &mut dyn FnMut(&Pending<'_>),
    ) -> Result<usize, Error> {
        let segment = found.number;
        let mut scanner = scan(disk, found)?;
        let (mut index, mut count) = (0, 0);
        loop {
            let offset = scanner.offset();
            let Some(piece) = scanner.next() else {
                return Ok(count);
            };
            let Piece::Record(Record::Accepted(number, entry), bytes) = piece else {
                continue;
            };
            if let Some(entry) = self.pending.resolve(segment, index, number, entry) {
                each(&Pending {
                    number,
                    entry,
                    segment,
                    offset,
                    bytes,
                });
                count += 1;
            }
            index += 1;
        }
    }
}

/// The file of a segment, as far as it counts.
type Segment<'a> = Take<Box<dyn Read + 'a>>;

/// Reads a segment's records.
fn scan<'a, D: Disk>(disk: &'a mut D, found: &Found) -> Result<Scanner<Segment<'a>>, Error> {
    let mut file = open(disk, found.number)?.take(found.limit);
    let mut front = [0; HEADER_BYTES];
    let begin = read_front(&mut file, &mut front[..found.begin as usize]) as u64;
    Ok(Scanner::new(file, found.number, begin))
}

/// The places of a segment that hold bytes and no record.
#[derive(Default)]
struct Gaps {
    /// How much of the segment is known to have been synced.
    synced: u64,
    /// Places in that part, and the bytes that they have in all.
    damages: u64,
    damaged_bytes: u64,
    /// Those behind it, and their bytes: a power cut leaves them where nothing was acknowledged yet.
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

fn read_header<D: Disk>(disk: &mut D, number: u32) -> Result<Option<(Header, usize)>, Error> {
    let mut front = [0; HEADER_BYTES];
    let len = read_front(&mut open(disk, number)?, &mut front);
    match Header::read(&front[..len], number) {
        Reading::Intact(header, len) => Ok(Some((header, len))),
        Reading::Damaged => Ok(None),
        Reading::Unknown(version) => Err(Error::Version {
            name: header::name(number),
            version,
        }),
    }
}

/// Fills `front` as far as there is anything that can be read.
fn read_front(file: &mut impl Read, front: &mut [u8]) -> usize {
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
    let name = header::name(number);
    disk.read(&name).map_err(|error| {
        let error = io::Error::new(error.kind(), format!("{name}: {error}"));
        io_error("open a segment")(error)
    })
}

fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Io { what, error }
}
