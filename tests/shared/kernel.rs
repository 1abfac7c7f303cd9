//! What Linux tells of a process.

use std::fs;

/// How many descriptors it has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Its memory now, in KiB.
pub fn resident_kib(pid: u32) -> usize {
    status_kib(pid, "VmRSS:")
}

/// The most memory it ever had, in KiB.
pub fn peak_kib(pid: u32) -> usize {
    status_kib(pid, "VmHWM:")
}

fn status_kib(pid: u32, field: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    value
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}
