//! What a record says in journal time and numbers, from what the bot says in ticks and keys.

use super::JournalTime;
use super::record::Entry;
use crate::bot::Owed;
use crate::slab::Key;
use crate::time::Tick;

/// From the loop's ticks to journal time.
#[derive(Clone, Copy, Debug)]
pub(super) struct JournalClock {
    pub(super) tick: Tick,
    pub(super) journal: JournalTime,
}

impl JournalClock {
    /// The journal time of a tick, also of one to come.
    pub(super) const fn at(&self, tick: Tick) -> JournalTime {
        JournalTime(self.journal.0.saturating_add(tick.millis_since(self.tick)))
    }
}

/// The number of a job: its key's generation is the lower half, and the upper one is that which comes
/// nearest to the newest job's.
pub(super) fn number(job: Key, newest: u64) -> u64 {
    const ERA: u64 = 1 << 32;
    let here = newest & !(ERA - 1) | u64::from(job.generation());
    let others = [here.checked_sub(ERA), here.checked_add(ERA)];
    let all = others.into_iter().flatten().chain([here]);
    all.min_by_key(|number| number.abs_diff(newest))
        .unwrap_or(here)
}

/// What is owed, as a record has it.
pub(super) fn entry<'a>(owed: &Owed<'a>, clock: JournalClock, due: JournalTime) -> Entry<'a> {
    Entry {
        due,
        expires: clock.at(owed.expires_at),
        attempts: owed.attempts,
        command: owed.command,
        origin: owed.origin,
        path: owed.path,
        text: owed.text,
    }
}
