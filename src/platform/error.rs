//! Why a server could not be set up, and what to do about it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, io};

use crate::config::Shown;
use crate::journal;

/// Why a server could not be set up.
#[derive(Debug)]
pub enum Error {
    /// A name to listen on has no address.
    Resolve {
        /// The option that names it.
        option: &'static str,
        /// As it was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// An address cannot be listened on.
    Listen {
        /// The option that names it.
        option: &'static str,
        /// As it was given.
        address: String,
        /// Which of its addresses that is, if it may have several.
        at: Option<SocketAddr>,
        /// What the system says.
        source: io::Error,
    },
    /// A descriptor that the service manager has passed cannot be listened on.
    ListenFd {
        /// Its number among those that were passed.
        index: usize,
    },
    /// What should be the number of passed descriptors is none.
    ListenFdsCount(String),
    /// The public and the admin address would be the same.
    SameAddress(SocketAddr),
    /// The file of certificate authorities cannot be used.
    CaFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The proxy setting is no proxy that replies can go through.
    Proxy {
        /// The variable that names it.
        variable: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The journal cannot be used.
    Journal {
        /// Its directory.
        path: PathBuf,
        /// Why not.
        error: JournalError,
    },
    /// The journal that a fleet shares cannot be used.
    #[cfg(feature = "redis")]
    SharedJournal {
        /// Its URL, which holds no password.
        url: String,
        /// Why not, and what to do.
        reason: String,
        /// Whether it is the settings that are wrong.
        is_usage: bool,
    },
    /// The loop itself cannot be set up.
    Loop(io::Error),
}

/// Why a journal cannot be used.
#[derive(Debug)]
pub enum JournalError {
    /// Another process uses it, and perhaps it has told its number.
    Taken(Option<u32>),
    /// The directory cannot be made or opened, or files cannot be made in it.
    Unusable(io::Error),
    /// What is in it cannot be used.
    Unreadable(journal::Error),
}

/// What to do about a directory of another user: as a rule root has run torrap before.
const CHOWN: &str = "run torrap as the user whose directory it is, or chown -R it";

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(None) => {
                f.write_str("another torrap uses it; stop it, or give each its own directory")
            }
            Self::Taken(Some(process)) => write!(
                f,
                "another torrap uses it (process {process}); stop it, or give each its own directory"
            ),
            Self::Unusable(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "cannot be used ({error}); {CHOWN}, or give another one")
            }
            Self::Unusable(error) => write!(
                f,
                "cannot be used ({error}); give a directory of torrap's own"
            ),
            Self::Unreadable(error) => match error {
                journal::Error::Io { error: source, .. }
                    if source.kind() == io::ErrorKind::PermissionDenied =>
                {
                    write!(f, "{error}; {CHOWN}")
                }
                error => error.fmt(f),
            },
        }
    }
}

impl Error {
    /// Whether it is the settings that are wrong, and not the state of the machine.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::ListenFd { .. }
            | Self::ListenFdsCount(_)
            | Self::SameAddress(_)
            | Self::CaFile { .. }
            | Self::Proxy { .. } => true,
            Self::Journal { error, .. } => match error {
                JournalError::Taken(_) | JournalError::Unreadable(journal::Error::Io { .. }) => {
                    false
                }
                JournalError::Unusable(_) | JournalError::Unreadable(_) => true,
            },
            #[cfg(feature = "redis")]
            Self::SharedJournal { is_usage, .. } => *is_usage,
            Self::Listen { .. } | Self::Loop(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve {
                option,
                address,
                source,
            } => {
                write!(
                    f,
                    "{option} {address}: cannot be resolved ({source}); give an address such as 127.0.0.1:8000"
                )
            }
            Self::Listen {
                option,
                address,
                at,
                source,
            } => {
                write!(f, "{option} {address}: ")?;
                let at = at.filter(|at| at.to_string() != *address);
                write_refusal(f, at, source)
            }
            Self::ListenFd { index } => {
                write!(
                    f,
                    "LISTEN_FDS: descriptor {index} of those passed is not a listening TCP socket; give \
                     the socket unit ListenStream= with a port, and Accept=no"
                )
            }
            Self::ListenFdsCount(text) => {
                write!(
                    f,
                    "LISTEN_FDS: {} is not a number of descriptors; unset it to listen on --listen",
                    Shown(text)
                )
            }
            Self::SameAddress(address) => {
                write!(
                    f,
                    "--metrics-listen {address}: --listen has that address, too; choose another port"
                )
            }
            Self::CaFile { path, reason } => {
                write!(
                    f,
                    "--ca-file (SSL_CERT_FILE) {}: {reason}; give a PEM file of certificate authorities",
                    Shown(&path.to_string_lossy())
                )
            }
            // Without the value, which may hold a password.
            Self::Proxy { variable, reason } => {
                write!(
                    f,
                    "{variable}: {reason}; give one such as http://proxy.example:3128, or unset it"
                )
            }
            Self::Journal { path, error } => {
                write!(f, "--journal {}: {error}", Shown(&path.to_string_lossy()))
            }
            #[cfg(feature = "redis")]
            Self::SharedJournal { url, reason, .. } => write!(f, "--journal {url}: {reason}"),
            Self::Loop(source) => write!(f, "cannot start the event loop: {source}"),
        }
    }
}

impl std::error::Error for Error {}

/// Why an address cannot be listened on: `at`, where what was given stands for several.
fn write_refusal(
    f: &mut fmt::Formatter<'_>,
    at: Option<SocketAddr>,
    source: &io::Error,
) -> fmt::Result {
    if let Some(at) = at {
        write!(f, "{at} is ")?;
    }
    match (source.kind(), at) {
        (io::ErrorKind::AddrInUse, _) => {
            f.write_str("already in use; stop the other server or choose another port")
        }
        (_, None) => write!(
            f,
            "cannot listen ({source}); choose another address or port"
        ),
        (_, Some(_)) => write!(f, "refused ({source}); choose another address or port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_belongs_to_another_user_is_told_what_to_do() {
        let denied = || io::ErrorKind::PermissionDenied.into();
        let line = |error| {
            let path = "/j".into();
            Error::Journal { path, error }.to_string()
        };
        assert_eq!(
            line(JournalError::Unusable(denied())),
            "--journal \"/j\": cannot be used (permission denied); run torrap as the user whose directory it is, or \
             chown -R it, or give another one"
        );
        let (what, error) = ("open a segment", denied());
        assert_eq!(
            line(JournalError::Unreadable(journal::Error::Io { what, error })),
            "--journal \"/j\": cannot open a segment: permission denied; run torrap as the user whose directory it is, \
             or chown -R it"
        );
    }
}
