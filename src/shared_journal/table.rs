//! The jobs that this replica has to post: what its hash in Redis mirrors.

use std::collections::{BTreeMap, BTreeSet};

use super::name::Name;
use super::value::{Head, Value};
use crate::slab::Key;
use crate::store::ForeignId;

/// A job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) value: Value,
    pub(super) owner: Owner,
    pub(super) stage: Stage,
    /// The last comparison that has found it in Redis.
    pub(super) round: u64,
}

impl Job {
    /// Its key, if the loop has given it one.
    pub(super) const fn key(&self) -> Option<Key> {
        match self.owner {
            Owner::Key(key) => Some(key),
            Owner::Foreign(_) | Owner::Declined => None,
        }
    }
}

/// What the loop knows of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Its key.
    Key(Key),
    /// It was told of the job, and has not answered.
    Foreign(ForeignId),
    /// It may not post the job, which is handed to the other replicas.
    Declined,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its command is not acknowledged. Redis has it at most if it was sent.
    New { was_sent: bool },
    /// Redis has it, as far as is known, unless it is to be put again.
    Kept,
}

/// All of them, by their names, keys and foreign ids.
#[derive(Debug, Default)]
pub(super) struct Table {
    jobs: BTreeMap<Name, Job>,
    keys: BTreeMap<u64, Name>,
    foreign: BTreeMap<ForeignId, Name>,
    /// Kept jobs that Redis has lost, or has with an older head.
    again: BTreeSet<Name>,
    /// Those of them that Redis has lost.
    lost: BTreeSet<Name>,
    declined: BTreeSet<Name>,
    /// How many are not kept.
    new: usize,
    last_foreign: u64,
}

impl Table {
    pub(super) fn contains(&self, name: &Name) -> bool {
        self.jobs.contains_key(name)
    }

    pub(super) fn get(&self, name: &Name) -> Option<&Job> {
        self.jobs.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &Name) -> Option<&mut Job> {
        self.jobs.get_mut(name)
    }

    pub(super) fn name_of(&self, key: Key) -> Option<Name> {
        self.keys.get(&key.to_u64()).copied()
    }

    /// How many jobs Redis should have.
    pub(super) fn kept(&self) -> usize {
        self.jobs.len() - self.new
    }

    /// How many the loop has not answered.
    pub(super) fn unanswered(&self) -> usize {
        self.foreign.len()
    }

    /// Adds a job whose command is not acknowledged.
    pub(super) fn accept(&mut self, name: Name, key: Key, value: Value) {
        self.keys.insert(key.to_u64(), name);
        self.new += 1;
        let job = Job {
            value,
            owner: Owner::Key(key),
            stage: Stage::New { was_sent: false },
            round: 0,
        };
        self.jobs.insert(name, job);
    }

    /// Adds a job that was found in Redis.
    pub(super) fn adopt(&mut self, name: Name, value: Value, round: u64) -> ForeignId {
        self.last_foreign += 1;
        let foreign = ForeignId(self.last_foreign);
        self.foreign.insert(foreign, name);
        let job = Job {
            value,
            owner: Owner::Foreign(foreign),
            stage: Stage::Kept,
            round,
        };
        self.jobs.insert(name, job);
        foreign
    }

    /// The loop knows an adopted job by this key.
    pub(super) fn bind(&mut self, foreign: ForeignId, key: Key) {
        if let Some(name) = self.foreign.remove(&foreign)
            && let Some(job) = self.jobs.get_mut(&name)
        {
            job.owner = Owner::Key(key);
            self.keys.insert(key.to_u64(), name);
        }
    }

    /// The loop may not post an adopted job.
    pub(super) fn decline(&mut self, foreign: ForeignId) {
        if let Some(name) = self.foreign.remove(&foreign)
            && let Some(job) = self.jobs.get_mut(&name)
        {
            job.owner = Owner::Declined;
            self.declined.insert(name);
        }
    }

    /// Declined jobs, which are to be handed to the others.
    pub(super) const fn declined(&self) -> &BTreeSet<Name> {
        &self.declined
    }

