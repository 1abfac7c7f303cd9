//! What sessions send at the end of a turn.

use std::ops::Range;

use super::{Sessions, Staged};
use crate::endpoint::session::Session;
use crate::endpoint::socket::Socket;
use crate::slab::Key;

impl<S: Socket> Sessions<S> {
    /// Sends what waited for sockets that take bytes again: first of all, since their clients may have sent more.
    pub(crate) fn resume(&mut self) {
        let mut resumed = std::mem::take(&mut self.resumed);
        for key in resumed.drain(..) {
            // One whose time was over has been looked at already, and may have staged its last answer since.
            let blocked = |session: &&mut Session<S>| session.is_blocked();
            let Some(session) = self.slab.get_mut(key).filter(blocked) else {
                continue;
            };
            match session.flush() {
                Err(_) => self.remove(key),
                // Requests that were already buffered get their turn without a new event.
                Ok(()) if !session.is_blocked() => {
                    self.activate(key);
                    self.book(key);
                }
                Ok(()) => {}
            }
        }
        self.resumed = resumed;
    }

    /// Sends what was staged in this turn and is not sent yet.
    pub(crate) fn transmit(&mut self) {
        let mut staged = std::mem::take(&mut self.staged);
        for Staged { key, range } in staged.drain(..) {
            self.send(key, range);
        }
        self.staged = staged;
    }

    fn send(&mut self, key: Key, range: Range<usize>) {
        let Some(session) = self.slab.get_mut(key) else {
            return;
        };
        match session.transmit(&self.staging.bytes()[range]) {
            Err(_) => self.remove(key),
            Ok(()) if session.is_blocked() => self.book(key),
            Ok(()) => {}
        }
    }
}
