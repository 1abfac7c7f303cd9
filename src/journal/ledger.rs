//! Where in the log each pending job stands: what can be deleted, and what must be moved before.

use std::collections::VecDeque;

use super::JournalTime;

/// Stands for no slot.
const NONE: u32 = u32::MAX;

/// Where the newest accepted record of a pending job stands, and what has changed since it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// When the job's next attempt is due.
    pub(super) due: JournalTime,
    pub(super) segment: u32,
    /// Where in the segment's file it begins.
    pub(super) offset: u32,
    /// How long it is; 0 if the slot is vacant.
    pub(super) bytes: u32,
    /// Attempts made whose outcome is known.
    pub(super) attempts: u8,
}

/// A job, in the slot that its key names, and its neighbours among the jobs of its segment.
#[derive(Clone, Copy, Debug)]
struct Slot {
    location: Location,
    previous: u32,
    next: u32,
}

const VACANT: Slot = Slot {
    location: Location {
        due: JournalTime(0),
        segment: 0,
        offset: 0,
        bytes: 0,
        attempts: 0,
    },
    previous: NONE,
    next: NONE,
};

/// A segment as the ledger knows it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Bytes of its file that count.
    bytes: u64,
    /// Bytes of the accepted records in it whose jobs are pending.
    live: u64,
    /// The first and the last of those jobs, in the order in which they were put there.
    first: u32,
    last: u32,
}

/// All segments, and all pending jobs in lists by segment. 32 bytes a job.
#[derive(Debug)]
pub(super) struct Ledger {
    slots: Vec<Slot>,
    /// The oldest first; their numbers have no gap.
    segments: VecDeque<Segment>,
    /// The number of the oldest.
    oldest: u32,
    /// Files of earlier segments, which count no more, the newest first.
    stale: Vec<u32>,
    bytes: u64,
    live: u64,
}

impl Ledger {
    /// No segments; the first will have this number.
    pub(super) const fn new(first: u32) -> Self {
        Self {
            slots: Vec::new(),
            segments: VecDeque::new(),
            oldest: first,
            stale: Vec::new(),
            bytes: 0,
            live: 0,
        }
    }

    /// Adds segments that no longer count and whose files exist. All are older than the first; the oldest come first.
    pub(super) fn add_stale(&mut self, stale: &[u32]) {
        self.stale.extend(stale.iter().rev());
    }

    /// This segment is the newest now. Later ones have lost their files, and with them the records of their jobs.
    pub(super) fn set_newest(&mut self, newest: u32) {
        while self.next_segment() <= u64::from(newest) {
            self.segments.push_back(Segment {
                bytes: 0,
                live: 0,
                first: NONE,
                last: NONE,
            });
        }
        while self.next_segment() > u64::from(newest) + 1
            && let Some(mut gone) = self.segments.pop_back()
        {
            self.bytes -= gone.bytes;
            self.live -= gone.live;
            while let Some(slot) = self.slots.get_mut(gone.first as usize) {
                gone.first = std::mem::replace(slot, VACANT).next;
            }
        }
    }

    /// The number of the segment that would be added next.
    fn next_segment(&self) -> u64 {
        u64::from(self.oldest) + self.segments.len() as u64
    }

    /// The number of the oldest segment in which the record of a pending job stands.
    pub(super) fn oldest_live(&self) -> Option<u32> {
        let index = self.segments.iter().position(|segment| segment.live > 0)?;
        Some(self.oldest + index as u32)
    }

