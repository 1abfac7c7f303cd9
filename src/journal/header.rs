//! How a segment begins, and what its file is called.
//!
//! | field | bytes | |
//! | --- | --- | --- |
//! | magic | 6 | `torrap` |
//! | version | 2 | of the format; all that stands behind it may be different in another one |
//! | complement | 2 | of the version: a damaged version must not pass for an unknown one |
//! | synced | 2 | whether the segment before was synced up to there: 0 not known, 1 yes, 2 by a later process |
//! | segment | 4 | its number, which is also its name |
//! | previous end | 8 | how much of the segment before counts: what follows was never acknowledged |
//! | next job | 8 | numbers from here on were not given out |
//! | checksum | 4 | CRC-32 of all this |

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u16 = 1;

/// How long a header is.
pub(super) const HEADER_BYTES: usize = 36;

const MAGIC: &[u8; 6] = b"torrap";
const SUFFIX: &str = ".log";
const DIGITS: usize = 10;

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) segment: u32,
    /// Where the segment before it ends for whoever reads it.
    pub(super) previous_end: u64,
    /// Whether it was synced up to there: what is no record is damage then.
    pub(super) previous_sync: Synced,
    /// The first job number that no earlier segment has.
    pub(super) next_job: u64,
}

/// What is known of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Synced {
    /// Nothing.
    Unknown = 0,
    /// Whoever wrote it has synced it.
    Yes = 1,
    /// A later process has. That proves less: a sync before may have failed, and who tries it again is
    /// told that all is well.
    Late = 2,
}

/// What the beginning of a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A header of ours.
    Intact(Header),
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
        bytes[10] = self.previous_sync as u8;
        bytes[12..16].copy_from_slice(&self.segment.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.next_job.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the beginning of the file of this segment.
    pub(super) fn read(bytes: &[u8], segment: u32) -> Reading {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Reading::Damaged;
        };
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        if bytes[..6] != *MAGIC || short(8) != !short(6) {
            return Reading::Damaged;
        }
        if short(6) != VERSION {
            return Reading::Unknown(short(6));
        }
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let header = Self {
            segment,
            previous_end: long(16),
            previous_sync: match bytes[10] {
                1 => Synced::Yes,
                2 => Synced::Late,
                _ => Synced::Unknown,
            },
            next_job: long(24),
        };
        if header.to_bytes() == *bytes {
            Reading::Intact(header)
        } else {
            Reading::Damaged
        }
    }
}

/// The name of a segment's file.
pub(super) fn name(segment: u32) -> String {
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
        previous_sync: Synced::Yes,
        next_job: 1 << 40,
    };

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for previous_sync in [Synced::Unknown, Synced::Late] {
            let header = Header {
                previous_sync,
                ..HEADER
            };
            let reading = Header::read(&header.to_bytes(), 7);
            assert_eq!(reading, Reading::Intact(header));
        }
        let bytes = HEADER.to_bytes();
        assert_eq!(Header::read(&bytes, 7), Reading::Intact(HEADER));
        assert_eq!(Header::read(&bytes, 8), Reading::Damaged, "misplaced");
        assert_eq!(Header::read(&bytes[..35], 7), Reading::Damaged);
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
        bytes[..10].copy_from_slice(b"torrap\x02\x00\xfd\xff");
        assert_eq!(Header::read(&bytes, 7), Reading::Unknown(2));
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
