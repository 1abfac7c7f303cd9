//! How a segment begins, and what its file is called.
//!
//! | field | bytes | |
//! | --- | --- | --- |
//! | magic | 6 | `torrap` |
//! | version | 2 | of the format; all that stands behind it may be different in another one |
//! | complement | 2 | of the version: a damaged version must not pass for an unknown one |
//! | synced | 2 | whether the segment before was synced up to its end: 0 not known, 1 yes |
//! | segment | 4 | its number, which is also its name |
//! | previous end | 8 | how much of the segment before counts: what follows was never acknowledged |
//! | next job | 8 | numbers from here on were not given out |
//! | oldest | 4 | the oldest segment that counts. Format 1, which torrap 0.1.0 wrote, does not have it |
//! | checksum | 4 | CRC-32 of all this |

/// The version that is written. Version 1 is read as well.
pub(super) const VERSION: u16 = 2;

/// The length of the header that is written.
pub(super) const HEADER_BYTES: usize = 40;

/// The length of a header of format 1.
const HEADER_BYTES_1: usize = 36;

const MAGIC: &[u8; 6] = b"torrap";
const SUFFIX: &str = ".log";
const DIGITS: usize = 10;

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) segment: u32,
    /// Where the segment before it ends for its readers.
    pub(super) previous_end: u64,
    /// Whether it was synced up to there: what is no record is damage then.
    pub(super) is_previous_synced: bool,
    /// The first job number that no earlier segment has.
    pub(super) next_job: u64,
    /// Nothing in the segments before this one counts any more. 0 if nothing is said of it.
    pub(super) oldest: u32,
}

/// What the beginning of a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A header of this segment, and its length.
    Intact(Header, usize),
    /// A header of a format that is not known here.
    Unknown(u16),
    /// No header, or not this segment's.
    Damaged,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..6].copy_from_slice(MAGIC);
        bytes[6..8].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..10].copy_from_slice(&(!VERSION).to_le_bytes());
        bytes[10] = u8::from(self.is_previous_synced);
        bytes[12..16].copy_from_slice(&self.segment.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.next_job.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.oldest.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the beginning of the file of this segment.
    pub(super) fn read(bytes: &[u8], segment: u32) -> Reading {
        let Some((fixed, _)) = bytes.split_first_chunk::<10>() else {
            return Reading::Damaged;
        };
        let [.., low, high, not_low, not_high] = *fixed;
        if fixed[..6] != *MAGIC || (not_low, not_high) != (!low, !high) {
            return Reading::Damaged;
        }
        let len = match u16::from_le_bytes([low, high]) {
            1 => HEADER_BYTES_1,
            VERSION => HEADER_BYTES,
            version => return Reading::Unknown(version),
        };
        let Some(bytes) = bytes.get(..len) else {
            return Reading::Damaged;
        };
        let short = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let is_intact = crc32fast::hash(&bytes[..len - 4]) == short(len - 4);
        if !is_intact || short(12) != segment {
            return Reading::Damaged;
        }
        let header = Self {
            segment,
            previous_end: long(16),
            // 0.1.0 wrote 2 if the process after the one that wrote the segment had synced it.
            is_previous_synced: bytes[10] != 0,
            next_job: long(24),
            oldest: if len == HEADER_BYTES { short(32) } else { 0 },
        };
        Reading::Intact(header, len)
    }
}

/// The name of a segment's file.
pub(crate) fn name(segment: u32) -> String {
    format!("{segment:0DIGITS$}{SUFFIX}")
}

/// The segment whose file has this name.
pub(super) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_ours = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    is_ours.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        segment: 7,
        previous_end: 4_194_304,
        is_previous_synced: true,
        next_job: 1 << 40,
        oldest: 5,
    };

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for is_previous_synced in [false, true] {
            let header = Header {
                is_previous_synced,
                ..HEADER
            };
            let reading = Header::read(&header.to_bytes(), 7);
            assert_eq!(reading, Reading::Intact(header, HEADER_BYTES));
        }
        let bytes = HEADER.to_bytes();
        assert_eq!(Header::read(&bytes, 8), Reading::Damaged, "misplaced");
        assert_eq!(Header::read(&bytes[..39], 7), Reading::Damaged);
    }

    #[test]
    fn a_header_of_format_1_is_read() {
        let written: &[u8] = include_bytes!("../../tests/journal/fixtures/0.1.0/pending.log");
        let header = Header {
            segment: 1,
            previous_end: 0,
            is_previous_synced: false,
            next_job: 2,
            oldest: 0,
        };
        assert_eq!(Header::read(written, 1), Reading::Intact(header, 36));
    }

    #[test]
    fn a_flipped_bit_is_damage_and_never_an_unknown_version() {
        let mut bytes = HEADER.to_bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&bytes, 7), Reading::Damaged, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn another_version_is_told_whatever_stands_behind_it() {
        let mut bytes = [0xff; HEADER_BYTES];
        bytes[..10].copy_from_slice(b"torrap\x03\x00\xfc\xff");
        assert_eq!(Header::read(&bytes, 7), Reading::Unknown(3));
        assert_eq!(Header::read(&bytes[..10], 7), Reading::Unknown(3));
    }

    #[test]
    fn names_are_numbers_and_sort_like_them() {
        assert_eq!(name(7), "0000000007.log");
        assert_eq!(number("0000000007.log"), Some(7));
        assert_eq!(number(&name(u32::MAX)), Some(u32::MAX));
        for other in [
            "7.log",
            "0000000007",
            "4294967296.log",
            "+000000007.log",
            "0000000007.log.damaged",
            "lock",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
