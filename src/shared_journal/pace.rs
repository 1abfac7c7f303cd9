//! How much is moved in one exchange besides the commands of the moment.

use crate::time::Tick;

/// So often the parts may be halved.
const HALVINGS_MAX: u32 = 9;
/// For so long parts of one size have to come in time before larger ones are tried.
const STEADY_MS: u64 = 10_000;

/// Values may be so long, or the way to Redis so narrow, that a whole part does not come in time, and would not the next
/// time: then half of one is tried.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    halvings: u32,
    steady_since: Tick,
}

impl Pace {
    /// So much of `most` is moved at once, and never nothing.
    pub(super) fn of(self, most: usize) -> usize {
        (most >> self.halvings).max(1)
    }

    /// A part has not come in time.
    pub(super) fn slow_down(&mut self, now: Tick) {
        self.halvings = (self.halvings + 1).min(HALVINGS_MAX);
        self.steady_since = now;
    }

    /// A part has come in time.
    pub(super) fn go_on(&mut self, now: Tick) {
        if now.millis_since(self.steady_since) >= STEADY_MS {
            self.halvings = self.halvings.saturating_sub(1);
            self.steady_since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_halved_at_each_failure_and_doubled_when_they_come_in_time_for_long() {
        let mut pace = Pace::default();
        assert_eq!((pace.of(64), pace.of(512)), (64, 512));
        pace.slow_down(Tick(1_000));
        assert_eq!((pace.of(64), pace.of(512)), (32, 256));
        pace.go_on(Tick(10_999));
        assert_eq!(pace.of(64), 32);
        pace.go_on(Tick(11_000));
        pace.go_on(Tick(11_001));
        assert_eq!(pace.of(64), 64);
        (0..20).for_each(|_| pace.slow_down(Tick(12_000)));
        assert_eq!((pace.of(64), pace.of(1024)), (1, 2));
    }
}
