//! Reads a log from its oldest segment to its newest: what is owed, and what is damaged.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::header::{self, HEADER_BYTES, Header, Reading};
use super::record::{Entry, Record};
use super::scan::{Piece, Scanner};
use super::{Disk, Error, JournalTime};
use crate::time::UnixTime;

/// A job that is owed by the log.
pub(super) struct Pending {
    /// Its newest accepted record as it stands in this segment.
    record: Box<[u8]>,
    pub(super) segment: u32,
    attempts: u8,
    due: JournalTime,
}

impl Pending {
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

    pub(super) fn bytes(&self) -> usize {
        self.record.len()
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
    /// Jobs settled in a segment whose end is not known, since the header behind it is damaged: it may
    /// have been given up after a failed sync, and a power cut would take that back.
    pub(super) doubtful: Vec<u64>,
    /// The highest number that a job has had.
    pub(super) newest_job: u64,
    /// The last time that was recorded, by both clocks.
    pub(super) time: Option<(JournalTime, UnixTime)>,
    /// Whether the segment that is being read is followed by a damaged header.
    is_end_unknown: bool,
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
            replay.is_end_unknown = next.is_none() && index + 1 < numbers.len();
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
                    }
                    found.bytes = at + len as u64;
                    self.take(number, record, len);
                }
                Some(Piece::Damage(bytes) | Piece::Tail(bytes)) => gaps.add(at, bytes),
                None => break,
            }
        }
        if let Some(next) = next {
            found.bytes = next.previous_end;
            if next.is_previous_synced {
                gaps.know_synced(u64::MAX);
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

    fn take(&mut self, segment: u32, record: Record<'_>, len: usize) {
        match record {
            Record::Accepted(number, entry) => {
                self.newest_job = self.newest_job.max(number);
                let mut bytes = Vec::with_capacity(len);
                record.append(&mut bytes);
                let pending = Pending {
                    record: bytes.into_boxed_slice(),
                    segment,
                    attempts: entry.attempts,
                    due: entry.due,
                };
                self.pending.insert(number, pending);
            }
            Record::Settled(number) => {
                self.newest_job = self.newest_job.max(number);
                self.pending.remove(&number);
                if self.is_end_unknown {
                    self.doubtful.push(number);
                }
            }
            Record::Failed {
                number,
                attempts,
                due,
            } => {
                if let Some(pending) = self.pending.get_mut(&number) {
                    (pending.attempts, pending.due) = (attempts, due);
                }
            }
            Record::Batch { journal, unix, .. } => self.time = Some((journal, unix)),
        }
    }
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
