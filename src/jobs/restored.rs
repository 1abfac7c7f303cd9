//! What a store needs of the table: it counts, withdraws and restores jobs.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::{ATTEMPTS_MAX, Jobs, NewJob, PAYLOAD_BYTES_MEAN_MAX, State};
use crate::slab::Key;

impl Jobs {
    /// How many are with a sender.
    pub(crate) const fn sending(&self) -> usize {
        self.sending
    }

    /// Forgets a job whose command is not answered with 200.
    pub(crate) fn withdraw(&mut self, key: Key) {
        self.remove(key);
    }

    /// Takes on a job that an earlier process has accepted: whatever the capacity, with the attempts that were
    /// made, and the generation that it had there.
    pub(crate) fn restore(
        &mut self,
        new: NewJob<'_>,
        attempts: u8,
        generation: u32,
    ) -> Option<Key> {
        self.number_from(generation);
        self.adopt(new, attempts)
    }

    /// Takes on a job that another process has accepted: whatever the capacity, and with the attempts that were made.
    pub(crate) fn adopt(&mut self, new: NewJob<'_>, attempts: u8) -> Option<Key> {
        let key = self.insert(new)?;
        // Whatever a store has read: a job that is pending has an attempt left.
        self.table.get_mut(key)?.tries.attempts = attempts.min(ATTEMPTS_MAX - 1);
        self.keep(key, new.due);
        Some(key)
    }

    /// Forgets all jobs that a store has kept, but those that it had lost, and gives how many they were. Those that are with a
    /// sender go as well: what comes of them counts no more.
    pub(crate) fn forget_kept(&mut self, lost: &BTreeSet<Key>) -> usize {
        let kept = self.iter().filter(|(_, job)| job.state != State::Unkept);
        let kept = kept.filter(|(key, _)| !lost.contains(key));
        let kept: Vec<_> = kept.map(|(key, job)| (key, job.state)).collect();
        for (key, state) in &kept {
            self.sending -= usize::from(matches!(state, State::Sending | State::Running));
            self.remove(*key);
        }
        self.drop_given_up();
        kept.len()
    }

    /// How many more jobs there is room for.
    pub(crate) fn room(&self) -> usize {
        let bytes_max = self.capacity.saturating_mul(PAYLOAD_BYTES_MEAN_MAX);
        if self.payload_bytes >= bytes_max {
            return 0;
        }
        let taken = self.table.len().max(self.wheel.len());
        self.capacity.saturating_sub(taken)
    }

    /// The next job has this generation.
    pub(crate) const fn number_from(&mut self, generation: u32) {
        self.table.generation = match NonZeroU32::new(generation) {
            Some(generation) => generation,
            None => NonZeroU32::MIN,
        };
    }
}
