//! What a run has found, as one line of JSON.

use crate::histogram::Histogram;
use crate::process::Cpu;

pub struct Report {
    pub seconds: f64,
    /// Commands answered, and replies received, in that time.
    pub answered: u64,
    pub delivered: u64,
    /// CPU time of the server, and of this program.
    pub server: Cpu,
    pub own: Cpu,
    pub latencies: Histogram,
    /// Of `/healthz`, if it was asked.
    pub health: Option<Histogram>,
    pub memory: Memory,
}

/// The server's resident memory, in bytes, at five moments; 0 where the plan does not have this moment.
#[derive(Default)]
pub struct Memory {
    /// Before any connection.
    pub start: u64,
    /// With all connections open.
    pub connected: u64,
    /// With all commands sent.
    pub loaded: u64,
    /// With all replies received.
    pub delivered: u64,
    /// A few seconds after the connections were closed.
    pub after: u64,
}

impl Report {
    pub fn json(&self) -> String {
        let micros = |permille| self.latencies.permille(permille) as f64 / 1000.0;
        let health = self.health.as_ref();
        let health = health.map_or(0, |latencies| latencies.permille(990)) as f64 / 1000.0;
        let per_second = |count: u64| count as f64 / self.seconds;
        let fields = [
            ("seconds", self.seconds),
            ("answered", self.answered as f64),
            ("delivered", self.delivered as f64),
            ("answered_per_second", per_second(self.answered)),
            ("delivered_per_second", per_second(self.delivered)),
            ("user_seconds", self.server.user()),
            ("system_seconds", self.server.total() - self.server.user()),
            ("server_busy", self.server.total() / self.seconds),
            ("switches", self.server.switches()),
            ("client_busy", self.own.total() / self.seconds),
            ("p50_us", micros(500)),
            ("p99_us", micros(990)),
            ("p999_us", micros(999)),
            ("max_us", self.latencies.max as f64 / 1000.0),
            ("health_p99_us", health),
            ("rss_start", self.memory.start as f64),
            ("rss_connected", self.memory.connected as f64),
            ("rss_loaded", self.memory.loaded as f64),
            ("rss_delivered", self.memory.delivered as f64),
            ("rss_after", self.memory.after as f64),
        ];
        let fields = fields.map(|(name, value)| format!("\"{name}\": {value:.4}"));
        format!("{{{}}}", fields.join(", "))
    }
}
