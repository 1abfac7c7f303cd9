//! Who has to go when somebody waits for a place.

use super::session::{Session, Standing};
use super::socket::Socket;
use crate::http::Limits;
use crate::slab::Slab;
use crate::time::Tick;

/// Sessions that could go and are compared.
const SAMPLE: usize = 16;

/// How often another one is looked for when a request has just come in on the chosen one.
const CHOICES: usize = 4;

/// Chooses among the sessions. A hand goes round their slots from where it stopped: while many could
/// go a choice costs a few steps, and everyone's turn comes.
#[derive(Debug, Default)]
pub(super) struct Evictor {
    hand: u32,
}

impl Evictor {
    /// The slot of a session that can go: of a few that have stalled, otherwise of a few that are idle,
    /// the one for which that is longest. None that is at work is ever chosen.
    pub(super) fn choose<S: Socket>(
        &mut self,
        sessions: &Slab<Session<S>>,
        limits: &Limits,
        now: Tick,
    ) -> Option<u32> {
        for _ in 0..CHOICES {
            let (is_idle, index) = self.longest(sessions, limits, now)?;
            if !is_idle || !sessions.at(index)?.has_unread() {
                return Some(index);
            }
        }
        None
    }

    /// Whether the chosen one is idle, and its slot.
    fn longest<S: Socket>(
        &mut self,
        sessions: &Slab<Session<S>>,
        limits: &Limits,
        now: Tick,
    ) -> Option<(bool, u32)> {
        let end = sessions.index_end();
        let mut longest: Option<(bool, Tick, u32)> = None;
        let mut seen = 0;
        for _ in 0..end {
            self.hand = if self.hand + 1 < end {
                self.hand + 1
            } else {
                0
            };
            let standing = sessions
                .at(self.hand)
                .map(|session| session.standing(now, limits));
            let candidate = match standing {
                None | Some(Standing::Busy) => continue,
                Some(Standing::Stalled(since)) => (false, since, self.hand),
                Some(Standing::Idle(since)) => (true, since, self.hand),
            };
            if longest.is_none_or(|longest| candidate < longest) {
                longest = Some(candidate);
            }
            seen += 1;
            if seen == SAMPLE {
                break;
            }
        }
        longest.map(|(is_idle, _, index)| (is_idle, index))
    }
}
