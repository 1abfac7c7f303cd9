//! The lists of the wheel: circular, doubly linked by index through one slab, so that an entry
//! leaves its list in O(1) without knowing which one it is.

use crate::slab::{Key, Slab};
use crate::time::Tick;

/// Levels of slots.
pub(super) const LEVELS: usize = 4;

/// One of the lists: a slot of a level, or what is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct List(u32);

impl List {
    /// Its bit stands in a word of its own, after those of the levels.
    pub(super) const DUE: Self = Self::slot(LEVELS, 0);
    const COUNT: usize = Self::DUE.0 as usize + 1;

    pub(super) const fn slot(level: usize, index: u64) -> Self {
        Self(level as u32 * u64::BITS + index as u32)
    }

    pub(super) const fn level(self) -> usize {
        (self.0 / u64::BITS) as usize
    }

    const fn bit(self) -> u64 {
        1 << (self.0 % u64::BITS)
    }
}

/// Leads to an entry by its index in the slab or, with the top bit set, to the head of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Link(u32);

impl Link {
    /// The slab's indices end below it.
    const HEAD: u32 = 1 << 31;

    const fn head(list: List) -> Self {
        Self(Self::HEAD | list.0)
    }

    const fn as_head(self) -> Option<List> {
        if self.0 & Self::HEAD == 0 {
            None
        } else {
            Some(List(self.0 & !Self::HEAD))
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Links {
    prev: Link,
    next: Link,
}

impl Links {
    /// Those of a head whose list has no entries.
    const fn none(list: List) -> Self {
        Self {
            prev: Link::head(list),
            next: Link::head(list),
        }
    }
}

struct Entry<T> {
    deadline: Tick,
    links: Links,
    value: T,
}

/// A million timers with a key each are 32 MB.
const _: () = assert!(Slab::<Entry<Key>>::SLOT_BYTES <= 32);

pub(super) struct Lists<T> {
    entries: Slab<Entry<T>>,
    heads: [Links; List::COUNT],
    /// One bit a list, a word for each level and one for `DUE`: set while the list has entries.
    occupied: [u64; LEVELS + 1],
}

impl<T> Lists<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: Slab::new(),
            heads: std::array::from_fn(|number| Links::none(List(number as u32))),
            occupied: [0; LEVELS + 1],
        }
    }

    /// Entries in all lists.
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// The slots of `level` that have entries, one bit each.
    pub(super) const fn occupied(&self, level: usize) -> u64 {
        self.occupied[level]
    }

    pub(super) const fn is_empty(&self, list: List) -> bool {
        self.occupied[list.level()] & list.bit() == 0
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        self.entries.contains(key)
    }

    /// Index and deadline of the first entry.
    pub(super) fn front(&self, list: List) -> Option<(u32, Tick)> {
        let Link(index) = self.heads[list.0 as usize].next;
        let entry = self.entries.at(index)?; // an empty list's head leads to itself: no entry
        Some((index, entry.deadline))
    }

    /// Adds an entry to the end of `list`.
    pub(super) fn insert(&mut self, list: List, deadline: Tick, value: T) -> Key {
        let links = self.end_of(list);
        let key = self.entries.insert(Entry {
            deadline,
            links,
            value,
        });
        self.join(key.index(), list, links);
        key
    }

    /// Takes an entry out. Says which list that emptied, if any.
    pub(super) fn remove(&mut self, index: u32) -> (T, Option<List>) {
        let emptied = self.unlink(index);
        let entry = self
            .entries
            .remove_at(index)
            .expect("unlinking found the entry");
        (entry.value, emptied)
    }

    /// Moves an entry to the end of `list`. Says which list that emptied, if any.
    pub(super) fn move_to(&mut self, index: u32, list: List) -> Option<List> {
        let emptied = self.unlink(index);
        let links = self.end_of(list);
        *self.links_mut(Link(index)) = links;
        self.join(index, list, links);
        emptied
    }

    /// Moves all of a list to an empty one, at once.
    pub(super) fn move_all(&mut self, from: List, to: List) {
        debug_assert!(self.is_empty(to) && !self.is_empty(from));
        let Links {
            prev: last,
            next: first,
        } = self.links(Link::head(from));
        self.links_mut(first).prev = Link::head(to);
        self.links_mut(last).next = Link::head(to);
        *self.links_mut(Link::head(to)) = Links {
            prev: last,
            next: first,
        };
        *self.links_mut(Link::head(from)) = Links::none(from);
        self.occupied[to.level()] |= to.bit();
        self.occupied[from.level()] &= !from.bit();
    }

    /// Where an entry goes that comes last in `list`.
    fn end_of(&self, list: List) -> Links {
        Links {
            prev: self.links(Link::head(list)).prev,
            next: Link::head(list),
        }
    }

    fn join(&mut self, index: u32, list: List, links: Links) {
        self.links_mut(links.prev).next = Link(index);
        self.links_mut(links.next).prev = Link(index);
        self.occupied[list.level()] |= list.bit();
    }

    fn unlink(&mut self, index: u32) -> Option<List> {
        let Links { prev, next } = self.links(Link(index));
        self.links_mut(prev).next = next;
        self.links_mut(next).prev = prev;
        // An entry between a head and itself was the only one.
        let emptied = prev.as_head().filter(|_| prev == next)?;
        self.occupied[emptied.level()] &= !emptied.bit();
        Some(emptied)
    }

    fn links(&self, at: Link) -> Links {
        match at.as_head() {
            Some(list) => self.heads[list.0 as usize],
            None => {
                self.entries
                    .at(at.0)
                    .expect("a link leads to an entry")
                    .links
            }
        }
    }

    fn links_mut(&mut self, at: Link) -> &mut Links {
        match at.as_head() {
            Some(list) => &mut self.heads[list.0 as usize],
            None => {
                &mut self
                    .entries
                    .at_mut(at.0)
                    .expect("a link leads to an entry")
                    .links
            }
        }
    }
}
