//! Notifications to the service manager, by the protocol of `sd_notify(3)`: that the bot is ready, that it stops, and,
//! for a watchdog, that its loop turns.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;

use log::warn;

use crate::time::Tick;

/// How much longer than announced a stop may take before the service manager may kill the process, ms.
const STOP_MARGIN_MS: u64 = 10_000;

/// The shortest period of a watchdog: it is notified twice in that time, and the loop's clock counts milliseconds.
const WATCHDOG_US_MIN: u64 = 2_000;

/// The service manager's socket, if there is one, and the period of its watchdog.
#[derive(Debug, Default)]
pub struct SdNotify {
    socket: Option<UnixDatagram>,
    watchdog_ms: Option<u64>,
    /// When the watchdog is notified next.
    next: Option<Tick>,
}

/// What the service manager has put into the environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotifyEnv<'a> {
    /// `NOTIFY_SOCKET`: a path, or behind an `@` an abstract name.
    pub notify_socket: Option<&'a OsStr>,
    /// `WATCHDOG_USEC`: after so many microseconds without a notification the service manager kills the process.
    pub watchdog_usec: Option<&'a OsStr>,
    /// `WATCHDOG_PID`: the process that this is meant for, if it is set.
    pub watchdog_pid: Option<&'a OsStr>,
}

impl SdNotify {
    /// Follows the env, of which there may be none. `pid` is this process.
    ///
    /// The environment is passed: what is left over in it from another service, or in a copied container, must not
    /// prevent the start. So what cannot be followed is a notice for the operator.
    #[must_use]
    pub fn from_env(env: &NotifyEnv<'_>, pid: u32, notices: &mut Vec<String>) -> Self {
        let Some(address) = env.notify_socket.filter(|path| !path.is_empty()) else {
            return Self::default();
        };
        let socket = match connect(address) {
            Ok(socket) => socket,
            Err(error) => {
                notices.push(format!(
                    "NOTIFY_SOCKET: {address:?} cannot be used ({error}); running without a service manager: \
                     unset it if there is none"
                ));
                return Self::default();
            }
        };
        Self {
            socket: Some(socket),
            watchdog_ms: watchdog_ms(env, pid, notices),
            next: None,
        }
    }

    /// The bot takes commands from now on.
    pub(crate) fn notify_ready(&mut self, now: Tick) {
        self.send("READY=1\nSTATUS=taking commands\n");
        if self.socket.is_some() {
            self.next = self.watchdog_ms.map(|_| now);
        }
    }

    /// The bot stops, which may take so long.
    pub(crate) fn notify_stopping(&self, pending: usize, timeout_ms: u64) {
        let us = (timeout_ms + STOP_MARGIN_MS) * 1_000;
        self.send(&format!(
            "STOPPING=1\nSTATUS=stopping; replies pending: {pending}\nEXTEND_TIMEOUT_USEC={us}\n"
        ));
    }

    /// When [`Self::handle_timeout`] is due; never without a watchdog.
    pub(crate) const fn poll_timeout(&self) -> Option<Tick> {
        self.next
    }

    /// Notifies the watchdog that the loop turns: twice in its period, as sd_watchdog_enabled(3) recommends.
    pub(crate) fn handle_timeout(&mut self, now: Tick) {
        let (Some(next), Some(watchdog_ms)) = (self.next, self.watchdog_ms) else {
            return;
        };
        if now >= next {
            self.send("WATCHDOG=1\n");
            self.next = Some(now.after(watchdog_ms / 2));
        }
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        // The socket does not block: a service manager that does not read must not stop the loop.
        if let Err(error) = socket.send(message.as_bytes()) {
            warn!("cannot notify the service manager: {error}");
        }
    }
}

/// The period of the watchdog, if there is one and it is meant for this process (sd_watchdog_enabled(3)). A period that is none cannot be kept: a real service manager that asks for less than 2 ms
/// kills the process, and the warning says why.
fn watchdog_ms(env: &NotifyEnv<'_>, pid: u32, notices: &mut Vec<String>) -> Option<u64> {
    let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u64>().ok());
    let is_ours = |text: &OsStr| number(text) == Some(u64::from(pid));
    let period = env.watchdog_usec.filter(|text| !text.is_empty())?;
    if !env.watchdog_pid.is_none_or(is_ours) {
        return None;
    }
    let watchdog_us = number(period).filter(|us| *us >= WATCHDOG_US_MIN);
    if watchdog_us.is_none() {
        notices.push(format!(
            "WATCHDOG_USEC: {period:?} is not a number of microseconds from {WATCHDOG_US_MIN}; \
             running without a watchdog"
        ));
    }
    watchdog_us.map(|us| us / 1_000)
}

fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            use std::os::unix::net::SocketAddr;
            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        }
        _ => socket.connect(address)?,
    }
    Ok(socket)
}

#[cfg(test)]
#[cfg(target_os = "linux")] // for its abstract addresses
mod tests {
    use super::*;

    /// A service manager at an abstract address, and what it has put into the environment.
    fn manager(name: &str) -> (UnixDatagram, String) {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let name = format!("torrap-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_nonblocking(true).unwrap();
        (socket, format!("@{name}"))
    }

    fn follow(address: &str, usec: Option<&str>, pid: Option<&str>) -> SdNotify {
        let env = NotifyEnv {
            notify_socket: Some(OsStr::new(address)),
            watchdog_usec: usec.map(OsStr::new),
            watchdog_pid: pid.map(OsStr::new),
        };
        SdNotify::from_env(&env, 42, &mut Vec::new())
    }

    fn received(socket: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 256];
        let len = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..len].to_vec()).unwrap())
    }

    #[test]
    fn a_watchdog_is_notified_twice_in_its_period() {
        let (socket, address) = manager("watchdog");
        let mut sd_notify = follow(&address, Some("3000000"), Some("42"));
        assert_eq!(sd_notify.poll_timeout(), None, "not before there is a loop");
        sd_notify.notify_ready(Tick(7));
        assert!(received(&socket).unwrap().starts_with("READY=1\n"));
        for due in [7, 1_507, 3_007] {
            assert_eq!(sd_notify.poll_timeout(), Some(Tick(due)));
            sd_notify.handle_timeout(Tick(due - 1));
            assert_eq!(received(&socket), None);
            sd_notify.handle_timeout(Tick(due));
            assert_eq!(received(&socket).as_deref(), Some("WATCHDOG=1\n"));
        }
    }

    #[test]
    fn a_stop_says_how_long_it_may_take() {
        let (socket, address) = manager("stop");
        follow(&address, None, None).notify_stopping(3, 35_000);
        assert_eq!(
            received(&socket).as_deref(),
            Some("STOPPING=1\nSTATUS=stopping; replies pending: 3\nEXTEND_TIMEOUT_USEC=45000000\n")
        );
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let (socket, address) = manager("other");
        let mut sd_notify = follow(&address, Some("3000000"), Some("43"));
        sd_notify.notify_ready(Tick(0));
        assert!(received(&socket).is_some());
        assert_eq!(sd_notify.poll_timeout(), None);
    }

    #[test]
    fn without_a_service_manager_nothing_is_sent() {
        let none = SdNotify::from_env(&NotifyEnv::default(), 42, &mut Vec::new());
        let left_over = follow("@torrap-without-a-listener", Some("3000000"), None);
        for mut alone in [none, follow("", Some("3000000"), None), left_over] {
            alone.notify_ready(Tick(0));
            assert_eq!(alone.poll_timeout(), None);
        }
    }

    #[test]
    fn a_bad_watchdog_period_is_ignored_and_the_service_manager_is_not() {
        let (socket, address) = manager("bad");
        for usec in ["", "0", "-1", "soon", "1999", "99999999999999999999"] {
            let mut sd_notify = follow(&address, Some(usec), None);
            sd_notify.notify_ready(Tick(0));
            assert!(received(&socket).is_some(), "{usec:?}");
            assert_eq!(sd_notify.poll_timeout(), None, "{usec:?}");
        }
        let mut sd_notify = follow(&address, Some("2000"), Some("soon"));
        sd_notify.notify_ready(Tick(0));
        assert_eq!(
            sd_notify.poll_timeout(),
            None,
            "it is not known whose it is"
        );
    }

    #[test]
    fn a_service_manager_that_does_not_read_does_not_block() {
        let (_socket, address) = manager("deaf");
        let sd_notify = follow(&address, None, None);
        (0..10_000).for_each(|_| sd_notify.send("STATUS=x\n"));
    }
}
