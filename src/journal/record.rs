//! One record of the log, as bytes.
//!
//! | field | bytes | |
//! | --- | --- | --- |
//! | length | 4 | of the payload |
//! | checksum | 4 | CRC-32 of the length and of all that follows, begun with the segment's number |
//! | kind | 1 | 2 settled, 3 attempt failed, 4 a batch begins, 5 withdrawn, 6 accepted; 1 is what 0.1.0 wrote for accepted |
//! | number | 8 | of the job, or the first one; where a batch begins, journal time |
//! | payload | | by kind |
//!
//! `entry.rs` has what an accepted job is written as.
//!
//! Numbers are little-endian. The checksum is begun with the segment's number so that a record in another
//! segment than its own, left over or misplaced, never checks. No kind is 0: zeros are no record.

use super::JournalTime;
use super::entry::{Entry, LENGTHS_BYTES, LENGTHS_BYTES_1, Reader, TIMES_BYTES};
use crate::time::UnixTime;

/// The length of the fields before the payload.
pub(super) const HEAD_BYTES: usize = 17;

/// The lengths of the other kinds' payloads.
const FAILED_BYTES: usize = 1 + 8;
const BATCH_BYTES: usize = 2 * 8;
const WITHDRAWN_BYTES: usize = 8;

/// How long the record is that a batch begins with.
pub(super) const BATCH_RECORD_BYTES: usize = HEAD_BYTES + BATCH_BYTES;

/// Longest record: the longest content that HTTP lets through has a quarter of this.
pub(super) const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A job is pending. A copy of the record says the same with the attempts that were made meanwhile.
    Accepted(u64, Entry<'a>),
    /// A job is no longer pending.
    Settled(u64),
    /// An attempt has failed, and another one follows.
    Failed {
        number: u64,
        attempts: u8,
        due: JournalTime,
    },
    /// A batch begins: what time it was, by both clocks, and how much of the segment had been synced. In that part bytes
    /// that are no record are damage, not an unfinished write.
    Batch {
        journal: JournalTime,
        unix: UnixTime,
        synced: u64,
    },
    /// The jobs from the first to the last are no longer pending: their commands were answered "busy". No kept job has a
    /// number between these.
    Withdrawn { first: u64, last: u64 },
}

const ACCEPTED_1: u8 = 1;
const SETTLED: u8 = 2;
const FAILED: u8 = 3;
const BATCH: u8 = 4;
const WITHDRAWN: u8 = 5;
const ACCEPTED: u8 = 6;

impl Record<'_> {
    /// Appends the record without its checksum, which [`seal`] fills in. Returns how long it is.
    pub(super) fn append(&self, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        let (kind, number) = match self {
            Self::Accepted(number, _) => (ACCEPTED, *number),
            Self::Settled(number) => (SETTLED, *number),
            Self::Failed { number, .. } => (FAILED, *number),
            Self::Batch { journal, .. } => (BATCH, journal.0),
            Self::Withdrawn { first, .. } => (WITHDRAWN, *first),
        };
        out.extend_from_slice(&[0; 8]);
        out.push(kind);
        out.extend_from_slice(&number.to_le_bytes());
        match self {
            Self::Accepted(_, entry) => entry.append(out),
            Self::Settled(_) => {}
            Self::Failed { attempts, due, .. } => {
                out.push(*attempts);
                out.extend_from_slice(&due.0.to_le_bytes());
            }
            Self::Batch { unix, synced, .. } => {
                out.extend_from_slice(&unix.0.to_le_bytes());
                out.extend_from_slice(&synced.to_le_bytes());
            }
            Self::Withdrawn { last, .. } => out.extend_from_slice(&last.to_le_bytes()),
        }
        let len = out.len() - start;
        assert!(
            len <= RECORD_BYTES_MAX,
            "what HTTP lets through fits a record"
        );
        let payload = (len - HEAD_BYTES) as u32;
        out[start..start + 4].copy_from_slice(&payload.to_le_bytes());
        len
    }
}