    /// The newest segment has grown.
    pub(super) fn grow(&mut self, bytes: u64) {
        if let Some(newest) = self.segments.back_mut() {
            newest.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// A job's accepted record stands here now, wherever it stood before.
    pub(super) fn put(&mut self, slot: u32, location: Location) {
        self.remove(slot);
        if self.slots.len() <= slot as usize {
            self.slots.resize(slot as usize + 1, VACANT);
        }
        let Some(index) = self.index(location.segment) else {
            return;
        };
        let home = &mut self.segments[index];
        let previous = std::mem::replace(&mut home.last, slot);
        home.live += u64::from(location.bytes);
        self.live += u64::from(location.bytes);
        self.slots[slot as usize] = Slot {
            location,
            previous,
            next: NONE,
        };
        match previous {
            NONE => home.first = slot,
            previous => self.slots[previous as usize].next = slot,
        }
    }

    /// A job is no longer pending. One that is not known here changes nothing.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(at) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let Slot {
            location,
            previous,
            next,
        } = std::mem::replace(at, VACANT);
        if let Some(index) = self.index(location.segment).filter(|_| location.bytes > 0) {
            let home = &mut self.segments[index];
            home.live -= u64::from(location.bytes);
            self.live -= u64::from(location.bytes);
            if home.first == slot {
                home.first = next;
            }
            if home.last == slot {
                home.last = previous;
            }
        }
        if previous != NONE {
            self.slots[previous as usize].next = next;
        }
        if next != NONE {
            self.slots[next as usize].previous = previous;
        }
    }

    /// Notes how many attempts at a job have been made, and when the next one is due.
    pub(super) fn postpone(&mut self, slot: u32, attempts: u8, due: JournalTime) {
        if let Some(Slot { location, .. }) = self.slots.get_mut(slot as usize) {
            (location.attempts, location.due) = (attempts, due);
        }
    }

    /// The jobs of a segment, and where their records stand.
    pub(super) fn jobs_of(&self, segment: u32) -> impl Iterator<Item = (u32, Location)> {
        let segment = self
            .index(segment)
            .and_then(|index| self.segments.get(index));
        let mut next = segment.map_or(NONE, |segment| segment.first);
        std::iter::from_fn(move || {
            let slot = next;
            let at = self.slots.get(slot as usize)?;
            next = at.next;
            Some((slot, at.location))
        })
    }

    /// Takes out the oldest segment if nothing in it is pending and it is not the newest.
    pub(super) fn take_dead(&mut self) -> Option<u32> {
        if let Some(stale) = self.stale.pop() {
            return Some(stale);
        }
        let dead = *self.segments.front()?;
        if dead.live > 0 || self.segments.len() == 1 {
            return None;
        }
        self.segments.pop_front();
        self.bytes -= dead.bytes;
        self.oldest += 1;
        Some(self.oldest - 1)
    }

    /// The number of the oldest segment of which there is a file.
    pub(super) fn oldest(&self) -> u32 {
        self.stale.last().map_or(self.oldest, |stale| *stale)
    }

    /// Bytes of all segments.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the records of all pending jobs.
    pub(super) const fn live(&self) -> u64 {
        self.live
    }

