//! Reads a segment record by record, past damage, through a window of bounded size.

use std::io::{self, Read};

use super::record::{HEAD_BYTES, RECORD_BYTES_MAX, Record, claimed_len, is_intact, is_plausible};

/// Bytes asked for at once.
const READ_BYTES: usize = 256 * 1024;

/// After this many bytes without a record the rest is not read: no segment is that long, and a file may be a hole of a
/// terabyte.
const DAMAGE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What stands at one place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// An intact record, and how long it is.
    Record(Record<'a>, usize),
    /// So many bytes that are no record, and a record behind them.
    Damage(u64),
    /// So many bytes that are no record, up to the end.
    Tail(u64),
}

/// A place in a segment. It keeps at most two records of the longest kind and one read in memory.
pub(super) struct Scanner<R> {
    source: R,
    segment: u32,
    window: Vec<u8>,
    /// Where in the window the next piece begins, and where that is in the file.
    start: usize,
    offset: u64,
    is_exhausted: bool,
    /// What ended the reading before the end of the file.
    error: Option<io::Error>,
}

impl<R: Read> Scanner<R> {
    /// Begins `offset` bytes behind the beginning of this segment, where the source stands.
    pub(super) const fn new(source: R, segment: u32, offset: u64) -> Self {
        Self {
            source,
            segment,
            window: Vec::new(),
            start: 0,
            offset,
            is_exhausted: false,
            error: None,
        }
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Piece<'_>> {
        let Some(len) = self.record_at(0) else {
            return self.skip_damage();
        };
        let start = self.start;
        self.advance(len);
        // Parsed a second time: a borrow that one branch returns would last through the other one, too.
        let record = Record::read(&self.window[start..start + len])?;
        Some(Piece::Record(record, len))
    }

    /// Where the next piece begins.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Why the file could not be read to its end, if it could not.
    pub(super) fn into_error(self) -> Option<io::Error> {
        self.error
    }

