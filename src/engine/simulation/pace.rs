//! Whether the loop sleeps when there is nothing to do.

use crate::time::Tick;

/// Turns without a sleep that come to nothing, one after the other: one to find out that there is nothing more to read,
/// and one for each of the kinds of work that a turn has left behind.
const IDLE_TURNS_MAX: u32 = 3;

/// How far everything has come: calls and events that came to something, of the network, the senders and the store;
/// how many replies are pending, and the next deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) done: [u64; 3],
    pub(super) pending: usize,
    pub(super) deadline: Option<Tick>,
}

/// Counts the turns that came to nothing.
#[derive(Default)]
pub(super) struct Pace {
    last: Progress,
    idle_turns: u32,
    pub(super) most: u32,
}

impl Pace {
    /// After a turn, before which the loop would have slept for so long.
    pub(super) fn note(&mut self, slept_ms: Option<u64>, progress: Progress) {
        let is_idle = slept_ms == Some(0) && progress == self.last;
        self.idle_turns = if is_idle { self.idle_turns + 1 } else { 0 };
        self.most = self.most.max(self.idle_turns);
        self.last = progress;
        let turns = self.idle_turns;
        assert!(
            turns <= IDLE_TURNS_MAX,
            "it spins: {turns} turns, {progress:?}"
        );
    }
}
