//! Which pending job a request has made.
//!
//! A hash table of chains, linked by the numbers of the jobs' slots: 12 bytes a slot and 4 a bucket. It grows and shrinks by
//! one bucket at a time (linear hashing, W. Litwin 1980), so that no command waits until the ids of all pending jobs
//! have been moved. It has no seed: the ids are parts of signatures.

use crate::request_id::RequestId;

/// The end of a chain.
const END: u32 = u32::MAX;
/// The slot is in no chain. Slots are below 2^31.
const VACANT: u32 = u32::MAX - 1;

/// Buckets that are kept: a light load does not allocate the table anew.
const BUCKETS_KEPT: usize = 64;

/// A slot with the id of its job's request, in the chain of its bucket.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// The id in two halves: as one number it would be aligned to 8 bytes, and each link had 4 bytes more.
    id: [u32; 2],
    next: u32,
}

const _: () = assert!(size_of::<Link>() == 12, "no byte is wasted");

impl Link {
    const VACANT: Self = Self {
        id: [0; 2],
        next: VACANT,
    };

    const fn new(id: RequestId, next: u32) -> Self {
        let id = [id.0 as u32, (id.0 >> 32) as u32];
        Self { id, next }
    }

    #[cfg(test)]
    const fn id(self) -> RequestId {
        RequestId(self.id[0] as u64 | (self.id[1] as u64) << 32)
    }
}

/// The slots of jobs by the ids of their requests. A job need not have one.
#[derive(Debug, Default)]
pub(super) struct RequestIndex {
    /// By slot.
    links: Vec<Link>,
    /// The first slot of each chain. There are at least as many as there are ids.
    buckets: Vec<u32>,
    len: usize,
}

impl RequestIndex {
    /// A slot whose job was made by this request.
    pub(super) fn find(&self, id: RequestId) -> Option<u32> {
        if self.buckets.is_empty() {
            return None;
        }
        let link = Link::new(id, END);
        let mut slot = self.buckets[bucket(link, self.buckets.len())];
        while slot != END {
            let at = &self.links[slot as usize];
            if at.id == link.id {
                return Some(slot);
            }
            slot = at.next;
        }
        None
    }

    /// The job in this slot, which has none here, was made by this request.
    pub(super) fn insert(&mut self, slot: u32, id: RequestId) {
        if self.len == self.buckets.len() {
            self.split();
        }
        let link = Link::new(id, END);
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, Link::VACANT);
        }
        self.links[index] = link;
        self.push(bucket(link, self.buckets.len()), slot);
        self.len += 1;
    }

    /// Forgets the request of the job in this slot, if it has one here.
    pub(super) fn remove(&mut self, slot: u32) {
        let link = self.links.get(slot as usize);
        let Some(&link) = link.filter(|link| link.next != VACANT) else {
            return;
        };
        let bucket = bucket(link, self.buckets.len());
        let mut before = self.buckets[bucket];
        if before == slot {
            self.buckets[bucket] = link.next;
        } else {
            while self.links[before as usize].next != slot {
                before = self.links[before as usize].next;
            }
            self.links[before as usize].next = link.next;
        }
        self.links[slot as usize] = Link::VACANT;
        self.len -= 1;
        while self.buckets.len() > BUCKETS_KEPT.max(2 * self.len) {
            self.merge();
        }
        if slot as usize + 1 == self.links.len() {
            self.cut_off();
        }
    }

    /// Puts a slot at the front of a chain.
    fn push(&mut self, bucket: usize, slot: u32) {
        self.links[slot as usize].next = self.buckets[bucket];
        self.buckets[bucket] = slot;
    }

    /// One bucket more: some of what is in its partner belongs to it.
    fn split(&mut self) {
        let new = self.buckets.len();
        self.buckets.push(END);
        if new == 0 {
            return;
        }
        let partner = partner(new);
        let mut slot = std::mem::replace(&mut self.buckets[partner], END);
        while slot != END {
            let link = self.links[slot as usize];
            self.push(bucket(link, new + 1), slot);
            slot = link.next;
        }
    }

    /// One bucket less: all that is in it belongs to its partner.
    fn merge(&mut self) {
        let Some(mut slot) = self.buckets.pop() else {
            return;
        };
        let partner = partner(self.buckets.len());
        while slot != END {
            let next = self.links[slot as usize].next;
            self.push(partner, slot);
            slot = next;
        }
        if self.buckets.len() < self.buckets.capacity() / 4 {
            self.buckets.shrink_to(self.buckets.len() * 2);
        }
    }

    /// Takes the vacant slots off the upper end, and gives memory back when a quarter of it would do.
    fn cut_off(&mut self) {
        while self.links.last().is_some_and(|link| link.next == VACANT) {
            self.links.pop();
        }
        if self.links.len() < self.links.capacity() / 4 {
            self.links.shrink_to(BUCKETS_KEPT.max(self.links.len() * 2));
        }
    }

    /// The id of the request that has made the job in this slot.
    #[cfg(test)]
    pub(super) fn id(&self, slot: u32) -> Option<RequestId> {
        let link = self.links.get(slot as usize)?;
        (link.next != VACANT).then(|| link.id())
    }
}

