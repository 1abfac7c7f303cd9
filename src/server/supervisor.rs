//! The service manager, and what it is told by the protocol of `sd_notify(3)`: that the bot is ready,
//! that it stops, and, to a watchdog, that its loop still turns.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;

use log::warn;

use crate::time::Tick;

/// How much longer than announced a stop may take before the service manager may lose patience, ms.
const STOP_MARGIN_MS: u64 = 10_000;

/// Where the service manager listens, if there is one, and how often it wants to hear from us.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    watchdog_ms: Option<u64>,
    /// When the watchdog is told next.
    next: Option<Tick>,
}

/// What the service manager has put into the environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instructions<'a> {
    /// `NOTIFY_SOCKET`: a path, or behind an `@` an abstract name.
    pub notify_socket: Option<&'a OsStr>,
    /// `WATCHDOG_USEC`: after so many microseconds of silence we are restarted.
    pub watchdog_usec: Option<&'a OsStr>,
    /// `WATCHDOG_PID`: whom that is meant for, if it says so.
    pub watchdog_pid: Option<&'a OsStr>,
}

impl Supervisor {
    /// Follows the instructions, of which there may be none. `pid` is this process.
    ///
    /// # Errors
    /// There is a service manager, and it cannot be reached or understood.
    pub fn follow(instructions: &Instructions<'_>, pid: u32) -> io::Result<Self> {
        let Some(address) = instructions.notify_socket.filter(|path| !path.is_empty()) else {
            return Ok(Self::default());
        };
        let socket = connect(address)?;
        let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u64>().ok());
        let is_ours = instructions
            .watchdog_pid
            .is_none_or(|text| number(text) == Some(u64::from(pid)));
        let watchdog_us = instructions.watchdog_usec.filter(|_| is_ours);
        let watchdog_ms = match watchdog_us.map(number) {
            Some(Some(us)) if us >= 2_000 => Some(us / 1_000),
            Some(_) => {
                return Err(io::Error::other(
                    "WATCHDOG_USEC is not a number of microseconds from 2000",
                ));
            }
            None => None,
        };
        Ok(Self {
            socket: Some(socket),
            watchdog_ms,
            next: None,
        })
    }

    /// Commands are taken from now on.
    pub(super) fn tell_ready(&mut self, now: Tick) {
        self.tell("READY=1\nSTATUS=taking commands\n");
        if self.socket.is_some() {
            self.next = self.watchdog_ms.map(|_| now);
        }
    }

    /// The bot stops, which may take so long.
    pub(super) fn tell_stopping(&self, pending: usize, patience_ms: u64) {
        let us = (patience_ms + STOP_MARGIN_MS) * 1_000;
        self.tell(&format!(
            "STOPPING=1\nSTATUS=stopping; replies pending: {pending}\nEXTEND_TIMEOUT_USEC={us}\n"
        ));
    }

    /// When [`Self::handle_timeout`] is due; never without a watchdog.
    pub(super) const fn poll_timeout(&self) -> Option<Tick> {
        self.next
    }

    /// Tells the watchdog that the loop turns, at twice the rate that it asks for, as its manual says.
    pub(super) fn handle_timeout(&mut self, now: Tick) {
        let (Some(next), Some(watchdog_ms)) = (self.next, self.watchdog_ms) else {
            return;
        };
        if now >= next {
            self.tell("WATCHDOG=1\n");
            self.next = Some(now.after(watchdog_ms / 2));
        }
    }

    fn tell(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        // A service manager that does not read must not hold up the loop: the socket does not block.
        if let Err(error) = socket.send(message.as_bytes()) {
            warn!("cannot tell the service manager: {error}");
        }
    }
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

    fn follow(address: &str, usec: Option<&str>, pid: Option<&str>) -> io::Result<Supervisor> {
        let instructions = Instructions {
            notify_socket: Some(OsStr::new(address)),
            watchdog_usec: usec.map(OsStr::new),
            watchdog_pid: pid.map(OsStr::new),
        };
        Supervisor::follow(&instructions, 42)
    }

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 256];
        let len = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..len].to_vec()).unwrap())
    }

    #[test]
    fn a_watchdog_hears_twice_as_often_as_it_asks() {
        let (socket, address) = manager("watchdog");
        let mut supervisor = follow(&address, Some("3000000"), Some("42")).unwrap();
        assert_eq!(
            supervisor.poll_timeout(),
            None,
            "not before there is a loop"
        );
        supervisor.tell_ready(Tick(7));
        assert!(heard(&socket).unwrap().starts_with("READY=1\n"));
        for due in [7, 1_507, 3_007] {
            assert_eq!(supervisor.poll_timeout(), Some(Tick(due)));
            supervisor.handle_timeout(Tick(due - 1));
            assert_eq!(heard(&socket), None);
            supervisor.handle_timeout(Tick(due));
            assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1\n"));
        }
    }

    #[test]
    fn a_stop_says_how_long_it_may_take() {
        let (socket, address) = manager("stop");
        follow(&address, None, None)
            .unwrap()
            .tell_stopping(3, 35_000);
        assert_eq!(
            heard(&socket).as_deref(),
            Some("STOPPING=1\nSTATUS=stopping; replies pending: 3\nEXTEND_TIMEOUT_USEC=45000000\n")
        );
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let (socket, address) = manager("other");
        let mut supervisor = follow(&address, Some("3000000"), Some("43")).unwrap();
        supervisor.tell_ready(Tick(0));
        assert!(heard(&socket).is_some());
        assert_eq!(supervisor.poll_timeout(), None);
    }

    #[test]
    fn without_a_manager_nothing_is_told_and_with_a_bad_one_it_is_an_error() {
        let mut alone = Supervisor::follow(&Instructions::default(), 42).unwrap();
        alone.tell_ready(Tick(0));
        assert_eq!(alone.poll_timeout(), None);
        assert!(follow("@torrap-nobody-listens-here", None, None).is_err());
        let (_socket, address) = manager("bad");
        for usec in ["", "0", "-1", "soon", "1999"] {
            assert!(follow(&address, Some(usec), None).is_err(), "{usec:?}");
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_up_nobody() {
        let (_socket, address) = manager("deaf");
        let supervisor = follow(&address, None, None).unwrap();
        (0..10_000).for_each(|_| supervisor.tell("STATUS=x\n"));
    }
}
