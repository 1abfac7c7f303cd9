//! Deletes dead segments: those that hold no record of a pending job.
//!
//! The oldest goes first, and each durably before the next: a gap in the log is damage ([`super::files`]), and neither a power
//! cut nor a segment that cannot be deleted may look like it. The order of those that the newest header no longer counts does
//! not matter.

use super::Disk;
use super::header::HEADER_BYTES;
use super::ledger::Ledger;
use super::log::Log;
use super::record::BATCH_RECORD_BYTES;

/// The size of a segment that says nothing but the next number and the time.
pub(super) const EMPTY_BYTES: u64 = (HEADER_BYTES + BATCH_RECORD_BYTES) as u64;

/// Deletes dead segments. One that cannot be deleted is tried again, and found at the next start.
///
/// Not before the newest segment's name is synced: a power cut may bring back deleted segments, and by the newest header the
/// next process knows them.
pub(super) fn delete<D: Disk>(log: &mut Log<D>, ledger: &mut Ledger) {
    if !log.is_linked() {
        return;
    }
    delete_before(log, ledger, u32::MAX);
    ledger.shrink();
}

/// Deletes dead segments on a full disk, where no record of their jobs' outcomes can be written: otherwise a log that has
/// filled its disk would keep it full for good.
///
/// The newest segment stays whose header is known to be durable. It alone may tell which job number is the next: the headers
/// of later ones may be torn.
pub(super) fn make_room<D: Disk>(log: &mut Log<D>, ledger: &mut Ledger) {
    // What an earlier process has deleted may still come back.
    if log.sync_names().is_err() {
        return;
    }
    delete_before(log, ledger, log.anchor());
}

fn delete_before<D: Disk>(log: &mut Log<D>, ledger: &mut Ledger, end: u32) {
    let next = |ledger: &mut Ledger| match ledger.oldest() < end {
        true => ledger.take_dead(),
        false => None,
    };
    while let Some(dead) = log.undeleted().or_else(|| next(ledger)) {
        if !log.delete(dead) {
            break;
        }
    }
}