/// Which of so many buckets an id belongs to: the last bits of the id, as many as there are buckets for, and where that
/// bucket is yet to come, one bit less.
const fn bucket(link: Link, buckets: usize) -> usize {
    let mask = buckets.next_power_of_two() - 1;
    let bucket = link.id[0] as usize & mask;
    if bucket < buckets {
        bucket
    } else {
        bucket & (mask >> 1)
    }
}

/// The bucket that has what belongs to this one while this one is yet to come: its number without the first bit.
const fn partner(bucket: usize) -> usize {
    bucket & !(1 << bucket.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Ids as the hash makes them.
    fn id(number: u64) -> RequestId {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        RequestId(mixed ^ mixed >> 29)
    }

    impl RequestIndex {
        fn check(&self) {
            let mut found = 0;
            for (number, first) in self.buckets.iter().enumerate() {
                let mut slot = *first;
                while slot != END {
                    let link = self.links[slot as usize];
                    assert_eq!(bucket(link, self.buckets.len()), number);
                    found += 1;
                    slot = link.next;
                }
            }
            assert_eq!(found, self.len, "each is in one chain");
            assert!(self.links.last().is_none_or(|link| link.next != VACANT));
            assert!(self.len <= self.buckets.len());
            assert!(self.buckets.len() <= BUCKETS_KEPT.max(2 * self.len));
        }
    }

    #[test]
    fn a_job_is_found_by_its_request_until_it_is_removed() {
        let mut index = RequestIndex::default();
        assert_eq!(index.find(id(1)), None);
        index.remove(3);
        index.insert(3, id(1));
        index.insert(0, id(2));
        assert_eq!((index.find(id(1)), index.find(id(2))), (Some(3), Some(0)));
        assert_eq!((index.id(3), index.id(1)), (Some(id(1)), None));
        index.remove(3);
        index.remove(3);
        assert_eq!((index.find(id(1)), index.find(id(2))), (None, Some(0)));
        index.insert(3, id(3));
        assert_eq!((index.find(id(1)), index.find(id(3))), (None, Some(3)));
        index.check();
    }

    /// All 64 bits count, wherever they differ.
    #[test]
    fn ids_that_are_alike_in_either_half_are_told_apart() {
        let mut index = RequestIndex::default();
        let ids = [0, 1, 1 << 31, 1 << 32, 1 << 63, u64::MAX].map(RequestId);
        for (slot, id) in (0..).zip(ids) {
            assert_eq!(index.find(id), None);
            index.insert(slot, id);
        }
        for (slot, id) in (0..).zip(ids) {
            assert_eq!(index.find(id), Some(slot));
        }
        index.check();
    }

    #[test]
    fn a_burst_gives_its_memory_back_and_a_job_costs_16_bytes() {
        const JOBS: u32 = 100_000;
        let mut index = RequestIndex::default();
        for slot in 0..JOBS {
            index.insert(slot, id(u64::from(slot)));
        }
        index.check();
        let bytes = index.links.len() * size_of::<Link>() + index.buckets.len() * size_of::<u32>();
        assert_eq!(bytes, 16 * JOBS as usize);
        let chains = index.buckets.iter().filter(|first| **first != END);
        assert!(chains.count() > JOBS as usize / 2, "the chains are short");
        for slot in (0..JOBS).rev() {
            index.remove(slot);
        }
        index.check();
        assert!(index.links.capacity() <= 4 * BUCKETS_KEPT);
        assert!(index.buckets.capacity() <= 8 * BUCKETS_KEPT);
    }

    proptest! {
        #[test]
        fn it_finds_what_a_map_finds(
            steps in vec((any::<bool>(), 0_u32..300, 0_u64..400), 0..900),
        ) {
            let (mut index, mut map) = (RequestIndex::default(), BTreeMap::new());
            for (inserts, slot, number) in steps {
                let is_taken = map.values().any(|taken| *taken == number);
                if inserts && !is_taken && !map.contains_key(&slot) {
                    index.insert(slot, id(number));
                    map.insert(slot, number);
                } else {
                    index.remove(slot);
                    map.remove(&slot);
                }
            }
            index.check();
            for number in 0..400 {
                let mut slots = map.iter().filter(|(_, taken)| **taken == number);
                let slot = slots.next().map(|(slot, _)| *slot);
                prop_assert_eq!(index.find(id(number)), slot);
            }
        }
    }
}
