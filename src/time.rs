//! Points in time as plain numbers: the core is told what time it is and never asks.

use std::time::Duration;

use ::time::UtcDateTime;

/// Milliseconds since the server was set up, from a clock that never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The tick `ms` milliseconds later; the last one there is if that overflows.
    #[must_use]
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The first tick that is surely `ms` milliseconds after the moment that this one stands for: a tick
    /// is the floor of its moment, so that one more is needed unless it is to be at once.
    #[must_use]
    pub const fn not_before(self, ms: u64) -> Self {
        self.after(if ms == 0 { 0 } else { ms.saturating_add(1) })
    }

    /// Milliseconds from `earlier` to here, 0 if `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01 00:00 UTC, from a clock that people and time servers set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Whole seconds since 1970.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }
}

/// As RFC 3339 has it: `2026-11-24T07:05:01Z`.
impl std::fmt::Display for UnixTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The type ends with the year 9999, and a journal that is read may name any time.
        let secs = i64::try_from(self.secs()).unwrap_or(i64::MAX);
        let at = UtcDateTime::from_unix_timestamp(secs).unwrap_or(UtcDateTime::MAX);
        let (year, month, day) = at.to_calendar_date();
        let (hour, minute, second) = at.as_hms();
        write!(
            f,
            "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z",
            u8::from(month)
        )
    }
}

/// Whole milliseconds of a duration, for the ticks and counts that are kept of it.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The one reading of both clocks that a turn of the loop works with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For everything that waits.
    pub tick: Tick,
    /// For what the outside world stamps and reads.
    pub unix: UnixTime,
}

/// Milliseconds, shown as seconds without needless zeros: `5`, `0.2`, `1.234`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds {
    /// How many milliseconds.
    pub ms: u64,
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (secs, ms) = (self.ms / 1000, self.ms % 1000);
        match (ms, ms % 10, ms % 100) {
            (0, _, _) => write!(f, "{secs}"),
            (_, _, 0) => write!(f, "{secs}.{}", ms / 100),
            (_, 0, _) => write!(f, "{secs}.{:02}", ms / 10),
            _ => write!(f, "{secs}.{ms:03}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_no_needless_zeros() {
        let shown = [0, 5_000, 200, 1_230, 1_234, 60_001].map(|ms| Seconds { ms }.to_string());
        assert_eq!(shown, ["0", "5", "0.2", "1.23", "1.234", "60.001"]);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(UnixTime(secs * 1000 + 999).to_string(), shown);
        }
        for later in [UnixTime(253_402_300_800_000), UnixTime(u64::MAX)] {
            assert_eq!(later.to_string(), "9999-12-31T23:59:59Z");
        }
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Tick(u64::MAX).after(1), Tick(u64::MAX));
        assert_eq!(Tick(3).not_before(0), Tick(3));
        assert_eq!(Tick(3).not_before(2), Tick(6));
        assert_eq!(Tick(3).millis_since(Tick(5)), 0);
        assert_eq!(Tick(5).millis_since(Tick(3)), 2);
        assert_eq!(UnixTime(1_591_158_020_123).secs(), 1_591_158_020);
    }
}
