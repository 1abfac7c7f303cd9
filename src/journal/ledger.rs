//! Where in the log each owed job stands: what can be deleted, and what must be moved before.

use std::collections::VecDeque;

use super::JournalTime;

/// Stands for no slot.
const NONE: u32 = u32::MAX;

/// One job that is owed, in the slot that its key names.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// When its next attempt is due.
    due: JournalTime,
    /// The segment of its newest accepted record, and how long that is; 0 if the slot is vacant.
    segment: u32,
    bytes: u32,
    /// Its neighbours among the jobs of that segment.
    previous: u32,
    next: u32,
}

const VACANT: Place = Place {
    due: JournalTime(0),
    segment: 0,
    bytes: 0,
    previous: NONE,
    next: NONE,
};

/// A segment as the ledger knows it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Bytes of its file that count.
    bytes: u64,
    /// Bytes of the accepted records in it whose jobs are owed.
    live: u64,
    /// The first of those jobs.
    first: u32,
}

/// All segments, and all owed jobs in lists by segment. 24 bytes a job.
#[derive(Debug)]
pub(super) struct Ledger {
    places: Vec<Place>,
    /// The oldest first; their numbers have no gap.
    segments: VecDeque<Segment>,
    /// The number of the oldest.
    oldest: u32,
    bytes: u64,
    live: u64,
}

impl Ledger {
    /// No segments; the first will have this number.
    pub(super) const fn new(first: u32) -> Self {
        Self {
            places: Vec::new(),
            segments: VecDeque::new(),
            oldest: first,
            bytes: 0,
            live: 0,
        }
    }

    /// Adds segments behind the newest, up to this one.
    pub(super) fn extend_to(&mut self, newest: u32) {
        while self.next_segment() <= u64::from(newest) {
            self.segments.push_back(Segment {
                bytes: 0,
                live: 0,
                first: NONE,
            });
        }
    }

    /// The number of the segment that would be added next.
    fn next_segment(&self) -> u64 {
        u64::from(self.oldest) + self.segments.len() as u64
    }

    /// Whether there are segments that could be freed.
    pub(super) fn has_old_segments(&self) -> bool {
        self.segments.len() > 1
    }

    /// The newest segment has grown.
    pub(super) fn grow(&mut self, bytes: u64) {
        if let Some(newest) = self.segments.back_mut() {
            newest.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// A job's accepted record stands in this segment now, wherever it stood before.
    pub(super) fn put(&mut self, slot: u32, segment: u32, bytes: usize, due: JournalTime) {
        self.remove(slot);
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, VACANT);
        }
        let Some(index) = self.index(segment) else {
            return;
        };
        let home = &mut self.segments[index];
        let next = std::mem::replace(&mut home.first, slot);
        home.live += bytes as u64;
        self.live += bytes as u64;
        self.places[slot as usize] = Place {
            due,
            segment,
            bytes: bytes as u32,
            previous: NONE,
            next,
        };
        if next != NONE {
            self.places[next as usize].previous = slot;
        }
    }

    /// A job is owed no more. Of one that is not known, nothing is to be forgotten.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(place) = self.places.get_mut(slot as usize) else {
            return;
        };
        let place = std::mem::replace(place, VACANT);
        if place.bytes == 0 {
            return;
        }
        if let Some(index) = self.index(place.segment) {
            let home = &mut self.segments[index];
            home.live -= u64::from(place.bytes);
            self.live -= u64::from(place.bytes);
            if home.first == slot {
                home.first = place.next;
            }
        }
        if place.previous != NONE {
            self.places[place.previous as usize].next = place.next;
        }
        if place.next != NONE {
            self.places[place.next as usize].previous = place.previous;
        }
    }

    /// A job's next attempt is due at another time.
    pub(super) fn postpone(&mut self, slot: u32, due: JournalTime) {
        if let Some(place) = self.places.get_mut(slot as usize) {
            place.due = due;
        }
    }

    /// When a job's next attempt is due.
    pub(super) fn due(&self, slot: u32) -> Option<JournalTime> {
        let place = self.places.get(slot as usize)?;
        (place.bytes > 0).then_some(place.due)
    }

    /// The jobs of the oldest segment.
    pub(super) fn oldest_jobs(&self) -> impl Iterator<Item = u32> {
        let first = self.segments.front().map_or(NONE, |segment| segment.first);
        let slot = |slot: u32| (slot != NONE).then_some(slot);
        std::iter::successors(slot(first), move |at| slot(self.places[*at as usize].next))
    }

    /// Takes out the oldest segment if nothing in it is owed and it is not the newest.
    pub(super) fn take_dead(&mut self) -> Option<u32> {
        let dead = *self.segments.front()?;
        if dead.live > 0 || self.segments.len() == 1 {
            return None;
        }
        self.segments.pop_front();
        self.bytes -= dead.bytes;
        self.oldest += 1;
        Some(self.oldest - 1)
    }

    /// Bytes of all segments.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the records of all owed jobs.
    pub(super) const fn live(&self) -> u64 {
        self.live
    }

    /// Gives back memory that a load has taken, once nothing is owed.
    pub(super) fn shrink(&mut self) {
        if self.live == 0 && self.places.capacity() > SLOTS_KEPT {
            self.places = Vec::new();
        }
    }

    fn index(&self, segment: u32) -> Option<usize> {
        let index = segment.checked_sub(self.oldest)? as usize;
        (index < self.segments.len()).then_some(index)
    }
}

