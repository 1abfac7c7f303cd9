//! Reads records of the oldest segment again, to be written anew so that it can be deleted.

use std::io;

use super::Disk;
use super::header;
use super::ledger::Ledger;
use super::outgoing::Outgoing;
use super::record::{Entry, Record, is_intact};
use crate::time::Tick;

/// After a record could not be read, nothing is moved for so long.
const REST_MS: u64 = 1_000;

/// What it takes to read records again.
///
/// One that cannot be read is not lost, for its job is in the bot's memory; but nothing else has its texts. Its
/// segment stays until the job is settled, and is tried again now and then: not all errors are for good.
#[derive(Debug, Default)]
pub(super) struct Mover {
    record: Vec<u8>,
    /// After a record could not be read, when moving goes on.
    next_at: Tick,
    /// The last segment that had one.
    unreadable: Option<u32>,
    /// Segments that had one.
    pub(super) unreadables: u64,
}

impl Mover {
    /// When moving goes on.
    pub(super) const fn next_at(&self) -> Tick {
        self.next_at
    }

    /// Adds jobs of the oldest segment to a batch, until that is so long.
    pub(super) fn stage<D: Disk>(
        &mut self,
        disk: &mut D,
        ledger: &Ledger,
        outgoing: &mut Outgoing,
        end: usize,
        now: Tick,
    ) {
        let Some(segment) = ledger.old_segment() else {
            return;
        };
        let Err(error) = self.copy(disk, segment, ledger, outgoing, end) else {
            return;
        };
        self.next_at = now.after(REST_MS);
        if self.unreadable.replace(segment) != Some(segment) {
            self.unreadables += 1;
            let name = header::name(segment);
            ::log::warn!(
                "journal: {name} cannot be emptied, a record cannot be read again: {error}; it stays until all that is owed in it is answered"
            );
        }
    }

    fn copy<D: Disk>(
        &mut self,
        disk: &mut D,
        segment: u32,
        ledger: &Ledger,
        outgoing: &mut Outgoing,
        end: usize,
    ) -> io::Result<()> {
        let mut file = disk.open(&header::name(segment))?;
        for (slot, place) in ledger.oldest_jobs() {
            if outgoing.records.len() >= end {
                break;
            }
            self.record.resize(place.bytes as usize, 0);
            disk.read_at(&mut file, u64::from(place.offset), &mut self.record)?;
            let record = Record::read(&self.record).filter(|_| is_intact(&self.record, segment));
            let Some(Record::Accepted(number, entry)) = record else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"));
            };
            // With what has changed since it was written.
            let entry = Entry {
                attempts: place.attempts,
                due: place.due,
                ..entry
            };
            outgoing.accept(slot, number, entry);
        }
        Ok(())
    }
}
