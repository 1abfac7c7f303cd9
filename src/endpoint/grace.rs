//! How long a session without progress keeps its place while a connection waits for one.

use super::backlog::BACKLOG;
use crate::http::Limits;

/// The time in which a full backlog of unauthenticated connections passes through the places, ms: the one behind them
/// may be Slack's.
const ROUND_MS: u64 = 50;

/// The longest grace for an unauthenticated session, ms: the segments of a request that its sender does not delay
/// arrive closer together.
const UNAUTHENTICATED_MS_MAX: u64 = 10;

/// How long a session without progress keeps its place while a connection waits for one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvictionGrace {
    /// For a session without an authenticated request, ms.
    unauthenticated_ms: u64,
    /// For a client, ms: mostly a proxy, which would send its next request on that connection.
    client_ms: u64,
}

impl EvictionGrace {
    /// The grace with so many places. With few of them it must be short: each unauthenticated connection that waits in
    /// the kernel before a client takes a place in turn.
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
    fn a_full_backlog_of_unauthenticated_connections_has_its_turn_in_time_however_few_places_there_are()
     {
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
