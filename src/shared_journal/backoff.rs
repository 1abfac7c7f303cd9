//! When something that has failed is tried again.

use crate::time::Tick;

const FIRST_MS: u64 = 50;
const LAST_MS: u64 = 1_000;

/// Doubles from 50 ms to 1 s, each 50 % jitter, so that a fleet does not come back in step. The first try after a success
/// is made at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Something has succeeded.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// When to try again after a failure; `random` is any number.
    pub(super) fn next(&mut self, now: Tick, random: u64) -> Tick {
        self.failures = self.failures.saturating_add(1);
        match self.failures {
            1 => now,
            failures => now.after(Self::jittered(FIRST_MS << (failures - 2).min(5), random)),
        }
    }

    /// Between half of it and all of it.
    pub(super) fn jittered(ms: u64, random: u64) -> u64 {
        let ms = ms.min(LAST_MS);
        ms - random % (ms / 2 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_a_second_and_varies_by_half() {
        let mut backoff = Backoff::default();
        let mut longest = backoff;
        let waits: Vec<_> = (0..8)
            .map(|_| {
                let shortest = (0..2_000).map(|random| backoff.clone().next(Tick(0), random).0);
                let shortest = shortest.min().unwrap();
                backoff.next(Tick(0), 0);
                (shortest, longest.next(Tick(0), 0).0)
            })
            .collect();
        let expected = [
            (0, 0),
            (25, 50),
            (50, 100),
            (100, 200),
            (200, 400),
            (400, 800),
            (500, 1_000),
            (500, 1_000),
        ];
        assert_eq!(waits, expected);
        backoff.reset();
        assert_eq!(backoff.next(Tick(7), 0), Tick(7));
    }
}
