//! Segments in which nothing pending stands are deleted.
//!
//! The oldest first, and each durably before the next: a gap in the log is damage ([`super::files`]), and no power cut,
//! and no segment that cannot be deleted, may look like it. Those that the newest header no longer counts need no
//! care.

use super::Disk;
use super::header::HEADER_BYTES;
use super::ledger::Ledger;
use super::log::Log;
use super::record::BATCH_RECORD_BYTES;

/// What a segment has in which nothing is said but the next number and the time.
pub(super) const EMPTY_BYTES: u64 = (HEADER_BYTES + BATCH_RECORD_BYTES) as u64;

/// Deletes them. One that cannot be deleted is tried again, and found at the next start.
///
/// Not before the newest segment's name is synced: a power cut may bring back some of what was
/// deleted, and it is by the newest header that this is noticed.
pub(super) fn delete<D: Disk>(log: &mut Log<D>, ledger: &mut Ledger) {
    if !log.is_linked() {
        return;
    }
    delete_before(log, ledger, u32::MAX);
    ledger.shrink();
}

/// Deletes them on a full disk, where no record of what has become of their jobs can be written: otherwise a log that has
/// filled its disk would keep it full for good.
///
/// The segment stays whose header is known to be durable, since it alone may tell which job number is the next: of the
/// newest ones the headers may be torn.
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
