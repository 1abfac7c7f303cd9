//! Answers that wait until what they promise is durable.

use super::{Sessions, Socket};
use crate::http::Response;

impl<S: Socket> Sessions<S> {
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
