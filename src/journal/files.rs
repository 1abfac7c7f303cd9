//! Sorts the files that have names of segments: which of them are the log.

use super::header::Header;

/// A segment's number, and its header with its length if that is intact.
pub(super) type File = (u32, Option<(Header, usize)>);

/// So many segments may be missing in the middle of a log that is read as one: 256 GiB, beyond what any disk here holds.
/// It bounds what the ledger has for them if a file is made up.
const MISSING_MAX: u32 = 65_536;

/// A file with a higher number and no intact header is no segment: a log that continued after it would run out of numbers. A
/// log of segments of 4 MiB reaches it after 8 PiB.
const UNPROVEN_MAX: u32 = 1 << 31;

/// The files that have names of segments, by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentFiles {
    /// Segments that were deleted, and that a power cut has brought back: those that the newest header no longer counts,
    /// and, if that is of format 1, those in front of a gap.
    pub(super) stale: Vec<u32>,
    /// The segments that count, the oldest first.
    pub(super) log: Vec<File>,
    /// The first and the last of each run of segments that count and have no file.
    pub(super) missing: Vec<(u32, u32)>,
    /// Files behind a gap that nothing proves to be segments.
    pub(super) unproven: Vec<u32>,
}

impl SegmentFiles {
    /// Sorts these files, of which the lowest number comes first.
    ///
    /// Only an intact header, which has its number in it, proves that a segment was made: a file that came under its name
    /// in another way must not take the place of the log. The newest one says which segment was the oldest that counts
    /// when it was written. Later ones are deleted in their order, each for good before the next (see [`super::dead`]), so
    /// that a gap behind a segment that counts is damage: what lies in front of it is read.
    ///
    /// A header of format 1 does not say it, and its deletions may have become durable in any order. There a gap means that
    /// what lies in front of it had been deleted before what lies behind it was made.
    pub(super) fn of(files: Vec<File>) -> Self {
        let runs: Vec<&[File]> = files.chunk_by(|a, b| b.0 - a.0 == 1).collect();
        let is_proven_run = |run: &&&[File]| run.iter().any(|(_, header)| header.is_some());
        // If nothing is proven, the oldest run is read for what there may be.
        let unproven = || runs.first().filter(|run| run[0].0 <= UNPROVEN_MAX);
        let chosen = runs.iter().rfind(is_proven_run).or_else(unproven);
        let log = chosen.copied().unwrap_or_default();
        let newest = log.iter().rev().find_map(|(_, header)| header.as_ref());
        let oldest = newest.map_or(0, |(header, _)| header.oldest.min(header.segment));
        let (first, last) = match (log.first(), log.last()) {
            (Some((first, _)), Some((last, _))) if oldest == 0 => (*first, *last),
            (Some(_), Some((last, _))) => (oldest_read(&files, oldest, *last), *last),
            _ => (0, 0),
        };
        let mut split = Self::default();
        for file in files {
            match file.0 {
                number if number < first => split.stale.push(number),
                number if number <= last => split.log.push(file),
                number => split.unproven.push(number),
            }
        }
        let pairs = split.log.iter().zip(split.log.iter().skip(1));
        let gaps = pairs.filter(|(a, b)| b.0 - a.0 > 1);
        split.missing = gaps.map(|(a, b)| (a.0 + 1, b.0 - 1)).collect();
        split
    }
}

/// The oldest segment that is read, of those from `oldest` to `last`: the first, or the one in front of which too many are
/// missing.
fn oldest_read(files: &[File], oldest: u32, last: u32) -> u32 {
    let counting = files.iter().map(|(number, _)| *number);
    let mut counting = counting
        .rev()
        .filter(|number| (oldest..=last).contains(number));
    let mut missing = 0;
    let mut first = counting.next().unwrap_or(last);
    for number in counting {
        missing += u64::from(first - number - 1);
        if missing > u64::from(MISSING_MAX) {
            break;
        }
        first = number;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of files, of which some have an intact header, and what the newest says of the oldest.
    fn split(numbers: &[u32], intact: &[u32], oldest: u32) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
        let header = |segment: u32| Header {
            segment,
            previous_end: 0,
            is_previous_synced: true,
            next_job: 1,
            oldest,
        };
        let file = |number: &u32| {
            let is_intact = intact.contains(number);
            (*number, is_intact.then(|| (header(*number), 40)))
        };
        let split = SegmentFiles::of(numbers.iter().map(file).collect());
        let log = split.log.into_iter().map(|(number, _)| number).collect();
        (split.stale, log, split.unproven)
    }

    #[test]
    fn the_last_run_that_is_proven_is_the_log() {
        let none = Vec::new;
        for (numbers, intact, stale, log, unproven) in [
            (vec![], vec![], none(), none(), none()),
            (vec![1, 2, 3], vec![1, 2, 3], none(), vec![1, 2, 3], none()),
            (vec![1, 3], vec![1, 3], vec![1], vec![3], none()),
            (vec![1, 2, 7], vec![1, 2], none(), vec![1, 2], vec![7]),
            (vec![1, 2, 7, 8], vec![1, 8], vec![1, 2], vec![7, 8], none()),
            (vec![1, 4, 9], vec![4], vec![1], vec![4], vec![9]),
            (vec![5, u32::MAX], vec![5], none(), vec![5], vec![u32::MAX]),
            (vec![7], vec![], none(), vec![7], none()),
            (vec![2, 7], vec![], none(), vec![2], vec![7]),
            (vec![0], vec![], none(), vec![0], none()),
            (vec![1 << 31], vec![], none(), vec![1 << 31], none()),
            (vec![u32::MAX], vec![], none(), none(), vec![u32::MAX]),
        ] {
            let expected = (stale, log, unproven);
            assert_eq!(split(&numbers, &intact, 0), expected, "{numbers:?}");
        }
    }

    #[test]
    fn the_newest_intact_header_tells_the_oldest_segment() {
        for (numbers, intact, oldest, stale, log) in [
            (vec![3, 4, 5], vec![3, 4, 5], 4, vec![3], vec![4, 5]),
            (vec![3, 4, 5], vec![4], 9, vec![3], vec![4, 5]),
            (vec![1, 3, 4, 5], vec![4], 4, vec![1, 3], vec![4, 5]),
            (vec![3, 4], vec![3, 4], 1, vec![], vec![3, 4]),
            (vec![3, 5], vec![3, 5], 3, vec![], vec![3, 5]),
            (vec![1, 3, 5, 7, 8], vec![7], 2, vec![1], vec![3, 5, 7, 8]),
        ] {
            let expected = (stale, log, Vec::new());
            assert_eq!(split(&numbers, &intact, oldest), expected, "{numbers:?}");
        }
    }

    #[test]
    fn what_is_missing_behind_a_segment_that_counts_is_told_up_to_a_limit() {
        let header = |segment: u32| Header {
            segment,
            previous_end: 0,
            is_previous_synced: true,
            next_job: 1,
            oldest: 2,
        };
        let missing = |numbers: &[u32]| {
            let file = |number: &u32| (*number, Some((header(*number), 40)));
            SegmentFiles::of(numbers.iter().map(file).collect()).missing
        };
        assert_eq!(missing(&[1, 4, 5]), [], "4 is the oldest there is");
        assert_eq!(missing(&[2, 4, 7, 8]), [(3, 3), (5, 6)]);
        assert_eq!(missing(&[2, MISSING_MAX + 3]), [(3, MISSING_MAX + 2)]);
        assert_eq!(missing(&[2, MISSING_MAX + 4]), []);
        assert_eq!(missing(&[2, 4, MISSING_MAX + 5, u32::MAX]), []);
    }
}
