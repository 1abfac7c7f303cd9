//! From the loop's ticks to Redis's clock and back.

use super::RedisTime;
use crate::time::Tick;

/// A distance that has changed by more was changed by a clock that was set, and not by the time that an answer takes.
const SET_MS: u64 = 2_000;

/// How far Redis's clock is from that of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct RedisClock {
    /// What Redis's clock said at tick 0; below 0 if that was before 1970.
    at_zero: i64,
}

impl RedisClock {
    /// The clock of a server that answers with this time to what was sent at this tick.
    pub(super) const fn new(sent: Tick, told: RedisTime) -> Self {
        Self {
            at_zero: told.0.cast_signed().saturating_sub_unsigned(sent.0),
        }
    }

    /// Takes in another answer. By how much Redis's clock was set meanwhile, ms, if it was.
    pub(super) const fn observe(&mut self, sent: Tick, told: RedisTime) -> Option<i64> {
        let now = Self::new(sent, told);
        let by = now.at_zero.saturating_sub(self.at_zero);
        if by.unsigned_abs() <= SET_MS {
            return None;
        }
        *self = now;
        Some(by)
    }

    pub(super) fn at(&self, tick: Tick) -> RedisTime {
        let at = self.at_zero.saturating_add_unsigned(tick.0);
        RedisTime(u64::try_from(at).unwrap_or(0))
    }

    pub(super) fn tick(&self, time: RedisTime) -> Tick {
        let since_zero = i128::from(time.0) - i128::from(self.at_zero);
        Tick(u64::try_from(since_zero.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_times_are_turned_into_each_other() {
        let clock = RedisClock::new(Tick(100), RedisTime(1_000_000));
        assert_eq!(clock.at(Tick(350)), RedisTime(1_000_250));
        assert_eq!(clock.tick(RedisTime(1_000_250)), Tick(350));
        assert_eq!(
            clock.tick(RedisTime(5)),
            Tick(0),
            "before this process began"
        );
        assert_eq!(clock.tick(RedisTime(u64::MAX)), Tick(u64::MAX - 999_900));
        assert_eq!(
            RedisClock::new(Tick(50), RedisTime(0)).at(Tick(0)),
            RedisTime(0)
        );
    }

    #[test]
    fn a_slow_answer_is_no_clock_that_was_set() {
        let mut clock = RedisClock::new(Tick(0), RedisTime(1_000_000));
        assert_eq!(clock.observe(Tick(10_000), RedisTime(1_010_400)), None);
        assert_eq!(clock.at(Tick(0)), RedisTime(1_000_000));
        let hour = 3_600_000;
        assert_eq!(
            clock.observe(Tick(20_000), RedisTime(1_020_000 + hour)),
            Some(3_600_000)
        );
        assert_eq!(
            clock.observe(Tick(30_000), RedisTime(1_030_000)),
            Some(-3_600_000)
        );
        assert_eq!(clock.at(Tick(0)), RedisTime(1_000_000));
    }
}
