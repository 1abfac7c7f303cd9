//! From the loop's ticks to journal time and back.

use super::JournalTime;
use super::entry::Entry;
use crate::store::PendingJob;
use crate::time::{Now, Tick, UnixTime};

/// A moment as the loop's clock and as the journal's tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct JournalClock {
    tick: Tick,
    journal: JournalTime,
}

impl JournalClock {
    /// The clock of a process that starts now on a log whose last recorded time is this.
    pub(super) fn start(last: Option<(JournalTime, UnixTime)>, now: Now) -> Self {
        Self {
            tick: now.tick,
            journal: resume(last, now.unix),
        }
    }

    /// The journal time of a tick, also of one to come.
    pub(super) const fn at(&self, tick: Tick) -> JournalTime {
        JournalTime(self.journal.0.saturating_add(tick.millis_since(self.tick)))
    }

    /// Whether this time had come when the process started.
    pub(super) fn has_come(&self, time: JournalTime) -> bool {
        time <= self.journal
    }

    /// A job as a record has it.
    pub(super) const fn entry<'a>(&self, pending: &PendingJob<'a>) -> Entry<'a> {
        pending.with_times(self.at(pending.due), self.at(pending.expires_at))
    }

    /// What a record says, in ticks.
    pub(super) fn pending<'a>(&self, entry: &Entry<'a>) -> PendingJob<'a> {
        let wait = |time: JournalTime| time.0.saturating_sub(self.journal.0);
        let due = self.tick.not_before(wait(entry.due));
        entry.with_times(due, self.tick.after(wait(entry.expires_at)))
    }
}

/// Journal time at the start: on from the last one that was recorded, by as much as the time of day has
/// moved forward. A clock that was set back has not moved.
pub(crate) fn resume(last: Option<(JournalTime, UnixTime)>, unix: UnixTime) -> JournalTime {
    match last {
        Some((journal, then)) => {
            JournalTime(journal.0.saturating_add(unix.0.saturating_sub(then.0)))
        }
        None => JournalTime(unix.0),
    }
}