impl<'a> Record<'a> {
    /// Reads a whole, sealed record. `None` if its payload is not what its kind has.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, payload) = bytes.split_at_checked(HEAD_BYTES)?;
        let number = u64::from_le_bytes(head[9..].try_into().ok()?);
        let mut reader = Reader(payload);
        let record = match head[8] {
            ACCEPTED => return Some(Self::Accepted(number, Entry::read(reader)?)),
            ACCEPTED_1 => return Some(Self::Accepted(number, Entry::read_1(reader)?)),
            SETTLED => Self::Settled(number),
            FAILED => Self::Failed {
                number,
                attempts: reader.byte()?,
                due: JournalTime(reader.number()?),
            },
            BATCH => Self::Batch {
                journal: JournalTime(number),
                unix: UnixTime(reader.number()?),
                synced: reader.number()?,
            },
            WITHDRAWN => Self::Withdrawn {
                first: number,
                last: reader.number()?,
            },
            _ => return None,
        };
        reader.0.is_empty().then_some(record)
    }
}

/// Fills in the checksums of a batch of records that is about to be written to this segment.
pub(super) fn seal(batch: &mut [u8], segment: u32) {
    let mut rest = batch;
    while !rest.is_empty() {
        let len = claimed_len(rest).expect("a batch is made of whole records");
        let (record, further) = rest.split_at_mut(len);
        let checksum = checksum(record, segment);
        record[4..8].copy_from_slice(&checksum.to_le_bytes());
        rest = further;
    }
}

/// Says in the record that a batch begins with how much of the segment is synced.
pub(super) fn set_synced(batch: &mut [u8], synced: u64) {
    const AT: usize = HEAD_BYTES + 8;
    debug_assert_eq!(batch[8], BATCH);
    batch[AT..AT + 8].copy_from_slice(&synced.to_le_bytes());
}

/// How long the record that begins here is by its own account; `None` if the account cannot be true.
pub(super) fn claimed_len(bytes: &[u8]) -> Option<usize> {
    let kind = *bytes.get(8)?;
    let payload = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let is_entry =
        |lengths: usize| (TIMES_BYTES + lengths..=RECORD_BYTES_MAX - HEAD_BYTES).contains(&payload);
    let is_possible = match kind {
        ACCEPTED => is_entry(LENGTHS_BYTES),
        ACCEPTED_1 => is_entry(LENGTHS_BYTES_1),
        SETTLED => payload == 0,
        FAILED => payload == FAILED_BYTES,
        BATCH => payload == BATCH_BYTES,
        WITHDRAWN => payload == WITHDRAWN_BYTES,
        _ => false,
    };
    is_possible.then_some(HEAD_BYTES + payload)
}

/// A cheap look at what may be a whole record: whether its `response_url` has a path where the record says.
pub(super) fn is_plausible(record: &[u8]) -> bool {
    match record.get(8) {
        Some(&(ACCEPTED | ACCEPTED_1)) => path_start(record) == Some(b'/'),
        _ => true,
    }
}

/// The first byte of the path that the record of an accepted job claims to have.
fn path_start(record: &[u8]) -> Option<u8> {
    let mut reader = Reader(record.get(HEAD_BYTES + TIMES_BYTES..)?);
    let mut start = reader.short()?;
    let mut path = reader.short()?;
    if record[8] == ACCEPTED_1 {
        start += path;
        path = reader.short()?;
    } else {
        reader.length()?;
    }
    reader.0.get(start..start + path)?.first().copied()
}

/// Whether these bytes are one whole record of this segment.
pub(super) fn is_intact(record: &[u8], segment: u32) -> bool {
    record.len() >= HEAD_BYTES && record[4..8] == checksum(record, segment).to_le_bytes()
}

fn checksum(record: &[u8], segment: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(segment);
    hasher.update(&record[..4]);
    hasher.update(&record[8..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
