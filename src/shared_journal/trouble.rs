//! What stands between this replica and Redis.

use std::fmt;

use crate::redis::{ErrorKind, ServerError};

/// Why commands are answered "busy".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection, or no answer in time.
    NoAnswer(String),
    /// The server has answered, and lets no connection be used.
    Unusable {
        /// For the log.
        why: String,
        /// What it has said.
        kind: ErrorKind,
    },
    /// An answer that belongs to no question: a proxy, or a fault.
    OutOfStep,
    /// The server refuses.
    Refused(ServerError),
    /// Too few of its replicas have confirmed a write.
    WaitShort {
        /// How many have.
        confirmed: u64,
        /// How many must.
        wanted: u32,
    },
}

impl Trouble {
    /// What kind of refusal it is, if it is one.
    pub(super) const fn refusal(&self) -> Option<&ErrorKind> {
        match self {
            Self::Refused(error) => Some(&error.kind),
            _ => None,
        }
    }

    /// Two of the same kind have the same remedy for an operator.
    #[must_use]
    pub fn kind(&self) -> usize {
        kind(self)
    }
}

/// What one counts, by kind.
pub(super) const KINDS: [&str; 8] = [
    "no_answer",
    "out_of_step",
    "no_script",
    "not_ready",
    "not_master",
    "full",
    "rights",
    "other",
];

/// What follows from an error of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Load the scripts, and ask again.
    Load,
    /// Ask again a little later.
    Wait,
    /// Another server is to be asked.
    Leave { moved: Option<String> },
    /// The operator has to do something; ask again once a second, on a new connection if `is_closing`.
    Operator { is_closing: bool },
}

pub(super) fn remedy(kind: &ErrorKind) -> Remedy {
    match kind {
        ErrorKind::NoScript => Remedy::Load,
        ErrorKind::Loading
        | ErrorKind::Busy
        | ErrorKind::TryAgain
        | ErrorKind::ClusterDown
        | ErrorKind::TooManyClients => Remedy::Wait,
        ErrorKind::ReadOnly | ErrorKind::MasterDown => Remedy::Leave { moved: None },
        ErrorKind::Moved { address } => Remedy::Leave {
            moved: Some(address.clone()),
        },
        ErrorKind::NoAuth
        | ErrorKind::WrongPass
        | ErrorKind::PasswordUnused
        | ErrorKind::Denied => Remedy::Operator { is_closing: true },
        ErrorKind::NoReplicas
        | ErrorKind::Misconf
        | ErrorKind::OutOfMemory
        | ErrorKind::WrongType
        | ErrorKind::NoPerm(_)
        | ErrorKind::UnknownCommand
        | ErrorKind::Other => Remedy::Operator { is_closing: false },
    }
}

/// Its place among [`KINDS`].
pub(super) fn kind(trouble: &Trouble) -> usize {
    let label = match trouble {
        Trouble::NoAnswer(_) => "no_answer",
        Trouble::OutOfStep => "out_of_step",
        Trouble::WaitShort { .. } => "other",
        Trouble::Refused(ServerError { kind, .. }) | Trouble::Unusable { kind, .. } => match kind {
            ErrorKind::NoScript => "no_script",
            ErrorKind::Loading
            | ErrorKind::Busy
            | ErrorKind::TryAgain
            | ErrorKind::ClusterDown
            | ErrorKind::TooManyClients => "not_ready",
            ErrorKind::ReadOnly | ErrorKind::MasterDown | ErrorKind::Moved { .. } => "not_master",
            ErrorKind::OutOfMemory | ErrorKind::Misconf | ErrorKind::NoReplicas => "full",
            ErrorKind::NoAuth
            | ErrorKind::WrongPass
            | ErrorKind::PasswordUnused
            | ErrorKind::Denied
            | ErrorKind::NoPerm(_) => "rights",
            ErrorKind::WrongType | ErrorKind::UnknownCommand | ErrorKind::Other => "other",
        },
    };
    let at = KINDS.iter().position(|kind| *kind == label);
    at.expect("it is one of them")
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(why) | Self::Unusable { why, .. } => f.write_str(why),
            Self::OutOfStep => f.write_str("Redis has sent an answer that belongs to no question"),
            Self::Refused(error) => write!(f, "Redis refuses: {}", error.with_remedy()),
            Self::WaitShort { confirmed, wanted } => write!(
                f,
                "{confirmed} replicas of Redis have confirmed a write, and `wait={wanted}` asks for {wanted}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table of errors.
    #[test]
    fn each_error_has_its_remedy_and_its_kind() {
        let operator = |is_closing| Remedy::Operator { is_closing };
        let leave = |moved: Option<&str>| Remedy::Leave {
            moved: moved.map(str::to_owned),
        };
        for (text, expected, label) in [
            ("NOSCRIPT No matching script.", Remedy::Load, "no_script"),
            ("LOADING Redis is loading", Remedy::Wait, "not_ready"),
            ("BUSY Redis is busy", Remedy::Wait, "not_ready"),
            ("TRYAGAIN Multiple keys", Remedy::Wait, "not_ready"),
            ("CLUSTERDOWN The cluster is down", Remedy::Wait, "not_ready"),
            ("READONLY You can't write", leave(None), "not_master"),
            ("MASTERDOWN Link with MASTER", leave(None), "not_master"),
            (
                "MOVED 1 10.0.0.2:7000",
                leave(Some("10.0.0.2:7000")),
                "not_master",
            ),
            ("NOREPLICAS Not enough", operator(false), "full"),
            ("MISCONF Redis is configured", operator(false), "full"),
            ("OOM command not allowed", operator(false), "full"),
            ("WRONGTYPE Operation against", operator(false), "other"),
            ("NOAUTH Authentication required.", operator(true), "rights"),
            ("WRONGPASS invalid", operator(true), "rights"),
            ("NOPERM this user has no", operator(false), "rights"),
            ("ERR unknown", operator(false), "other"),
        ] {
            let error = ServerError::parse(text);
            assert_eq!(remedy(&error.kind), expected, "{text}");
            let while_connecting = Trouble::Unusable {
                why: String::new(),
                kind: error.kind.clone(),
            };
            for trouble in [Trouble::Refused(error), while_connecting] {
                assert_eq!(KINDS[trouble.kind()], label, "{text}");
            }
        }
    }
}
