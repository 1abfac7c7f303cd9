//! Durations sorted into buckets: plain integers, no allocation, no lock.

/// Counts durations by the upper bound, in milliseconds, of the bucket that they fall into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<const BUCKETS: usize> {
    bounds_ms: [u64; BUCKETS],
    counts: [u64; BUCKETS],
    /// Those beyond the last bound.
    beyond: u64,
    sum_ms: u64,
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    /// An empty histogram with these bounds, which ascend.
    #[must_use]
    pub const fn new(bounds_ms: [u64; BUCKETS]) -> Self {
        Self {
            bounds_ms,
            counts: [0; BUCKETS],
            beyond: 0,
            sum_ms: 0,
        }
    }

    /// Counts a duration.
    pub fn observe(&mut self, ms: u64) {
        self.observe_many(ms, 1);
    }

    /// Counts as many durations that are all alike.
    pub fn observe_many(&mut self, ms: u64, times: u64) {
        let bucket = self.bounds_ms.iter().position(|bound| ms <= *bound);
        match bucket {
            Some(bucket) => self.counts[bucket] += times,
            None => self.beyond += times,
        }
        self.sum_ms = self.sum_ms.saturating_add(ms.saturating_mul(times));
    }

    /// Each bound with the number of durations that do not exceed it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds_ms.iter().copied().zip(counts)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// All of them together, in milliseconds.
    #[must_use]
    pub const fn sum_ms(&self) -> u64 {
        self.sum_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_every_bucket_that_it_does_not_exceed() {
        let mut histogram = Histogram::new([1, 10, 100]);
        for ms in [0, 1, 2, 10, 11, 101] {
            histogram.observe(ms);
        }
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative, [(1, 2), (10, 4), (100, 5)]);
        assert_eq!((histogram.count(), histogram.sum_ms()), (6, 125));
    }

    #[test]
    fn many_at_once_are_as_many_one_by_one() {
        let (mut once, mut singly) = (Histogram::new([5]), Histogram::new([5]));
        once.observe_many(7, 3);
        (0..3).for_each(|_| singly.observe(7));
        assert_eq!(once, singly);
        once.observe_many(u64::MAX, 2);
        assert_eq!(once.sum_ms(), u64::MAX, "a sum saturates");
    }
}
