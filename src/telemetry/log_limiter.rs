//! Lines for what happens rarely, sums for what happens in floods.
//!
//! The first events of each kind in a period are worth a line of their own; the rest are counted and
//! summed up once, when the period ends. So a log tells each event of a quiet day, and a flood costs
//! neither the time to write it nor a disk. Kinds do not compete: a flood of one silences no other.

use crate::time::Tick;

/// Events of `KINDS` kinds within one period.
#[derive(Debug)]
pub(crate) struct LogLimiter<const KINDS: usize> {
    period_ms: u64,
    lines_max: u32,
    period_start: Tick,
    lines: [u32; KINDS],
    unwritten: [u64; KINDS],
    /// Whether any of `unwritten` is more than 0.
    is_flood: bool,
}

impl<const KINDS: usize> LogLimiter<KINDS> {
    /// A limiter that grants each kind `lines_max` lines in each period of `period_ms`.
    #[must_use]
    pub(crate) const fn new(period_ms: u64, lines_max: u32) -> Self {
        Self {
            period_ms,
            lines_max,
            period_start: Tick(0),
            lines: [0; KINDS],
            unwritten: [0; KINDS],
            is_flood: false,
        }
    }

    /// Counts an event and tells whether it is worth a line.
    pub(crate) const fn note(&mut self, kind: usize, now: Tick) -> bool {
        if !self.is_flood && now.0 >= self.period_start.after(self.period_ms).0 {
            self.period_start = now;
            self.lines = [0; KINDS];
        }
        if self.lines[kind] < self.lines_max {
            self.lines[kind] += 1;
            return true;
        }
        self.unwritten[kind] += 1;
        self.is_flood = true;
        false
    }

    /// When [`Self::poll_sums`] has something to give; never while there was no flood, so that an idle
    /// process has no timer.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        self.is_flood
            .then(|| self.period_start.after(self.period_ms))
    }

    /// How many events of each kind had no line, once their period is over.
    pub(crate) fn poll_sums(&mut self, now: Tick) -> Option<[u64; KINDS]> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.period_start = now;
        self.lines = [0; KINDS];
        self.take_sums()
    }

    /// The same before their period is over, for a process that ends.
    pub(crate) fn take_sums(&mut self) -> Option<[u64; KINDS]> {
        std::mem::take(&mut self.is_flood)
            .then(|| std::mem::replace(&mut self.unwritten, [0; KINDS]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_have_lines_and_the_rest_a_sum() {
        let mut limiter = LogLimiter::<2>::new(10_000, 10);
        assert_eq!((0..1000).filter(|_| limiter.note(0, Tick(50))).count(), 10);
        assert_eq!((0..11).filter(|_| limiter.note(1, Tick(60))).count(), 10);
        assert_eq!(limiter.poll_timeout(), Some(Tick(10_000)));
        assert_eq!(limiter.poll_sums(Tick(9_999)), None);
        assert_eq!(limiter.poll_sums(Tick(10_000)), Some([990, 1]));
        assert_eq!(limiter.poll_timeout(), None);
        assert!(
            limiter.note(0, Tick(10_001)),
            "a new period has lines again"
        );
        assert_eq!(limiter.take_sums(), None);
    }

    #[test]
    fn a_trickle_has_lines_for_all_and_never_a_timer() {
        let mut limiter = LogLimiter::<1>::new(1_000, 2);
        for i in 0..100 {
            assert!(limiter.note(0, Tick(i * 600)));
            assert_eq!(limiter.poll_timeout(), None);
        }
    }

    #[test]
    fn a_sum_that_is_fetched_late_loses_nothing() {
        let mut limiter = LogLimiter::<1>::new(1_000, 1);
        assert!(limiter.note(0, Tick(0)));
        for late in [500, 5_000, 50_000] {
            assert!(!limiter.note(0, Tick(late)));
        }
        assert_eq!(limiter.poll_sums(Tick(50_000)), Some([3]));
        assert!(limiter.note(0, Tick(50_000)) && !limiter.note(0, Tick(50_000)));
        assert_eq!(
            limiter.take_sums(),
            Some([1]),
            "nor does an end within a period"
        );
    }
}
