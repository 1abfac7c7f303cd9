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

/// How long a service manager without room for a notification is left alone, ms.
const RETRY_MS: u64 = 100;

/// The service manager's socket, if there is one, and the period of its watchdog.
#[derive(Debug, Default)]
pub struct SdNotify {
    socket: Option<UnixDatagram>,
    watchdog_ms: Option<u64>,
    /// When the watchdog is notified next.
    next: Option<Tick>,
    /// What the service manager had no room for, and when it is sent again. One that never hears `READY=1` kills the bot.
    unsent: String,
    retry_at: Option<Tick>,
    /// Whether the log has told that notifications fail.
    is_told: bool,
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
            ..Self::default()
        }
    }

    /// The bot takes commands from now on.
    pub(crate) fn notify_ready(&mut self, now: Tick) {
        self.announce("READY=1\nSTATUS=taking commands\n", now);
        if self.socket.is_some() {
            self.next = self.watchdog_ms.map(|_| now);
        }
    }

    /// The bot stops, which may take so long.
    pub(crate) fn notify_stopping(&mut self, pending: usize, timeout_ms: u64, now: Tick) {
        let us = (timeout_ms + STOP_MARGIN_MS) * 1_000;
        let message = format!(
            "STOPPING=1\nSTATUS=stopping; replies pending: {pending}\nEXTEND_TIMEOUT_USEC={us}\n"
        );
        self.announce(&message, now);
    }

    /// When [`Self::handle_timeout`] is due; never without a watchdog and something unsent.
    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        [self.next, self.retry_at].into_iter().flatten().min()
    }

    /// Sends again what the service manager had no room for. Notifies the watchdog that the loop turns: twice in its period, as
    /// sd_watchdog_enabled(3) recommends.
    pub(crate) fn handle_timeout(&mut self, now: Tick) {
        if self.retry_at.is_some_and(|at| now >= at) {
            self.announce("", now);
        }
        let (Some(next), Some(watchdog_ms)) = (self.next, self.watchdog_ms) else {
            return;
        };
        if now >= next {
            let half_ms = watchdog_ms / 2;
            let wait_ms = match self.send("WATCHDOG=1\n") {
                Sent::NoRoom => half_ms.min(RETRY_MS),
                Sent::Done => half_ms,
            };
            self.next = Some(now.after(wait_ms));
        }
    }

    /// Sends what must arrive, behind what could not be sent before: a bot announces its start and its stop, and no more.
    fn announce(&mut self, message: &str, now: Tick) {
        self.unsent.push_str(message);
        let unsent = std::mem::take(&mut self.unsent);
        self.retry_at = match self.send(&unsent) {
            Sent::Done => None,
            Sent::NoRoom => {
                self.unsent = unsent;
                Some(now.after(RETRY_MS))
            }
        };
    }

    fn send(&mut self, message: &str) -> Sent {
        let Some(socket) = &self.socket else {
            return Sent::Done;
        };
        // The socket does not block: a service manager that does not read must not stop the loop.
        let Err(error) = socket.send(message.as_bytes()) else {
            self.is_told = false;
            return Sent::Done;
        };
        if !std::mem::replace(&mut self.is_told, true) {
            warn!("cannot notify the service manager: {error}");
        }
        // Its queue is full while it is busy (unix(7)); other errors would come again.
        match error.kind() == io::ErrorKind::WouldBlock || is_no_buffer(&error) {
            true => Sent::NoRoom,
            false => Sent::Done,
        }
    }
}

/// What became of a notification.
enum Sent {
    /// It was sent, or there is no way to send it.
    Done,
    /// The service manager has no room for it now.
    NoRoom,
}

/// What BSDs say where Linux would block.
fn is_no_buffer(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// The period of the watchdog, if there is one and it is meant for this process (sd_watchdog_enabled(3)). A period that is none
/// cannot be kept: a real service manager that asks for less than 2 ms kills the process, and the warning says why.
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
        follow(&address, None, None).notify_stopping(3, 35_000, Tick(0));
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

    /// A service manager that has no room for any more, and one that follows it.
    fn flooded(name: &str, usec: Option<&str>) -> (UnixDatagram, SdNotify) {
        let (socket, address) = manager(name);
        let sd_notify = follow(&address, usec, None);
        let other = sd_notify.socket.as_ref().unwrap();
        while other.send(b"STATUS=x\n").is_ok() {}
        (socket, sd_notify)
    }

    /// All that has come, but for what has flooded it.
    fn read_all(socket: &UnixDatagram) -> Vec<String> {
        let all = std::iter::from_fn(|| received(socket));
        all.filter(|message| message != "STATUS=x\n").collect()
    }

    #[test]
    fn what_a_service_manager_had_no_room_for_is_sent_again() {
        let (socket, mut sd_notify) = flooded("busy", None);
        sd_notify.notify_ready(Tick(7));
        assert_eq!(sd_notify.poll_timeout(), Some(Tick(7 + RETRY_MS)));
        sd_notify.handle_timeout(Tick(7 + RETRY_MS));
        sd_notify.notify_stopping(0, 0, Tick(500));
        assert_eq!(sd_notify.poll_timeout(), Some(Tick(500 + RETRY_MS)));
        assert_eq!(read_all(&socket), [""; 0]);
        sd_notify.handle_timeout(Tick(500 + RETRY_MS));
        let [all] = &read_all(&socket)[..] else {
            panic!("one message")
        };
        assert!(all.starts_with("READY=1\n") && all.contains("\nSTOPPING=1\n"));
        assert_eq!(sd_notify.poll_timeout(), None);
        sd_notify.handle_timeout(Tick(9_999));
        assert_eq!(read_all(&socket), [""; 0], "once");
    }

    #[test]
    fn a_watchdog_that_was_not_reached_is_notified_before_its_period_is_over() {
        let (socket, mut sd_notify) = flooded("busy-watchdog", Some("3000000"));
        sd_notify.next = Some(Tick(0));
        sd_notify.handle_timeout(Tick(0));
        assert_eq!(sd_notify.poll_timeout(), Some(Tick(RETRY_MS)));
        assert_eq!(read_all(&socket), [""; 0]);
        sd_notify.handle_timeout(Tick(RETRY_MS));
        assert_eq!(read_all(&socket), ["WATCHDOG=1\n"]);
        assert_eq!(sd_notify.poll_timeout(), Some(Tick(RETRY_MS + 1_500)));
    }
}
