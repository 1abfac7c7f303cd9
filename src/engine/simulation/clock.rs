//! Both clocks of a simulated system.

use std::cell::Cell;
use std::rc::Rc;

use crate::time::{Now, Tick, UnixTime};

/// They stand still until a test turns them.
#[derive(Clone)]
pub(super) struct SimulatedClock(Rc<Cell<Now>>);

impl SimulatedClock {
    pub(super) fn new(tick: Tick) -> Self {
        let unix = UnixTime(1_700_000_000_000);
        Self(Rc::new(Cell::new(Now { tick, unix })))
    }

    pub(super) fn now(&self) -> Now {
        self.0.get()
    }

    /// A person, or a time server, sets the clock on the wall.
    pub(super) fn set_wall(&self, unix: UnixTime) {
        let Now { tick, .. } = self.now();
        self.0.set(Now { tick, unix });
    }

    pub(super) fn advance(&self, ms: u64) {
        let Now { tick, unix } = self.now();
        self.0.set(Now {
            tick: tick.after(ms),
            unix: UnixTime(unix.0 + ms),
        });
    }
}
