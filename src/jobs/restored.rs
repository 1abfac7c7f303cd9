//! What a store needs of the table: it counts, withdraws and restores jobs.

use std::num::NonZeroU32;

use super::{Jobs, NewJob};
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
        let key = self.insert(new)?;
        self.table.get_mut(key)?.tries.attempts = attempts;
        self.keep(key, new.due);
        Some(key)
    }

    /// The next job has this generation.
    pub(crate) const fn number_from(&mut self, generation: u32) {
        self.table.generation = match NonZeroU32::new(generation) {
            Some(generation) => generation,
            None => NonZeroU32::MIN,
        };
    }
}
