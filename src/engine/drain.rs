//! A graceful stop: how it begins, when it is over, and what it leaves.

use crate::time::Tick;

/// How long a stop waits for incomplete requests and for clients that do not read, ms: long enough for a client that
/// works, and a client that sends one byte and stalls must not delay a restart.
const STOP_GRACE_MS: u64 = 3_000;
/// With a store, how long a stop waits for those and for the outcomes of attempts that have begun: the next start makes
/// an attempt again whose outcome is not known.
const KEPT_DRAIN_MS: u64 = 500;

/// How far a stop has come.
#[derive(Debug)]
pub(super) struct Drain {
    drain_ms: u64,
    /// Whether what is pending outlives the process.
    is_durable: bool,
    /// Whether the store has said that the next start finds what it keeps.
    is_recoverable: bool,
    /// Once the stop has begun: when it ends, even if something is left.
    until: Option<Tick>,
    /// When it stops waiting for clients; `None` once that has passed.
    grace_until: Option<Tick>,
}

impl Drain {
    pub(super) const fn new(drain_ms: u64, is_durable: bool) -> Self {
        Self {
            drain_ms,
            is_durable,
            is_recoverable: false,
            until: None,
            grace_until: None,
        }
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.until.is_some()
    }

    pub(super) const fn is_durable(&self) -> bool {
        self.is_durable
    }

    pub(super) const fn set_recoverable(&mut self) {
        self.is_recoverable = true;
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.until.into_iter().chain(self.grace_until).min()
    }

    /// Stops waiting for clients when it is time. All that had arrived by `known` is known.
    pub(super) fn expire(&mut self, known: Tick) {
        self.grace_until.take_if(|until| known >= *until);
    }

    /// Begins. Returns how long it may take, ms.
    pub(super) fn begin(&mut self, now: Tick) -> u64 {
        // Replies that a store keeps are left to the next start.
        let (drain_ms, grace_ms) = match self.is_durable {
            true => (KEPT_DRAIN_MS.min(self.drain_ms), KEPT_DRAIN_MS),
            false => (self.drain_ms, STOP_GRACE_MS),
        };
        self.until = Some(now.not_before(drain_ms));
        self.grace_until = Some(now.not_before(grace_ms));
        drain_ms
    }

    /// Nothing outlives the process any more: the stop waits for pending replies as without a store. Returns for how long, ms.
    pub(super) const fn give_up_store(&mut self) -> u64 {
        self.is_durable = false;
        self.drain_ms
    }

    /// Waits for replies from now on, for the whole drain time.
    pub(super) fn extend(&mut self, now: Tick) {
        self.until = Some(now.not_before(self.drain_ms));
    }

    /// Ends with this turn. All that had arrived by `known` is known.
    pub(super) const fn end(&mut self, known: Tick) {
        self.until = Some(known);
    }

    /// Whether it has begun and leaves replies that no sender has to the next start.
    pub(super) const fn leaves_pending(&self) -> bool {
        self.is_durable && self.has_begun()
    }

    /// Whether it is over, judged by the latest moment whose input is known and not by the clock: what arrived in time is
    /// read first, however late that is. `left` is called only during a stop, since it counts clients one by one.
    pub(super) fn is_over(&self, left: impl FnOnce() -> Left, known: Tick) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        let left = left();
        // Replies are left to the next start only once the store has said that it will find them.
        let (awaited, may_leave) = match self.is_durable {
            true => (left.sending, self.is_recoverable),
            false => (left.pending, true),
        };
        let are_clients_served = self.grace_until.is_none() || left.clients == 0;
        let is_done = left.is_all_read && may_leave && awaited == 0 && are_clients_served;
        is_done || known >= until
    }
}

/// What a stop still waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Whether all that clients have sent to the public address is read.
    pub(super) is_all_read: bool,
    /// Replies that are pending, and those of them that are with a sender.
    pub(super) pending: usize,
    pub(super) sending: usize,
    /// Clients that have an answer or the rest of one to come.
    pub(super) clients: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Left = Left {
        is_all_read: true,
        pending: 0,
        sending: 0,
        clients: 0,
    };

    fn begun(is_durable: bool) -> Drain {
        let mut drain = Drain::new(30_000, is_durable);
        assert!(
            !drain.is_over(|| NOTHING, Tick(u64::MAX)),
            "it has not begun"
        );
        drain.begin(Tick(0));
        drain
    }

    #[test]
    fn without_a_store_it_waits_for_all_replies_and_for_clients_for_a_while() {
        let mut drain = begun(false);
        assert!(drain.is_over(|| NOTHING, Tick(1)));
        for left in [
            Left {
                pending: 1,
                ..NOTHING
            },
            Left {
                clients: 1,
                ..NOTHING
            },
            Left {
                is_all_read: false,
                ..NOTHING
            },
        ] {
            assert!(!drain.is_over(|| left, Tick(1)), "{left:?}");
            assert!(
                drain.is_over(|| left, Tick(0).not_before(30_000)),
                "{left:?}"
            );
        }
        drain.expire(Tick(0).not_before(STOP_GRACE_MS));
        let impatient = Left {
            clients: 1,
            ..NOTHING
        };
        assert!(drain.is_over(|| impatient, Tick(0).not_before(STOP_GRACE_MS)));
    }

    #[test]
    fn with_a_store_it_waits_for_attempts_and_for_the_store_to_say_that_it_may_leave() {
        let mut drain = begun(true);
        assert!(
            !drain.is_over(|| NOTHING, Tick(1)),
            "the store has not said so"
        );
        drain.set_recoverable();
        let kept = Left {
            pending: 9,
            ..NOTHING
        };
        assert!(drain.is_over(|| kept, Tick(1)) && drain.leaves_pending());
        let under_way = Left { sending: 1, ..kept };
        assert!(!drain.is_over(|| under_way, Tick(1)));
        assert!(drain.is_over(|| under_way, Tick(0).not_before(KEPT_DRAIN_MS)));
    }

    #[test]
    fn a_store_that_is_given_up_leaves_its_replies_to_be_waited_for() {
        let mut drain = begun(true);
        assert_eq!(drain.give_up_store(), 30_000);
        drain.extend(Tick(100));
        let left = Left {
            pending: 1,
            ..NOTHING
        };
        assert!(!drain.is_over(|| left, Tick(30_100)) && !drain.leaves_pending());
        assert!(drain.is_over(|| left, Tick(100).not_before(30_000)));
        drain.end(Tick(200));
        assert!(drain.is_over(|| left, Tick(200)));
    }
}
