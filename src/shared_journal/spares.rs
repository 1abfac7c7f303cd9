//! Spare copies of jobs that other replicas are to post.
//!
//! A replica acknowledges a request though another one has its job, and passes on what it may not post. The other one may have
//! answered "busy" and be about to take its job back, and a job that is passed on is for a while in the memory of none. When
//! Redis has forgotten that this replica relies on a job, or the job itself, it can be put again from here alone. A spare is
//! kept until a server that had the job has it no more: then the job is settled.
//!
//! A replica that was taken for dead asks the same way for jobs of its own that the others may not have found.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use super::name::Name;
use super::value::{Head, Value};
use crate::time::Tick;

/// More copies are not kept, and no more bytes: these jobs are few, unless a proxy sends each request to two machines.
const SPARES_MAX: usize = 4_096;
const SPARES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The copies, by the names of their jobs.
#[derive(Debug, Default)]
pub(super) struct Spares {
    values: BTreeMap<Name, Value>,
    bytes: usize,
    /// Those whose jobs were not seen in Redis since it may have forgotten some.
    doubted: BTreeSet<Name>,
    /// The last one that was looked for.
    looked: Option<Name>,
    /// When Redis is next asked for some.
    look_at: Tick,
}

impl Spares {
    /// Another replica has this job.
    pub(super) fn keep(&mut self, name: Name, value: Value) {
        self.add(name, value);
        if self.is_too_much() {
            self.remove(&name);
        }
    }

    /// Others may have this job of a replica that was taken for dead, or Redis may have forgotten it.
    pub(super) fn doubt(&mut self, name: Name, value: Value) {
        // There are no more than jobs that may be pending, and each stays until Redis was asked for it.
        self.add(name, value);
        self.doubted.insert(name);
    }

    fn add(&mut self, name: Name, mut value: Value) {
        let mut head = value.head();
        head.is_relied_on = true;
        value.set_head(&head);
        self.remove(&name);
        self.bytes += value.as_bytes().len();
        self.values.insert(name, value);
    }

    fn is_too_much(&self) -> bool {
        self.values.len() > SPARES_MAX || self.bytes > SPARES_BYTES_MAX
    }

    /// The job is settled, or one of this replica.
    pub(super) fn remove(&mut self, name: &Name) {
        if let Some(value) = self.values.remove(name) {
            self.bytes -= value.as_bytes().len();
            self.doubted.remove(name);
        }
    }

    /// Redis may have forgotten all of them.
    pub(super) fn doubt_all(&mut self) {
        self.doubted = self.values.keys().copied().collect();
    }

    /// Redis has this one.
    pub(super) fn see(&mut self, name: &Name) {
        self.doubted.remove(name);
        if self.is_too_much() {
            self.remove(name);
        }
    }

    /// How many may be missing in Redis.
    pub(super) fn doubted(&self) -> usize {
        self.doubted.len()
    }

    /// The next ones that are to be put into Redis unless it has them: so many, and about so many bytes.
    pub(super) fn next_doubted(&self, jobs_max: usize, bytes_max: usize) -> Vec<(Name, &Value)> {
        let mut bytes = 0;
        let doubted = self.doubted.iter().take(jobs_max);
        let jobs = doubted.filter_map(|name| Some((*name, self.values.get(name)?)));
        jobs.take_while(|(_, value)| {
            let fits = bytes <= bytes_max;
            bytes += value.as_bytes().len();
            fits
        })
        .collect()
    }

    /// The next ones that Redis had and is to be asked for again. One call after the other comes to all of them.
    pub(super) fn next_seen(&mut self, max: usize) -> Vec<Name> {
        let start = self.looked.map_or(Unbounded, Excluded);
        let names = self.values.range((start, Unbounded));
        let names = names.map(|(name, _)| *name);
        let seen = names.filter(|name| !self.doubted.contains(name));
        let seen: Vec<_> = seen.take(max).collect();
        self.looked = seen.last().copied().filter(|_| seen.len() == max);
        seen
    }