    /// Gives back memory that a load has taken, once nothing is pending.
    pub(super) fn shrink(&mut self) {
        if self.live == 0 && self.slots.capacity() > SLOTS_KEPT {
            self.slots = Vec::new();
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

    const fn location(segment: u32, bytes: u32) -> Location {
        Location {
            due: JournalTime(5),
            segment,
            offset: 36,
            bytes,
            attempts: 0,
        }
    }

    #[test]
    fn only_the_dead_prefix_goes_and_never_the_newest() {
        let mut ledger = Ledger::new(7);
        for (number, slot) in [(7, 0), (8, 1), (9, 2)] {
            ledger.set_newest(number);
            ledger.grow(1000);
            ledger.put(slot, location(number, 100));
        }
        ledger.remove(1);
        assert_eq!(
            ledger.take_dead(),
            None,
            "the oldest has one that is pending"
        );
        ledger.remove(0);
        assert_eq!((ledger.take_dead(), ledger.take_dead()), (Some(7), Some(8)));
        ledger.remove(2);
        assert_eq!(ledger.take_dead(), None, "the newest stays");
        assert_eq!((ledger.bytes(), ledger.live()), (1000, 0));
        assert_eq!((ledger.oldest, ledger.next_segment()), (9, 10));
    }

    #[test]
    fn what_counts_no_more_goes_first() {
        let mut ledger = Ledger::new(7);
        ledger.set_newest(8);
        ledger.add_stale(&[2, 5]);
        let dead = std::iter::from_fn(|| Some((ledger.oldest(), ledger.take_dead()?)));
        assert_eq!(dead.collect::<Vec<_>>(), [(2, 2), (5, 5), (7, 7)]);
    }

    #[test]
    fn a_job_that_is_moved_belongs_to_its_new_segment() {
        let mut ledger = Ledger::new(1);
        ledger.set_newest(1);
        ledger.put(0, location(1, 100));
        ledger.put(1, location(1, 100));
        ledger.set_newest(2);
        ledger.postpone(0, 3, JournalTime(9));
        let oldest: Vec<(u32, Location)> = ledger.jobs_of(1).collect();
        let later = Location {
            attempts: 3,
            due: JournalTime(9),
            ..location(1, 100)
        };
        assert_eq!(oldest, [(0, later), (1, location(1, 100))]);
        for (slot, _) in oldest {
            ledger.put(slot, location(2, 150));
        }
        assert_eq!(ledger.take_dead(), Some(1));
        assert_eq!(ledger.live(), 300);
    }

    #[test]
    fn the_last_number_is_one_like_any_other() {
        let mut ledger = Ledger::new(u32::MAX - 1);
        ledger.set_newest(u32::MAX);
        assert_eq!(ledger.segments.len(), 2);
        assert_eq!(ledger.take_dead(), Some(u32::MAX - 1));
        ledger.put(0, location(u32::MAX, 100));
        assert_eq!((ledger.take_dead(), ledger.live()), (None, 100));
    }

    /// A person deletes the newest segment's file: what goes on under its number has not the old one's jobs.
    #[test]
    fn jobs_go_with_their_segments_file() {
        let mut ledger = Ledger::new(1);
        for (slot, segment) in [(0, 1), (1, 2), (2, 2)] {
            ledger.set_newest(segment);
            ledger.grow(1000);
            ledger.put(slot, location(segment, 100));
        }
        ledger.set_newest(1);
        ledger.set_newest(2);
        assert_eq!((ledger.bytes(), ledger.live()), (1000, 100));
        ledger.remove(1);
        ledger.remove(0);
        assert_eq!(ledger.take_dead(), Some(1));
        assert_eq!((ledger.take_dead(), ledger.live()), (None, 0));
    }

    #[test]
    fn memory_is_given_back() {
        let mut ledger = Ledger::new(1);
        ledger.set_newest(1);
        (0..10_000).for_each(|slot| ledger.put(slot, location(1, 100)));
        (0..10_000).for_each(|slot| ledger.remove(slot));
        ledger.shrink();
        assert_eq!(ledger.slots.capacity(), 0);
        assert_eq!(size_of::<Slot>(), 32);
    }

    proptest! {
        #[test]
        fn counts_like_a_map(steps in prop::collection::vec((0..7_u8, 0..40_u32), 1..500)) {
            let mut ledger = Ledger::new(1);
            let mut model: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
            ledger.set_newest(1);
            for (kind, slot) in steps {
                let newest = (ledger.next_segment() - 1) as u32;
                match kind {
                    0..=2 => {
                        ledger.put(slot, location(newest, slot + 1));
                        model.insert(slot, (newest, u64::from(slot) + 1));
                    }
                    3..=4 => {
                        ledger.remove(slot);
                        model.remove(&slot);
                    }
                    5 => ledger.set_newest(newest + 1),
                    _ if ledger.segments.len() > 1 => {
                        ledger.set_newest(newest - 1);
                        model.retain(|_, (segment, _)| *segment < newest);
                    }
                    _ => {}
                }
                while let Some(dead) = ledger.take_dead() {
                    prop_assert!(model.values().all(|(segment, _)| *segment > dead));
                }
                prop_assert_eq!(ledger.live(), model.values().map(|(_, bytes)| bytes).sum::<u64>());
                let oldest = ledger.oldest;
                let mut jobs: Vec<u32> = ledger.jobs_of(oldest).map(|(slot, _)| slot).collect();
                jobs.sort_unstable();
                let oldest_live = model.values().map(|(segment, _)| *segment).min();
                prop_assert_eq!(ledger.oldest_live(), oldest_live);
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
