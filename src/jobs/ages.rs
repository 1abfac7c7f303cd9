//! How old the oldest job is, without looking at all of them: they are counted by the second in which they expire,
//! which is a fixed time after Slack's stamp.

use std::collections::VecDeque;

use super::LIFETIME_MS;
use crate::time::Tick;

/// A step of the count, ms: Slack's stamps are whole seconds.
const STEP_MS: u64 = 1000;

/// How many jobs expire in each step, the first to expire in front; steps at either end have some. (The wheel does
/// not know: a job's deadline there changes with each attempt.) There are no more steps than seconds in the life of
/// a job, so that it is 28 KB at most, and almost every change is at an end.
#[derive(Debug, Default)]
pub(super) struct Ages(VecDeque<(u64, u32)>);

impl Ages {
    /// Counts a job that expires then.
    pub(super) fn add(&mut self, expires_at: Tick) {
        let step = expires_at.0 / STEP_MS;
        match self.find(step) {
            Ok(index) => self.0[index].1 += 1,
            Err(index) => self.0.insert(index, (step, 1)),
        }
    }

    /// Takes out a job that was counted.
    pub(super) fn remove(&mut self, expires_at: Tick) {
        if let Ok(index) = self.find(expires_at.0 / STEP_MS) {
            self.0[index].1 -= 1;
        }
        while let Some((_, 0)) = self.0.front() {
            self.0.pop_front();
        }
        while let Some((_, 0)) = self.0.back() {
            self.0.pop_back();
        }
    }

    /// Milliseconds since Slack stamped the oldest job, or less than a step more; 0 if there is none.
    pub(super) fn oldest_ms(&self, now: Tick) -> u64 {
        let first = self.0.front();
        first.map_or(0, |(step, _)| {
            let expires_at = Tick(step * STEP_MS);
            now.after(LIFETIME_MS).millis_since(expires_at)
        })
    }

    fn find(&self, step: u64) -> Result<usize, usize> {
        match self.0.back() {
            Some((last, _)) if step > *last => Err(self.0.len()),
            Some((last, _)) if step == *last => Ok(self.0.len() - 1),
            _ => self.0.binary_search_by_key(&step, |(step, _)| *step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn the_oldest_is_the_first_to_expire_whatever_came_first() {
        let mut ages = Ages::default();
        assert_eq!(ages.oldest_ms(Tick(9)), 0);
        for expires_at in [
            LIFETIME_MS + 7_000,
            LIFETIME_MS + 2_500,
            u64::MAX,
            LIFETIME_MS,
        ] {
            ages.add(Tick(expires_at));
        }
        assert_eq!(ages.oldest_ms(Tick(60_000)), 60_000);
        ages.remove(Tick(LIFETIME_MS));
        assert_eq!(ages.oldest_ms(Tick(60_000)), 58_000, "in whole seconds");
        ages.remove(Tick(LIFETIME_MS + 2_500));
        ages.remove(Tick(u64::MAX));
        assert_eq!(ages.oldest_ms(Tick(60_000)), 53_000);
        ages.remove(Tick(LIFETIME_MS + 7_000));
        assert!(ages.0.is_empty());
    }

    #[test]
    fn a_million_jobs_in_half_an_hour_take_no_more_than_its_seconds() {
        let mut ages = Ages::default();
        for number in 0..1_000_000 {
            ages.add(Tick(number * LIFETIME_MS / 1_000_000));
        }
        assert_eq!(ages.0.len() as u64, LIFETIME_MS / STEP_MS);
    }

    proptest! {
        #[test]
        fn it_is_what_looking_at_all_of_them_finds(
            steps in vec((any::<bool>(), 0_u64..40, any::<prop::sample::Index>()), 0..200),
        ) {
            let (mut ages, mut all) = (Ages::default(), Vec::new());
            for (is_new, step, which) in steps {
                if is_new || all.is_empty() {
                    all.push(Tick(step * 300));
                    ages.add(Tick(step * 300));
                } else {
                    ages.remove(all.swap_remove(which.index(all.len())));
                }
                let now = Tick(5_000);
                let age = |at: &Tick| now.after(LIFETIME_MS).millis_since(*at);
                let oldest = all.iter().map(age).max().unwrap_or(0);
                prop_assert!((oldest..oldest + STEP_MS).contains(&ages.oldest_ms(now)));
                prop_assert_eq!(ages.0.iter().map(|(_, count)| *count as usize).sum::<usize>(), all.len());
            }
        }
    }
}
