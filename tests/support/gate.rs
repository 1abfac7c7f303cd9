//! A gate that a stand-in's answers wait at until a test lets them through.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::DEADLINE;

/// Closed until it is opened; a clone is the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open, but not for ever: a test that fails must end.
    pub fn wait(&self) {
        self.wait_at_most(DEADLINE);
    }

    /// Waits until it is open or the time is over: a round trip, if no test opens it.
    pub fn wait_at_most(&self, time: Duration) {
        let is_open = self.0.0.lock().unwrap();
        let waited = self
            .0
            .1
            .wait_timeout_while(is_open, time, |is_open| !*is_open);
        drop(waited.unwrap());
    }
}