/// Room for this many jobs is kept when a load has passed.
const SLOTS_KEPT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const DUE: JournalTime = JournalTime(5);

    #[test]
    fn only_the_dead_prefix_goes_and_never_the_newest() {
        let mut ledger = Ledger::new(7);
        for (number, slot) in [(7, 0), (8, 1), (9, 2)] {
            ledger.extend_to(number);
            ledger.grow(1000);
            ledger.put(slot, number, 100, DUE);
        }
        ledger.remove(1);
        assert_eq!(ledger.take_dead(), None, "the oldest has one that is owed");
        ledger.remove(0);
        assert_eq!((ledger.take_dead(), ledger.take_dead()), (Some(7), Some(8)));
        ledger.remove(2);
        assert_eq!(ledger.take_dead(), None, "the newest stays");
        assert_eq!((ledger.bytes(), ledger.live()), (1000, 0));
        assert_eq!((ledger.oldest, ledger.next_segment()), (9, 10));
    }

    #[test]
    fn a_job_that_is_moved_is_owed_by_its_new_segment() {
        let mut ledger = Ledger::new(1);
        ledger.extend_to(1);
        ledger.put(0, 1, 100, DUE);
        ledger.put(1, 1, 100, DUE);
        ledger.extend_to(2);
        let oldest: Vec<u32> = ledger.oldest_jobs().collect();
        assert_eq!(oldest, [1, 0]);
        for slot in oldest {
            ledger.put(slot, 2, 150, JournalTime(6));
        }
        assert_eq!(ledger.take_dead(), Some(1));
        assert_eq!((ledger.live(), ledger.due(0)), (300, Some(JournalTime(6))));
    }

    #[test]
    fn the_last_number_is_one_like_any_other() {
        let mut ledger = Ledger::new(u32::MAX - 1);
        ledger.extend_to(u32::MAX);
        assert_eq!(ledger.segments.len(), 2);
        assert_eq!(ledger.take_dead(), Some(u32::MAX - 1));
        ledger.put(0, u32::MAX, 100, DUE);
        assert_eq!((ledger.take_dead(), ledger.live()), (None, 100));
    }

    #[test]
    fn memory_is_given_back() {
        let mut ledger = Ledger::new(1);
        ledger.extend_to(1);
        (0..10_000).for_each(|slot| ledger.put(slot, 1, 100, DUE));
        (0..10_000).for_each(|slot| ledger.remove(slot));
        ledger.shrink();
        assert_eq!(ledger.places.capacity(), 0);
        assert!(size_of::<Place>() <= 24);
    }

    proptest! {
        #[test]
        fn counts_like_a_map(steps in prop::collection::vec((0..6_u8, 0..40_u32), 1..500)) {
            let mut ledger = Ledger::new(1);
            let mut model: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
            ledger.extend_to(1);
            for (kind, slot) in steps {
                let newest = (ledger.next_segment() - 1) as u32;
                match kind {
                    0..=2 => {
                        ledger.put(slot, newest, slot as usize + 1, DUE);
                        model.insert(slot, (newest, u64::from(slot) + 1));
                    }
                    3..=4 => {
                        ledger.remove(slot);
                        model.remove(&slot);
                    }
                    _ => ledger.extend_to(newest + 1),
                }
                while let Some(dead) = ledger.take_dead() {
                    prop_assert!(model.values().all(|(segment, _)| *segment > dead));
                }
                prop_assert_eq!(ledger.live(), model.values().map(|(_, bytes)| bytes).sum::<u64>());
                let oldest = ledger.oldest;
                let mut jobs: Vec<u32> = ledger.oldest_jobs().collect();
                jobs.sort_unstable();
                let expected: Vec<u32> = model
                    .iter()
                    .filter(|(_, (segment, _))| *segment == oldest)
                    .map(|(slot, _)| *slot)
                    .collect();
                prop_assert_eq!(jobs, expected);
            }
        }
    }
}
