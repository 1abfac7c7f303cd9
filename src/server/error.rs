//! Why a server could not be set up, and what to do about it.

use std::path::PathBuf;
use std::{fmt, io};

use crate::config::Shown;

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
        /// What the system says.
        source: io::Error,
    },
    /// A descriptor that the service manager has passed cannot be listened on.
    Inherited {
        /// Its number among those that were passed.
        index: usize,
    },
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
    /// The loop itself cannot be set up.
    Loop(io::Error),
}

impl Error {
    /// Whether it is the settings that are wrong, and not the state of the machine.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Resolve { .. }
                | Self::Inherited { .. }
                | Self::CaFile { .. }
                | Self::Proxy { .. }
        )
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
                source,
            } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "{option} {address}: already in use; stop the other server or choose another port"
                )
            }
            Self::Listen {
                option,
                address,
                source,
            } => {
                write!(
                    f,
                    "{option} {address}: cannot listen ({source}); choose another address or port"
                )
            }
            Self::Inherited { index } => {
                write!(
                    f,
                    "LISTEN_FDS: descriptor {index} of those passed is not a listening TCP socket; give \
                     the socket unit ListenStream= with a port, and Accept=no"
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
            Self::Loop(source) => write!(f, "cannot start the event loop: {source}"),
        }
    }
}

impl std::error::Error for Error {}
