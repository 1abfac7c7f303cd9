//! Reads a log from its oldest segment to its newest: what is owed, and what is damaged.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::doubts::{Doubt, Doubts};
use super::header::{self, HEADER_BYTES, Header, Reading, Synced};
use super::record::{Entry, Record};
use super::scan::{Piece, Scanner};
use super::{Disk, Error, JournalTime};
use crate::time::UnixTime;

/// A job that is owed by the log.
pub(super) struct Pending {
    record: Box<[u8]>,
    /// The segment of its newest accepted record that is not in doubt, and how long that is there.
    pub(super) segment: u32,
    pub(super) bytes: usize,
    pub(super) attempts: u8,
    pub(super) due: JournalTime,
}

impl Pending {
    /// Whether this is the same job. A number may have been given out again if the only records that had
    /// it were never acknowledged and could not be found then; they count no more.
    fn is_of(&self, other: &Entry<'_>) -> bool {
        let same = |entry: Entry<'_>| {
            (entry.command, entry.origin, entry.path, entry.text)
                == (other.command, other.origin, other.path, other.text)
        };
        self.entry().is_some_and(same)
    }

    /// The job as it stands after all that was recorded.
    pub(super) fn entry(&self) -> Option<Entry<'_>> {
        match Record::read(&self.record)? {
            Record::Accepted(_, entry) => Some(Entry {
                attempts: self.attempts,
                due: self.due,
                ..entry
            }),
            _ => None,
        }
    }
}

/// A segment as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) number: u32,
    /// How much of it counts.
    pub(super) bytes: u64,
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
    pub(super) pending: BTreeMap<u64, Pending>,
    /// The segments that count, the oldest first.
    pub(super) segments: Vec<Found>,
    /// Segments in front of a gap: they were deleted, and a power cut has brought them back.
    pub(super) stale: Vec<u32>,
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
        let gap = numbers.windows(2).rposition(|pair| pair[0] + 1 != pair[1]);
        replay.stale = numbers.drain(..gap.map_or(0, |at| at + 1)).collect();
        let mut headers = Vec::with_capacity(numbers.len());
        for number in &numbers {
            headers.push(read_header(disk, *number)?);
        }
        for (index, number) in numbers.iter().enumerate() {
            let next = headers.get(index + 1).copied().flatten();
            replay.read_segment(disk, *number, headers[index], next)?;
        }
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
            damages: 0,
            damaged_bytes: 0,
            torn_bytes: 0,
        };
        let limit = next.map_or(u64::MAX, |next| next.previous_end);
        let mut file = open(disk, number)?.take(limit);
        let mut front = [0; HEADER_BYTES];
        let front_bytes = read_front(&mut file, &mut front);
        let mut gaps = Gaps::default();
        match header {
            Some(header) => {
                self.newest_job = self.newest_job.max(header.next_job.saturating_sub(1))
            }
            None => gaps.add(0, front_bytes as u64),
        }
        let mut scanner = Scanner::new(file, number, front_bytes as u64);
        loop {
            let at = scanner.offset();
            match scanner.next() {
                Some(Piece::Record(record, len)) => {
                    if let Record::Batch { synced, .. } = record {
                        gaps.know_synced(synced);
                        self.know_synced(number, synced);
                    }
                    found.bytes = at + len as u64;
                    self.take(number, at, record, len);
                }
                Some(Piece::Damage(bytes) | Piece::Tail(bytes)) => gaps.add(at, bytes),
                None => break,
            }
        }
        if let Some(next) = next {
            found.bytes = next.previous_end;
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

    fn take(&mut self, segment: u32, at: u64, record: Record<'_>, len: usize) {
        match record {
            Record::Accepted(number, entry) => self.accept(segment, at, number, entry, len),
            Record::Settled(number) => {
                self.newest_job = self.newest_job.max(number);
                self.pending.remove(&number);
                self.doubts.add(segment, at, Doubt::Settled(number));
            }
            Record::Failed {
                number,
                attempts,
                due,
            } => {
                if let Some(pending) = self.pending.get_mut(&number) {
                    (pending.attempts, pending.due) = (attempts, due);
                    self.doubts.add(segment, at, Doubt::Failed(number));
                }
            }
            Record::Withdrawn { first, last } => {
                self.newest_job = self.newest_job.max(last);
                let withdrawn: Vec<u64> = keys(&self.pending, first, last).collect();
                for number in withdrawn {
                    self.pending.remove(&number);
                }
                self.doubts
                    .add(segment, at, Doubt::Withdrawn { first, last });
            }
            Record::Batch { journal, unix, .. } => self.time = Some((journal, unix)),
        }
    }

    fn accept(&mut self, segment: u32, at: u64, number: u64, entry: Entry<'_>, bytes: usize) {
        self.newest_job = self.newest_job.max(number);
        if let Some(pending) = self.pending.get_mut(&number)
            && pending.is_of(&entry)
        {
            (pending.attempts, pending.due) = (entry.attempts, entry.due);
            let moved = Doubt::Moved {
                number,
                segment,
                bytes,
            };
            self.doubts.add(segment, at, moved);
            return;
        }
        let mut record = Vec::with_capacity(bytes);
        Record::Accepted(number, entry).append(&mut record);
        let pending = Pending {
            record: record.into_boxed_slice(),
            segment,
            bytes,
            attempts: entry.attempts,
            due: entry.due,
        };
        self.pending.insert(number, pending);
    }

    fn know_synced(&mut self, segment: u32, synced: u64) {
        for doubt in self.doubts.know_synced(segment, synced) {
            if let Doubt::Moved {
                number,
                segment: home,
                bytes,
            } = doubt
                && home == segment // elsewhere it is settled by not being relied on
                && let Some(pending) = self.pending.get_mut(&number)
            {
                (pending.segment, pending.bytes) = (segment, bytes);
            }
        }
    }
}

/// The numbers from the first to the last that are there.
fn keys<T>(map: &BTreeMap<u64, T>, first: u64, last: u64) -> impl Iterator<Item = u64> + '_ {
    let ahead = map.range(first..).map(|(number, _)| *number);
    ahead.take_while(move |number| *number <= last)
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
