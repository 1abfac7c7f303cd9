//! Jobs that Redis may have lost, and that no comparison with the hash of this replica finds.

use super::super::name::Name;
use super::{Replica, new_id};
use crate::store::Event;

impl Replica {
    /// A failover, or a restart, forgets what was neither replicated nor synced; a server that is the same has all.
    pub(super) fn doubt_server(&mut self) {
        self.spares.doubt_all();
        self.comparison.outdate();
    }

    /// Of the jobs of others, Redis has those at these places.
    pub(super) fn looked(&mut self, put: &[Name], looked_for: &[Name], found: Option<Vec<usize>>) {
        let Some(found) = found else {
            return;
        };
        for (at, name) in put.iter().chain(looked_for).enumerate() {
            let is_put = at < put.len();
            if found.contains(&at) {
                self.spares.see(name);
            } else if is_put {
                // Redis had lost it: from now on it is one of this replica, which has to fetch it.
                self.spares.see(name);
                self.deletions.forget(name);
                self.find(*name);
                self.counters.put_again += 1;
                self.has_unconfirmed = true;
            } else {
                self.spares.remove(name);
            }
        }
    }

    /// Others have what was kept. A new start, but for the jobs whose commands still wait, and for those that Redis had lost
    /// and did not have again, since it was full, or away: no other replica has them.
    pub(super) fn fence(&mut self) {
        self.counters.fenced += 1;
        self.membership.rename(new_id(&mut self.random));
        // What this server has never shown to have, a failover may have forgotten before the others took the rest. With `wait` it
        // has what was acknowledged, but perhaps not what was put again since. A reply that the others have posted meanwhile is
        // better posted twice than never.
        let is_unconfirmed = self.wait == 0 || self.has_unconfirmed;
        let is_doubted = self.comparison.is_outdated() && is_unconfirmed;
        self.has_unconfirmed = false;
        let (lost, others) = self.table.forget_kept(is_doubted);
        for (name, value) in others {
            self.spares.doubt(name, value);
        }
        self.deletions.give_up();
        self.found.clear();
        self.unreadable.clear();
        self.comparison.give_up();
        self.take_over.start_again();
        self.events.push_back(Event::Fenced(lost));
    }
}
