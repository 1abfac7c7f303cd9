//! The clock of the loop; the core reads none.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::time::{Now, Tick, UnixTime, millis};

/// Reads both clocks of the system; ticks count from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The moment of a tick, as the system's calls want it.
    #[cfg(feature = "redis")]
    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        self.start + std::time::Duration::from_millis(tick.0)
    }

    /// What time it is. A wall clock before 1970 reads as 1970: every timestamp is stale then, which
    /// the log says.
    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            tick: Tick(millis(self.start.elapsed())),
            unix: UnixTime(millis(unix)),
        }
    }
}
