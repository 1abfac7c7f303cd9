//! Which jobs are pending by the records that were read, and which record of each is relied on.

use std::collections::{BTreeMap, BTreeSet};

use super::JournalTime;
use super::entry::Entry;
use super::record::Record;

/// Where the first accepted record of a pending job stands.
///
/// A later one is a copy. The process that made the copy may not have synced it; if it has, it has deleted the first record.
/// So while there is a first record, no copy is relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FirstRecord {
    segment: u32,
    /// How many accepted records stand before it in that segment.
    index: u32,
    /// Checksum of what does not change when the record is repeated.
    job: u32,
}

impl FirstRecord {
    fn of(segment: u32, index: u32, entry: &Entry<'_>) -> Self {
        Self {
            segment,
            index,
            job: entry.checksum(),
        }
    }
}

/// The pending jobs, without their texts.
#[derive(Default)]
pub(super) struct PendingIndex {
    /// By number.
    first_records: BTreeMap<u64, FirstRecord>,
    /// Of those with failed attempts, how many, and when the next one is due.
    failed: BTreeMap<u64, (u8, JournalTime)>,
    /// The highest number that a job has had.
    newest_job: u64,
}

impl PendingIndex {
    /// The highest number that a job has had.
    pub(super) const fn newest_job(&self) -> u64 {
        self.newest_job
    }

    /// How many jobs are pending.
    pub(super) fn len(&self) -> usize {
        self.first_records.len()
    }

    /// The segments in which their records stand.
    pub(super) fn segments(&self) -> BTreeSet<u32> {
        self.first_records
            .values()
            .map(|record| record.segment)
            .collect()
    }

    /// Jobs up to this number have been.
    pub(super) fn count_up_to(&mut self, number: u64) {
        self.newest_job = self.newest_job.max(number);
    }

    /// Takes in what a record says. `index` accepted records stand before it in its segment.
    pub(super) fn take(&mut self, segment: u32, index: u32, record: &Record<'_>) {
        match record {
            Record::Accepted(number, entry) => {
                self.accept(*number, FirstRecord::of(segment, index, entry), entry);
            }
            Record::Settled(number) => self.forget(*number, *number),
            Record::Withdrawn { first, last } => self.forget(*first, *last),
            Record::Failed {
                number,
                attempts,
                due,
            } => {
                if self.first_records.contains_key(number) {
                    self.failed.insert(*number, (*attempts, *due));
                }
            }
            Record::Batch { .. } => {}
        }
    }

    /// The job of this accepted record as it stands after all records; `None` if it is not pending, or if another record
    /// of it is relied on.
    pub(super) fn resolve<'a>(
        &self,
        segment: u32,
        index: u32,
        number: u64,
        entry: Entry<'a>,
    ) -> Option<Entry<'a>> {
        let first = self.first_records.get(&number)?;
        let is_this = *first == FirstRecord::of(segment, index, &entry);
        let (attempts, due) = match self.failed.get(&number) {
            Some(failed) => *failed,
            None => (entry.attempts, entry.due),
        };
        is_this.then_some(Entry {
            attempts,
            due,
            ..entry
        })
    }

    fn accept(&mut self, number: u64, record: FirstRecord, entry: &Entry<'_>) {
        self.count_up_to(number);
        let first = self.first_records.get(&number);
        if first.is_some_and(|first| first.job == record.job) {
            if entry.attempts > 0 {
                self.failed.insert(number, (entry.attempts, entry.due));
            }
        } else {
            // A number may have been given out again if the only records that had it were never acknowledged
            // and could not be found then; those count no more.
            self.first_records.insert(number, record);
            self.failed.remove(&number);
        }
    }

    /// None of the jobs from `first` to `last` is pending.
    fn forget(&mut self, first: u64, last: u64) {
        self.count_up_to(last);
        while let Some((&number, _)) = self.first_records.range(first..).next()
            && number <= last
        {
            self.first_records.remove(&number);
            self.failed.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn entry(text: &str, attempts: u8, due: u64) -> Entry<'_> {
        let (due, expires_at) = (JournalTime(due), JournalTime(1_000));
        Entry {
            text,
            ..Entry::without_texts(due, expires_at, attempts)
        }
    }

    const FIRST: Entry<'_> = entry("olleh", 0, 5);

    fn index(records: &[(u32, Record<'_>)]) -> PendingIndex {
        let mut index = PendingIndex::default();
        for (segment, record) in records {
            index.take(*segment, 0, record);
        }
        index
    }

    #[test]
    fn the_first_record_of_a_job_is_relied_on_and_its_copies_say_the_attempts() {
        let copy = entry("olleh", 2, 9);
        let index = index(&[
            (1, Record::Accepted(7, FIRST)),
            (2, Record::Accepted(7, copy)),
        ]);
        assert_eq!(index.resolve(1, 0, 7, FIRST), Some(copy));
        assert_eq!(index.resolve(2, 0, 7, copy), None, "a copy");
        assert_eq!(index.resolve(1, 1, 7, FIRST), None, "another place");
        assert_eq!(index.resolve(1, 0, 8, FIRST), None, "another number");
        assert_eq!((index.len(), index.segments()), (1, [1].into()));
    }

    #[test]
    fn a_number_that_was_given_out_again_is_of_the_later_job() {
        let failed = Record::Failed {
            number: 7,
            attempts: 1,
            due: JournalTime(8),
        };
        let other = entry("other", 0, 6);
        let records = [
            (1, Record::Accepted(7, FIRST)),
            (1, failed),
            (2, Record::Accepted(7, other)),
        ];
        assert_eq!(
            index(&records[..2]).resolve(1, 0, 7, FIRST),
            Some(entry("olleh", 1, 8))
        );
        let index = index(&records);
        assert_eq!(index.resolve(1, 0, 7, FIRST), None);
        assert_eq!(index.resolve(2, 0, 7, other), Some(other));
    }

    #[test]
    fn what_is_settled_or_withdrawn_is_forgotten_and_its_number_counts() {
        let accepted = [3, 4, 5, 6].map(|number| (1, Record::Accepted(number, FIRST)));
        let (first, last) = (5, 9);
        let ended = [
            (1, Record::Settled(3)),
            (1, Record::Withdrawn { first, last }),
        ];
        let mut index = index(&[&accepted[..], &ended].concat());
        assert_eq!((index.len(), index.newest_job()), (1, 9));
        assert_eq!(index.resolve(1, 0, 4, FIRST), Some(FIRST));
        index.count_up_to(8);
        assert_eq!(index.newest_job(), 9);
    }
}
