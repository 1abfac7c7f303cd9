//! What the model stores: hashes and sorted sets, which are there as long as they are not empty.

use std::collections::BTreeMap;
use std::ops::Bound;

pub(crate) type Hash = BTreeMap<Vec<u8>, Vec<u8>>;
/// A field and its value.
pub(crate) type Field = (Vec<u8>, Vec<u8>);
pub(crate) type SortedSet = BTreeMap<Vec<u8>, i64>;

/// All keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keyspace {
    pub(crate) hashes: BTreeMap<Vec<u8>, Hash>,
    pub(crate) sets: BTreeMap<Vec<u8>, SortedSet>,
    /// After which field a scan goes on, by its cursor.
    cursors: Cursors,
}

/// No two servers have the same ones, and two that have are equal nevertheless.
#[derive(Clone, Debug, Default)]
struct Cursors(Vec<Vec<u8>>);

impl PartialEq for Cursors {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Cursors {}

impl Keyspace {
    /// A hash, empty if there is none.
    pub(crate) fn hash(&self, key: &[u8]) -> &Hash {
        const EMPTY: &Hash = &Hash::new();
        self.hashes.get(key).unwrap_or(EMPTY)
    }

    pub(crate) fn hset(&mut self, key: &[u8], field: &[u8], value: &[u8]) {
        let hash = self.hashes.entry(key.to_vec()).or_default();
        hash.insert(field.to_vec(), value.to_vec());
    }

    pub(crate) fn hdel(&mut self, key: &[u8], field: &[u8]) {
        if let Some(hash) = self.hashes.get_mut(key) {
            hash.remove(field);
            if hash.is_empty() {
                self.hashes.remove(key);
            }
        }
    }

    /// A sorted set, empty if there is none.
    pub(crate) fn set(&self, key: &[u8]) -> &SortedSet {
        const EMPTY: &SortedSet = &SortedSet::new();
        self.sets.get(key).unwrap_or(EMPTY)
    }

    pub(crate) fn zadd(&mut self, key: &[u8], member: &[u8], score: i64) {
        let set = self.sets.entry(key.to_vec()).or_default();
        set.insert(member.to_vec(), score);
    }

    pub(crate) fn zrem(&mut self, key: &[u8], member: &[u8]) {
        if let Some(set) = self.sets.get_mut(key) {
            set.remove(member);
            if set.is_empty() {
                self.sets.remove(key);
            }
        }
    }

    /// The members with these scores, in the order of scores and then of names.
    pub(crate) fn by_score(&self, key: &[u8], up_to: i64) -> Vec<Vec<u8>> {
        let mut members: Vec<_> = self.set(key).iter().collect();
        members.retain(|(_, score)| **score <= up_to);
        members.sort_by_key(|(member, score)| (**score, (*member).clone()));
        members
            .into_iter()
            .map(|(member, _)| member.clone())
            .collect()
    }

    /// A part of a hash, and the cursor of the next one, 0 after the last.
    pub(crate) fn scan(&mut self, key: &[u8], cursor: usize, count: usize) -> (usize, Vec<Field>) {
        let start = match cursor {
            0 => Bound::Unbounded,
            cursor => Bound::Excluded(self.cursors.0[cursor - 1].clone()),
        };
        let mut rest = self.hash(key).range((start, Bound::Unbounded));
        let page: Vec<_> = rest
            .by_ref()
            .take(count)
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        if rest.next().is_none() {
            return (0, page);
        }
        let last = page.last().expect("a page has entries").0.clone();
        self.cursors.0.push(last);
        (self.cursors.0.len(), page)
    }
}
