//! Listening sockets that a service manager has opened and passed to the process, by the protocol of `sd_listen_fds(3)`:
//! they outlive the process, so that a restart refuses no connection.

use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;

use super::error::Error;

/// The name (`FileDescriptorName=` of the socket unit) of sockets of the admin address.
const ADMIN_NAME: &str = "metrics";

/// Most sockets that are passed: far more than there are addresses to listen on.
const PASSED_MAX: usize = 1024;

/// Sockets that were passed, for the public and for the admin address. They take the place of what the settings say for
/// that address.
#[derive(Debug, Default)]
pub struct ListenFds {
    pub(crate) public: Vec<TcpListener>,
    pub(crate) admin: Vec<TcpListener>,
}

/// What a service manager has put into the environment about sockets that it passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListenEnv<'a> {
    /// `LISTEN_PID`: the process that they are meant for; without it, none.
    pub pid: Option<&'a str>,
    /// `LISTEN_FDS`: how many.
    pub fds: Option<&'a str>,
    /// `LISTEN_FDNAMES`: their names, with colons between them.
    pub names: Option<&'a str>,
}

impl ListenFds {
    /// Takes the sockets that were passed to this process, whose number is `pid`. To be called once and before there are
    /// threads, since it clears the variables.
    ///
    /// # Errors
    /// A descriptor is not a listening TCP socket, or the count is not a number of descriptors.
    pub fn take(env: ListenEnv<'_>, pid: u32) -> Result<Self, Error> {
        // Variables that are meant for an ancestor of this process are inherited by it; they are ignored.
        if env.pid.and_then(|text| text.parse().ok()) != Some(pid) {
            return Ok(Self::default());
        }
        // An empty variable counts as unset. Any other value is meant for this process: connections may wait at the
        // passed sockets and would get no answer if it listened elsewhere, so a bad value is an error.
        let Some(text) = env.fds.filter(|text| !text.is_empty()) else {
            return Ok(Self::default());
        };
        // `listenfd` allocates for as many as the variable says.
        let count = text
            .parse::<usize>()
            .ok()
            .filter(|count| *count <= PASSED_MAX);
        let count = count.ok_or_else(|| Error::ListenFdsCount(text.to_owned()))?;
        let mut passed = ListenFd::from_env();
        if count != passed.len() {
            return Err(Error::ListenFdsCount(text.to_owned()));
        }
        let mut names = env.names.unwrap_or_default().split(':');
        let mut taken = Self::default();
        for index in 0..passed.len() {
            let listener = passed.take_tcp_listener(index).ok().flatten();
            let listener = listener.filter(is_listening);
            let listener = listener.ok_or(Error::ListenFd { index })?;
            if names.next() == Some(ADMIN_NAME) {
                taken.admin.push(listener);
            } else {
                taken.public.push(listener);
            }
        }
        Ok(taken)
    }

    /// Whether one was passed for the public address.
    pub(crate) const fn has_public(&self) -> bool {
        !self.public.is_empty()
    }

    /// Whether nothing was passed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.public.is_empty() && self.admin.is_empty()
    }
}

/// Whether it listens. A unit with `Accept=yes` passes connected sockets.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn is_listening(listener: &TcpListener) -> bool {
    SockRef::from(listener).is_listener().unwrap_or(false)
}

/// The same where `socket2` cannot ask for it: listen(2) does no harm to a socket that listens already, and refuses one
/// that is connected.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn is_listening(listener: &TcpListener) -> bool {
    SockRef::from(listener)
        .listen(crate::endpoint::backlog::BACKLOG)
        .is_ok()
}
