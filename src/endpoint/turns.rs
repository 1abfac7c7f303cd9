//! Which sessions have their turn next: queues by what a session waits for, and how many of each queue one turn of the
//! loop takes.

use std::collections::VecDeque;

use crate::slab::Key;

/// Sessions that are read in full in one turn of the loop. However many clients have that much to send, a command does
/// not wait for them.
const BULK_SESSIONS_PER_TURN: usize = 16;

/// Sessions that have their turn before the answers of all of them go out: a flood on every connection
/// must not make the staging area grow with their number.
pub(crate) const SESSIONS_PER_TURN: usize = 1024;

/// Sessions in one turn whose clients have closed their side. When thousands do so at once, a new client does not
/// wait until the last of them is closed.
const LEAVING_PER_TURN: usize = 128;

/// Keys of closed sessions that may stand in the queues before they are taken out of them.
const CLOSED_KEPT: usize = 1024;

/// How much of a session is read and answered in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quota {
    /// What a command ever needs.
    Command,
    /// As much as there is, up to the limits.
    Full,
}

/// The queues. A session is in one of them at most.
#[derive(Debug)]
pub(super) struct Turns {
    /// [`SESSIONS_PER_TURN`], or fewer.
    max: usize,
    /// Sessions whose socket has become readable.
    active: VecDeque<Key>,
    /// Sessions that have had a turn and have more to read or to answer. Clients do not queue behind unauthenticated
    /// sessions, however many those are; nor do those behind clients, since a new connection of Slack's is
    /// unauthenticated.
    bulk_clients: VecDeque<Key>,
    bulk_unauthenticated: VecDeque<Key>,
    /// Sessions whose clients have closed their side.
    leaving: VecDeque<Key>,
    /// How many of the keys in all queues are of sessions that were closed meanwhile.
    closed: usize,
}

/// The sessions that are still to have a turn in one turn of the loop.
#[derive(Debug)]
pub(super) struct Round {
    quota: Quota,
    active: usize,
    bulk_clients: usize,
    bulk_unauthenticated: usize,
    leaving: usize,
}