    /// Goes on to the next record, wherever it begins.
    fn skip_damage(&mut self) -> Option<Piece<'_>> {
        let begin = self.offset;
        // If only the inside is damaged, the next record is where the length says. Looking there
        // first keeps what people have typed from being searched for records.
        if let Some(len) = claimed_len(self.rest(HEAD_BYTES))
            && (self.record_at(len).is_some() || self.ends_after(len))
        {
            self.advance(len);
        } else {
            let end = begin + DAMAGE_BYTES_MAX;
            while self.seek_claim(end) && self.record_at(0).is_none() {}
        }
        match self.offset - begin {
            0 => None,
            skipped if self.rest(1).is_empty() => Some(Piece::Tail(skipped)),
            skipped => Some(Piece::Damage(skipped)),
        }
    }

    /// Goes on to the next place where a record may begin, or to the end, or gives up beyond `end`.
    fn seek_claim(&mut self, end: u64) -> bool {
        let step = self.rest(1).len().min(1);
        self.advance(step);
        while self.offset < end {
            let rest = self.rest(HEAD_BYTES);
            let mut places = rest.windows(HEAD_BYTES);
            if let Some(claim) = places.position(|place| claimed_len(place).is_some()) {
                self.advance(claim);
                return true;
            }
            let left = rest.len();
            if left < HEAD_BYTES {
                self.advance(left);
                return false;
            }
            self.advance(left + 1 - HEAD_BYTES);
        }
        self.give_up();
        false
    }

    /// Reads no more.
    fn give_up(&mut self) {
        let error = format!("no record in {} MiB", DAMAGE_BYTES_MAX / (1024 * 1024));
        self.error = Some(io::Error::other(error));
        self.is_exhausted = true;
        self.start = self.window.len();
    }

    /// The length of the record that begins `ahead` bytes further on, if one does.
    fn record_at(&mut self, ahead: usize) -> Option<usize> {
        let segment = self.segment;
        let head = self.rest(ahead + HEAD_BYTES);
        let len = claimed_len(head.get(ahead..)?)?;
        let record = self.rest(ahead + len).get(ahead..ahead + len)?;
        // A checksum over a megabyte is dear where each place of some damage may claim to need one.
        let is_record = is_plausible(record) && is_intact(record, segment);
        (is_record && Record::read(record).is_some()).then_some(len)
    }

    fn ends_after(&mut self, len: usize) -> bool {
        self.rest(len + 1).len() == len
    }

    fn advance(&mut self, len: usize) {
        self.start += len;
        self.offset += len as u64;
    }

    /// What is left, at least `wanted` bytes of it unless the end comes before.
    fn rest(&mut self, wanted: usize) -> &[u8] {
        debug_assert!(wanted <= 2 * RECORD_BYTES_MAX + 1);
        while self.window.len() - self.start < wanted && !self.is_exhausted {
            self.fill();
        }
        &self.window[self.start..]
    }

    fn fill(&mut self) {
        if self.start >= READ_BYTES {
            self.window.drain(..self.start);
            self.start = 0;
        }
        let before = self.window.len();
        let source = (&mut self.source).take(READ_BYTES as u64);
        // What was read before an error stays.
        self.error = { source }.read_to_end(&mut self.window).err();
        self.is_exhausted = self.window.len() - before < READ_BYTES;
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::seal;
    use super::*;
    use proptest::prelude::*;

    const SEGMENT: u32 = 3;

    fn sealed(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in numbers {
            Record::Settled(number).append(&mut bytes);
        }
        seal(&mut bytes, SEGMENT);
        bytes
    }

    /// The numbers of the records found, and the bytes of damage and of the tail.
    fn scan(bytes: &[u8]) -> (Vec<u64>, Vec<u64>, u64) {
        let mut scanner = Scanner::new(bytes, SEGMENT, 0);
        let (mut numbers, mut damage, mut tail) = (Vec::new(), Vec::new(), 0);
        while let Some(piece) = scanner.next() {
            match piece {
                Piece::Record(Record::Settled(number), 17) => numbers.push(number),
                Piece::Record(..) => panic!("{piece:?}"),
                Piece::Damage(bytes) => damage.push(bytes),
                Piece::Tail(bytes) => tail = bytes,
            }
        }
        assert_eq!(scanner.offset(), bytes.len() as u64);
        (numbers, damage, tail)
    }

    #[test]
    fn all_records_are_found_in_a_window_that_does_not_grow() {
        let bytes = sealed(0..100_000);
        let mut scanner = Scanner::new(&bytes[..], SEGMENT, 0);
        let mut count = 0;
        while let Some(piece) = scanner.next() {
            assert_eq!(piece, Piece::Record(Record::Settled(count), 17));
            count += 1;
        }
        assert_eq!(count, 100_000);
        assert!(scanner.window.capacity() <= 4 * READ_BYTES);
    }

    #[test]
    fn a_file_that_is_endless_is_not_read_to_its_end() {
        let front = sealed([7]);
        let mut scanner = Scanner::new(front.chain(io::repeat(0)), SEGMENT, 0);
        let first = Piece::Record(Record::Settled(7), 17);
        assert_eq!(scanner.next(), Some(first));
        let Some(Piece::Tail(bytes)) = scanner.next() else {
            panic!("the rest has no record")
        };
        assert!((DAMAGE_BYTES_MAX..DAMAGE_BYTES_MAX + 2 * READ_BYTES as u64).contains(&bytes));
        assert_eq!(scanner.next(), None);
        assert!(scanner.into_error().is_some(), "it is told");
    }

    #[test]
    fn a_torn_tail_loses_nothing_else() {
        let bytes = sealed(0..3);
        for cut in 0..17 {
            let (numbers, damage, tail) = scan(&bytes[..34 + cut]);
            assert_eq!((numbers, damage, tail), (vec![0, 1], vec![], cut as u64));
        }
    }

    #[test]
    fn any_flipped_bit_loses_its_record_alone() {
        let mut bytes = sealed(0..5);
        for bit in 34 * 8..51 * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (numbers, damage, tail) = scan(&bytes);
            assert_eq!(numbers, [0, 1, 3, 4], "bit {bit}");
            assert_eq!((damage, tail), (vec![17], 0), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    /// Each place of this claims to need a checksum over a quarter of a megabyte: minutes, if it had one.
    #[test]
    fn what_only_looks_like_records_is_passed_quickly() {
        for pattern in [[4, 0, 4, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 0]] {
            let mut bytes = pattern.repeat(1 << 18);
            bytes.extend_from_slice(&sealed([7]));
            let mut scanner = Scanner::new(&bytes[..], SEGMENT, 0);
            assert_eq!(scanner.next(), Some(Piece::Damage(1 << 20)), "{pattern:?}");
            assert_eq!(scanner.next(), Some(Piece::Record(Record::Settled(7), 17)));
            assert!(scanner.window.capacity() <= 8 * READ_BYTES);
        }
    }

    #[test]
    fn what_people_type_is_not_searched_for_records() {
        let time = super::super::JournalTime(0);
        let entry = super::super::Entry::without_texts(time, time, 0);
        let mut bytes = Vec::new();
        let len = Record::Accepted(1, entry).append(&mut bytes);
        // The same record as the text of another one, whose checksum is damaged.
        bytes.extend_from_slice(&sealed([66]));
        bytes[0] += 17;
        bytes.extend_from_slice(&sealed([2]));
        let (numbers, damage, _) = scan(&bytes);
        assert_eq!((numbers, damage), (vec![2], vec![len as u64 + 17]));
    }

    proptest! {
        #[test]
        fn holes_lose_what_they_hit_and_nothing_else(
            count in 1..200_u64,
            holes in prop::collection::vec((0..3400_usize, 1..60_usize, any::<u8>()), 0..5),
        ) {
            let mut bytes = sealed(0..count);
            let intact = bytes.clone();
            for (at, len, fill) in holes {
                let end = (at + len).min(bytes.len());
                bytes[at.min(end)..end].fill(fill);
            }
            let expected: Vec<u64> = (0..count)
                .filter(|n| {
                    let record = *n as usize * 17..(*n as usize + 1) * 17;
                    bytes[record.clone()] == intact[record]
                })
                .collect();
            let (numbers, damage, tail) = scan(&bytes);
            let lost: u64 = damage.iter().sum::<u64>() + tail;
            prop_assert_eq!(lost, (count - expected.len() as u64) * 17);
            prop_assert_eq!(numbers, expected);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut scanner = Scanner::new(&bytes[..], SEGMENT, 0);
            while scanner.next().is_some() {}
        }
    }
}
