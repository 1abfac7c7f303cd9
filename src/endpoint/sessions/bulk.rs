//! Sessions that have had a turn and have more to read or to answer: whose turn is next.

use std::collections::VecDeque;

use crate::slab::Key;

/// Those that wait, each in its order. Clients do not queue behind all who have not authenticated, however many
/// those are and however much they send; nor do those behind clients, since a new connection of Slack's is one of them.
#[derive(Debug, Default)]
pub(crate) struct Bulk {
    clients: VecDeque<Key>,
    others: VecDeque<Key>,
}

impl Bulk {
    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.others.is_empty()
    }

    pub(crate) fn push(&mut self, key: Key, is_client: bool) {
        let queue = if is_client {
            &mut self.clients
        } else {
            &mut self.others
        };
        queue.push_back(key);
    }

    /// How many clients and others have one of so many turns: half of them each, if there are enough of both.
    pub(crate) fn shares(&self, count: usize) -> (usize, usize) {
        let others = self.others.len().min(count / 2);
        let clients = self.clients.len().min(count - others);
        (clients, self.others.len().min(count - clients))
    }

    pub(crate) fn pop(&mut self, is_client: bool) -> Option<Key> {
        if is_client {
            self.clients.pop_front()
        } else {
            self.others.pop_front()
        }
    }

    #[cfg(any(test, debug_assertions))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.clients.iter().chain(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(clients: u32, others: u32, count: usize) -> (usize, usize) {
        let mut bulk = Bulk::default();
        for index in 0..clients {
            bulk.push(Key::from_parts(index, 1), true);
        }
        for index in 0..others {
            bulk.push(Key::from_parts(index, 2), false);
        }
        assert_eq!(bulk.iter().count(), (clients + others) as usize);
        bulk.shares(count)
    }

    #[test]
    fn each_kind_has_half_of_a_turn_and_what_the_other_leaves() {
        assert_eq!(shares(0, 0, 16), (0, 0));
        assert_eq!(shares(1, 100, 16), (1, 15));
        assert_eq!(shares(100, 1, 16), (15, 1));
        assert_eq!(shares(100, 100, 16), (8, 8));
        assert_eq!(shares(3, 4, 16), (3, 4));
        assert_eq!(shares(0, 100, 16), (0, 16));
    }
}
