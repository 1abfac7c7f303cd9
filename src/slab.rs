//! Slots with generational keys, in one table that grows and shrinks with the load.

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
/// A value takes the lowest vacant slot, so that the table's upper end drains and can be cut off. The table is one
/// allocation: a large one is the system's own mapping, which is moved when it grows and given back when it
/// shrinks, whatever else lies on the heap. Small pieces would be kept there by any younger one above them.
pub struct Slab<T> {
    slots: Vec<Option<Occupant<T>>>,
    /// One bit a slot, set if it is occupied.
    occupied: Vec<u64>,
    /// One bit a word of `occupied`, set unless it is full; set for words that are yet to come.
    vacancies: Vec<u64>,
    /// No word of `vacancies` before this one has a bit set.
    first_vacancy: usize,
    len: usize,
    /// Of the next insertion. Counted for the whole slab, because a slot that was cut off forgets its own; a
    /// stale key could only be taken for a live one exactly 2^32 - 1 insertions later.
    pub(crate) generation: NonZeroU32,
}

/// `NonZeroU32` leaves room to say "vacant", so that a slot costs its value and four bytes.
struct Occupant<T> {
    generation: NonZeroU32,
    value: T,
}

const WORD_BITS: usize = u64::BITS as usize;
const SLOTS_MAX: usize = 1 << 31;
/// Room for so many slots is kept: a light load does not allocate the table anew.
const SLOTS_KEPT: usize = 64;

impl<T> Slab<T> {
    /// What one slot takes, its value included.
    pub const SLOT_BYTES: usize = size_of::<Option<Occupant<T>>>();

    /// An empty slab, without memory of its own.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            occupied: Vec::new(),
            vacancies: Vec::new(),
            first_vacancy: 0,
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

    /// How many slots there is memory for.
    #[must_use]
    pub const fn capacity_slots(&self) -> usize {
        self.slots.capacity()
    }

    /// Puts `value` into the lowest vacant slot.
    ///
    /// # Panics
    ///
    /// With 2^31 values in it, the slab is full.
    pub fn insert(&mut self, value: T) -> Key {
        let word = self.lowest_vacant_word();
        let index = word * WORD_BITS + self.occupied[word].trailing_ones() as usize;
        let generation = self.generation;
        let occupant = Some(Occupant { generation, value });
        if index == self.slots.len() {
            assert!(index < SLOTS_MAX, "a slab has at most 2^31 slots");
            self.slots.push(occupant);
        } else {
            self.slots[index] = occupant;
        }
        self.occupied[word] |= 1 << (index % WORD_BITS);
        if self.occupied[word] == u64::MAX {
            self.vacancies[word / WORD_BITS] &= !(1 << (word % WORD_BITS));
        }
        self.generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.len += 1;
        Key::from_parts(index as u32, generation.get())
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
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(index, occupant)| {
            let Occupant { generation, value } = occupant.as_ref()?;
            Some((Key::from_parts(index as u32, generation.get()), value))
        })
    }

    /// No value stands at this index or a higher one.
    pub(crate) const fn index_end(&self) -> u32 {
        self.slots.len() as u32
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
        let index = index as usize;
        let occupant = self.slots.get_mut(index)?.take()?;
        let word = index / WORD_BITS;
        self.occupied[word] &= !(1 << (index % WORD_BITS));
        self.vacancies[word / WORD_BITS] |= 1 << (word % WORD_BITS);
        self.first_vacancy = self.first_vacancy.min(word / WORD_BITS);
        self.len -= 1;
        if index + 1 == self.slots.len() {
            self.cut_off();
        }
        Some(occupant.value)
    }

    fn occupant(&self, index: u32) -> Option<&Occupant<T>> {
        self.slots.get(index as usize)?.as_ref()
    }

    fn occupant_mut(&mut self, index: u32) -> Option<&mut Occupant<T>> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    fn lowest_vacant_word(&mut self) -> usize {
        while self.vacancies.get(self.first_vacancy) == Some(&0) {
            self.first_vacancy += 1;
        }
        if self.first_vacancy == self.vacancies.len() {
            self.vacancies.push(u64::MAX);
        }
        let bit = self.vacancies[self.first_vacancy].trailing_zeros() as usize;
        let word = self.first_vacancy * WORD_BITS + bit;
        if word == self.occupied.len() {
            self.occupied.push(0);
        }
        word
    }

    /// Takes the vacant slots off the upper end, and gives memory back when a quarter of it would do.
    fn cut_off(&mut self) {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
        }
        let len = self.slots.len();
        if len < self.slots.capacity() / 4 {
            self.slots.shrink_to(SLOTS_KEPT.max(len * 2));
            self.occupied.truncate(len.div_ceil(WORD_BITS));
            self.occupied.shrink_to(len * 2 / WORD_BITS);
            self.vacancies
                .truncate(self.occupied.len().div_ceil(WORD_BITS));
            self.first_vacancy = self.first_vacancy.min(self.vacancies.len());
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
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
            assert!(slab.capacity_slots() >= 10_000);
            for n in 0..keys.len() {
                assert!(slab.remove(keys[n * stride % keys.len()]).is_some());
            }
            assert!(slab.capacity_slots() <= SLOTS_KEPT, "stride {stride}");
            assert!(slab.occupied.capacity() <= 4, "stride {stride}");
            assert_eq!(slab.insert(0).index(), 0);
        }
    }

    #[test]
    fn swaying_about_any_size_does_not_allocate() {
        let mut slab = Slab::new();
        for count in 1..1_000 {
            slab.insert(count);
            let capacity = slab.capacity_slots();
            for _ in 0..3 {
                let key = slab.insert(0);
                let grown = slab.capacity_slots();
                slab.remove(key);
                assert_eq!(slab.capacity_slots(), grown, "{count} slots");
            }
            assert!(slab.capacity_slots() <= 2 * capacity.max(4));
        }
    }

    #[test]
    fn a_stale_key_finds_nothing_after_its_slot_was_cut_off() {
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
