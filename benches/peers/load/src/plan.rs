//! What a run is to do, and how it decides when the next command goes out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What the command line asks for.
pub struct Plan {
    pub target: SocketAddr,
    /// The server, whose CPU time and memory are read.
    pub pid: u32,
    pub connections: usize,
    /// Commands sent in one piece, whose answers are awaited together.
    pub pipeline: usize,
    /// Connections that were used once and then stay open.
    pub idle: usize,
    pub warmup: Duration,
    pub extent: Extent,
    pub pace: Pace,
    /// Where replies are received.
    pub sink: Option<SocketAddr>,
    /// How long a reply waits for its answer there.
    pub sink_delay: Duration,
    /// Whether they come over TLS, with this private key.
    pub sink_key: Option<PathBuf>,
    /// Whether `/healthz` is asked beside the commands.
    pub health: bool,
    /// With a count: whether the run ends only when every reply came, and looks at the memory afterwards.
    pub settle: bool,
    /// No request is sent twice: a run that needs more of them than there are has failed.
    pub fresh: bool,
}

/// How much is sent.
#[derive(Clone, Copy, PartialEq)]
pub enum Extent {
    /// As much as goes in this time.
    Time(Duration),
    /// So many commands, without a warm-up.
    Count(u64),
}

/// When a free connection sends.
#[derive(Clone, Copy, PartialEq)]
pub enum Pace {
    /// At once: saturation.
    Closed,
    /// So many commands a second, whatever the answers do.
    Rate(u32),
    /// At once, while fewer replies than this are pending: saturation of both directions.
    Window(u64),
}

/// The state of a pace.
pub struct Pacer {
    pace: Pace,
    began: Instant,
    /// Commands let go so far, at a fixed rate.
    released: u64,
}

impl Pacer {
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            began: Instant::now(),
            released: 0,
        }
    }

    /// Whether the next command may go now, and when it was meant to. A command of a fixed rate that
    /// had to wait for a free connection was meant to go earlier, and its latency counts from then.
    pub fn next(&mut self, now: Instant, pending: u64) -> Option<Instant> {
        match self.pace {
            Pace::Closed => Some(now),
            Pace::Window(most) => (pending < most).then_some(now),
            Pace::Rate(per_second) => {
                let nanos = self.released * 1_000_000_000 / u64::from(per_second);
                let meant = self.began + Duration::from_nanos(nanos);
                let is_due = meant <= now;
                self.released += u64::from(is_due);
                is_due.then_some(meant)
            }
        }
    }

    /// How long to wait for events: at a fixed rate not at all, since a timer would be late.
    pub const fn poll_timeout(&self) -> Duration {
        match self.pace {
            Pace::Rate(_) => Duration::ZERO,
            Pace::Closed | Pace::Window(_) => Duration::from_millis(10),
        }
    }
}
