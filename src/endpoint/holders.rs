//! Bytes that sessions hold for longer than a turn, and which session gives up its own when all hold too much.
//!
//! The order is that of eviction: unauthenticated sessions before any client. Of either, the one that holds most goes
//! first; sizes within a factor of two are alike, and of those it is the one that has held its bytes for longest. So
//! many connections cannot have a command shed by each holding a little less than the command does.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Bytes held for all sessions together: incomplete requests, and answers that are not read. Slack's requests
/// usually arrive in one piece and its answers are read at once, so that neither is held. A session
/// that holds no more than its part, which is this divided by the places, is not counted, so that all may hold twice
/// as much.
pub(crate) const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most that a command takes, head and content. Sessions that hold less are alike, and the one that has held its
/// bytes for longest goes first: a command that arrives in two pieces outlasts them.
const COMMAND_BYTES_MAX: usize = 32 * 1024;

/// The order among sessions: the greatest is the first to give up what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    is_unauthenticated: bool,
    /// The power of two that its bytes lie below.
    size: u32,
    /// The number of its entry: those after it are greater.
    entry: Reverse<u64>,
}

/// The sessions that hold more than their part. What a change costs grows with the logarithm of their number, which
/// is at most that of the places.
#[derive(Debug)]
pub(crate) struct Holders {
    part: usize,
    /// What they hold together.
    bytes: usize,
    entries: u64,
    /// By their slots.
    holders: BTreeMap<u32, (Rank, usize)>,
    order: BTreeMap<Rank, u32>,
}

impl Holders {
    /// No session of so many places holds more than its part.
    pub(crate) fn among(places: usize) -> Self {
        Self {
            part: HELD_BYTES_MAX / places.max(1),
            bytes: 0,
            entries: 0,
            holders: BTreeMap::new(),
            order: BTreeMap::new(),
        }
    }

    /// The session in a slot holds `bytes` now, and held `before` at the last update.
    pub(crate) fn update(&mut self, slot: u32, is_client: bool, before: usize, bytes: usize) {
        if before.max(bytes) <= self.part {
            return;
        }
        let old = self.forget(slot);
        if bytes <= self.part {
            return;
        }
        let size = bytes.max(COMMAND_BYTES_MAX).next_power_of_two().ilog2();
        let entry = Reverse(self.entries);
        let is_unauthenticated = !is_client;
        let is_alike = |old: &Rank| (old.is_unauthenticated, old.size) == (!is_client, size);
        let rank = old.filter(is_alike).unwrap_or(Rank {
            is_unauthenticated,
            size,
            entry,
        });
        self.entries += 1;
        self.bytes += bytes;
        self.holders.insert(slot, (rank, bytes));
        self.order.insert(rank, slot);
    }

    /// The session in a slot holds nothing any more, or is gone.
    pub(crate) fn forget(&mut self, slot: u32) -> Option<Rank> {
        let (rank, bytes) = self.holders.remove(&slot)?;
        self.order.remove(&rank);
        self.bytes -= bytes;
        Some(rank)
    }

    /// The slot of the session that has to give up what it holds, while all hold too much.
    pub(crate) fn first_to_go(&self) -> Option<u32> {
        let (_, slot) = self.order.last_key_value()?;
        self.is_excessive().then_some(*slot)
    }

    pub(crate) const fn is_excessive(&self) -> bool {
        self.bytes > HELD_BYTES_MAX
    }

    /// What all of them hold, and how many they are.
    #[cfg(any(test, debug_assertions))]
    pub(crate) fn sum(&self) -> (usize, usize) {
        assert_eq!(self.holders.len(), self.order.len());
        (self.bytes, self.holders.len())
    }

    #[cfg(any(test, debug_assertions))]
    pub(crate) const fn part(&self) -> usize {
        self.part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    /// Holders in this order: whether each is a client, and how much it holds. The order in which they go while each
    /// is replaced by nothing.
    fn order(given: &[(bool, usize)]) -> Vec<u32> {
        let mut holders = Holders::among(8_192);
        for (slot, (is_client, bytes)) in (1..).zip(given) {
            holders.update(slot, *is_client, 0, *bytes);
        }
        let mut gone = Vec::new();
        while let Some((_, slot)) = holders.order.last_key_value() {
            gone.push(*slot);
            holders.forget(gone[gone.len() - 1]);
        }
        assert_eq!(holders.sum(), (0, 0));
        gone
    }

    #[test]
    fn unauthenticated_ones_go_before_clients_then_by_size_then_by_age() {
        assert_eq!(order(&[(true, 200 * KIB), (false, 9 * KIB)]), [2, 1]);
        assert_eq!(order(&[(false, 40 * KIB), (false, 200 * KIB)]), [2, 1]);
        assert_eq!(order(&[(false, 130 * KIB), (false, 200 * KIB)]), [1, 2]);
        // A command's first piece, and sessions that hold a little less.
        assert_eq!(order(&[(false, 9 * KIB), (false, 31 * KIB)]), [1, 2]);
        assert_eq!(order(&[(true, 50 * KIB), (true, 90 * KIB)]), [2, 1]);
    }

    #[test]
    fn growing_within_a_size_leaves_the_age_and_beyond_it_begins_another() {
        let mut holders = Holders::among(8_192);
        holders.update(1, false, 0, 140 * KIB);
        holders.update(2, false, 0, 140 * KIB);
        holders.update(1, false, 140 * KIB, 250 * KIB);
        assert_eq!(holders.order.last_key_value().unwrap().1, &1);
        holders.update(1, true, 250 * KIB, 250 * KIB);
        assert_eq!(holders.order.last_key_value().unwrap().1, &2);
        assert_eq!(holders.sum(), (390 * KIB, 2));
    }

    #[test]
    fn only_what_is_beyond_the_part_of_each_counts_and_only_too_much_is_shed() {
        let mut holders = Holders::among(8_192);
        holders.update(0, false, 0, 8 * KIB);
        assert_eq!(holders.sum(), (0, 0));
        for slot in 1..=256 {
            holders.update(slot, false, 0, 256 * KIB);
            assert_eq!(holders.first_to_go(), None, "{slot}");
        }
        holders.update(257, true, 0, 9 * KIB);
        assert_eq!(holders.first_to_go(), Some(1));
        holders.update(1, false, 256 * KIB, 0);
        assert_eq!(holders.first_to_go(), None);
    }
}
