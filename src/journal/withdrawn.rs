//! The numbers of jobs that were answered "busy", in runs.
//!
//! A disk that fails for a day must cost neither memory nor a record for each of them.

use super::record::Record;

/// Runs of numbers that are not recorded yet. No run has the number of a kept job in it.
#[derive(Debug)]
pub(super) struct Withdrawn {
    /// The first and the last number of each.
    runs: Vec<(u64, u64)>,
    /// No kept job has a higher number.
    newest_kept: u64,
}

impl Withdrawn {
    /// No runs. No kept job has a number higher than this.
    pub(super) const fn new(newest_kept: u64) -> Self {
        Self {
            runs: Vec::new(),
            newest_kept,
        }
    }

    /// Adds a job, to the last run if that is possible.
    pub(super) fn add(&mut self, number: u64) {
        if let Some((first, last)) = self.runs.last_mut() {
            let is_near = first.saturating_sub(1) <= number && number <= last.saturating_add(1);
            if is_near || self.newest_kept < number.min(*first) {
                (*first, *last) = (number.min(*first), number.max(*last));
                return;
            }
        }
        self.runs.push((number, number));
    }

    /// This job is kept.
    pub(super) fn keep(&mut self, number: u64) {
        self.newest_kept = self.newest_kept.max(number);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Appends one record for each run.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        for &(first, last) in &self.runs {
            Record::Withdrawn { first, last }.append(out);
        }
    }

    /// The runs are recorded.
    pub(super) fn clear(&mut self) {
        self.runs = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(kept: &[u64], numbers: &[u64]) -> Vec<(u64, u64)> {
        let mut withdrawn = Withdrawn::new(5);
        kept.iter().for_each(|number| withdrawn.keep(*number));
        numbers.iter().for_each(|number| withdrawn.add(*number));
        withdrawn.runs
    }

    #[test]
    fn a_run_has_no_job_that_may_be_kept() {
        for (kept, numbers, expected) in [
            (vec![20], vec![6, 7, 8], vec![(6, 8)]),
            (vec![20], vec![8, 7, 6, 7], vec![(6, 8)]),
            (vec![20], vec![6, 8, 9, 12], vec![(6, 6), (8, 9), (12, 12)]),
            (vec![], vec![6, 9, 30, 31], vec![(6, 31)]),
            (vec![9], vec![9, 20, 30], vec![(9, 9), (20, 30)]),
            (vec![], vec![5, 6, 9], vec![(5, 6), (9, 9)]),
        ] {
            assert_eq!(runs(&kept, &numbers), expected, "{numbers:?} with {kept:?}");
        }
    }

    #[test]
    fn the_last_numbers_are_like_any_other() {
        let max = u64::MAX;
        assert_eq!(runs(&[max], &[max - 1, max, 0]), [(max - 1, max), (0, 0)]);
    }
}
