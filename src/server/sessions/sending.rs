//! What sessions send at the end of a turn, and what has to wait for the journal before that.

use std::ops::Range;

use super::{Sessions, Staged};
use crate::http::Response;
use crate::server::session::Session;
use crate::server::socket::Socket;
use crate::slab::Key;

impl<S: Socket> Sessions<S> {
    /// Sends what waited for sockets that take bytes again: first of all, since their clients may have sent more.
    pub(super) fn resume(&mut self) {
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

    /// Sends what was staged in this turn.
    pub(in crate::server) fn transmit(&mut self) {
        let mut staged = std::mem::take(&mut self.staged);
        for Staged { key, range, .. } in staged.drain(..) {
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

    /// Has what the turn has promised made durable, before it goes out; what need not wait for that does not.
    /// If it cannot be, something else is said in place of each promise.
    pub(in crate::server) fn keep_promises(
        &mut self,
        commit: impl FnOnce() -> bool,
        otherwise: &Response,
    ) {
        if self.has_promises() {
            self.transmit_free();
        }
        if !commit() {
            self.break_promises(otherwise);
        }
    }

    /// Whether the turn has promised something that must be durable before it goes out.
    pub(super) fn has_promises(&self) -> bool {
        self.staging.has_promise_since(0)
    }

    /// Sends what need not wait for that.
    fn transmit_free(&mut self) {
        let mut staged = std::mem::take(&mut self.staged);
        staged.retain(|staged| {
            if !staged.is_held {
                self.send(staged.key, staged.range.clone());
            }
            staged.is_held
        });
        self.staged = staged;
    }

    /// It is not durable: says something else in place of each promise.
    fn break_promises(&mut self, instead: &Response) {
        for staged in &mut self.staged {
            staged.range = self.staging.break_promises(staged.range.clone(), instead);
        }
    }
}
