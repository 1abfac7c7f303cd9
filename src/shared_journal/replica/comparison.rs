//! Whether the hash has what the table has: all of it is listed, round by round.

use crate::time::Tick;

/// Where a round begins, and where it ends.
const START: &str = "0";

#[derive(Debug, Default)]
pub(super) struct Comparison {
    round: u64,
    /// Where it goes on; `None`: it is over.
    cursor: Option<String>,
    /// Not before this, another one begins by itself.
    next_at: Tick,
    /// The last one that is over was with another server.
    is_outdated: bool,
}

impl Comparison {
    pub(super) fn begin(&mut self) {
        self.round += 1;
        self.cursor = Some(START.to_owned());
    }

    /// Begins if the last one that began like this did so long ago.
    pub(super) fn begin_by_itself(&mut self, now: Tick, interval_ms: u64) {
        if now >= self.next_at {
            self.next_at = now.after(interval_ms);
            self.begin();
        }
    }

    /// A part was listed. Whether it was the last one.
    pub(super) fn go_on(&mut self, cursor: String) -> bool {
        self.cursor = Some(cursor).filter(|cursor| cursor != START);
        if self.is_over() {
            self.is_outdated = false;
        }
        self.is_over()
    }

    /// There is no hash to compare with any more.
    pub(super) fn give_up(&mut self) {
        self.cursor = None;
    }

    pub(super) const fn is_over(&self) -> bool {
        self.cursor.is_none()
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// What is found in it, or put after it has begun, Redis has.
    pub(super) const fn round(&self) -> u64 {
        self.round
    }

    /// The server is another one from now on.
    pub(super) const fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// Whether no comparison with this server was over yet.
    pub(super) const fn is_outdated(&self) -> bool {
        self.is_outdated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_until_the_cursor_is_back_at_the_start() {
        let mut comparison = Comparison::default();
        assert!(comparison.is_over());
        comparison.outdate();
        comparison.begin();
        assert_eq!((comparison.round(), comparison.cursor()), (1, Some("0")));
        assert!(!comparison.go_on("17".to_owned()));
        assert_eq!(comparison.cursor(), Some("17"));
        assert!(comparison.is_outdated() && !comparison.is_over());
        assert!(comparison.go_on("0".to_owned()));
        assert!(!comparison.is_outdated() && comparison.is_over());
    }

    #[test]
    fn one_that_is_given_up_has_shown_nothing() {
        let mut comparison = Comparison::default();
        comparison.outdate();
        comparison.begin();
        comparison.give_up();
        assert!(comparison.is_over() && comparison.is_outdated());
    }

    #[test]
    fn it_begins_by_itself_once_in_an_interval() {
        let mut comparison = Comparison::default();
        let rounds = [0, 999, 1_000, 1_001].map(|now| {
            comparison.begin_by_itself(Tick(now), 1_000);
            comparison.round()
        });
        assert_eq!(rounds, [1, 1, 2, 2]);
    }
}
