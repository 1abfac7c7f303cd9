//! Jobs that the hash has and the table lacks: those that are taken over, and those that a comparison finds.

use std::collections::btree_map::Entry;

use super::super::LIFETIME_MS;
use super::super::answers::{Listed, Seen, Taken};
use super::super::name::Name;
use super::super::value::Value;
use super::Replica;
use crate::redis::Reply;
use crate::store::{Adopted, Event};
use crate::time::Tick;

impl Replica {
    /// A command that was sent on a lost connection may have been executed after those of the next one.
    pub(super) fn compare_if_needed(&mut self, jobs: u64, now: Tick) {
        // Of a batch that was sent before, Redis may have what is not kept. One that is sent for the first time it gets after
        // it has counted; under load there always is one.
        let is_quiet = self.tickets.are_untried()
            && self.found.is_empty()
            && self.unreadable.is_empty()
            && self.table.again().is_empty()
            && self.deletions.is_empty()
            && self.comparison.is_over();
        if is_quiet && jobs != self.table.kept() as u64 {
            let lease_ms = self.membership.lease_ms();
            self.comparison.begin_by_itself(now, lease_ms);
        }
    }

    pub(super) fn listed(&mut self, cursor: String, jobs: Vec<Listed>) {
        let round = self.comparison.round();
        for (name, seen) in jobs {
            if self.deletions.is_over(&name) {
                continue;
            }
            if let Some(job) = self.table.get_mut(&name) {
                job.round = round;
                let head = job.value.head();
                if !matches!(seen, Seen::Head(other) if other.is_like(&head)) {
                    self.table.change(&name, |_| ());
                }
            } else if seen == Seen::Odd {
                self.leave_to_others(name, None);
            } else {
                self.find(name);
            }
        }
        if self.comparison.go_on(cursor) {
            self.counters.put_again += self.table.put_missing_again(round) as u64;
        }
    }

    /// The hash has a job that the table lacks.
    pub(super) fn find(&mut self, name: Name) {
        let is_known = self.table.contains(&name) || self.unreadable.contains_key(&name);
        if !is_known {
            self.found.insert(name);
        }
    }

    pub(super) fn fetched(&mut self, name: Name, reply: Reply, now: Tick) -> Option<()> {
        self.found.remove(&name);
        let bytes = match reply {
            Reply::Bulk(bytes) => bytes,
            Reply::Null => return Some(()),
            _ => return None,
        };
        if self.table.contains(&name) || self.deletions.is_over(&name) {
            return Some(());
        }
        let value = Value::read(bytes);
        let adopted = value
            .as_ref()
            .and_then(|value| self.adopt(name, value, now));
        if adopted.is_none() {
            self.leave_to_others(name, value);
        }
        Some(())
    }

    /// Others may have the secret, or put aside what no replica can read.
    fn leave_to_others(&mut self, name: Name, value: Option<Value>) {
        if let Entry::Vacant(place) = self.unreadable.entry(name) {
            place.insert(value);
            self.counters.unreadable += 1;
        }
    }

    /// Tells the loop of a job of another replica; `None` if it cannot be opened.
    fn adopt(&mut self, name: Name, value: &Value, now: Tick) -> Option<()> {
        let head = value.head();
        let opened = self.sealer.open(&name, value)?;
        let entry = opened.entry(&head)?;
        let clock = self.clock?;
        let round = self.comparison.round();
        self.spares.remove(&name);
        let foreign = self.table.adopt(name, value.clone(), round);
        // A clock that was set must not prolong its life.
        let expires_at = clock.tick(head.expires).min(now.after(LIFETIME_MS));
        let job = entry.with_times(clock.tick(head.due), expires_at);
        let adopted = Box::new(Adopted::new(foreign, &job));
        self.events.push_back(Event::Adopted(adopted));
        Some(())
    }

    pub(super) fn passed(&mut self, name: &Name) {
        let job = self.table.remove(name);
        let unreadable = self.unreadable.remove(name).flatten();
        if let Some(value) = job.map(|job| job.value).or(unreadable) {
            self.spares.keep(*name, value);
        }
    }

    pub(super) fn taken(&mut self, them: String, taken: Option<Taken>, now: Tick) {
        let lease_ms = self.membership.lease_ms();
        self.take_over.go_on(them, taken.as_ref(), now, lease_ms);
        let Some(taken) = taken else {
            return;
        };
        self.counters.taken_over += taken.jobs.len() as u64;
        self.counters.expired += taken.expired;
        self.counters.poisoned += taken.poisoned;
        self.counters.unreadable += taken.unreadable;
        taken.jobs.into_iter().for_each(|name| self.find(name));
    }
}
