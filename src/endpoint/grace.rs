//! How long a session that gets nothing done keeps a place that another one waits for.

use super::backlog::BACKLOG;
use crate::http::Limits;

/// The time in which as many strangers as wait in the kernel at most have their turn at the places, ms: the next
/// of them may be Slack's.
const ROUND_MS: u64 = 50;

/// The longest grace with a stranger, ms: the segments of a request that is not held back are nearer to each
/// other.
const UNAUTHENTICATED_MS_MAX: u64 = 10;

/// How long whoever gets nothing done keeps a place that somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvictionGrace {
    /// With who has never sent an authenticated request, ms.
    unauthenticated_ms: u64,
    /// With the others, ms: mostly proxies, which would send their next request on that connection.
    client_ms: u64,
}

impl EvictionGrace {
    /// Grace with strangers when they have so many places. With few of them it must be short: all who
    /// wait in the kernel before a client each take a place in turn.
    pub(crate) fn for_places(places: usize, limits: &Limits) -> Self {
        let share_ms = ROUND_MS * places as u64 / BACKLOG as u64;
        Self {
            unauthenticated_ms: share_ms.clamp(1, UNAUTHENTICATED_MS_MAX),
            client_ms: limits.crowded_timeout_ms,
        }
    }

    pub(crate) const fn ms(self, is_unauthenticated: bool) -> u64 {
        if is_unauthenticated {
            self.unauthenticated_ms
        } else {
            self.client_ms
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_backlog_of_strangers_has_its_turn_in_time_however_few_places_there_are() {
        let limits = Limits::default();
        let grace = |places| EvictionGrace::for_places(places, &limits);
        for (places, unauthenticated_ms) in [(1, 1), (100, 1), (176, 2), (500, 6), (8_192, 10)] {
            assert_eq!(
                grace(places).ms(true),
                unauthenticated_ms,
                "{places} places"
            );
        }
        assert_eq!(grace(1).ms(false), limits.crowded_timeout_ms);
    }
}
