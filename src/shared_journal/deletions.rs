//! Jobs that are to be deleted from the hash, and the last ones that were.

use std::collections::{BTreeMap, VecDeque};

use super::name::Name;

/// So many confirmed deletions are remembered: what a failover brings back of them is deleted and not answered.
const DONE_MAX: usize = 4_096;

/// One renewal deletes so many jobs of each kind at most.
const SENT_MAX: usize = 4_096;

/// Why a job is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It is delivered or abandoned.
    Settled,
    /// Its command was answered "busy". Another replica may rely on it.
    Withdrawn,
}

/// What is to be deleted stays here until a renewal has confirmed it.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    wanted: BTreeMap<Name, Why>,
    done: BTreeMap<Name, Why>,
    /// The same, the oldest first.
    order: VecDeque<Name>,
}

/// What one renewal deletes.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    pub(super) settled: Vec<Name>,
    pub(super) withdrawn: Vec<Name>,
}

impl Deletions {
    pub(super) fn settle(&mut self, name: Name) {
        self.wanted.insert(name, Why::Settled);
    }

    pub(super) fn withdraw(&mut self, name: Name) {
        self.wanted.insert(name, Why::Withdrawn);
    }

    /// A job of this name is pending again.
    pub(super) fn forget(&mut self, name: &Name) {
        self.wanted.remove(name);
        self.done.remove(name);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether one renewal can delete all of them.
    pub(super) fn fits(&self) -> bool {
        self.wanted.len() <= SENT_MAX
    }

    /// Whether a job of this name that is found in Redis must not be answered. It is deleted again; if it was withdrawn,
    /// unless another replica relies on it.
    pub(super) fn is_over(&mut self, name: &Name) -> bool {
        if let Some(why) = self.done.get(name) {
            self.wanted.entry(*name).or_insert(*why);
        }
        self.wanted.contains_key(name)
    }

    /// What the next renewal deletes.
    pub(super) fn next(&self) -> Sent {
        let of = |why| {
            let names = self.wanted.iter().filter(move |(_, other)| **other == why);
            names.map(|(name, _)| *name).take(SENT_MAX).collect()
        };
        Sent {
            settled: of(Why::Settled),
            withdrawn: of(Why::Withdrawn),
        }
    }

    /// A renewal has deleted these.
    pub(super) fn confirm(&mut self, sent: &Sent) {
        for name in sent.settled.iter().chain(&sent.withdrawn) {
            // Meanwhile it may be pending again.
            if let Some(why) = self.wanted.remove(name) {
                self.remember(*name, why);
            }
        }
    }

    /// Others have all jobs of this replica: none is to be deleted any more, and none that comes back is answered.
    pub(super) fn give_up(&mut self) {
        for (name, why) in std::mem::take(&mut self.wanted) {
            self.remember(name, why);
        }
    }

    fn remember(&mut self, name: Name, why: Why) {
        if self.done.insert(name, why).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > DONE_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.done.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64) -> Name {
        Name::numbered([0; 8], number)
    }

    #[test]
    fn a_deletion_is_repeated_until_it_is_confirmed_and_remembered_afterwards() {
        let mut deletions = Deletions::default();
        deletions.settle(name(1));
        deletions.withdraw(name(2));
        let sent = deletions.next();
        assert_eq!(
            (&*sent.settled, &*sent.withdrawn),
            (&[name(1)][..], &[name(2)][..])
        );
        assert_eq!(deletions.next().settled, sent.settled, "no answer");
        deletions.settle(name(3));
        deletions.confirm(&sent);
        assert_eq!(deletions.next().settled, [name(3)], "it was not sent");
        assert!((1..=3).all(|number| deletions.is_over(&name(number))));
        let again = deletions.next();
        assert_eq!(again.settled, [name(1), name(3)]);
        assert_eq!(again.withdrawn, [name(2)], "another replica may rely on it");
    }

    #[test]
    fn a_name_that_is_pending_again_is_not_deleted() {
        let mut deletions = Deletions::default();
        deletions.withdraw(name(1));
        let sent = deletions.next();
        deletions.forget(&name(1));
        deletions.confirm(&sent);
        assert!(deletions.is_empty() && !deletions.is_over(&name(1)));
    }

    #[test]
    fn the_last_ones_are_remembered_and_no_more() {
        let mut deletions = Deletions::default();
        for number in 0..DONE_MAX as u64 + 10 {
            deletions.settle(name(number));
        }
        assert_eq!(deletions.next().settled.len(), SENT_MAX);
        deletions.give_up();
        assert!(deletions.is_empty());
        assert!(!deletions.is_over(&name(9)) && deletions.is_over(&name(10)));
        assert_eq!(deletions.order.len(), deletions.done.len());
    }
}
