//! Why there is no connection, or no reply.

use std::{fmt, io};

use super::certificate::BadCertificate;
use super::setup::Step;
use crate::redis::{Address, ErrorKind, MissingRight, ProtocolError, ServerError};

/// Why an exchange has failed. The connection is closed.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// The replies were not there at the deadline.
    TimedOut,
    /// The server has closed the connection, or an earlier error has.
    Closed,
    /// The server has sent what was not asked for.
    OutOfStep,
    /// What the server has sent is no reply.
    Protocol(ProtocolError),
    /// Anything else that the system says.
    Io(io::Error),
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("it does not answer in time"),
            Self::Closed => f.write_str("it has closed the connection"),
            Self::OutOfStep => f.write_str("it sends what was not asked for"),
            Self::Protocol(error) => error.fmt(f),
            Self::Io(error) => write!(f, "the connection has failed ({error})"),
        }
    }
}

impl std::error::Error for ExchangeError {}

/// Why no connection could be made.
#[derive(Debug)]
pub(crate) struct ConnectError {
    /// The server that it is about.
    pub(super) address: Address,
    pub(super) cause: Cause,
}

/// What kept a server from being used.
#[derive(Debug)]
pub(super) enum Cause {
    /// Its name has no address.
    NoAddress,
    /// Its name is not looked up in time.
    LookUpTimedOut,
    /// It cannot be reached.
    Unreachable(io::Error),
    /// Its certificate is not accepted.
    Certificate(BadCertificate),
    /// No certificate can be for what it is called.
    NoTlsName,
    /// It does not speak TLS.
    NotTls,
    /// The handshake of TLS has failed otherwise.
    Tls(io::Error),
    /// It asks clients for a certificate.
    CertificateWanted,
    /// It closes a connection without TLS at the first words, as ports of TLS do, and proxies whose server is away.
    ClosedAtOnce,
    /// It refuses a step of the set-up.
    Refused(Step, ServerError),
    /// It asks for a password, and there is none.
    PasswordMissing,
    /// It fails in a step of the set-up.
    Failed(Step, ExchangeError),
    /// A reply of the set-up is not what the protocol says.
    Unexpected(Step),
    /// It is a replica, or a Sentinel where a server was expected.
    NotMaster(String),
    /// A Sentinel knows no master of that name.
    UnknownMaster(String),
    /// A cluster leads from node to node without end.
    Redirections,
}

impl ConnectError {
    /// Whether it is a mistake in settings, so that a start had better fail than wait: the server has answered, and will answer
    /// the same until a person changes something.
    pub(crate) fn is_definite(&self) -> bool {
        match &self.cause {
            Cause::Certificate(_)
            | Cause::NoTlsName
            | Cause::NotTls
            | Cause::CertificateWanted
            | Cause::PasswordMissing
            | Cause::UnknownMaster(_)
            | Cause::Unexpected(_)
            | Cause::Failed(_, ExchangeError::Protocol(_)) => true,
            Cause::Refused(step, error) => match &error.kind {
                ErrorKind::WrongPass
                | ErrorKind::NoAuth
                | ErrorKind::PasswordUnused
                | ErrorKind::NoPerm(_)
                | ErrorKind::WrongType
                | ErrorKind::Denied
                | ErrorKind::UnknownCommand => true,
                ErrorKind::Other => matches!(step, Step::Authenticate | Step::Select),
                _ => false,
            },
            _ => false,
        }
    }

    /// What the server has answered, if it has refused to be used.
    pub(crate) fn refusal(&self) -> Option<ErrorKind> {
        match &self.cause {
            Cause::Refused(_, error) => Some(error.kind.clone()),
            Cause::PasswordMissing => Some(ErrorKind::NoAuth),
            Cause::NotMaster(_) => Some(ErrorKind::ReadOnly),
            _ => None,
        }
    }

    /// The node that the server has named in place of itself, as it writes it.
    pub(super) fn moved_to(&self) -> Option<&str> {
        match &self.cause {
            Cause::Refused(_, error) => match &error.kind {
                ErrorKind::Moved { address } => Some(address),
                _ => None,
            },
            _ => None,
        }
    }

    /// The one of two servers' errors that helps more: a mistake in settings, what a server has said, and then the rest.
    pub(super) fn graver(self, other: Self) -> Self {
        if other.rank() > self.rank() {
            other
        } else {
            self
        }
    }

    fn rank(&self) -> u8 {
        match &self.cause {
            _ if self.is_definite() => 3,
            Cause::Refused(..) | Cause::Redirections => 2,
            Cause::NotMaster(_) => 1,
            _ => 0,
        }
    }
}

