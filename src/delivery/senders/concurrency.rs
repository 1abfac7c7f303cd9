//! How many threads may post at once: few while receivers answer at once, all while they do not.

use crate::time::Tick;

/// Enough to keep a processor busy with a receiver that answers at once. More of them would then only take it from each
/// other, and from the acknowledgements.
pub(super) const FEW: usize = 6;
/// Deliveries that have waited without a pause for so long are reviewed: either receivers are slow, or the processor is.
const REVIEW_MS: u64 = 20;
/// Receivers answer at once if so many were taken in each millisecond of it, one by each of the few. What is short then is
/// processor time, and more threads would not give any.
const PROMPT_POSTS_PER_MS: u64 = 6;
/// For so long all threads may post. Then the few show anew what the receivers do: with all of them, a receiver that takes a
/// millisecond looks like a processor that is busy.
const ALL_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Concurrency {
    threads_max: usize,
    posting: Posting,
}

/// Which threads may post.
#[derive(Debug)]
enum Posting {
    /// The few. No delivery waits, or none did for a moment.
    Few,
    /// The few, while deliveries have waited since then without a pause, and so many were taken.
    FewSince(Tick, u64),
    /// All, until then.
    AllUntil(Tick),
}

impl Concurrency {
    pub(super) const fn new(threads_max: usize) -> Self {
        Self {
            threads_max,
            posting: Posting::Few,
        }
    }

    /// How many threads may post at once.
    pub(super) fn limit(&self) -> usize {
        match self.posting {
            Posting::Few | Posting::FewSince(..) => self.threads_max.min(FEW),
            Posting::AllUntil(_) => self.threads_max,
        }
    }

    /// A thread has taken a delivery.
    pub(super) const fn note_taken(&mut self) {
        if let Posting::FewSince(_, taken) = &mut self.posting {
            *taken += 1;
        }
    }

    /// No delivery waits, or none did for a moment.
    pub(super) fn note_empty(&mut self) {
        if let Posting::FewSince(..) = self.posting {
            self.posting = Posting::Few;
        }
    }

    /// Sets the limit while deliveries wait, and says when to review it if they still wait then. When the few are all that
    /// there are, or all may post, no thread waits for that.
    pub(super) fn review(&mut self, now: Tick) -> Option<Tick> {
        if self.threads_max <= FEW {
            return None;
        }
        let since = match self.posting {
            Posting::AllUntil(until) if now < until => return None,
            Posting::FewSince(since, _) if now < since.after(REVIEW_MS) => since,
            // It may be later: the loop was, or a thread could not be started.
            Posting::FewSince(since, taken)
                if taken < PROMPT_POSTS_PER_MS * now.millis_since(since) =>
            {
                self.posting = Posting::AllUntil(now.after(ALL_MS));
                return None;
            }
            Posting::Few | Posting::FewSince(..) | Posting::AllUntil(_) => {
                self.posting = Posting::FewSince(now, 0);
                now
            }
        };
        Some(since.after(REVIEW_MS))
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
        taken(&mut concurrency, PROMPT_POSTS_PER_MS * REVIEW_MS - 1);
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
            taken(&mut concurrency, PROMPT_POSTS_PER_MS * REVIEW_MS);
        }
    }

    /// It is the rate that counts, not how many were taken until a loop that is busy looks.
    #[test]
    fn a_review_that_is_late_takes_no_slow_receiver_for_a_prompt_one() {
        for (count, limit) in [
            (PROMPT_POSTS_PER_MS * 35 - 1, 64),
            (PROMPT_POSTS_PER_MS * 35, FEW),
        ] {
            let mut concurrency = Concurrency::new(64);
            concurrency.review(Tick(0));
            taken(&mut concurrency, count);
            concurrency.review(Tick(35));
            assert_eq!(concurrency.limit(), limit);
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
