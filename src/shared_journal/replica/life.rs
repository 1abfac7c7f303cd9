//! From the start of a replica until it has left its fleet.

use crate::time::Tick;

/// A stop waits so long for what Redis has lost to be put again: a little less than the loop waits for what is with a sender.
const GIVE_UP_MS: u64 = 300;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Life {
    #[default]
    Running,
    /// A stop has begun.
    Stopping {
        /// Whether the loop was told that others find what is pending.
        is_told: bool,
        /// When what Redis has lost until then is given up.
        give_up_at: Option<Tick>,
    },
    /// The last outcomes are in.
    Finishing,
    Left,
}

impl Life {
    pub(super) fn begin_stop(&mut self) {
        if self.is_running() {
            *self = Self::Stopping {
                is_told: false,
                give_up_at: None,
            };
        }
    }

    pub(super) fn finish(&mut self) {
        if !self.has_left() {
            *self = Self::Finishing;
        }
    }

    pub(super) fn leave(&mut self) {
        *self = Self::Left;
    }

    pub(super) fn is_running(self) -> bool {
        self == Self::Running
    }

    pub(super) fn is_finishing(self) -> bool {
        self == Self::Finishing
    }

    pub(super) fn has_left(self) -> bool {
        self == Self::Left
    }

    /// Whether the loop waits for others to find what is pending.
    pub(super) const fn is_untold(self) -> bool {
        matches!(self, Self::Stopping { is_told: false, .. })
    }

    /// The loop is told that others find what is pending.
    pub(super) const fn tell(&mut self) {
        if let Self::Stopping { is_told, .. } = self {
            *is_told = true;
        }
    }

    /// When the loop has waited long enough.
    pub(super) fn give_up_at(self) -> Option<Tick> {
        match self {
            Self::Stopping { give_up_at, .. } => give_up_at.filter(|_| self.is_untold()),
            Self::Running | Self::Finishing | Self::Left => None,
        }
    }

    /// Whether the loop has waited long enough, from the first call of this in a stop on.
    pub(super) fn is_out_of_time(&mut self, now: Tick) -> bool {
        if let Self::Stopping { give_up_at, .. } = self {
            give_up_at.get_or_insert_with(|| now.after(GIVE_UP_MS));
        }
        self.give_up_at().is_some_and(|at| now >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_has_300_ms_from_when_it_is_seen() {
        let mut life = Life::default();
        assert!(!life.is_out_of_time(Tick(9_999)));
        life.begin_stop();
        assert_eq!(life.give_up_at(), None);
        let are_out = [1_000, 1_299, 1_300].map(|now| life.is_out_of_time(Tick(now)));
        assert_eq!(are_out, [false, false, true]);
        life.begin_stop();
        assert_eq!(life.give_up_at(), Some(Tick(1_300)));
    }

    #[test]
    fn a_stop_whose_jobs_others_find_gives_nothing_up() {
        let mut life = Life::default();
        life.begin_stop();
        life.is_out_of_time(Tick(0));
        assert!(life.is_untold());
        life.tell();
        assert!(!life.is_untold() && !life.is_out_of_time(Tick(9_999)));
        assert_eq!(life.give_up_at(), None);
    }

    #[test]
    fn one_that_has_left_begins_nothing() {
        let mut life = Life::default();
        life.leave();
        life.begin_stop();
        life.finish();
        assert!(life.has_left());
    }
}
