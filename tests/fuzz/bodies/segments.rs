//! Segments of a journal: composed by an encoder and read by a decoder of their own, in memory.

use std::collections::BTreeMap;

use super::files::Files;
use super::input::Input;

pub const HEADER_BYTES: usize = 36;
const HEAD_BYTES: usize = 17;
const ENTRY_BYTES: usize = 23;
const RECORD_BYTES_MAX: usize = 1 << 20;

pub fn name(segment: u32) -> String {
    format!("{segment:010}.log")
}

/// A header of this segment with all its fields.
pub fn header(segment: u32, version: u16, synced: u8, end: u64, next_job: u64) -> Vec<u8> {
    let mut bytes = b"torrap".to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&(!version).to_le_bytes());
    bytes.extend_from_slice(&[synced, 0]);
    bytes.extend_from_slice(&segment.to_le_bytes());
    bytes.extend_from_slice(&end.to_le_bytes());
    bytes.extend_from_slice(&next_job.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

/// The end of the segment before, by a header that is intact.
pub fn previous_end(bytes: &[u8], segment: u32) -> Option<u64> {
    let front = bytes.get(..HEADER_BYTES)?;
    let (end, next_job) = (long(front, 16), long(front, 24));
    let again = header(segment, 1, front[10], end, next_job);
    (front[10] <= 2 && again == front).then_some(end)
}

/// A record of this segment.
pub fn record(segment: u32, kind: u8, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&[0; 4]);
    bytes.push(kind);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(payload);
    let checksum = checksum(&bytes, segment).to_le_bytes();
    bytes[4..8].copy_from_slice(&checksum);
    bytes
}

/// The payload of an accepted job.
pub fn accepted(due: u64, expires: u64, attempts: u8, texts: [&[u8]; 4]) -> Vec<u8> {
    let mut payload = due.to_le_bytes().to_vec();
    payload.extend_from_slice(&expires.to_le_bytes());
    payload.push(attempts);
    for text in &texts[..3] {
        payload.extend_from_slice(&(text.len() as u16).to_le_bytes());
    }
    payload.extend_from_slice(&texts.concat());
    payload
}

fn checksum(record: &[u8], segment: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(segment);
    hasher.update(&record[..4]);
    hasher.update(&record[8..]);
    hasher.finalize()
}

/// An accepted job, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub expires: u64,
    pub origin: String,
    pub path: String,
    pub text: String,
}

/// What a record says, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Accepted(u64, Job),
    Settled(u64),
    /// The first and the last.
    Withdrawn(u64, u64),
    Failed,
    /// Journal time.
    Batch(u64),
}

/// The records that a segment has behind its header, in the order in which they are found.
pub fn said(bytes: &[u8], segment: u32) -> Vec<Said> {
    let places: BTreeMap<usize, (usize, Said)> = (HEADER_BYTES..bytes.len())
        .filter_map(|at| Some((at, read(&bytes[at..], segment)?)))
        .collect();
    let mut found = Vec::new();
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        at = match places.get(&at) {
            Some((len, said)) => {
                found.push(said.clone());
                at + len
            }
            // A damaged record whose length is true is passed as a whole.
            None => match claim(&bytes[at..]).map(|len| at + len) {
                Some(end) if end == bytes.len() || places.contains_key(&end) => end,
                _ => match places.range(at + 1..).next() {
                    Some((next, _)) => *next,
                    None => bytes.len(),
                },
            },
        };
    }
    found
}

fn claim(bytes: &[u8]) -> Option<usize> {
    let payload = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let is_possible = match bytes.get(8)? {
        1 => (ENTRY_BYTES..=RECORD_BYTES_MAX - HEAD_BYTES).contains(&payload),
        2 => payload == 0,
        3 => payload == 9,
        4 => payload == 16,
        5 => payload == 8,
        _ => false,
    };
    is_possible.then_some(HEAD_BYTES + payload)
}

fn read(bytes: &[u8], segment: u32) -> Option<(usize, Said)> {
    let len = claim(bytes)?;
    let record = bytes.get(..len)?;
    if record[4..8] != checksum(record, segment).to_le_bytes() {
        return None;
    }
    let said = match record[8] {
        1 => entry(long(record, 9), &record[HEAD_BYTES..])?,
        2 => Said::Settled(long(record, 9)),
        3 => Said::Failed,
        5 => Said::Withdrawn(long(record, 9), long(record, HEAD_BYTES)),
        _ => Said::Batch(long(record, 9)),
    };
    Some((len, said))
}

