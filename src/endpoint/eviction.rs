//! Who has to go when somebody waits for a place.

use super::grace::EvictionGrace;
use super::session::{Idleness, Session};
use super::socket::Socket;
use crate::http::Limits;
use crate::slab::Slab;
use crate::time::Tick;

/// Sessions that could go and are compared.
const SAMPLE: usize = 16;

/// Slots that are looked at for one choice when nearly everybody is at work; the next choice goes on from there.
const WALK_MAX: u32 = 4096;

/// How often another one is looked for when a request has just come in on the chosen one.
const CHOICES: usize = 4;

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

    /// The first to go of a few that could.
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
