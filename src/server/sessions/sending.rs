//! What sessions send at the end of a turn, and what has to wait for the journal before that.

use std::ops::Range;

use super::{Sessions, Staged};
use crate::http::Response;
use crate::server::socket::Socket;
use crate::slab::Key;

impl<S: Socket> Sessions<S> {
    /// Sends what was staged in this turn, and what waited for sockets that take bytes again.
    pub(in crate::server) fn transmit(&mut self) {
        let mut resumed = std::mem::take(&mut self.resumed);
        for key in resumed.drain(..) {
            let Some(session) = self.slab.get_mut(key) else {
                continue;
            };
            match session.flush() {
                Err(_) => self.remove(key),
                // Requests that were already buffered get their turn without a new event.
                Ok(()) if !session.is_blocked() => self.activate(key),
                Ok(()) => {}
            }
        }
        self.resumed = resumed;
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
        if session.transmit(&self.staging.bytes()[range]).is_err() {
            self.remove(key);
        }
    }

    /// Whether the turn has promised something that must be durable before it goes out.
    pub(in crate::server) fn has_promises(&self) -> bool {
        self.staging.has_promise_since(0)
    }

    /// Sends what need not wait for that.
    pub(in crate::server) fn transmit_free(&mut self) {
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
    pub(in crate::server) fn break_promises(&mut self, instead: &Response) {
        for staged in &mut self.staged {
            staged.range = self.staging.break_promises(staged.range.clone(), instead);
        }
    }
}
