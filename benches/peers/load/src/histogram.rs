//! Latencies, counted in buckets that are never wider than one part in 64 of what they hold.

/// Buckets for each power of two.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// How many durations of which length, in nanoseconds.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    pub max: u64,
}

impl Histogram {
    pub fn new() -> Self {
        let buckets = bucket(u64::MAX) + 1;
        Self {
            counts: vec![0; buckets],
            total: 0,
            max: 0,
        }
    }

    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// The duration that `permille` of a thousand do not exceed, at most one bucket too long.
    pub fn permille(&self, permille: u64) -> u64 {
        let rank = (self.total * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(bucket).min(self.max);
            }
        }
        self.max
    }
}

/// Below `STEPS` a nanosecond each; above, the leading bits of the value name its bucket.
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(STEP_BITS + 1);
    usize::try_from(u64::from(shift) * STEPS + (nanos >> shift)).expect("a few thousand buckets")
}

/// The longest duration of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    let leading = bucket - shift * STEPS;
    ((leading + 1) << shift).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_no_further_than_a_64th_from_what_it_holds() {
        for nanos in (0..63).flat_map(|bit| [1 << bit, (1 << bit) + (1 << bit) / 3, (2 << bit) - 1])
        {
            let upper = upper(bucket(nanos));
            assert!(
                upper >= nanos && upper - nanos <= nanos / 64,
                "{nanos} {upper}"
            );
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|nanos| histogram.record(nanos * 1000));
        assert_eq!(histogram.permille(1000), 1_000_000);
        let p50 = histogram.permille(500);
        assert!((500_000..508_000).contains(&p50), "{p50}");
    }
}