fn entry(number: u64, payload: &[u8]) -> Option<Said> {
    let short = |at: usize| usize::from(u16::from_le_bytes([payload[at], payload[at + 1]]));
    let mut rest = &payload[ENTRY_BYTES..];
    let mut next = |len: usize| {
        let (text, further) = rest.split_at_checked(len)?;
        rest = further;
        std::str::from_utf8(text).ok().map(str::to_owned)
    };
    next(short(17))?;
    let (origin, path) = (next(short(19))?, next(short(21))?);
    let job = Job {
        expires: long(payload, 8),
        origin,
        path,
        text: std::str::from_utf8(rest).ok()?.to_owned(),
    };
    job.path
        .starts_with('/')
        .then_some(Said::Accepted(number, job))
}

/// A few segments, whose numbers follow each other but for a gap now and then. The numbers of their jobs
/// are at most `numbers`, a mask.
pub fn compose(input: &mut Input<'_>, numbers: u64, origin: &str) -> Files {
    let mut files = Files::default();
    let mut segment = input.of(&[1, 2, 7, 1 << 31, u32::MAX - 3, u32::MAX]);
    let mut end = 0;
    while !input.is_empty() && files.0.len() < 6 {
        let bytes = segment_of(input, segment, end, numbers, origin);
        end = bytes.len() as u64;
        files.0.insert(name(segment), bytes);
        let step = input.of(&[1, 1, 1, 1, 1, 1, 2, 100]);
        let Some(next) = segment.checked_add(step) else {
            break;
        };
        segment = next;
    }
    files
}

fn segment_of(
    input: &mut Input<'_>,
    segment: u32,
    end: u64,
    numbers: u64,
    origin: &str,
) -> Vec<u8> {
    let kind = input.byte();
    let told_end = match input.byte() % 8 {
        0 => 0,
        1 => end.saturating_sub(u64::from(input.byte())),
        2 => end + u64::from(input.byte()),
        3 => input.u64() >> 16,
        _ => end,
    };
    let next_job = input.of(&[0, 1, 9, 1 << 32, 1 << 63]) & numbers;
    let version = if kind == 255 { 2 } else { 1 };
    let synced = [1, 0, 1, 2][usize::from(kind) % 4];
    let mut bytes = header(segment, version, synced, told_end, next_job);
    match kind % 16 {
        7 => bytes.truncate(usize::from(input.byte())),
        9 => bytes = input.some().to_vec(),
        11 => bytes[20] ^= 1,
        13 => bytes = header(segment ^ 1, version, 0, told_end, next_job),
        _ => {}
    }
    for _ in 0..input.byte() % 16 {
        piece(input, segment, numbers, origin, &mut bytes);
    }
    bytes
}

fn piece(input: &mut Input<'_>, segment: u32, numbers: u64, origin: &str, bytes: &mut Vec<u8>) {
    let kind = input.byte();
    // A bot begins to count with 1.
    let number = match input.byte() {
        255 => (input.u64() & numbers).max(1),
        small => u64::from(small % 15) + 1,
    };
    let mut made = match kind % 8 {
        0 => record(segment, 2, number, &[]),
        1 => {
            let due = input.u64().to_le_bytes();
            record(segment, 3, number, &[&[input.byte()][..], &due].concat())
        }
        2 => {
            let unix = 1_600_000_000_000 + u64::from(input.u32());
            let synced = input.of(&[0, 36, bytes.len() as u64, u64::MAX]);
            let payload = [unix.to_le_bytes(), synced.to_le_bytes()].concat();
            record(
                segment,
                4,
                input.of(&[0, unix, unix + 9, u64::MAX]),
                &payload,
            )
        }
        3 => input.some().to_vec(),
        4 => vec![0; usize::from(input.byte())],
        5 => {
            let last = number.saturating_add(u64::from(input.byte() % 4));
            record(segment, 5, number, &last.to_le_bytes())
        }
        _ => {
            let (due, expires) = (input.u64(), input.of(&[u64::MAX, u64::MAX, 0, 1 << 41]));
            let origin = input.of(&[origin, origin, origin, "http://x", ""]);
            let path = input.of(&["/a", "/a", "/b/c?d", "", "/\n", "x"]);
            let texts = [
                &b"/torrap"[..],
                origin.as_bytes(),
                path.as_bytes(),
                input.some(),
            ];
            record(
                segment,
                1,
                number,
                &accepted(due, expires, input.byte(), texts),
            )
        }
    };
    match kind / 8 {
        1 if !made.is_empty() => {
            let at = usize::from(input.byte()) % made.len();
            made[at] ^= 1 << (input.byte() % 8);
        }
        2 => made.truncate(usize::from(input.byte())),
        3 => made = made.repeat(2),
        _ => {}
    }
    bytes.extend_from_slice(&made);
}
