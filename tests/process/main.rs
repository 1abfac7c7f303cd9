//! What only the real process can show: signals, exit codes, standard streams, the environment. Ports
//! are chosen by the system; what is waited for has a deadline and no sleep.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub
)] // it is the outside world

mod broken_log;
mod checking;
mod completions;
mod directories;
#[cfg(target_os = "linux")]
mod disks;
mod earlier;
mod first_minutes;
mod fleet_journal;
#[cfg(target_os = "linux")]
mod idle;
mod journal;
mod kills;
mod listening;
#[cfg(target_os = "linux")] // which tells where a process listens whose log is not read
mod log_files;
mod log_formats;
mod log_levels;
mod metrics;
mod mistakes;
#[cfg(target_os = "linux")]
mod mounted;
mod pasted;
mod printing;
mod repeats;
mod secrecy;
#[cfg(feature = "redis")]
mod shared_journal;
#[cfg(all(target_os = "linux", target_env = "gnu"))] // a static binary has no library before libc's
mod slow_disk;
mod stopping;
mod story;
mod supervised;
mod trial;
mod trial_to;
mod tunnels;
mod undelivered;
mod upgrade;

use test_support::Binary;

const TORRAP: Binary<'static> = Binary(env!("CARGO_BIN_EXE_torrap"));