    /// The same, if the last ones were given so long ago.
    pub(super) fn next_due(&mut self, now: Tick, interval_ms: u64, max: usize) -> Vec<Name> {
        if now < self.look_at {
            return Vec::new();
        }
        self.look_at = now.after(interval_ms);
        self.next_seen(max)
    }

    /// Redis's clock was set: changes all heads.
    pub(super) fn change_all(&mut self, change: impl Fn(&mut Head)) {
        for value in self.values.values_mut() {
            let mut head = value.head();
            change(&mut head);
            value.set_head(&head);
        }
    }

    /// What holds between any two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let bytes = self.values.values().map(|value| value.as_bytes().len());
        assert_eq!(self.bytes, bytes.sum::<usize>());
        let is_kept = |name: &Name| self.values.contains_key(name);
        assert!(self.doubted.iter().all(is_kept));
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::VALUE_BYTES_MIN;
    use super::*;

    fn name(number: u64) -> Name {
        Name::numbered([0; 8], number)
    }

    fn value(bytes: usize) -> Value {
        let mut value = vec![0; bytes];
        value[0] = 0x10;
        Value::read(value).unwrap()
    }

    fn spares(count: u64) -> Spares {
        let mut spares = Spares::default();
        for number in 0..count {
            spares.keep(name(number), value(VALUE_BYTES_MIN));
            spares.check();
        }
        spares
    }

    #[test]
    fn all_are_looked_for_one_part_after_the_other() {
        let mut spares = spares(5);
        assert_eq!(spares.next_seen(2), [name(0), name(1)]);
        assert_eq!(spares.next_seen(2), [name(2), name(3)]);
        assert_eq!(spares.next_seen(2), [name(4)]);
        spares.remove(&name(1));
        assert_eq!(spares.next_seen(9), [name(0), name(2), name(3), name(4)]);
    }

    #[test]
    fn they_are_looked_for_once_in_an_interval() {
        let mut spares = spares(1);
        let given = [0, 999, 1_000].map(|now| spares.next_due(Tick(now), 1_000, 9).len());
        assert_eq!(given, [1, 0, 1]);
    }

    #[test]
    fn what_redis_may_have_forgotten_is_put_again_until_it_is_seen() {
        let mut spares = spares(3);
        assert!(spares.next_doubted(9, 1_000).is_empty());
        spares.doubt_all();
        assert_eq!(
            (spares.doubted(), spares.next_seen(9)),
            (3, Vec::<Name>::new())
        );
        let of = |jobs: Vec<(Name, &Value)>| jobs.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(of(spares.next_doubted(2, 1_000)), [name(0), name(1)]);
        assert_eq!(of(spares.next_doubted(9, 0)), [name(0)], "one at least");
        let is_relied_on = |job: &(Name, &Value)| job.1.head().is_relied_on;
        assert!(spares.next_doubted(9, 1_000).iter().all(is_relied_on));
        spares.see(&name(0));
        spares.remove(&name(1));
        spares.check();
        assert_eq!(of(spares.next_doubted(9, 1_000)), [name(2)]);
        assert_eq!(spares.next_seen(9), [name(0)]);
    }

    #[test]
    fn neither_too_many_are_kept_nor_too_many_bytes() {
        let many = spares(SPARES_MAX as u64 + 10);
        assert_eq!(many.values.len(), SPARES_MAX);
        let mut large = Spares::default();
        for number in 0..100 {
            large.keep(name(number), value(SPARES_BYTES_MAX / 20));
            large.check();
        }
        assert_eq!(large.values.len(), 20);
        large.remove(&name(3));
        large.keep(name(99), value(SPARES_BYTES_MAX / 20));
        assert_eq!(large.values.len(), 20, "there is room again");
        large.doubt(name(100), value(100));
        large.keep(name(101), value(100));
        assert_eq!(large.values.len(), 21, "until Redis was asked for it");
        large.see(&name(100));
        large.check();
        assert_eq!((large.values.len(), large.doubted()), (20, 0));
    }
}
