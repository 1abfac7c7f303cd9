//! A hierarchical timing wheel: deadlines in milliseconds, O(1) to schedule and to cancel.
//!
//! | level | slot width | all 64 slots |
//! | ----- | ---------- | ------------ |
//! | 0     | 1 ms       | 64 ms        |
//! | 1     | 64 ms      | 4.1 s        |
//! | 2     | 4.1 s      | 4.4 min      |
//! | 3     | 4.4 min    | 4.66 h       |
//!
//! Read as groups of six bits, a deadline and the time elapsed first differ in some group: its
//! number is the level, the deadline's digit there the slot. When the time reaches a slot of level
//! 0, its entries are due; when it reaches one further up, they *cascade*: each moves to a lower
//! level, where it is told apart from its neighbours more finely.
//!
//! Nothing ticks. A bitmap a level says which slots have entries, so the next slot to be reached is
//! a `trailing_zeros` away however far it is, and an idle wheel costs nothing. A timer that is not
//! cancelled is moved at most three times. A slot may hold a million of them, so a cascade can stop
//! after any entry and go on later: `expire` spends a budget.

mod lists;
#[cfg(test)]
mod tests;

use crate::slab::Key;
use crate::time::Tick;
use lists::{LEVELS, List, Lists};

/// How far ahead of the last [`TimingWheel::expire`] a deadline has a slot of its own: 4.59 hours,
/// the top level without the slot that the time is in. One further ahead is met as well, but it
/// waits in the farthest slot and is moved once more for each stretch of that length.
pub const RANGE_MS: u64 = (SLOTS - 1) << shift(TOP);

const TOP: usize = LEVELS - 1;
const SLOTS: u64 = u64::BITS as u64;

/// Values that wait for their deadlines.
pub struct TimingWheel<T> {
    /// All slots that start here or earlier have been emptied, but for `cascading`.
    elapsed: u64,
    /// The slot that starts at `elapsed`, while some of its entries are still to be moved down.
    cascading: Option<List>,
    lists: Lists<T>,
}

impl<T> TimingWheel<T> {
    /// An empty wheel that stands at `now`.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Self {
            elapsed: now.0,
            cascading: None,
            lists: Lists::new(),
        }
    }

    /// How many values wait, those included that are due.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether none waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has `value` wait for `deadline`; one that has passed is met at the next `expire`.
    pub fn schedule(&mut self, deadline: Tick, value: T) -> Key {
        self.lists
            .insert(self.list_for_new(deadline), deadline, value)
    }

    /// Takes back a value that has not expired yet, due or not.
    pub fn cancel(&mut self, key: Key) -> Option<T> {
        if !self.lists.contains(key) {
            return None;
        }
        let (value, emptied) = self.lists.remove(key.index());
        self.end_cascade_if(emptied);
        Some(value)
    }

    /// The next value whose deadline is not after `now`; call it until it returns `None`.
    ///
    /// Values come in order of deadline, those of one deadline in order of scheduling. (A deadline
    /// that had passed when it was scheduled counts as of that moment; one beyond [`RANGE_MS`] may
    /// come after others of its millisecond.) Each value returned and each one moved by a cascade
    /// takes one from `budget`; when that is spent there is none until the next call, which goes on
    /// at the same place. A `now` before that of an earlier call changes nothing.
    #[must_use]
    pub fn expire(&mut self, now: Tick, budget: &mut usize) -> Option<T> {
        if now.0 < self.elapsed {
            return None;
        }
        loop {
            if let Some((index, _)) = self.lists.front(List::DUE) {
                *budget = budget.checked_sub(1)?;
                return Some(self.lists.remove(index).0);
            }
            if let Some(slot) = self.cascading {
                *budget = budget.checked_sub(1)?;
                self.move_down_first_of(slot);
                continue;
            }
            let Some((slot, start)) = self.next_slot().filter(|&(_, start)| start <= now.0) else {
                self.elapsed = now.0;
                return None;
            };
            self.elapsed = start;
            if slot.level() == 0 {
                self.lists.move_all(slot, List::DUE);
            } else {
                self.cascading = Some(slot);
            }
        }
    }

    /// When to call `expire` next, `None` if nothing waits: never after the first deadline, but up
    /// to three calls that only move values may come before one within [`RANGE_MS`]. To be asked
    /// again after any other method.
    #[must_use]
    pub fn next_expiration(&self) -> Option<Tick> {
        if self.cascading.is_some() || !self.lists.is_empty(List::DUE) {
            return Some(Tick(self.elapsed));
        }
        self.next_slot().map(|(_, start)| Tick(start))
    }

    /// The occupied slot that starts first, and when.
    fn next_slot(&self) -> Option<(List, u64)> {
        // A slot of a level ends before the next one of the level above it starts, so the lowest
        // occupied level has it.
        let level = (0..LEVELS).find(|&level| self.lists.occupied(level) != 0)?;
        let here = self.elapsed >> shift(level);
        // Rotated, for the top level has no level above it to hold what lies past its last slot: it
        // goes on at the first.
        let occupied = self
            .lists
            .occupied(level)
            .rotate_right((here % SLOTS) as u32);
        let ahead = u64::from(occupied.trailing_zeros());
        debug_assert_ne!(ahead, 0, "the slot that the time is in has been emptied");
        Some((slot_of(level, here + ahead), (here + ahead) << shift(level)))
    }

    fn move_down_first_of(&mut self, slot: List) {
        let (index, deadline) = self
            .lists
            .front(slot)
            .expect("a cascade ends with its last entry");
        let emptied = self.lists.move_to(index, list_for(self.elapsed, deadline));
        self.end_cascade_if(emptied);
    }

    fn end_cascade_if(&mut self, emptied: Option<List>) {
        if emptied.is_some() && emptied == self.cascading {
            self.cascading = None;
        }
    }

    fn list_for_new(&self, deadline: Tick) -> List {
        // In the middle of a cascade, what falls in its slot queues up behind the entries yet to be
        // moved: sorted in at once, it would overtake those with the same deadline.
        if let Some(slot) = self.cascading {
            let width = shift(slot.level());
            if deadline.0.max(self.elapsed) >> width == self.elapsed >> width {
                return slot;
            }
        }
        list_for(self.elapsed, deadline)
    }
}

/// Where a deadline belongs when the time is `elapsed`.
fn list_for(elapsed: u64, deadline: Tick) -> List {
    if deadline.0 <= elapsed {
        return List::DUE;
    }
    let level = TOP.min(((elapsed ^ deadline.0).ilog2() / SLOTS.ilog2()) as usize);
    let here = elapsed >> shift(level);
    let ahead = (deadline.0 >> shift(level)) - here;
    slot_of(level, here + ahead.min(SLOTS - 1)) // farther ones wait in the farthest slot
}

/// The slot of `level` for the `number`th stretch of its width since tick 0.
const fn slot_of(level: usize, number: u64) -> List {
    List::slot(level, number % SLOTS)
}

/// A slot of `level` is `1 << shift(level)` ms wide.
const fn shift(level: usize) -> u32 {
    level as u32 * SLOTS.ilog2()
}
