//! Which of the files that are called like segments are the log.

/// The files that are called like segments, by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lineage<H> {
    /// Segments in front of a gap: they were deleted, and a power cut has brought them back, or one that
    /// followed them has been lost.
    pub(super) stale: Vec<u32>,
    /// The segments that count, each with its header if that is intact; the oldest first.
    pub(super) log: Vec<(u32, Option<H>)>,
    /// What lies behind a gap and proves in no way to be a segment.
    pub(super) foreign: Vec<u32>,
}

impl<H> Lineage<H> {
    /// Of files by their numbers, the lowest first.
    ///
    /// Only the oldest segments are ever deleted, so that the log is an unbroken run of numbers; what lies
    /// in front of a gap had gone before what lies behind it was made. But only an intact header, which
    /// has its number in it, proves that a segment was made: a file that came under its name in
    /// another way must not take the place of the log.
    pub(super) fn of(files: Vec<(u32, Option<H>)>) -> Self {
        let mut runs: Vec<Vec<(u32, Option<H>)>> = Vec::new();
        for file in files {
            match runs.last_mut() {
                Some(run) if run.last().is_some_and(|last| file.0 - last.0 == 1) => run.push(file),
                _ => runs.push(vec![file]),
            }
        }
        let is_proven =
            |run: &Vec<(u32, Option<H>)>| run.iter().any(|(_, header)| header.is_some());
        // If nothing is proven, the oldest run is read for what there may be.
        let chosen = runs.iter().rposition(is_proven).unwrap_or(0);
        let mut lineage = Self {
            stale: Vec::new(),
            log: Vec::new(),
            foreign: Vec::new(),
        };
        for (index, run) in runs.into_iter().enumerate() {
            if index == chosen {
                lineage.log = run;
                continue;
            }
            let numbers = run.into_iter().map(|(number, _)| number);
            if index < chosen {
                lineage.stale.extend(numbers);
            } else {
                lineage.foreign.extend(numbers);
            }
        }
        lineage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of files, of which some have an intact header.
    fn split(numbers: &[u32], intact: &[u32]) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
        let header = |number: &u32| (*number, intact.contains(number).then_some(()));
        let lineage = Lineage::of(numbers.iter().map(header).collect());
        let log = lineage.log.into_iter().map(|(number, _)| number).collect();
        (lineage.stale, log, lineage.foreign)
    }

    #[test]
    fn the_last_run_that_is_proven_is_the_log() {
        let none = Vec::new;
        for (numbers, intact, stale, log, foreign) in [
            (vec![], vec![], none(), none(), none()),
            (vec![1, 2, 3], vec![1, 2, 3], none(), vec![1, 2, 3], none()),
            (vec![1, 3], vec![1, 3], vec![1], vec![3], none()),
            (vec![1, 2, 7], vec![1, 2], none(), vec![1, 2], vec![7]),
            (vec![1, 2, 7, 8], vec![1, 8], vec![1, 2], vec![7, 8], none()),
            (vec![1, 4, 9], vec![4], vec![1], vec![4], vec![9]),
            (vec![5, u32::MAX], vec![5], none(), vec![5], vec![u32::MAX]),
            (vec![7], vec![], none(), vec![7], none()),
            (vec![2, 7], vec![], none(), vec![2], vec![7]),
        ] {
            assert_eq!(
                split(&numbers, &intact),
                (stale, log, foreign),
                "{numbers:?}"
            );
        }
    }
}
