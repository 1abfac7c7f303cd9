//! What the kernel says a process has used.

use std::fs;
use std::io;

/// The unit of CPU time in `/proc`, fixed by Linux for what users see.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time used so far, in seconds.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
}

/// Of all threads of a process, ended ones included.
///
/// # Errors
/// There is no such process.
pub fn cpu(pid: u32) -> io::Result<Cpu> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses that may hold anything; the third comes after it.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let seconds = |index| {
        let ticks: f64 = fields
            .split_whitespace()
            .nth(index)
            .and_then(|field| field.parse().ok())
            .unwrap_or_default();
        ticks / TICKS_PER_SECOND
    };
    Ok(Cpu {
        user: seconds(11),
        system: seconds(12),
    })
}

/// Resident memory in bytes.
///
/// # Errors
/// There is no such process.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.unwrap_or_default() * 1024)
}

impl Cpu {
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user - earlier.user,
            system: self.system - earlier.system,
        }
    }

    pub fn total(self) -> f64 {
        self.user + self.system
    }
}
