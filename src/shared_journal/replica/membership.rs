//! The place of a replica in its fleet: its name, and its lease.

use crate::time::Tick;

#[derive(Debug)]
pub(super) struct Membership {
    /// Chosen anew at each start and after each fence.
    id: String,
    is_joined: bool,
    /// How long a lease lasts, ms.
    lease_ms: u64,
    /// When the last renewal was sent whose answer may be relied on: on this connection, and not refused.
    sent: Option<Tick>,
    /// When the last renewal was sent that was confirmed.
    confirmed: Option<Tick>,
}

impl Membership {
    /// One that has not joined yet.
    pub(super) const fn new(id: String, lease_ms: u64) -> Self {
        Self {
            id,
            is_joined: false,
            lease_ms,
            sent: None,
            confirmed: None,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn is_joined(&self) -> bool {
        self.is_joined
    }

    pub(super) const fn lease_ms(&self) -> u64 {
        self.lease_ms
    }

    pub(super) const fn join(&mut self) {
        self.is_joined = true;
    }

    /// Redis does not know this replica.
    pub(super) const fn lose(&mut self) {
        self.is_joined = false;
    }

    /// Others have taken over: from now on it is another one.
    pub(super) fn rename(&mut self, id: String) {
        self.id = id;
        self.is_joined = false;
    }

    pub(super) const fn send_renewal(&mut self, now: Tick) {
        self.sent = Some(now);
    }

    /// The connection is a new one, or the renewal was refused: the next one is due at once.
    pub(super) const fn forget_renewal(&mut self) {
        self.sent = None;
    }

    /// A renewal that was sent then has begun a lease.
    pub(super) fn confirm(&mut self, sent: Tick) {
        self.confirmed = self.confirmed.max(Some(sent));
    }

    pub(super) const fn confirmed(&self) -> Option<Tick> {
        self.confirmed
    }

    pub(super) fn next_renewal(&self) -> Tick {
        self.sent.map_or(Tick(0), |at| at.after(self.lease_ms / 4))
    }

    /// How long its lease lasts, as far as is known.
    pub(super) fn lease_remaining_ms(&self, now: Tick) -> u64 {
        let end = self.confirmed.map(|sent| sent.after(self.lease_ms));
        end.filter(|_| self.is_joined)
            .map_or(0, |end| end.millis_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE_MS: u64 = 4_000;

    fn joined() -> Membership {
        let mut membership = Membership::new("1".to_owned(), LEASE_MS);
        membership.join();
        membership
    }

    #[test]
    fn a_lease_lasts_from_when_its_renewal_was_sent() {
        let mut membership = joined();
        assert_eq!(membership.lease_remaining_ms(Tick(0)), 0);
        membership.confirm(Tick(100));
        let remaining =
            [100, 4_099, 4_100, 9_000].map(|now| membership.lease_remaining_ms(Tick(now)));
        assert_eq!(remaining, [4_000, 1, 0, 0]);
    }

    #[test]
    fn an_answer_that_comes_late_does_not_shorten_a_lease() {
        let mut membership = joined();
        membership.confirm(Tick(2_000));
        membership.confirm(Tick(1_000));
        assert_eq!(membership.confirmed(), Some(Tick(2_000)));
    }

    #[test]
    fn one_that_redis_does_not_know_has_no_lease() {
        for is_fenced in [false, true] {
            let mut membership = joined();
            membership.confirm(Tick(0));
            match is_fenced {
                false => membership.lose(),
                true => membership.rename("2".to_owned()),
            }
            assert_eq!(membership.id(), if is_fenced { "2" } else { "1" });
            assert_eq!(membership.lease_remaining_ms(Tick(1)), 0);
        }
    }

    #[test]
    fn it_is_renewed_four_times_in_a_lease_and_at_once_after_a_failure() {
        let mut membership = joined();
        assert_eq!(membership.next_renewal(), Tick(0));
        membership.send_renewal(Tick(100));
        assert_eq!(membership.next_renewal(), Tick(1_100));
        membership.forget_renewal();
        assert_eq!(membership.next_renewal(), Tick(0));
    }
}
