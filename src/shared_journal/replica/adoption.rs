//! Jobs that the hash has and the table lacks: those that are taken over, and those that a comparison finds.

use super::super::LIFETIME_MS;
use super::super::answers::{Listed, Taken};
use super::super::name::Name;
use super::super::trouble::Trouble;
use super::super::value::{Head, Value};
use super::Replica;
use crate::redis::Reply;
use crate::store::{Adopted, Event};
use crate::time::Tick;

/// A dead replica whose jobs are all of a newer format is left alone for so long.
const SKIPPED_MS: u64 = 30_000;

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
            && self.comparison.cursor.is_none();
        let differs = jobs != self.table.kept() as u64;
        if is_quiet && differs && now >= self.comparison.next_at {
            self.comparison.next_at = now.after(self.settings.lease_ms);
            self.begin_comparison();
        }
    }

    pub(super) fn listed(&mut self, cursor: String, jobs: Vec<Listed>) {
        let round = self.comparison.round;
        for (name, head) in jobs {
            if self.deletions.is_over(&name) {
                continue;
            }
            if let Some(job) = self.table.get_mut(&name) {
                job.round = round;
                let is_same = |head: Head| head.is_like(&job.value.head());
                if !head.is_some_and(is_same) {
                    self.table.change(&name, |_| ());
                }
            } else {
                self.find(name);
            }
        }
        self.comparison.cursor = Some(cursor).filter(|cursor| cursor != "0");
        if self.comparison.cursor.is_none() {
            self.comparison.is_outdated = false;
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
            self.counters.unreadable += 1;
            self.unreadable.insert(name, value);
        }
        Some(())
    }

    /// Tells the loop of a job of another replica; `None` if it cannot be opened.
    fn adopt(&mut self, name: Name, value: &Value, now: Tick) -> Option<()> {
        let head = value.head();
        let opened = self.sealer.open(&name, value)?;
        let entry = opened.entry(&head)?;
        let clock = self.clock?;
        let round = self.comparison.round;
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

    /// What a dead replica has is not as it should be. That is no reason to refuse commands, or not to take over from others.
    pub(super) fn leave_alone(&mut self, them: String, trouble: Trouble, now: Tick) {
        self.takeover.current = None;
        let until = now.after(SKIPPED_MS);
        self.takeover.skipped.insert(them.clone(), until);
        self.takeover.refused = Some((them, trouble));
    }

    /// From which replica nothing can be taken over, and why, once.
    pub fn take_refusal(&mut self) -> Option<(String, Trouble)> {
        self.takeover.refused.take()
    }

    pub(super) fn taken(&mut self, them: String, taken: Option<Taken>, now: Tick) {
        self.takeover.current = None;
        let Some(taken) = taken else {
            // They live again, or another replica has emptied them.
            let until = now.after(self.settings.lease_ms / 4);
            self.takeover.skipped.insert(them, until);
            return;
        };
        self.counters.taken_over += taken.jobs.len() as u64;
        self.counters.expired += taken.expired;
        self.counters.poisoned += taken.poisoned;
        self.counters.unreadable += taken.unreadable;
        taken.jobs.into_iter().for_each(|name| self.find(name));
        if taken.cursor != "0" {
            self.takeover.current = Some((them, taken.cursor));
        } else if taken.left > 0 {
            // What is left is of a newer format, or came while the others were taken.
            self.takeover.skipped.insert(them, now.after(SKIPPED_MS));
        }
    }
}
