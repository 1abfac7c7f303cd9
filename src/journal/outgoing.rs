//! A batch on its way to the log: its records, and which jobs are accepted in it.

use super::JournalTime;
use super::entry::Entry;
use super::ledger::Location;
use super::log::{BATCH_FRONT, Written};
use super::record::Record;
use crate::time::UnixTime;

/// Memory that is kept for the next batch.
pub(super) const BATCH_BYTES_KEPT: usize = 1024 * 1024;
const JOBS_KEPT: usize = 4096;

/// Records, with room for a header in front.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) records: Vec<u8>,
    /// The slots of the jobs that are accepted, and where their records stand, counted from the batch's beginning.
    jobs: Vec<(u32, Location)>,
}

impl Outgoing {
    /// Begins the next batch.
    pub(super) fn begin(&mut self, journal: JournalTime, unix: UnixTime) {
        self.jobs.clear();
        self.jobs.shrink_to(JOBS_KEPT);
        self.records.clear();
        self.records.shrink_to(BATCH_BYTES_KEPT);
        self.records.extend_from_slice(&BATCH_FRONT);
        let begin = Record::Batch {
            journal,
            unix,
            synced: 0,
        };
        begin.append(&mut self.records);
    }

    /// Adds a job's accepted record.
    pub(super) fn accept(&mut self, slot: u32, number: u64, entry: Entry<'_>) {
        let offset = self.records.len();
        let bytes = Record::Accepted(number, entry).append(&mut self.records);
        let location = Location {
            due: entry.due,
            segment: 0,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            bytes: bytes as u32,
            attempts: entry.attempts,
        };
        self.jobs.push((slot, location));
    }

    /// How many jobs are accepted.
    pub(super) const fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// The slots of these jobs, and where their records stand now that the batch is written.
    pub(super) fn locations(&self, written: Written) -> impl Iterator<Item = (u32, Location)> {
        self.jobs.iter().map(move |(slot, location)| {
            let offset = written.offset + u64::from(location.offset) - BATCH_FRONT.len() as u64;
            let location = Location {
                segment: written.segment,
                // An offset of 4 GiB or more does not fit: a record there is found damaged if it is to be moved.
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
                ..*location
            };
            (*slot, location)
        })
    }
}
