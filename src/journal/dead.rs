//! Segments in which nothing pending stands are deleted.

use super::Disk;
use super::ledger::Ledger;
use super::log::Log;

/// Deletes them. One that cannot be deleted is found at the next start.
///
/// Not before the newest segment's name is synced: a power cut may bring back some of what was
/// deleted, and it is by the newest header, or by the gap in front of a newer segment, that this is noticed.
pub(super) fn delete<D: Disk>(log: &mut Log<D>, ledger: &mut Ledger) {
    if !log.is_linked() {
        return;
    }
    while let Some(dead) = ledger.take_dead() {
        if let Err(failure) = log.remove(dead) {
            ::log::warn!("journal: {failure}");
        }
    }
    ledger.shrink();
}

/// Deletes them on a full disk, where no record of what has become of their jobs can be written: otherwise a log that has
/// filled its disk would keep it full for good.
///
/// Each deletion is durable before the next, so that no power cut leaves a gap. Two segments stay: the newest may be
/// without a header, and then the one before it is all that tells which job number is the next.
pub(super) fn make_room<D: Disk>(log: &mut Log<D>, ledger: &mut Ledger) {
    while ledger.segments() > 2
        && let Some(dead) = ledger.take_dead()
    {
        let deleted = log.remove(dead).and_then(|()| log.sync_names());
        if let Err(failure) = deleted {
            ::log::warn!("journal: {failure}");
            return;
        }
    }
}