    /// A job is kept. Its key, if it was not before.
    pub(super) fn keep(&mut self, name: &Name, round: u64) -> Option<Key> {
        let job = self.jobs.get_mut(name)?;
        match (job.stage, job.owner) {
            (Stage::New { .. }, Owner::Key(key)) => {
                self.new -= 1;
                (job.stage, job.round) = (Stage::Kept, round);
                Some(key)
            }
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, name: &Name) -> Option<Job> {
        let job = self.jobs.remove(name)?;
        self.again.remove(name);
        self.lost.remove(name);
        match job.owner {
            Owner::Key(key) => _ = self.keys.remove(&key.to_u64()),
            Owner::Foreign(foreign) => _ = self.foreign.remove(&foreign),
            Owner::Declined => _ = self.declined.remove(name),
        }
        self.new -= usize::from(job.stage != Stage::Kept);
        Some(job)
    }

    /// Others have all that is kept, but what Redis has lost: that stays, and its keys are given, unless it has none yet. What
    /// is forgotten though the others may lack it is given with its values; with a doubt, that is all.
    pub(super) fn forget_kept(&mut self, is_doubted: bool) -> (BTreeSet<Key>, Vec<(Name, Value)>) {
        let jobs = self.jobs.iter();
        let kept: Vec<_> = jobs
            .filter(|(_, job)| job.stage == Stage::Kept)
            .map(|(name, _)| *name)
            .collect();
        let (mut keys, mut others) = (BTreeSet::new(), Vec::new());
        for name in kept {
            let is_lost = self.lost.contains(&name);
            match self.get(&name).and_then(Job::key).filter(|_| is_lost) {
                Some(key) => _ = keys.insert(key),
                None => {
                    let job = self.remove(&name).filter(|_| is_lost || is_doubted);
                    others.extend(job.map(|job| (name, job.value)));
                }
            }
        }
        (keys, others)
    }

    /// Changes the head of a job, and has it put again if Redis has the old one.
    pub(super) fn change(&mut self, name: &Name, change: impl FnOnce(&mut Head)) {
        let Some(job) = self.jobs.get_mut(name) else {
            return;
        };
        let mut head = job.value.head();
        change(&mut head);
        job.value.set_head(&head);
        if job.stage == Stage::Kept {
            self.again.insert(*name);
        }
    }

    /// Changes the heads of all jobs.
    pub(super) fn change_all(&mut self, change: impl Fn(&mut Head)) {
        let names: Vec<_> = self.jobs.keys().copied().collect();
        names.iter().for_each(|name| self.change(name, &change));
    }

    /// Redis has lost all.
    pub(super) fn put_all_again(&mut self) -> usize {
        self.put_again_unless(|_| false)
    }

    /// Redis has lost what the last comparison has not found.
    pub(super) fn put_missing_again(&mut self, round: u64) -> usize {
        self.put_again_unless(|job| job.round == round)
    }

    fn put_again_unless(&mut self, is_there: impl Fn(&Job) -> bool) -> usize {
        let before = self.again.len();
        let lost = self.jobs.iter();
        let lost = lost.filter(|(_, job)| job.stage == Stage::Kept && !is_there(job));
        let lost: Vec<_> = lost.map(|(name, _)| *name).collect();
        self.again.extend(&lost);
        self.lost.extend(lost);
        self.again.len() - before
    }

    /// What Redis has lost, or has with an older head.
    pub(super) const fn again(&self) -> &BTreeSet<Name> {
        &self.again
    }

    /// Whether Redis has lost any, and does not have it again.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// This value was put again. It may have changed meanwhile. Whether Redis had lost it.
    pub(super) fn is_there_again(&mut self, name: &Name, head: &Head, round: u64) -> bool {
        let Some(job) = self.jobs.get_mut(name) else {
            return false;
        };
        job.round = round;
        if job.value.head() == *head {
            self.again.remove(name);
        }
        self.lost.remove(name)
    }

    /// What holds between any two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let is = |name: &Name, owner| self.jobs.get(name).map(|job| job.owner) == Some(owner);
        let keys = self.keys.iter();
        let is_known = |(key, name): (&u64, &Name)| is(name, Owner::Key(Key::from_u64(*key)));
        assert!(keys.into_iter().all(is_known));
        assert!(
            self.foreign
                .iter()
                .all(|(id, name)| is(name, Owner::Foreign(*id)))
        );
        assert!(self.declined.iter().all(|name| is(name, Owner::Declined)));
        let owned = self.keys.len() + self.foreign.len() + self.declined.len();
        assert_eq!(owned, self.jobs.len());
        let stages = self.jobs.values().map(|job| job.stage);
        let new = stages.filter(|stage| *stage != Stage::Kept).count();
        assert_eq!(new, self.new);
        let is_kept = |name| {
            self.jobs
                .get(name)
                .is_some_and(|job| job.stage == Stage::Kept)
        };
        assert!(self.again.iter().all(is_kept));
        assert!(self.lost.is_subset(&self.again));
    }
}
