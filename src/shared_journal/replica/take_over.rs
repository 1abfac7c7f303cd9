//! Whose jobs are taken over.

use std::collections::BTreeMap;

use super::super::answers::Taken;
use super::super::trouble::Trouble;
use crate::time::Tick;

/// A dead replica whose jobs are all of a newer format is left alone for so long.
const SKIPPED_MS: u64 = 30_000;
/// Where the jobs of a replica begin, and where they end.
const START: &str = "0";

#[derive(Debug, Default)]
pub(super) struct TakeOver {
    /// Whose lease is over.
    over: Vec<String>,
    /// Who is being emptied, and where that goes on.
    current: Option<(String, String)>,
    /// Who has nothing for this replica, until then.
    skipped: BTreeMap<String, Tick>,
    /// From which one nothing can be taken over.
    refused: Option<(String, Trouble)>,
    /// How many jobs may be adopted.
    room: usize,
}

impl TakeOver {
    pub(super) const fn set_room(&mut self, jobs: usize) {
        self.room = jobs;
    }

    pub(super) const fn room(&self) -> usize {
        self.room
    }

    /// The leases of these are over.
    pub(super) fn set_over(&mut self, over: Vec<String>, me: &str, now: Tick) {
        self.skipped.retain(|_, until| *until > now);
        let is_wanted = |id: &String| !self.skipped.contains_key(id) && id != me;
        self.over = over.into_iter().filter(is_wanted).collect();
    }

    /// Whose leases are over, Redis has to say again.
    pub(super) fn start_again(&mut self) {
        self.current = None;
        self.over.clear();
    }

    /// Whether there is a replica whose jobs may be taken over, and room for them.
    pub(super) fn is_possible(&self) -> bool {
        let has_target = self.is_under_way() || !self.over.is_empty();
        has_target && self.room > 0
    }

    /// Whether one is being emptied.
    pub(super) const fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// Who is being emptied, and where that goes on; if that is none, one of those whose lease is over. Not all replicas of a
    /// fleet begin with the same one: `random` gives any number.
    pub(super) fn target(&mut self, random: impl FnOnce() -> u64) -> Option<(String, String)> {
        if !self.is_under_way() && !self.over.is_empty() {
            let at = random() as usize % self.over.len();
            self.current = Some((self.over.swap_remove(at), START.to_owned()));
        }
        self.current.clone()
    }

    /// A part of their jobs was taken. `None`: they live again, or another replica has emptied them.
    pub(super) fn go_on(&mut self, them: String, taken: Option<&Taken>, now: Tick, lease_ms: u64) {
        self.current = None;
        match taken {
            None => self.skip(them, now.after(lease_ms / 4)),
            Some(taken) if taken.cursor != START => {
                self.current = Some((them, taken.cursor.clone()));
            }
            // What is left is of a newer format, or came while the others were taken.
            Some(taken) if taken.left > 0 => self.skip(them, now.after(SKIPPED_MS)),
            Some(_) => {}
        }
    }

    /// What a dead replica has is not as it should be. That is no reason to refuse commands, or not to take over from others.
    pub(super) fn leave_alone(&mut self, them: String, trouble: Trouble, now: Tick) {
        self.current = None;
        self.skip(them.clone(), now.after(SKIPPED_MS));
        self.refused = Some((them, trouble));
    }

    /// Until then nothing is taken over from them.
    pub(super) fn skip(&mut self, them: String, until: Tick) {
        self.skipped.insert(them, until);
    }

    /// From which replica nothing can be taken over, and why, once.
    pub(super) fn take_refusal(&mut self) -> Option<(String, Trouble)> {
        self.refused.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE_MS: u64 = 4_000;

    fn with_over(over: &[&str]) -> TakeOver {
        let mut take_over = TakeOver::default();
        take_over.set_room(1);
        set_over(&mut take_over, over, Tick(0));
        take_over
    }

    fn set_over(take_over: &mut TakeOver, over: &[&str], now: Tick) {
        let over = over.iter().map(|id| (*id).to_owned()).collect();
        take_over.set_over(over, "me", now);
    }

    fn taken(cursor: &str, left: u64) -> Taken {
        Taken {
            cursor: cursor.to_owned(),
            left,
            expired: 0,
            poisoned: 0,
            unreadable: 0,
            newer: 0,
            jobs: Vec::new(),
        }
    }

    fn target(take_over: &mut TakeOver) -> Option<(String, String)> {
        take_over.target(|| 0)
    }

    fn at(them: &str, cursor: &str) -> Option<(String, String)> {
        Some((them.to_owned(), cursor.to_owned()))
    }

    #[test]
    fn one_after_the_other_is_emptied_part_by_part() {
        let mut take_over = with_over(&["a", "me", "b"]);
        assert_eq!(target(&mut take_over), at("a", "0"));
        take_over.go_on("a".to_owned(), Some(&taken("7", 0)), Tick(0), LEASE_MS);
        assert_eq!(take_over.target(|| 1), at("a", "7"));
        take_over.go_on("a".to_owned(), Some(&taken("0", 0)), Tick(0), LEASE_MS);
        assert_eq!(target(&mut take_over), at("b", "0"));
        take_over.go_on("b".to_owned(), Some(&taken("0", 0)), Tick(0), LEASE_MS);
        assert!(!take_over.is_possible());
        assert_eq!(target(&mut take_over), None);
    }

    #[test]
    fn the_first_one_is_any_of_them() {
        let chosen = [0, 1, 2].map(|random| with_over(&["a", "b", "c"]).target(|| random));
        assert_eq!(chosen, [at("a", "0"), at("b", "0"), at("c", "0")]);
    }

    #[test]
    fn one_that_lives_again_is_skipped_for_a_quarter_of_a_lease_and_one_with_a_newer_format_longer()
    {
        for (answer, skipped_ms) in [(None, 1_000), (Some(taken("0", 1)), 30_000)] {
            let mut take_over = with_over(&["a"]);
            assert_eq!(target(&mut take_over), at("a", "0"));
            take_over.go_on("a".to_owned(), answer.as_ref(), Tick(0), LEASE_MS);
            set_over(&mut take_over, &["a"], Tick(skipped_ms - 1));
            assert!(!take_over.is_possible());
            set_over(&mut take_over, &["a"], Tick(skipped_ms));
            assert!(take_over.is_possible());
        }
    }

    #[test]
    fn one_whose_jobs_cannot_be_taken_is_told_once_and_left_alone() {
        let mut take_over = with_over(&["a", "b"]);
        assert_eq!(target(&mut take_over), at("a", "0"));
        take_over.leave_alone("a".to_owned(), Trouble::OutOfStep, Tick(0));
        let told = [(); 2].map(|()| take_over.take_refusal());
        assert_eq!(told, [Some(("a".to_owned(), Trouble::OutOfStep)), None]);
        set_over(&mut take_over, &["a", "b"], Tick(29_999));
        assert_eq!(target(&mut take_over), at("b", "0"));
    }

    #[test]
    fn without_room_or_after_a_new_start_nothing_is_taken() {
        let mut take_over = with_over(&["a"]);
        take_over.set_room(0);
        assert!(!take_over.is_possible());
        take_over.set_room(1);
        assert_eq!(target(&mut take_over), at("a", "0"));
        take_over.start_again();
        assert!(!take_over.is_possible());
    }
}
