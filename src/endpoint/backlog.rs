//! The connections that wait at a listener.

use std::io;

use super::socket::Listener;

/// Connections that the kernel keeps for us until they are accepted; it lowers this to its own limit.
pub(crate) const BACKLOG: i32 = 4096;

/// A listener, and whether connections may wait at it.
#[derive(Debug)]
pub(crate) struct Backlog<L> {
    pub(crate) listener: L,
    /// Readiness is edge-triggered: it is told once, and holds until accept(2) finds no connection.
    pub(crate) ready: bool,
}

/// What accepting came to.
pub(crate) enum Accepted<S> {
    Socket(S),
    /// None waits.
    Empty,
    /// Mostly no descriptor or no memory is left: try again later.
    Exhausted(io::Error),
}

impl<L: Listener> Backlog<L> {
    pub(crate) const fn of(listener: L) -> Self {
        Self {
            listener,
            ready: false,
        }
    }

    pub(crate) fn accept(&mut self) -> Accepted<L::Socket> {
        loop {
            match self.listener.accept() {
                Ok(socket) => return Accepted::Socket(socket),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return Accepted::Empty;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => return Accepted::Exhausted(error),
            }
        }
    }
}

/// An error of the connection that would have been accepted (accept(2)): the next one may be good.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::TimedOut
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
    ) || has_no_peer(error)
}

/// On macOS accept(2) returns a connection that was reset while it waited, without an address, and mio turns that into an
/// error that has no code of the system's. EINVAL has one: it concerns the listener and would come again and again.
fn has_no_peer(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput && error.raw_os_error().is_none()
}

/// Whether closing a descriptor helps: none is left to this process, or to the whole system.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENFILE | libc::EMFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_one_connection_is_told_from_one_of_the_listener() {
        let reset_on_macos = io::Error::from(io::ErrorKind::InvalidInput);
        let aborted = io::Error::from_raw_os_error(libc::ECONNABORTED);
        for error in [reset_on_macos, aborted] {
            assert!(is_of_one_connection(&error), "{error}");
        }
        for code in [libc::EINVAL, libc::EMFILE, libc::ENOBUFS, libc::ENOMEM] {
            let error = io::Error::from_raw_os_error(code);
            assert!(!is_of_one_connection(&error), "{error}");
        }
    }
}
