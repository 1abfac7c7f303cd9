//! Slots with generational keys, in one table that grows and shrinks with the load.

use std::num::NonZeroU32;

/// Names a value in a [`Slab`] for as long as it stays there; afterwards it finds nothing.
///
/// No key that a slab gave out has generation 0: `to_u64` leaves the numbers below 2^32 to others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
/// shrinks, independent of the heap. A table of small pieces could not be given back: a later allocation above a piece keeps
/// the heap's end where it is.
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
/// Room for this many slots is kept: a light load does not allocate the table anew.
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
    #[cfg(test)]
    pub(crate) const fn capacity_slots(&self) -> usize {
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
mod tests;
