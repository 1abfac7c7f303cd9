//! Who has to go when somebody waits for a place.

use super::session::{Session, Standing};
use super::socket::Socket;
use crate::http::Limits;
use crate::platform::listener::BACKLOG;
use crate::slab::Slab;
use crate::time::Tick;

/// Sessions that could go and are compared.
const SAMPLE: usize = 16;

/// Slots that are looked at for one choice when nearly everybody is at work; the next choice goes on from there.
const WALK_MAX: u32 = 4096;

/// How often another one is looked for when a request has just come in on the chosen one.
const CHOICES: usize = 4;

/// The time in which as many strangers as wait in the kernel at most have their turn at the places, ms: the next
/// of them may be Slack's.
const ROUND_MS: u64 = 50;

/// The longest patience with a stranger, ms: the segments of a request that is not held back are nearer to each
/// other.
const STRANGER_MS_MAX: u64 = 10;

/// How long whoever gets nothing done keeps a place that somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// With who has never sent an authenticated request, ms.
    stranger_ms: u64,
    /// With the others, ms: mostly proxies, which would send their next request on that connection.
    client_ms: u64,
}

impl Patience {
    /// Patience with strangers when they have so many places. With few of them it must be short: all who
    /// wait in the kernel before a client each take a place in turn.
    fn for_places(places: usize, limits: &Limits) -> Self {
        let share_ms = ROUND_MS * places as u64 / BACKLOG as u64;
        Self {
            stranger_ms: share_ms.clamp(1, STRANGER_MS_MAX),
            client_ms: limits.crowded_timeout_ms,
        }
    }

    pub(crate) const fn ms(self, is_stranger: bool) -> u64 {
        if is_stranger {
            self.stranger_ms
        } else {
            self.client_ms
        }
    }
}

/// Chooses among the sessions. A hand goes round their slots from where it stopped: while many could
/// go a choice costs a few steps, and everyone's turn comes.
#[derive(Debug, Default)]
pub(crate) struct Evictor {
    hand: u32,
}

/// What a session that could go is at, in the order in which they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Activity {
    Stalled,
    Idle,
    Unsigned,
}

/// One of those that could go; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    is_client: bool,
    activity: Activity,
    since: Tick,
    index: u32,
}

impl Evictor {
    /// The slot of a session that can go: of a few strangers', otherwise of a few clients', one that has
    /// stalled, otherwise one that is idle, and the one for which that is longest. A client that is at work
    /// is never chosen, nor is a stranger at work on its first request. One that has sent others, none of
    /// them signed, may go before any client does: all places could be taken by such as never rest.
    pub(crate) fn choose<S: Socket>(
        &mut self,
        sessions: &Slab<Session<S>>,
        limits: &Limits,
        now: Tick,
    ) -> Option<u32> {
        let patience = Patience::for_places(sessions.len(), limits);
        for _ in 0..CHOICES {
            let chosen = self.first_to_go(sessions, limits, patience, now)?;
            let is_idle = chosen.activity == Activity::Idle;
            if !is_idle || !sessions.at(chosen.index)?.has_unread() {
                return Some(chosen.index);
            }
        }
        None
    }

    /// The first to go of a few that could.
    fn first_to_go<S: Socket>(
        &mut self,
        sessions: &Slab<Session<S>>,
        limits: &Limits,
        patience: Patience,
        now: Tick,
    ) -> Option<Candidate> {
        let end = sessions.index_end();
        let mut first: Option<Candidate> = None;
        let mut seen = 0;
        for _ in 0..end.min(WALK_MAX) {
            self.hand = if self.hand + 1 < end {
                self.hand + 1
            } else {
                0
            };
            let Some(session) = sessions.at(self.hand) else {
                continue;
            };
            let (activity, since) = match session.standing(now, limits, patience) {
                Standing::Busy => continue,
                Standing::Stalled(since) => (Activity::Stalled, since),
                Standing::Idle(since) => (Activity::Idle, since),
                Standing::Unsigned(since) => (Activity::Unsigned, since),
            };
            let candidate = Candidate {
                is_client: !session.is_stranger,
                activity,
                since,
                index: self.hand,
            };
            first = Some(first.map_or(candidate, |first| first.min(candidate)));
            seen += 1;
            if seen == SAMPLE {
                break;
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_backlog_of_strangers_has_its_turn_in_time_however_few_places_there_are() {
        let limits = Limits::default();
        let patience = |places| Patience::for_places(places, &limits);
        for (places, stranger_ms) in [(1, 1), (100, 1), (176, 2), (500, 6), (8_192, 10)] {
            assert_eq!(patience(places).ms(true), stranger_ms, "{places} places");
        }
        assert_eq!(patience(1).ms(false), limits.crowded_timeout_ms);
    }
}
