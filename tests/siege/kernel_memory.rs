//! What the kernel holds for the bot's connections: its own memory, which no figure of the process shows.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What it may hold for each connection: the two buffers that `src/platform/bound.rs` asks for, doubled as Linux
/// does, and one packet more, since it compares before it adds.
const KIB_EACH_MAX: f64 = 64.0 + 32.0 + 64.0;
const PERIOD: Duration = Duration::from_millis(200);

/// The most that was seen.
#[derive(Clone, Copy, Default)]
pub struct Peak {
    pub mib: f64,
    /// How many connections had that, and the most of any one, in KiB.
    pub connections: usize,
    pub each_kib: f64,
}

impl Peak {
    pub fn fault(self) -> Option<String> {
        (self.each_kib > KIB_EACH_MAX).then(|| {
            format!(
                "the kernel holds {:.0} KiB for one connection, {KIB_EACH_MAX} are the bound",
                self.each_kib
            )
        })
    }
}

/// Looks again and again until it is over.
pub fn watch(port: u16, is_over: &AtomicBool) -> Peak {
    let mut peak = Peak::default();
    while !is_over.load(Ordering::Acquire) {
        let held = look(port);
        let mib = held.iter().sum::<f64>() / 1024.0;
        if mib >= peak.mib {
            (peak.mib, peak.connections) = (mib, held.len());
        }
        peak.each_kib = held.into_iter().fold(peak.each_kib, f64::max);
        thread::sleep(PERIOD);
    }
    peak
}

/// What each connection at this port has there, in KiB: `ss` of iproute2 asks the kernel.
fn look(port: u16) -> Vec<f64> {
    let output = Command::new("ss")
        .args(["-tnmH", "sport", "=", &format!(":{port}")])
        .output()
        .expect("ss can be run: install iproute2");
    assert!(output.status.success(), "ss has failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let sockets = text.split("skmem:(").skip(1);
    sockets
        .map(|socket| {
            let (fields, _) = socket.split_once(')').unwrap();
            // Received and not read, reserved, to be sent, and received while the process was at it (ss(8)).
            let counted = ["r", "f", "w", "bl"];
            let bytes = fields.split(',').filter_map(|field| {
                let digits = field.find(|c: char| c.is_ascii_digit())?;
                let (name, bytes) = field.split_at(digits);
                let bytes: f64 = bytes.parse().ok()?;
                counted.contains(&name).then_some(bytes)
            });
            bytes.sum::<f64>() / 1024.0
        })
        .collect()
}
