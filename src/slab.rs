//! Slots with generational keys, in pages that are freed again once they stand empty.

use std::num::NonZeroU32;

/// Names a value in a [`Slab`] for as long as it stays there; afterwards it finds nothing.
///
/// No key that a slab gave out has generation 0: `to_u64` leaves the numbers below 2^32 to others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The key with these two numbers, which need not find anything.
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// Which slot. Below 2^31.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which of the slot's occupants.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// Both numbers in one, the generation on top.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The reverse of [`Key::to_u64`].
    #[must_use]
    pub const fn from_u64(packed: u64) -> Self {
        Self::from_parts(packed as u32, (packed >> 32) as u32)
    }
}

/// Values in numbered slots: O(1) to insert, find and remove, and memory follows the load down.
///
/// A value takes the lowest vacant slot, so that the high pages drain and can be freed. One empty
/// page is kept, or a load that sways about a page boundary would allocate at every step.
pub struct Slab<T> {
    pages: Vec<Option<Box<Page<T>>>>,
    /// One bit a page, set unless the page is full; set for pages that are freed or yet to come.
    vacancies: Vec<u64>,
    /// No word of `vacancies` before this one has a bit set.
    first_vacancy: usize,
    spare: Option<Box<Page<T>>>,
    len: usize,
    /// Of the next insertion. Counted for the whole slab, because a freed page forgets its own; a
    /// stale key could only be taken for a live one exactly 2^32 - 1 insertions later.
    pub(crate) generation: NonZeroU32,
}

struct Page<T> {
    occupied: u64,
    slots: [Option<Occupant<T>>; PAGE_SLOTS],
}

/// `NonZeroU32` leaves room to say "vacant", so that a slot costs its value and four bytes.
struct Occupant<T> {
    generation: NonZeroU32,
    value: T,
}

/// As many as a `u64` has bits: finding the vacant slot of a page is one instruction.
const PAGE_SLOTS: usize = u64::BITS as usize;
const PAGES_MAX: usize = (1 << 31) / PAGE_SLOTS;
/// Pages that an empty slab's table may have room for: a light load does not allocate it anew.
const TABLE_KEPT: usize = 4;

impl<T> Slab<T> {
    /// What one slot takes, its value included.
    pub const SLOT_BYTES: usize = size_of::<Option<Occupant<T>>>();

