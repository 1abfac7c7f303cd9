//! Whether a reply may be posted: whether the fleet has surely not taken this replica for dead.

use crate::time::Tick;

/// After so long without an answer to the question, replies are posted nevertheless: a Redis that is away must not hold
/// up all replies.
const ASKED_MS: u64 = 1_000;

/// Knows when the lease was last confirmed. A process that was stopped for a while, or swapped out, asks before it posts.
#[derive(Clone, Copy, Debug)]
pub struct PostingGate {
    /// A confirmation holds for so long: a little less than the lease.
    holds_ms: u64,
    /// When the last confirmed renewal was sent.
    confirmed: Option<Tick>,
    /// When a reply first had to wait for the next one.
    asked: Option<Tick>,
}

impl PostingGate {
    /// For leases of this length.
    #[must_use]
    pub const fn new(lease_ms: u64) -> Self {
        Self {
            holds_ms: lease_ms / 5 * 4,
            confirmed: None,
            asked: None,
        }
    }

    /// A renewal that was sent at this moment is confirmed.
    pub fn confirm(&mut self, sent: Tick) {
        if Some(sent) > self.confirmed {
            self.confirmed = Some(sent);
            self.asked = None;
        }
    }

    /// Whether a reply may be posted now.
    pub fn may_post(&mut self, now: Tick) -> bool {
        let is_fresh = |sent: Tick| now.millis_since(sent) <= self.holds_ms;
        if self.confirmed.is_some_and(is_fresh) {
            return true;
        }
        let asked = *self.asked.get_or_insert(now);
        now.millis_since(asked) >= ASKED_MS
    }

    /// When a reply that waits may be posted at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.asked.map(|asked| asked.after(ASKED_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_was_stopped_asks_before_it_posts() {
        let mut gate = PostingGate::new(5_000);
        gate.confirm(Tick(0));
        assert!(gate.may_post(Tick(4_000)));
        assert_eq!(gate.poll_timeout(), None);
        assert!(!gate.may_post(Tick(7_000)));
        assert_eq!(gate.poll_timeout(), Some(Tick(8_000)));
        gate.confirm(Tick(7_001));
        assert!(gate.may_post(Tick(7_002)));
    }

    #[test]
    fn without_an_answer_it_posts_nevertheless() {
        let mut gate = PostingGate::new(5_000);
        gate.confirm(Tick(0));
        assert!(!gate.may_post(Tick(4_001)) && !gate.may_post(Tick(5_000)));
        assert!(gate.may_post(Tick(5_001)), "the others need a lease longer");
        assert!(gate.may_post(Tick(9_000)), "one question is enough");
        gate.confirm(Tick(0));
        assert!(gate.may_post(Tick(9_001)), "an old answer is none");
    }

    #[test]
    fn a_replica_without_any_answer_yet_waits_as_well() {
        let mut gate = PostingGate::new(5_000);
        assert!(!gate.may_post(Tick(0)) && gate.may_post(Tick(1_000)));
    }
}
