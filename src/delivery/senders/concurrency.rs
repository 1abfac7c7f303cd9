//! How many threads may post at once: few while receivers answer at once, all while they do not.

use crate::time::Tick;

/// Enough to keep a processor busy with a receiver that answers at once. More of them would then only take it from each
/// other, and from the acknowledgements.
const FEW: usize = 6;
/// Deliveries that have waited without a pause for so long are reviewed: either receivers are slow, or the processor is.
const REVIEW_MS: u64 = 20;
/// Receivers answer at once if so many were posted in that time, one a millisecond by each of the few. What is short then is
/// processor time, and more threads would not give any.
const PROMPT_POSTS: u64 = 120;
/// For so long all threads may post. Then the few show anew what the receivers do: with all of them, a receiver that takes a
/// millisecond looks like a processor that is busy.
const ALL_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Concurrency {
    limit: usize,
    threads_max: usize,
    /// When the limit is reviewed. As long as it is the few, only while deliveries wait.
    review_at: Option<Tick>,
    /// Deliveries that were taken while others waited.
    taken: u64,
}

impl Concurrency {
    pub(super) fn new(threads_max: usize) -> Self {
        Self {
            limit: threads_max.min(FEW),
            threads_max,
            review_at: None,
            taken: 0,
        }
    }

    /// How many threads may post at once.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// A thread has taken a delivery.
    pub(super) const fn note_taken(&mut self) {
        self.taken += 1;
    }

    /// No delivery waits, or none did for a moment.
    pub(super) fn note_empty(&mut self) {
        if self.limit <= FEW {
            self.review_at = None;
        }
    }

    /// Sets the limit while deliveries wait, and says when to review it if they still wait then.
    pub(super) fn review(&mut self, now: Tick) -> Option<Tick> {
        let is_over = self.review_at.is_none_or(|at| at <= now);
        if is_over && self.limit <= FEW && self.review_at.is_some() && self.taken < PROMPT_POSTS {
            self.limit = self.threads_max;
            self.review_at = Some(now.after(ALL_MS));
        } else if is_over {
            self.limit = self.threads_max.min(FEW);
            self.review_at = Some(now.after(REVIEW_MS));
            self.taken = 0;
        }
        // No thread waits for the moment from which only the few may post.
        self.review_at.filter(|_| self.limit < self.threads_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(concurrency: &mut Concurrency, count: u64) {
        for _ in 0..count {
            concurrency.note_taken();
        }
    }

    #[test]
    fn all_threads_may_post_while_receivers_are_slow() {
        let mut concurrency = Concurrency::new(64);
        assert_eq!(concurrency.limit(), FEW);
        assert_eq!(concurrency.review(Tick(5)), Some(Tick(25)));
        taken(&mut concurrency, PROMPT_POSTS - 1);
        assert_eq!(concurrency.review(Tick(24)), Some(Tick(25)));
        assert_eq!(concurrency.limit(), FEW);
        assert_eq!(
            (concurrency.review(Tick(25)), concurrency.limit()),
            (None, 64)
        );
        concurrency.note_empty();
        assert_eq!(
            (concurrency.review(Tick(1_024)), concurrency.limit()),
            (None, 64)
        );
        assert_eq!(concurrency.review(Tick(1_025)), Some(Tick(1_045)));
        assert_eq!(concurrency.limit(), FEW);
        assert_eq!(
            (concurrency.review(Tick(1_045)), concurrency.limit()),
            (None, 64)
        );
    }

    #[test]
    fn few_threads_post_while_receivers_answer_at_once() {
        let mut concurrency = Concurrency::new(64);
        for turn in 0..10 {
            let next = Some(Tick((turn + 1) * REVIEW_MS));
            assert_eq!(concurrency.review(Tick(turn * REVIEW_MS)), next);
            assert_eq!(concurrency.limit(), FEW);
            taken(&mut concurrency, PROMPT_POSTS);
        }
    }

    #[test]
    fn what_has_not_waited_without_a_pause_says_nothing_of_the_receivers() {
        let mut concurrency = Concurrency::new(64);
        assert_eq!(concurrency.review(Tick(0)), Some(Tick(REVIEW_MS)));
        concurrency.note_empty();
        assert_eq!(
            concurrency.review(Tick(REVIEW_MS)),
            Some(Tick(2 * REVIEW_MS))
        );
        assert_eq!(concurrency.limit(), FEW);
    }

    #[test]
    fn where_there_are_few_threads_all_may_post() {
        for threads_max in [1, FEW] {
            let mut concurrency = Concurrency::new(threads_max);
            assert_eq!(concurrency.review(Tick(0)), None);
            assert_eq!(concurrency.review(Tick(REVIEW_MS)), None);
            assert_eq!(concurrency.limit(), threads_max);
        }
    }
}
