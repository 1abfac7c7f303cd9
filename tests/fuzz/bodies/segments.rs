//! Segments of a journal: composed by an encoder and read by a decoder of their own, in memory.

use std::collections::BTreeMap;

use super::files::Files;
use super::input::Input;

/// How long a header is, by the version of its format.
const HEADER_BYTES: [usize; 3] = [0, 36, 40];
const HEAD_BYTES: usize = 17;
/// What an accepted job has before its texts, by the version of its format.
const ENTRY_BYTES: [usize; 3] = [0, 23, 25];
const RECORD_BYTES_MAX: usize = 1 << 20;

pub fn name(segment: u32) -> String {
    format!("{segment:010}.log")
}

/// What a header says.
#[derive(Clone, Copy)]
pub struct Header {
    pub version: u16,
    pub synced: u8,
    pub previous_end: u64,
    pub next_job: u64,
    /// Format 1 does not have it.
    pub oldest: u32,
}

impl Header {
    fn to_bytes(self, segment: u32) -> Vec<u8> {
        let mut bytes = b"torrap".to_vec();
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&(!self.version).to_le_bytes());
        bytes.extend_from_slice(&[self.synced, 0]);
        bytes.extend_from_slice(&segment.to_le_bytes());
        bytes.extend_from_slice(&self.previous_end.to_le_bytes());
        bytes.extend_from_slice(&self.next_job.to_le_bytes());
        if self.version > 1 {
            bytes.extend_from_slice(&self.oldest.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// The header that a segment begins with, if it is intact.
    pub fn read(bytes: &[u8], segment: u32) -> Option<Self> {
        let version = u16::from_le_bytes([*bytes.get(6)?, *bytes.get(7)?]);
        let front = bytes.get(..*HEADER_BYTES.get(usize::from(version))?)?;
        let header = Self {
            version,
            synced: *front.get(10)?,
            previous_end: long(front, 16),
            next_job: long(front, 24),
            oldest: match version {
                1 => 0,
                _ => (long(front, 28) >> 32) as u32,
            },
        };
        (header.to_bytes(segment) == front).then_some(header)
    }

    fn len(self) -> usize {
        HEADER_BYTES[usize::from(self.version)]
    }
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
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

/// The payload of an accepted job in format 1, of command, origin, path and text.
fn accepted_1(due: u64, expires: u64, attempts: u8, texts: [&[u8]; 4]) -> Vec<u8> {
    let mut payload = times(due, expires, attempts);
    for text in &texts[..3] {
        payload.extend_from_slice(&(text.len() as u16).to_le_bytes());
    }
    payload.extend_from_slice(&texts.concat());
    payload
}

/// The same in format 2, with these fields behind it.
fn accepted_2(due: u64, expires: u64, attempts: u8, texts: [&[u8]; 4], fields: &[u8]) -> Vec<u8> {
    let [command, origin, path, text] = texts;
    let mut payload = times(due, expires, attempts);
    payload.extend_from_slice(&(origin.len() as u16).to_le_bytes());
    payload.extend_from_slice(&(path.len() as u16).to_le_bytes());
    payload.extend_from_slice(&(text.len() as u32).to_le_bytes());
    payload.extend_from_slice(&[origin, path, text].concat());
    payload.push(1);
    payload.extend_from_slice(&(command.len() as u16).to_le_bytes());
    payload.extend_from_slice(command);
    payload.extend_from_slice(fields);
    payload
}

fn times(due: u64, expires: u64, attempts: u8) -> Vec<u8> {
    let mut payload = due.to_le_bytes().to_vec();
    payload.extend_from_slice(&expires.to_le_bytes());
    payload.push(attempts);
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
    let begin = Header::read(bytes, segment).map_or(0, Header::len);
    let places: BTreeMap<usize, (usize, Said)> = (begin..bytes.len())
        .filter_map(|at| Some((at, read(&bytes[at..], segment)?)))
        .collect();
    let mut found = Vec::new();
    let mut at = begin;
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
        1 => (ENTRY_BYTES[1]..=RECORD_BYTES_MAX - HEAD_BYTES).contains(&payload),
        6 => (ENTRY_BYTES[2]..=RECORD_BYTES_MAX - HEAD_BYTES).contains(&payload),
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
        1 => entry_1(long(record, 9), &record[HEAD_BYTES..])?,
        6 => entry_2(long(record, 9), &record[HEAD_BYTES..])?,
        2 => Said::Settled(long(record, 9)),
        3 => Said::Failed,
        5 => Said::Withdrawn(long(record, 9), long(record, HEAD_BYTES)),
        _ => Said::Batch(long(record, 9)),
    };
    Some((len, said))
}

/// Takes a text of this length from the beginning.
fn text<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a str> {
    let (text, further) = rest.split_at_checked(len)?;
    *rest = further;
    std::str::from_utf8(text).ok()
}

fn short(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn job(number: u64, expires: u64, [origin, path, text]: [&str; 3]) -> Option<Said> {
    let job = Job {
        expires,
        origin: origin.to_owned(),
        path: path.to_owned(),
        text: text.to_owned(),
    };
    path.starts_with('/').then_some(Said::Accepted(number, job))
}

fn entry_1(number: u64, payload: &[u8]) -> Option<Said> {
    let mut rest = &payload[ENTRY_BYTES[1]..];
    text(&mut rest, short(payload, 17))?;
    let origin = text(&mut rest, short(payload, 19))?;
    let path = text(&mut rest, short(payload, 21))?;
    let len = rest.len();
    let text = text(&mut rest, len)?;
    job(number, long(payload, 8), [origin, path, text])
}

fn entry_2(number: u64, payload: &[u8]) -> Option<Said> {
    let mut rest = &payload[ENTRY_BYTES[2]..];
    let origin = text(&mut rest, short(payload, 17))?;
    let path = text(&mut rest, short(payload, 19))?;
    let len = short(payload, 21) | short(payload, 23) << 16;
    let typed = text(&mut rest, len)?;
    while let Some((tag, further)) = rest.split_first() {
        let len = further.first_chunk().map(|len| u16::from_le_bytes(*len))?;
        rest = &further[2..];
        let (field, further) = rest.split_at_checked(usize::from(len))?;
        rest = further;
        if *tag == 1 {
            std::str::from_utf8(field).ok()?;
        }
    }
    job(number, long(payload, 8), [origin, path, typed])
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
    let version = match kind {
        255 => 3,
        kind => [2, 2, 2, 1][usize::from(kind / 16) % 4],
    };
    let oldest = match kind % 16 {
        3 => segment,
        5 => segment.saturating_add(1),
        10 => segment.saturating_sub(1),
        _ => 1,
    };
    let header = Header {
        version,
        synced: [1, 0, 1, 2][usize::from(kind) % 4],
        previous_end: told_end,
        next_job,
        oldest,
    };
    let mut bytes = header.to_bytes(segment);
    match kind % 16 {
        7 => bytes.truncate(usize::from(input.byte())),
        9 => bytes = input.some().to_vec(),
        11 => bytes[20] ^= 1,
        13 => bytes = header.to_bytes(segment ^ 1),
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
            let attempts = input.byte();
            match kind % 8 {
                6 => record(
                    segment,
                    1,
                    number,
                    &accepted_1(due, expires, attempts, texts),
                ),
                _ => {
                    let fields =
                        input.of(&[&[][..], &[], &[9, 1, 0, 7], &[9, 1, 0], &[1, 1, 0, 255]]);
                    let payload = accepted_2(due, expires, attempts, texts, fields);
                    record(segment, 6, number, &payload)
                }
            }
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
