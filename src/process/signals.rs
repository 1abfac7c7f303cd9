//! Signals: which of them ask for a stop, how many of them are one stop, and which of them do nothing.
//!
//! A signal's disposition cannot be set without `unsafe`, except through `ctrlc`, which catches all three stop signals or
//! none. A thread's mask can be set. A signal that every thread blocks stays pending for ever, which has the effect of
//! ignoring it; so signals to ignore are blocked before there is a second thread.

use std::fs;
use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use log::{info, warn};
use nix::sys::signal::{SigSet, Signal};

use crate::platform::Stopper;

/// What asks for a stop: a terminal's Ctrl-C, a service manager, a terminal that is closed.
const STOP_SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Stop signals within this time of the first are the same stop: systemd sends SIGTERM and then SIGHUP
/// (`SendSIGHUP=`), `timeout` signals its child and then the child's process group, and a terminal's Ctrl-C goes to the
/// whole foreground group, whose parent may pass it on.
const REPEAT_WINDOW: Duration = Duration::from_secs(1);

/// How long a second stop waits for the loop to end and for the lines about replies that are left.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// Where Linux tells a process about its own signals: proc_pid_status(5).
const STATUS: &str = "/proc/self/status";

/// How the process was started.
pub(super) struct Signals {
    /// The stop signals that were ignored when the process started, as `nohup` and a script's `&` arrange it. `None`: the
    /// system does not tell.
    ignored: Option<SigSet>,
}

impl Signals {
    /// Takes over what the parent process has set: signals that were ignored stay ignored, stop signals that were blocked
    /// are unblocked. From now on a write beyond a file-size limit is an error (setrlimit(2), `RLIMIT_FSIZE`) and no
    /// longer kills the process; Rust's runtime has done the same for SIGPIPE. Call it before there are other threads.
    ///
    /// # Errors
    /// The system does not let the mask be changed.
    pub(super) fn inherit() -> io::Result<Self> {
        let status = fs::read_to_string(STATUS).ok();
        let ignored = status.as_deref().and_then(ignored_in);
        let mut blocked = ignored.unwrap_or_else(SigSet::empty);
        let heard: SigSet = STOP_SIGNALS
            .into_iter()
            .filter(|signal| !blocked.contains(*signal))
            .collect();
        blocked.add(Signal::SIGXFSZ);
        blocked.thread_block()?;
        heard.thread_unblock()?;
        Ok(Self { ignored })
    }

    /// From now on the first stop asks for a graceful end, and the second one for an end at once: `exit` is called if the
    /// process has not ended in time.
    ///
    /// # Errors
    /// The system has no handler or no thread for it.
    pub(super) fn catch(&self, stopper: Stopper, exit: fn()) -> Result<(), ctrlc::Error> {
        let mut stops = Stops::default();
        // It runs on a thread of its own: no rule of signal handlers applies.
        let handle = move || match stops.count(Instant::now()) {
            Stop::First => {
                // Without a terminal there is no Ctrl-C to press.
                if io::stderr().is_terminal() {
                    info!("press Ctrl-C again to exit at once");
                }
                stopper.stop();
            }
            Stop::Repeated => {}
            Stop::Second => {
                stopper.stop_at_once();
                thread::sleep(END_TIMEOUT);
                exit();
            }
        };
        match ctrlc::try_set_handler(handle.clone()) {
            // One of them was ignored. If it is blocked, its handler is never called.
            Err(ctrlc::Error::MultipleHandlers) => {
                if self.ignored.is_none() {
                    warn!(
                        "a signal was ignored when the bot was started, and this system does not tell which: \
                         SIGINT, SIGTERM and SIGHUP all stop it"
                    );
                }
                ctrlc::set_handler(handle)
            }
            result => result,
        }
    }
}

/// The stop signals that this status says are ignored: a mask in hexadecimal, whose lowest bit is signal 1.
fn ignored_in(status: &str) -> Option<SigSet> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    let is_ignored = |signal: &Signal| mask >> (*signal as u32 - 1) & 1 == 1;
    Some(STOP_SIGNALS.into_iter().filter(is_ignored).collect())
}

/// Which stop a signal belongs to.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    First,
    /// The first one again.
    Repeated,
    Second,
}

/// The stop signals that have come.
#[derive(Clone, Default)]
struct Stops {
    first: Option<Instant>,
}

impl Stops {
    fn count(&mut self, now: Instant) -> Stop {
        match self.first {
            None => {
                self.first = Some(now);
                Stop::First
            }
            Some(first) if now.saturating_duration_since(first) < REPEAT_WINDOW => Stop::Repeated,
            Some(_) => Stop::Second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_within_a_second_is_one_stop() {
        let first = Instant::now();
        let mut stops = Stops::default();
        let mut count = |ms| stops.count(first + Duration::from_millis(ms));
        assert_eq!(count(0), Stop::First);
        assert_eq!(count(20), Stop::Repeated);
        assert_eq!(count(999), Stop::Repeated);
        assert_eq!(count(1_000), Stop::Second);
    }

    #[test]
    fn what_was_ignored_is_read_from_the_status() {
        let status = |mask: &str| {
            format!("Name:\ttorrap\nSigBlk:\t0000000000004003\nSigIgn:\t{mask}\nSigCgt:\t0\n")
        };
        let told = |mask: &str| {
            let ignored = ignored_in(&status(mask))?;
            let is_in = |signal: &Signal| ignored.contains(*signal);
            Some(STOP_SIGNALS.into_iter().filter(is_in).collect::<Vec<_>>())
        };
        assert_eq!(told("0000000000001000"), Some(vec![]), "SIGPIPE alone");
        assert_eq!(told("0000000000001001"), Some(vec![Signal::SIGHUP]));
        assert_eq!(told("0000000000000006"), Some(vec![Signal::SIGINT]));
        assert_eq!(told("ffffffffffffffff"), Some(STOP_SIGNALS.to_vec()));
        assert_eq!(told("soon"), None);
        assert!(
            ignored_in("torrap 42 1 42 0 5,0 ctty").is_none(),
            "FreeBSD's"
        );
    }
}