impl Turns {
    /// Empty queues; of each at most `max` sessions have their turn in one turn of the loop.
    pub(super) const fn new(max: usize) -> Self {
        Self {
            max,
            active: VecDeque::new(),
            bulk_clients: VecDeque::new(),
            bulk_unauthenticated: VecDeque::new(),
            leaving: VecDeque::new(),
            closed: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Queues a session whose socket has become readable.
    pub(super) fn push_active(&mut self, key: Key) {
        self.active.push_back(key);
    }

    /// Queues a session that has had a turn and has more to read or to answer.
    pub(super) fn push_bulk(&mut self, key: Key, is_client: bool) {
        match is_client {
            true => self.bulk_clients.push_back(key),
            false => self.bulk_unauthenticated.push_back(key),
        }
    }

    /// Queues a session whose client has closed its side.
    pub(super) fn push_leaving(&mut self, key: Key) {
        self.leaving.push_back(key);
    }

    /// A session is closed that stands in a queue. Its key stays there until its turn, or until it is swept out.
    pub(super) const fn note_closed(&mut self) {
        self.closed += 1;
    }

    /// A session whose turn it was had been closed.
    pub(super) const fn note_missed(&mut self) {
        self.closed -= 1;
    }

    /// Takes the keys of closed sessions out of the queues once they are most of what stands there: sessions may be evicted
    /// faster than they have turns.
    fn sweep(&mut self, is_open: impl Fn(Key) -> bool) {
        if self.closed <= CLOSED_KEPT || self.closed <= self.len() / 2 {
            return;
        }
        for queue in [
            &mut self.active,
            &mut self.bulk_clients,
            &mut self.bulk_unauthenticated,
            &mut self.leaving,
        ] {
            queue.retain(|key| is_open(*key));
        }
        self.closed = 0;
    }

    /// How many keys stand in the queues.
    pub(super) fn len(&self) -> usize {
        let bulk = self.bulk_clients.len() + self.bulk_unauthenticated.len();
        self.active.len() + bulk + self.leaving.len()
    }

    /// How many of them are of closed sessions.
    #[cfg(any(test, debug_assertions))]
    pub(super) const fn closed(&self) -> usize {
        self.closed
    }

    /// Chooses how many of each queue have their turn. They are counted now, so that no session has two: the answers
    /// of its first turn go out before a second one may close it.
    pub(super) fn begin_round(&mut self, is_open: impl Fn(Key) -> bool) -> Round {
        self.sweep(is_open);
        let bulk_max = BULK_SESSIONS_PER_TURN.min(self.max);
        // Half of them each, if there are enough of both.
        let unauthenticated = self.bulk_unauthenticated.len().min(bulk_max / 2);
        let bulk_clients = self.bulk_clients.len().min(bulk_max - unauthenticated);
        let are_few = self.active.len() + self.leaving.len() <= BULK_SESSIONS_PER_TURN;
        Round {
            quota: if are_few { Quota::Full } else { Quota::Command },
            active: self.active.len().min(self.max),
            bulk_clients,
            bulk_unauthenticated: self.bulk_unauthenticated.len().min(bulk_max - bulk_clients),
            leaving: self.leaving.len().min(LEAVING_PER_TURN).min(self.max),
        }
    }

    /// The next session of a round, and how much of it is read.
    pub(super) fn next(&mut self, round: &mut Round) -> Option<(Key, Quota)> {
        let queues = [
            (&mut round.active, &mut self.active, round.quota),
            (&mut round.bulk_clients, &mut self.bulk_clients, Quota::Full),
            (
                &mut round.bulk_unauthenticated,
                &mut self.bulk_unauthenticated,
                Quota::Full,
            ),
            (&mut round.leaving, &mut self.leaving, round.quota),
        ];
        for (left, queue, quota) in queues {
            if *left > 0 {
                *left -= 1;
                return queue.pop_front().map(|key| (key, quota));
            }
        }
        None
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        let bulk = self.bulk_clients.iter().chain(&self.bulk_unauthenticated);
        self.active.iter().chain(bulk).chain(&self.leaving)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index of what is queued after a round has begun.
    const LATE: u32 = 1_000_000;

    /// Queues of so many sessions: readable, clients with more, others with more, closed.
    fn turns(max: usize, lengths: [u32; 4]) -> Turns {
        let mut turns = Turns::new(max);
        let [active, clients, others, leaving] = lengths;
        (0..active).for_each(|index| turns.push_active(Key::from_parts(index, 1)));
        (0..clients).for_each(|index| turns.push_bulk(Key::from_parts(index, 2), true));
        (0..others).for_each(|index| turns.push_bulk(Key::from_parts(index, 3), false));
        (0..leaving).for_each(|index| turns.push_leaving(Key::from_parts(index, 4)));
        turns
    }

    /// How many of each queue have their turn in one round, in which each queue is extended once more.
    fn taken(max: usize, lengths: [u32; 4]) -> [usize; 4] {
        let mut turns = turns(max, lengths);
        let count = lengths.iter().sum::<u32>() as usize;
        assert_eq!(
            (turns.iter().count(), turns.is_empty()),
            (count, count == 0)
        );
        let mut round = turns.begin_round(|_| true);
        turns.push_active(Key::from_parts(LATE, 1));
        turns.push_bulk(Key::from_parts(LATE, 2), true);
        turns.push_bulk(Key::from_parts(LATE, 3), false);
        turns.push_leaving(Key::from_parts(LATE, 4));
        let mut taken = [0; 4];
        while let Some((key, _)) = turns.next(&mut round) {
            assert!(key.index() < LATE, "queued after the round began");
            taken[key.generation() as usize - 1] += 1;
        }
        let left = turns.iter().count() - 4;
        assert_eq!(left, count - taken.iter().sum::<usize>());
        taken
    }

    #[test]
    fn each_kind_with_more_to_read_has_half_of_a_round_and_what_the_other_leaves() {
        assert_eq!(taken(SESSIONS_PER_TURN, [0, 0, 0, 0]), [0, 0, 0, 0]);
        assert_eq!(taken(SESSIONS_PER_TURN, [0, 1, 100, 0]), [0, 1, 15, 0]);
        assert_eq!(taken(SESSIONS_PER_TURN, [0, 100, 1, 0]), [0, 15, 1, 0]);
        assert_eq!(taken(SESSIONS_PER_TURN, [0, 100, 100, 0]), [0, 8, 8, 0]);
        assert_eq!(taken(SESSIONS_PER_TURN, [0, 3, 4, 0]), [0, 3, 4, 0]);
        assert_eq!(taken(SESSIONS_PER_TURN, [0, 0, 100, 0]), [0, 0, 16, 0]);
    }

    #[test]
    fn a_round_takes_of_each_queue_what_its_limits_allow() {
        let many = [2_000, 0, 0, 2_000];
        assert_eq!(taken(SESSIONS_PER_TURN, many), [1_024, 0, 0, 128]);
        assert_eq!(taken(1, [5, 5, 5, 5]), [1, 1, 0, 1]);
    }

    #[test]
    fn keys_of_closed_sessions_are_taken_out_once_they_are_many_and_most() {
        // How many sessions are open and closed, and how many keys are left.
        for (open, closed, left) in [
            (0, 1_024, 1_024),
            (0, 1_025, 0),
            (10, 1_025, 10),
            (2_000, 1_900, 3_900),
            (1_900, 2_000, 1_900),
        ] {
            let mut turns = turns(SESSIONS_PER_TURN, [0, 0, open + closed, 0]);
            (0..closed).for_each(|_| turns.note_closed());
            let mut round = turns.begin_round(|key| key.index() >= closed);
            assert_eq!(turns.len(), left as usize);
            while let Some((key, _)) = turns.next(&mut round) {
                if key.index() < closed {
                    turns.note_missed();
                }
            }
            let is_closed = |key: &&Key| key.index() < closed;
            assert_eq!(turns.closed(), turns.iter().filter(is_closed).count());
        }
    }

    #[test]
    fn only_few_active_sessions_are_read_in_full_and_those_with_more_always_are() {
        for (active, leaving, quota) in [
            (16, 0, Quota::Full),
            (10, 6, Quota::Full),
            (17, 0, Quota::Command),
            (10, 7, Quota::Command),
        ] {
            let mut turns = turns(SESSIONS_PER_TURN, [active, 1, 1, leaving]);
            let mut round = turns.begin_round(|_| true);
            while let Some((key, given)) = turns.next(&mut round) {
                let is_bulk = matches!(key.generation(), 2 | 3);
                assert_eq!(given, if is_bulk { Quota::Full } else { quota });
            }
        }
    }
}