/// One line: the server, what it does, and what to do about it.
impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.address)?;
        match &self.cause {
            Cause::NoAddress => f.write_str("the name has no address; give another one"),
            Cause::LookUpTimedOut => f.write_str("the name is not looked up in time; look at the name server"),
            Cause::Unreachable(error) if error.kind() == io::ErrorKind::TimedOut => {
                f.write_str("it cannot be reached in time; look whether Redis runs there and a firewall is between")
            }
            Cause::Unreachable(error) => write!(
                f,
                "it cannot be reached ({error}); start Redis there, or give another address"
            ),
            Cause::Certificate(bad) => bad.fmt(f),
            Cause::NoTlsName => f.write_str("a certificate cannot have this name; give another one in the URL"),
            Cause::NotTls => write!(f, "it does not speak TLS; {NOT_TLS}"),
            Cause::Tls(error) if error.kind() == io::ErrorKind::TimedOut => {
                write!(f, "it does not answer the handshake of TLS in time; {NOT_TLS}")
            }
            Cause::Tls(error) => handshake_failed(f, error),
            Cause::Refused(step, error) => refused(f, *step, error),
            Cause::PasswordMissing => f.write_str(
                "it asks for a password; set TORRAP_REDIS_PASSWORD or TORRAP_REDIS_PASSWORD_FILE",
            ),
            Cause::Failed(Step::Authenticate | Step::Role, ExchangeError::Protocol(error @ ProtocolError::Kind(0x15))) => {
                write!(f, "{error}; give rediss:// in place of redis://")
            }
            Cause::Failed(_, ExchangeError::Protocol(error)) => {
                write!(f, "{error}; give the port of Redis or Valkey")
            }
            Cause::ClosedAtOnce => f.write_str(
                "it closes the connection at once; if it is a port of TLS, give rediss:// in place of redis://",
            ),
            Cause::CertificateWanted => {
                f.write_str("it asks for a certificate, and torrap has none; set tls-auth-clients no there")
            }
            Cause::Failed(step, error) => write!(f, "{error} ({step})"),
            Cause::Unexpected(step) => write!(
                f,
                "its reply to {step} is none of Redis or Valkey; give the port of one of them"
            ),
            Cause::NotMaster(role) => write!(
                f,
                "it is a {role}, not a master; give the master's address as well, or Sentinels with ?sentinel=MASTER"
            ),
            Cause::UnknownMaster(name) => write!(
                f,
                "this Sentinel knows no master {}; give the name in its `sentinel monitor`",
                crate::config::Shown(name)
            ),
            Cause::Redirections => {
                f.write_str("the cluster leads from node to node without end; look at `cluster nodes`")
            }
        }
    }
}

impl std::error::Error for ConnectError {}

const NOT_TLS: &str = "give its TLS port, or redis:// without TLS";

/// What rustls says in an error of the system, in which it wraps its own.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn handshake_failed(f: &mut fmt::Formatter<'_>, error: &io::Error) -> fmt::Result {
    use rustls::AlertDescription::{HandshakeFailure, ProtocolVersion};
    match tls_error(error) {
        Some(
            rustls::Error::AlertReceived(ProtocolVersion | HandshakeFailure)
            | rustls::Error::PeerIncompatible(_),
        ) => {
            write!(
                f,
                "it speaks no TLS 1.2 or 1.3 as torrap does ({error}); look at tls-protocols and tls-ciphers there"
            )
        }
        _ => write!(f, "the handshake of TLS fails ({error}); {NOT_TLS}"),
    }
}

/// What a server's refusal means to a person.
fn refused(f: &mut fmt::Formatter<'_>, step: Step, error: &ServerError) -> fmt::Result {
    match &error.kind {
        ErrorKind::WrongPass => f.write_str(
            "user or password is wrong; give the user in the URL (redis://USER@…) and the password in TORRAP_REDIS_PASSWORD or \
             TORRAP_REDIS_PASSWORD_FILE",
        ),
        ErrorKind::PasswordUnused => f.write_str(
            "a password is set here, and the user has none there; unset TORRAP_REDIS_PASSWORD and TORRAP_REDIS_PASSWORD_FILE, \
             or give the user a password",
        ),
        ErrorKind::NoPerm(right) => {
            let right = match right {
                MissingRight::Command(name) => format!("`+{name}`"),
                MissingRight::Key => "to the fleet's keys, `~{NAME}:*`".to_owned(),
                MissingRight::CommandInScript => "to a command of a script".to_owned(),
                MissingRight::Unknown => format!("({error})"),
            };
            write!(f, "the user lacks the right {right}; add it with ACL SETUSER")
        }
        ErrorKind::WrongType => f.write_str(
            "another program uses the keys of the fleet's name; give another one with ?fleet=NAME",
        ),
        ErrorKind::Denied => f.write_str(
            "it is in protected mode; set a password there, or `protected-mode no`, to use it from other machines",
        ),
        ErrorKind::UnknownCommand if step == Step::Master => f.write_str(
            "it is no Sentinel; give the ports of Sentinels, mostly 26379, or leave out ?sentinel=",
        ),
        ErrorKind::Other if step == Step::Select => {
            write!(f, "it refuses {step}: {error}; give a database that it has in the URL (redis://HOST/NUMBER)")
        }
        _ => write!(f, "it refuses {step}: {}", error.with_remedy()),
    }
}
