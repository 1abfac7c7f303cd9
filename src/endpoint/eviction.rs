//! Eviction: which session is closed when all places are taken and a connection waits.

use super::grace::EvictionGrace;
use super::session::{Idleness, Session};
use super::socket::Socket;
use crate::http::Limits;
use crate::slab::Slab;
use crate::time::Tick;

/// Sessions that could be evicted and are compared for one choice.
const SAMPLE: usize = 16;

/// Slots that are looked at for one choice while nearly all sessions are busy; the next choice goes on from there.
const WALK_MAX: u32 = 4096;

/// How often another session is chosen when a request has just arrived on the chosen one.
const CHOICES: usize = 4;

/// Chooses among the sessions. A hand goes round their slots and stops where it has seen enough (a clock, as in page
/// replacement): while many could be evicted a choice costs a few steps, and the hand reaches every session.
#[derive(Debug, Default)]
pub(crate) struct Evictor {
    hand: u32,
}

/// What a session that could be evicted is doing, in the order of eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Activity {
    Stalled,
    Idle,
    Unsigned,
}

/// A session that could be evicted; the least one is evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    is_client: bool,
    activity: Activity,
    since: Tick,
    index: u32,
}

impl Evictor {
    /// The slot of the session to evict, of a few that are compared: unauthenticated ones before clients; of either, one
    /// that has stalled before one that is idle, and of those the one for which that has lasted longest. A busy client
    /// is never chosen, nor is an unauthenticated session that is busy with its first request. An unauthenticated one
    /// that has sent others goes before any client: otherwise connections that send requests without rest could take
    /// all places.
    pub(crate) fn choose<S: Socket>(
        &mut self,
        sessions: &Slab<Session<S>>,
        limits: &Limits,
        now: Tick,
    ) -> Option<u32> {
        let grace = EvictionGrace::for_places(sessions.len(), limits);
        for _ in 0..CHOICES {
            let chosen = self.first_to_go(sessions, limits, grace, now)?;
            let is_idle = chosen.activity == Activity::Idle;
            if !is_idle || !sessions.at(chosen.index)?.has_unread() {
                return Some(chosen.index);
            }
        }
        None
    }

    /// The first to be evicted of a few that could.
    fn first_to_go<S: Socket>(
        &mut self,
        sessions: &Slab<Session<S>>,
        limits: &Limits,
        grace: EvictionGrace,
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
            let (activity, since) = match session.idleness(now, limits, grace) {
                Idleness::Busy => continue,
                Idleness::Stalled(since) => (Activity::Stalled, since),
                Idleness::Idle(since) => (Activity::Idle, since),
                Idleness::Unsigned(since) => (Activity::Unsigned, since),
            };
            let candidate = Candidate {
                is_client: !session.is_unauthenticated,
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
