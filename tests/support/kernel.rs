//! What Linux tells of a process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use crate::process::poll_for;

/// How many descriptors it has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The number that its next descriptor will get.
pub fn lowest_free_descriptor(pid: u32) -> u64 {
    let taken = |number: &u64| fs::exists(format!("/proc/{pid}/fd/{number}")).unwrap();
    (0..).find(|number| !taken(number)).unwrap()
}

/// The processor time it has used, in hundredths of a second.
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Its memory now, in KiB.
pub fn resident_kib(pid: u32) -> usize {
    status_kib(pid, "VmRSS:")
}

/// Whether this process ignores SIGHUP, SIGINT or SIGTERM, and so would its children.
pub fn ignores_stop_signals() -> bool {
    const STOP_SIGNALS: u64 = 1 << 0 | 1 << 1 | 1 << 14;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask & STOP_SIGNALS != 0
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

/// Where a process listens, for those whose log does not tell it.
pub fn listening_address(pid: u32) -> SocketAddr {
    poll_for("a listening socket", || {
        let sockets = sockets(pid);
        let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, port) = fields[1].split_once(':').unwrap();
            let port = u16::from_str_radix(port, 16).unwrap();
            // 0A is LISTEN; the tenth field is the socket's inode.
            (fields[3] == "0A" && sockets.contains(fields[9]))
                .then(|| (Ipv4Addr::LOCALHOST, port).into())
        })
    })
}

/// The inodes of its sockets.
pub fn sockets(pid: u32) -> BTreeSet<String> {
    // Descriptors come and go while they are listed.
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    targets
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        })
        .collect()
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
