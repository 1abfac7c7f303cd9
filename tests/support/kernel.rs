//! What Linux tells of a process.

use std::collections::BTreeMap;
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

/// The bytes that it holds for the connections at this port, received and not read or sent and not acknowledged; of
/// each. The table is read in pieces: while others change it a row may be told twice, or be missed.
pub fn queued_at(port: u16) -> Vec<usize> {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace());
    let queued = rows.filter_map(|mut row| {
        let (local, remote, state) = (row.nth(1)?, row.next()?, row.next()?);
        let is_ours = local.ends_with(&format!(":{port:04X}")) && state == ESTABLISHED;
        let (out, in_) = row.next().filter(|_| is_ours)?.split_once(':')?;
        let bytes = |hex| usize::from_str_radix(hex, 16).unwrap();
        Some((remote, bytes(out) + bytes(in_)))
    });
    BTreeMap::from_iter(queued).into_values().collect()
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
