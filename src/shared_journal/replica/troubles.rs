//! What Redis refuses at the moment, and how often it has refused.

use super::super::trouble::{self, KINDS, Trouble};
use crate::time::Tick;

/// What was refused is tried again after this.
const PROBE_MS: u64 = 500;
/// So often the scripts are loaded without a renewal in between before there is a pause.
const LOADS_MAX: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// Why nothing can be done.
    of_all: Option<Trouble>,
    of_puts: Option<OfPuts>,
    /// How often the scripts were loaded since the last renewal.
    loads: u32,
    counts: [u64; KINDS.len()],
}

/// Why nothing can be put. The rest goes on: it needs no memory.
#[derive(Debug)]
struct OfPuts {
    trouble: Trouble,
    /// A put is tried again then.
    probe_at: Tick,
}

impl Troubles {
    pub(super) fn count(&mut self, trouble: &Trouble) {
        self.counts[trouble::kind(trouble)] += 1;
    }

    /// How many of each kind there were.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.into_iter().zip(self.counts)
    }

    /// What keeps commands from being accepted.
    pub(super) fn current(&self) -> Option<&Trouble> {
        let of_puts = self.of_puts.as_ref().map(|refused| &refused.trouble);
        self.of_all.as_ref().or(of_puts)
    }

    /// Nothing can be done until a renewal succeeds.
    pub(super) fn refuse_all(&mut self, trouble: Trouble) {
        self.of_all = Some(trouble);
    }

    pub(super) const fn are_all_refused(&self) -> bool {
        self.of_all.is_some()
    }

    /// A renewal was answered.
    pub(super) fn renewed(&mut self) {
        self.of_all = None;
        self.loads = 0;
    }

    /// Nothing can be put until a put succeeds.
    pub(super) fn refuse_puts(&mut self, trouble: Trouble, now: Tick) {
        let before = self.of_puts.as_ref().map(|refused| refused.probe_at);
        let probe_at = before.unwrap_or_else(|| now.after(PROBE_MS));
        self.of_puts = Some(OfPuts { trouble, probe_at });
    }

    pub(super) const fn are_puts_refused(&self) -> bool {
        self.of_puts.is_some()
    }

    /// A put has succeeded.
    pub(super) fn allow_puts(&mut self) {
        self.of_puts = None;
    }

    /// When puts that are refused are tried again.
    pub(super) fn probe_at(&self) -> Option<Tick> {
        self.of_puts.as_ref().map(|refused| refused.probe_at)
    }

    /// Whether puts are refused, and are tried again now.
    pub(super) fn begin_probe(&mut self, now: Tick) -> bool {
        let due = self.of_puts.as_mut();
        let due = due.filter(|refused| now >= refused.probe_at);
        due.map(|refused| refused.probe_at = now.after(PROBE_MS))
            .is_some()
    }

    /// The scripts are to be loaded again. Whether that was tried too often.
    pub(super) const fn count_load(&mut self) -> bool {
        self.loads += 1;
        self.loads > LOADS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(confirmed: u64) -> Trouble {
        Trouble::WaitShort {
            confirmed,
            wanted: 2,
        }
    }

    #[test]
    fn a_renewal_ends_what_keeps_all_from_being_done_and_a_put_what_keeps_puts_from_it() {
        let mut troubles = Troubles::default();
        troubles.refuse_all(Trouble::OutOfStep);
        troubles.refuse_puts(short(1), Tick(0));
        assert_eq!(troubles.current(), Some(&Trouble::OutOfStep));
        troubles.renewed();
        assert_eq!(troubles.current(), Some(&short(1)));
        assert!(!troubles.are_all_refused() && troubles.are_puts_refused());
        troubles.allow_puts();
        assert_eq!(troubles.current(), None);
    }

    #[test]
    fn puts_that_are_refused_again_are_not_tried_later() {
        let mut troubles = Troubles::default();
        assert!(!troubles.begin_probe(Tick(9_999)));
        troubles.refuse_puts(short(0), Tick(0));
        troubles.refuse_puts(short(1), Tick(400));
        assert_eq!(troubles.current(), Some(&short(1)));
        assert_eq!(troubles.probe_at(), Some(Tick(500)));
        assert!(!troubles.begin_probe(Tick(499)));
        assert!(troubles.begin_probe(Tick(500)));
        assert!(!troubles.begin_probe(Tick(501)));
        assert_eq!(troubles.probe_at(), Some(Tick(1_000)));
    }

    #[test]
    fn the_scripts_may_be_loaded_three_times_between_two_renewals() {
        let mut troubles = Troubles::default();
        let mut loads = || [(); 4].map(|()| troubles.count_load());
        assert_eq!(loads(), [false, false, false, true]);
        troubles.renewed();
        assert!(!troubles.count_load());
    }

    #[test]
    fn each_kind_is_counted_by_itself() {
        let mut troubles = Troubles::default();
        for trouble in [Trouble::OutOfStep, short(0), Trouble::OutOfStep] {
            troubles.count(&trouble);
        }
        let counts: Vec<_> = troubles.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [("out_of_step", 2), ("other", 1)]);
    }
}