    /// An empty slab, without memory of its own.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pages: Vec::new(),
            vacancies: Vec::new(),
            first_vacancy: 0,
            spare: None,
            len: 0,
            generation: NonZeroU32::MIN,
        }
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many slots there is memory for, the spare page included. Counts the pages.
    #[must_use]
    pub fn capacity_slots(&self) -> usize {
        self.pages.iter().chain([&self.spare]).flatten().count() * PAGE_SLOTS
    }

    /// Puts `value` into the lowest vacant slot.
    ///
    /// # Panics
    ///
    /// With 2^31 values in it, the slab is full.
    pub fn insert(&mut self, value: T) -> Key {
        let number = self.lowest_vacant_page();
        let page = self.pages[number]
            .get_or_insert_with(|| self.spare.take().unwrap_or_else(|| Box::new(Page::new())));
        let slot = page.occupied.trailing_ones() as usize;
        let generation = self.generation;
        page.slots[slot] = Some(Occupant { generation, value });
        page.occupied |= 1 << slot;
        if page.occupied == u64::MAX {
            self.vacancies[number / 64] &= !(1 << (number % 64));
        }
        self.generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.len += 1;
        Key::from_parts((number * PAGE_SLOTS + slot) as u32, generation.get())
    }

    /// Whether `key` finds a value.
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// The value that `key` names.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        let occupant = self.occupant(key.index)?;
        (occupant.generation.get() == key.generation).then_some(&occupant.value)
    }

    /// The value that `key` names, to be changed.
    #[must_use]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let occupant = self.occupant_mut(key.index)?;
        (occupant.generation.get() == key.generation).then_some(&mut occupant.value)
    }

    /// Takes the value that `key` names.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        if !self.contains(key) {
            return None;
        }
        self.remove_at(key.index)
    }

    /// All values with their keys, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let slots = self.pages.iter().enumerate().flat_map(|(number, page)| {
            let slots = page.iter().flat_map(|page| page.slots.iter().enumerate());
            slots.map(move |(slot, occupant)| (number * PAGE_SLOTS + slot, occupant))
        });
        slots.filter_map(|(index, occupant)| {
            let Occupant { generation, value } = occupant.as_ref()?;
            Some((Key::from_parts(index as u32, generation.get()), value))
        })
    }

    /// No value stands at this index or a higher one.
    pub(crate) const fn index_end(&self) -> u32 {
        (self.pages.len() * PAGE_SLOTS) as u32
    }

    /// The key of the value at `index`.
    pub(crate) fn key_at(&self, index: u32) -> Option<Key> {
        self.occupant(index)
            .map(|at| Key::from_parts(index, at.generation.get()))
    }

    /// The value at `index`, whatever its generation: for links between values of one slab.
    pub(crate) fn at(&self, index: u32) -> Option<&T> {
        Some(&self.occupant(index)?.value)
    }

    /// As [`Slab::at`], to be changed.
    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        Some(&mut self.occupant_mut(index)?.value)
    }

    /// Takes the value at `index`, whatever its generation.
    pub(crate) fn remove_at(&mut self, index: u32) -> Option<T> {
        let (number, slot) = split(index);
        let page = self.pages.get_mut(number)?.as_mut()?;
        let occupant = page.slots[slot].take()?;
        page.occupied &= !(1 << slot);
        let emptied = page.occupied == 0;
        self.vacancies[number / 64] |= 1 << (number % 64);
        self.first_vacancy = self.first_vacancy.min(number / 64);
        self.len -= 1;
        if emptied {
            self.release(number);
        }
        Some(occupant.value)
    }

    fn occupant(&self, index: u32) -> Option<&Occupant<T>> {
        let (number, slot) = split(index);
        self.pages.get(number)?.as_ref()?.slots[slot].as_ref()
    }

    fn occupant_mut(&mut self, index: u32) -> Option<&mut Occupant<T>> {
        let (number, slot) = split(index);
        self.pages.get_mut(number)?.as_mut()?.slots[slot].as_mut()
    }

    fn lowest_vacant_page(&mut self) -> usize {
        while self.vacancies.get(self.first_vacancy) == Some(&0) {
            self.first_vacancy += 1;
        }
        if self.first_vacancy == self.vacancies.len() {
            self.vacancies.push(u64::MAX);
        }
        let bit = self.vacancies[self.first_vacancy].trailing_zeros() as usize;
        let number = self.first_vacancy * 64 + bit;
        if number == self.pages.len() {
            assert!(number < PAGES_MAX, "a slab has at most 2^31 slots");
            self.pages.push(None);
        }
        number
    }

    fn release(&mut self, number: usize) {
        // Allocators give their heap back from its top: the page that lies lower pins less of it.
        let page = self.pages[number].take();
        if self.spare.is_none() || address(&page) < address(&self.spare) {
            self.spare = page;
        }
        while let Some(None) = self.pages.last() {
            self.pages.pop();
        }
        // For the same reason: the tables were enlarged under load, so they lie high.
        if self.is_empty() && self.pages.capacity() > TABLE_KEPT {
            (self.pages, self.vacancies) = (Vec::new(), Vec::new());
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Page<T> {
    const fn new() -> Self {
        Self {
            occupied: 0,
            slots: [const { None }; PAGE_SLOTS],
        }
    }
}

fn address<T>(page: &Option<Box<Page<T>>>) -> Option<*const Page<T>> {
    page.as_deref().map(std::ptr::from_ref)
}

/// Page and slot of an index.
const fn split(index: u32) -> (usize, usize) {
    (index as usize / PAGE_SLOTS, index as usize % PAGE_SLOTS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slot_costs_its_value_and_four_bytes() {
        assert_eq!(Slab::<u32>::SLOT_BYTES, 8);
        assert_eq!(Slab::<[u64; 3]>::SLOT_BYTES, 32);
    }

    #[test]
    fn a_key_survives_being_packed() {
        let key = Key::from_parts(7, u32::MAX);
        assert_eq!(Key::from_u64(0xffff_ffff_0000_0007), key);
        assert_eq!(key.to_u64(), 0xffff_ffff_0000_0007);
        assert_ne!(Slab::new().insert(()).generation(), 0);
    }

    #[test]
    fn the_lowest_vacancy_is_taken_first() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..10_000).map(|n| slab.insert(n)).collect();
        for index in [9_999, 3, 4_100, 4] {
            slab.remove(keys[index]);
        }
        let taken: Vec<_> = (0..5).map(|n| slab.insert(n).index()).collect();
        assert_eq!(taken, [3, 4, 4_100, 9_999, 10_000]);
    }

    #[test]
    fn memory_is_given_back_whatever_the_order_of_removal() {
        let strides: [usize; 3] = [1, 9_999, 4_567]; // up, down, scattered: all coprime to 10,000
        for stride in strides {
            let mut slab = Slab::new();
            let keys: Vec<_> = (0..10_000).map(|n| slab.insert(n)).collect();
            assert_eq!(slab.capacity_slots(), 10_048);
            let lowest = slab.pages.iter().map(address).min().flatten();
            for n in 0..keys.len() {
                assert!(slab.remove(keys[n * stride % keys.len()]).is_some());
            }
            assert_eq!(slab.capacity_slots(), PAGE_SLOTS, "stride {stride}");
            assert_eq!(
                address(&slab.spare),
                lowest,
                "stride {stride}: a higher page is kept"
            );
            assert!(
                slab.pages.capacity() <= TABLE_KEPT,
                "stride {stride}: the table is kept"
            );
            assert_eq!(slab.insert(0).index(), 0);
        }
    }

    #[test]
    fn swaying_about_a_page_boundary_moves_the_spare_page_to_and_fro() {
        let mut slab = Slab::new();
        (0..PAGE_SLOTS).for_each(|_| _ = slab.insert(0));
        for _ in 0..3 {
            let key = slab.insert(0);
            assert_eq!(slab.capacity_slots(), 2 * PAGE_SLOTS);
            slab.remove(key);
            assert_eq!(slab.capacity_slots(), 2 * PAGE_SLOTS, "no spare was kept");
            assert_eq!(slab.pages.len(), 1);
        }
    }

    #[test]
    fn a_stale_key_finds_nothing_after_its_page_was_freed() {
        let mut slab = Slab::new();
        let stale: Vec<_> = (0..1_000).map(|n| slab.insert(n)).collect();
        stale.iter().for_each(|&key| _ = slab.remove(key));
        (0..1_000).for_each(|n| _ = slab.insert(n));
        assert!(
            stale
                .iter()
                .all(|&key| !slab.contains(key) && slab.remove(key).is_none())
        );
        assert_eq!(slab.len(), 1_000);
    }

    #[test]
    fn generations_wrap_past_zero() {
        let mut slab = Slab::new();
        slab.generation = NonZeroU32::MAX;
        assert_eq!(slab.insert('a').generation(), u32::MAX);
        assert_eq!(slab.insert('b').generation(), 1);
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(
            steps in prop::collection::vec((0..20_u8, any::<prop::sample::Index>()), 1..2_000),
        ) {
            let (mut slab, mut model, mut keys) = (Slab::new(), HashMap::new(), Vec::new());
            for (number, (kind, pick)) in steps.into_iter().enumerate() {
                if kind < 11 || keys.is_empty() {
                    let key = slab.insert(number);
                    prop_assert!(model.insert(key, number).is_none(), "{key:?} given out twice");
                    keys.push(key);
                } else {
                    let key = keys[pick.index(keys.len())]; // most likely live, often stale
                    if let Some(value) = slab.get_mut(key) {
                        *value += 1;
                    }
                    model.entry(key).and_modify(|value| *value += 1);
                    prop_assert_eq!(slab.get(key), model.get(&key));
                    prop_assert_eq!(slab.remove(key), model.remove(&key));
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            let found: HashMap<_, _> = slab.iter().map(|(key, &value)| (key, value)).collect();
            prop_assert_eq!(found, model);
            prop_assert!(slab.iter().is_sorted_by_key(|(key, _)| key.index()));
        }
    }
}
