//! What a log says and a power cut may still take back.
//!
//! Whoever reads a log takes it for true, and acts on it: posts no reply that is settled, and deletes a
//! segment whose jobs stand in a later one. So what it acts on must be durable first, and that it can be read proves
//! nothing: it may be in the system's memory alone, even for good if a sync has failed. What is not known to have been synced is
//! therefore in doubt. Outcomes in doubt are written again, to another file; a record in doubt takes no job from an older one.
//!
//! A segment's first batch repeats all outcomes that were in doubt when it was made. So as soon as some of a segment
//! is known to have been synced, no outcome in earlier ones is in doubt any more.

use std::collections::VecDeque;

use super::JournalTime;
use super::record::Record;
use super::replay::Place;

/// Something that would not be true if the record that says so went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// A job is owed no more.
    Settled(u64),
    /// All these jobs were withdrawn.
    Withdrawn { first: u64, last: u64 },
    /// An attempt at it has failed.
    Failed(u64),
    /// A job's accepted record is repeated here.
    Moved(u64, Place),
}

/// All that is in doubt, in the order of the log.
#[derive(Default)]
pub(super) struct Doubts(VecDeque<(u32, u64, Doubt)>);

impl Doubts {
    /// Adds what a record says that begins at this offset of a segment.
    pub(super) fn add(&mut self, segment: u32, offset: u64, doubt: Doubt) {
        self.0.push_back((segment, offset, doubt));
    }

    /// So many bytes of this segment are known to have been synced. Gives out what that settles.
    pub(super) fn know_synced(
        &mut self,
        segment: u32,
        synced: u64,
    ) -> impl Iterator<Item = Doubt> + '_ {
        std::iter::from_fn(move || {
            let (at, offset, _) = *self.0.front()?;
            let is_settled = synced > 0 && (at, offset) < (segment, synced);
            is_settled.then(|| self.0.pop_front())?
        })
        .map(|(_, _, doubt)| doubt)
    }

    /// Leaves those of which this is true.
    pub(super) fn retain(&mut self, mut is_left: impl FnMut(&Doubt) -> bool) {
        self.0.retain(|(_, _, doubt)| is_left(doubt));
    }

    /// Appends the records that make it true for good. `failed` tells of a job that is owed how many
    /// attempts have failed, and when the next one is due.
    pub(super) fn append_to(
        &self,
        out: &mut Vec<u8>,
        failed: impl Fn(u64) -> Option<(u8, JournalTime)>,
    ) {
        for (_, _, doubt) in &self.0 {
            match *doubt {
                Doubt::Settled(number) => _ = Record::Settled(number).append(out),
                Doubt::Withdrawn { first, last } => {
                    _ = Record::Withdrawn { first, last }.append(out);
                }
                Doubt::Failed(number) | Doubt::Moved(number, _) => {
                    if let Some((attempts, due)) = failed(number) {
                        let record = Record::Failed {
                            number,
                            attempts,
                            due,
                        };
                        record.append(out);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubts() -> Doubts {
        let mut doubts = Doubts::default();
        for (segment, offset) in [(1, 36), (1, 100), (2, 36), (2, 100), (3, 36)] {
            doubts.add(segment, offset, Doubt::Settled(offset));
        }
        doubts
    }

    #[test]
    fn a_sync_settles_what_stands_before_its_end_and_in_earlier_segments() {
        for (segment, synced, left) in [
            (1, 0, 5),
            (1, 100, 4),
            (1, 101, 3),
            (2, 0, 5),
            (2, 1, 3),
            (2, 101, 1),
            (3, 0, 5),
            (3, 37, 0),
        ] {
            let mut doubts = doubts();
            assert_eq!(doubts.know_synced(segment, synced).count(), 5 - left);
            assert_eq!(doubts.0.len(), left, "{synced} of {segment}");
        }
    }

    #[test]
    fn outcomes_in_doubt_are_written_again() {
        let mut doubts = doubts();
        doubts.add(3, 60, Doubt::Failed(7));
        doubts.add(3, 90, Doubt::Failed(8));
        doubts.add(3, 120, Doubt::Moved(9, Place::default()));
        let mut out = Vec::new();
        doubts.append_to(&mut out, |number| {
            (number != 8).then_some((2, JournalTime(5)))
        });
        assert_eq!(out.len(), 5 * 17 + 2 * 26, "number 8 is not owed");
    }
}
