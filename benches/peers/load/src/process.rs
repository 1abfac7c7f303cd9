//! What the kernel says a process has used.

use std::fs;
use std::io;
use std::time::Duration;

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// CPU time used so far, in seconds.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    /// To the nanosecond.
    total: f64,
    /// In ticks of 10 ms, and sampled: good for the proportion of the two.
    user_ticks: f64,
    system_ticks: f64,
    /// How often a processor went over from one of its threads to another one, of the threads that have not ended.
    switches: f64,
}

/// Of all threads of a process, ended ones included.
///
/// # Errors
/// There is no process of this number.
pub fn cpu(pid: u32) -> io::Result<Cpu> {
    let pid_number = i32::try_from(pid).map_err(io::Error::other)?;
    let total = clock_getcpuclockid(Pid::from_raw(pid_number))?.now()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses that may hold anything; the third comes after it.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |index| {
        fields
            .split_whitespace()
            .nth(index)
            .and_then(|field| field.parse().ok())
            .unwrap_or_default()
    };
    Ok(Cpu {
        total: Duration::from(total).as_secs_f64(),
        user_ticks: ticks(11),
        system_ticks: ticks(12),
        switches: switches(pid)?,
    })
}

fn switches(pid: u32) -> io::Result<f64> {
    let mut switches = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // It may have ended since.
        let status = fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
        let counts = status
            .lines()
            .filter(|line| line.contains("_ctxt_switches:"));
        let counts = counts.filter_map(|line| line.rsplit(char::is_whitespace).next());
        switches += counts
            .filter_map(|count| count.parse::<f64>().ok())
            .sum::<f64>();
    }
    Ok(switches)
}

/// Resident memory in bytes.
///
/// # Errors
/// There is no process of this number.
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
            total: self.total - earlier.total,
            user_ticks: self.user_ticks - earlier.user_ticks,
            system_ticks: self.system_ticks - earlier.system_ticks,
            switches: self.switches - earlier.switches,
        }
    }

    pub const fn total(self) -> f64 {
        self.total
    }

    pub const fn switches(self) -> f64 {
        self.switches
    }

    /// The part that was not the kernel's.
    pub fn user(self) -> f64 {
        let ticks = self.user_ticks + self.system_ticks;
        if ticks > 0.0 {
            self.total * self.user_ticks / ticks
        } else {
            0.0
        }
    }
}
