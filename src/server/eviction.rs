//! Who has to go when somebody waits for a place.

use super::session::{Session, Standing};
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

/// How long whoever has stalled keeps its place in a rush, ms: the two halves of a request that comes in two
/// segments are nearer to each other.
const RUSH_PATIENCE_MS: u64 = 2;

/// Chooses among the sessions. A hand goes round their slots from where it stopped: while many could
/// go a choice costs a few steps, and everyone's turn comes.
#[derive(Debug, Default)]
pub(super) struct Evictor {
    hand: u32,
    rush: Rush,
}

/// Whether places change hands as fast as patience allows: whoever waits in the kernel then has many before him,
/// and would wait for as many times that patience.
#[derive(Debug, Default)]
struct Rush {
    /// When the present period began, and how many had to go in it.
    since: Tick,
    gone: usize,
    /// All places changed hands in the period before.
    lasts: bool,
}

impl Rush {
    /// How long whoever has stalled keeps one of so many places.
    fn patience_ms(&mut self, places: usize, limits: &Limits, now: Tick) -> u64 {
        let period_ms = limits.crowded_timeout_ms;
        if now >= self.since.after(period_ms) {
            let has_just_ended = now < self.since.after(period_ms * 2);
            self.lasts = has_just_ended && self.gone >= places;
            (self.since, self.gone) = (now, 0);
        }
        if self.lasts || self.gone >= places {
            RUSH_PATIENCE_MS.min(period_ms)
        } else {
            period_ms
        }
    }
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
        let patience_ms = self.rush.patience_ms(sessions.len(), limits, now);
        for _ in 0..CHOICES {
            let (is_idle, index) = self.longest(sessions, limits, patience_ms, now)?;
            if !is_idle || !sessions.at(index)?.has_unread() {
                self.rush.gone += 1;
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
        patience_ms: u64,
        now: Tick,
    ) -> Option<(bool, u32)> {
        let end = sessions.index_end();
        let mut longest: Option<(bool, Tick, u32)> = None;
        let mut seen = 0;
        for _ in 0..end.min(WALK_MAX) {
            self.hand = if self.hand + 1 < end {
                self.hand + 1
            } else {
                0
            };
            let standing = sessions
                .at(self.hand)
                .map(|session| session.standing(now, limits, patience_ms));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_when_all_places_have_changed_hands_within_it_and_comes_back() {
        let limits = Limits::default();
        let period_ms = limits.crowded_timeout_ms;
        let mut rush = Rush::default();
        let mut patience_ms = |gone: usize, at: u64| {
            let patience_ms = rush.patience_ms(10, &limits, Tick(at));
            rush.gone += gone;
            patience_ms
        };
        assert_eq!(patience_ms(9, 1_000), period_ms);
        assert_eq!(patience_ms(1, 1_050), period_ms);
        assert_eq!(
            patience_ms(5, 1_050),
            RUSH_PATIENCE_MS,
            "all within a period"
        );
        assert_eq!(
            patience_ms(0, 1_100),
            RUSH_PATIENCE_MS,
            "and in the next one"
        );
        assert_eq!(
            patience_ms(0, 1_200),
            period_ms,
            "in which nobody had to go"
        );
        assert_eq!(patience_ms(10, 1_299), period_ms);
        assert_eq!(patience_ms(0, 9_000), period_ms, "long ago");
    }
}
