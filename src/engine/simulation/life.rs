//! How long a process lives: until its end, or until some call of the system is its last.

use std::cell::Cell;
use std::rc::Rc;

/// Counts the calls that are left, once it is said that the process dies. Sockets, disk and senders share it: nothing
/// that the process does afterwards has an effect.
#[derive(Clone, Default)]
pub(crate) struct Life(Rc<Cell<Option<u64>>>);

impl Life {
    /// So many calls are left.
    pub(super) fn end_after(&self, calls: u64) {
        self.0.set(Some(calls));
    }

    /// Another process begins, or this one dies after all.
    pub(super) fn renew(&self) {
        self.0.set(None);
    }

    /// Counts a call; whether it comes to nothing, since the process is dead.
    pub(super) fn count_call(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.map(|calls| calls.saturating_sub(1)));
        left == Some(0)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.get() == Some(0)
    }
}
