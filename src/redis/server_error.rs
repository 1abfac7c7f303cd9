//! What a server says when it refuses a command, and which kind of trouble that is.

use std::fmt;

/// Most characters of a server's error that are shown.
const SHOWN_CHARS_MAX: usize = 200;

/// An error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// What kind of trouble it is.
    pub kind: ErrorKind,
    /// What the server says, on one line, without the arguments of the command.
    pub text: String,
}

/// Kinds of errors that are treated differently. The codes are those of Redis 7.0 to 8 and of Valkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `NOSCRIPT`: the server does not know the script; nothing has run.
    NoScript,
    /// `LOADING`: it reads its data set from the disk.
    Loading,
    /// `BUSY`: a script runs for too long.
    Busy,
    /// `TRYAGAIN`, `ASK`: the slot is being moved to another node.
    TryAgain,
    /// `CLUSTERDOWN`: the cluster does not serve the slot.
    ClusterDown,
    /// `READONLY`: it is a replica.
    ReadOnly,
    /// `MASTERDOWN`: it is a replica without its master.
    MasterDown,
    /// `MOVED`: another node of the cluster has the slot.
    Moved {
        /// As the server writes it; see [`Address::moved`](super::Address::moved).
        address: String,
    },
    /// `NOREPLICAS`: fewer replicas than `min-replicas-to-write` follow it.
    NoReplicas,
    /// `MISCONF`: it could not write its data set to the disk, and refuses writes.
    Misconf,
    /// `OOM`: `maxmemory` is reached.
    OutOfMemory,
    /// It serves as many clients as it may.
    TooManyClients,
    /// `DENIED`: protected mode; it answers clients of its own machine only.
    Denied,
    /// `WRONGTYPE`: another program uses the key for something else.
    WrongType,
    /// `NOAUTH`: a password is needed.
    NoAuth,
    /// `WRONGPASS`: user or password is wrong.
    WrongPass,
    /// A password was given, and the user has none.
    PasswordUnused,
    /// `NOPERM`: the user lacks a right.
    NoPerm(MissingRight),
    /// The server does not know the command.
    UnknownCommand,
    /// Anything else.
    Other,
}

/// The right that a user lacks, as far as the server names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingRight {
    /// To run this command, in the spelling of ACL rules.
    Command(String),
    /// To run a command that a script calls.
    CommandInScript,
    /// To use the key.
    Key,
    /// Something else.
    Unknown,
}

impl ServerError {
    /// Reads the line of an error reply, without its first byte and its end.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        // A proxy that does not know a command repeats its arguments, and a password may be among them.
        let told = line.split(", with args").next().unwrap_or_default();
        // The first sentence says what is wrong; the others are longer than a line of the log.
        let sentence = told.split(". ").next().unwrap_or_default();
        let sentence = sentence.trim_end_matches('.');
        let mut text: String = sentence.chars().filter(|c| !c.is_control()).collect();
        if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
            text.truncate(end);
            text.push_str("...");
        }
        Self {
            kind: ErrorKind::of(told),
            text,
        }
    }

    /// Itself and what to do about it, on one line.
    #[must_use]
    pub fn with_remedy(&self) -> impl fmt::Display {
        WithRemedy(self)
    }
}

/// An error and what to do about it, on one line.
struct WithRemedy<'a>(&'a ServerError);

impl fmt::Display for WithRemedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        match self.0.kind.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl ErrorKind {
    /// What an operator has to do; `None` for what passes, for what a connection says better, and for what is not known.
    const fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::Busy => "another client's script runs there: end it with SCRIPT KILL",
            Self::ClusterDown => "look at CLUSTER INFO there",
            Self::NoReplicas => "start its replicas, or lower min-replicas-to-write there",
            Self::Misconf => "look at its disk and its log",
            Self::OutOfMemory => "raise maxmemory there",
            Self::TooManyClients => "raise maxclients there",
            Self::WrongType => {
                "another program has keys under this fleet's name: delete them, or give another name with ?fleet=NAME"
            }
            Self::NoPerm(_) => "`torrap check` names the rights that the user needs",
            Self::UnknownCommand => "give a Redis or Valkey itself, with its commands not renamed",
            _ => return None,
        })
    }

    fn of(line: &str) -> Self {
        let (code, rest) = line.split_once(' ').unwrap_or((line, ""));
        match code {
            "NOSCRIPT" => Self::NoScript,
            "LOADING" => Self::Loading,
            "BUSY" => Self::Busy,
            "TRYAGAIN" | "ASK" => Self::TryAgain,
            "CLUSTERDOWN" => Self::ClusterDown,
            "READONLY" => Self::ReadOnly,
            "MASTERDOWN" => Self::MasterDown,
            "MOVED" => Self::Moved {
                // "MOVED 3999 127.0.0.1:6381"
                address: rest.split(' ').nth(1).unwrap_or_default().to_owned(),
            },
            "NOREPLICAS" => Self::NoReplicas,
            "MISCONF" => Self::Misconf,
            "OOM" => Self::OutOfMemory,
            "DENIED" => Self::Denied,
            "WRONGTYPE" => Self::WrongType,
            "NOAUTH" => Self::NoAuth,
            "WRONGPASS" => Self::WrongPass,
            "NOPERM" => Self::NoPerm(MissingRight::of(rest)),
            "ERR" => Self::of_sentence(rest),
            _ => Self::Other,
        }
    }

    /// Of an error that has no code of its own.
    fn of_sentence(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        if text.starts_with("max number of clients") {
            Self::TooManyClients
        } else if text.starts_with("auth <password> called without any password")
            || text.starts_with("client sent auth, but no password is set")
        {
            Self::PasswordUnused
        } else if text.starts_with("unknown command") || text.starts_with("unknown subcommand") {
            Self::UnknownCommand
        } else if text.starts_with("the user executing the script can't access")
            || text.starts_with("acl failure in script: this user has no permissions to access")
        {
            Self::NoPerm(MissingRight::Key)
        } else if text.starts_with("the user executing the script can't run")
            || text.starts_with("acl failure in script")
        {
            Self::NoPerm(MissingRight::CommandInScript)
        } else {
            Self::Other
        }
    }
}

impl MissingRight {
    /// "this user has no permissions to run the 'set' command", or "User bot has no …" since 7.2.
    fn of(text: &str) -> Self {
        let command = text.split_once("to run the '").map(|(_, rest)| rest);
        match command.and_then(|rest| rest.split_once('\'')) {
            Some((command, _)) => Self::Command(command.to_ascii_lowercase()),
            None if text.contains(" access ") => Self::Key,
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ServerError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines that servers have sent: Redis 7.0.15, and those of its source that it was not brought to say.
    const LINES: &[(&str, ErrorKind)] = &[
        (
            "NOSCRIPT No matching script. Please use EVAL.",
            ErrorKind::NoScript,
        ),
        (
            "LOADING Redis is loading the dataset in memory",
            ErrorKind::Loading,
        ),
        (
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            ErrorKind::Busy,
        ),
        (
            "TRYAGAIN Multiple keys request during rehashing of slot",
            ErrorKind::TryAgain,
        ),
        ("ASK 3999 127.0.0.1:6381", ErrorKind::TryAgain),
        ("CLUSTERDOWN Hash slot not served", ErrorKind::ClusterDown),
        (
            "READONLY You can't write against a read only replica.",
            ErrorKind::ReadOnly,
        ),
        (
            "READONLY You can't write against a read only replica. script: 5f, on @user_script:1.",
            ErrorKind::ReadOnly,
        ),
        (
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            ErrorKind::MasterDown,
        ),
        (
            "NOREPLICAS Not enough good replicas to write.",
            ErrorKind::NoReplicas,
        ),
        (
            "MISCONF Errors writing to the AOF file: No space left on device",
            ErrorKind::Misconf,
        ),
        (
            "OOM command not allowed when used memory > 'maxmemory'.",
            ErrorKind::OutOfMemory,
        ),
        (
            "ERR max number of clients reached",
            ErrorKind::TooManyClients,
        ),
        (
            "DENIED Redis is running in protected mode because …",
            ErrorKind::Denied,
        ),
        (
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            ErrorKind::WrongType,
        ),
        ("NOAUTH Authentication required.", ErrorKind::NoAuth),
        (
            "WRONGPASS invalid username-password pair or user is disabled.",
            ErrorKind::WrongPass,
        ),
        (
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
            ErrorKind::PasswordUnused,
        ),
        (
            "ERR unknown command 'foo', with args beginning with: 'bar' ",
            ErrorKind::UnknownCommand,
        ),
        (
            "ERR The user executing the script can't run this command or subcommand script: 88, on @user_script:1.",
            ErrorKind::NoPerm(MissingRight::CommandInScript),
        ),
        (
            "ERR The user executing the script can't access at least one of the keys mentioned in the command \
             arguments script: a0, on @user_script:1.",
            ErrorKind::NoPerm(MissingRight::Key),
        ),
        (
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            ErrorKind::NoPerm(MissingRight::Key),
        ),
        ("NOPERM", ErrorKind::NoPerm(MissingRight::Unknown)),
        ("ERR DB index is out of range", ErrorKind::Other),
        ("", ErrorKind::Other),
    ];

    #[test]
    fn each_error_of_a_server_has_its_kind() {
        for (line, kind) in LINES {
            assert_eq!(ServerError::parse(line).kind, *kind, "{line}");
        }
    }

    #[test]
    fn a_missing_right_is_named() {
        let right = |line| match ServerError::parse(line).kind {
            ErrorKind::NoPerm(MissingRight::Command(name)) => name,
            kind => panic!("{kind:?}"),
        };
        let line = "NOPERM this user has no permissions to run the 'script|flush' command";
        assert_eq!(right(line), "script|flush");
        let line = "NOPERM User bot has no permissions to run the 'INFO' command";
        assert_eq!(right(line), "info");
    }

    #[test]
    fn a_moved_slot_names_its_node() {
        let moved = |line| match ServerError::parse(line).kind {
            ErrorKind::Moved { address } => address,
            kind => panic!("{kind:?}"),
        };
        assert_eq!(moved("MOVED 3999 127.0.0.1:6381"), "127.0.0.1:6381");
        assert_eq!(moved("MOVED 3999 :6381"), ":6381");
        assert_eq!(moved("MOVED"), "");
    }

    /// As proxies that do not know `AUTH` answer it.
    #[test]
    fn the_arguments_of_a_command_are_not_repeated() {
        let line = "ERR unknown command 'AUTH', with args beginning with: 'bot' 'hunter2' ";
        assert_eq!(
            ServerError::parse(line).to_string(),
            "ERR unknown command 'AUTH'"
        );
    }

    /// An operator reads what to do, and not the four sentences of Redis.
    #[test]
    fn an_error_is_shown_as_one_sentence_and_what_to_do() {
        let shown = |line| ServerError::parse(line).with_remedy().to_string();
        let line = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands \
                    that may modify the data set are disabled, because this instance is configured to report errors.";
        assert_eq!(
            shown(line),
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk; look at its disk \
             and its log"
        );
        let line = "OOM command not allowed when used memory > 'maxmemory'.";
        assert_eq!(
            shown(line),
            "OOM command not allowed when used memory > 'maxmemory'; raise maxmemory there"
        );
        assert_eq!(
            shown("LOADING Redis is loading."),
            "LOADING Redis is loading"
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_is_one_short_line(line in "\\PC{0,300}|(ERR|NOPERM|MOVED) .{0,40}") {
            let shown = ServerError::parse(&line).to_string();
            prop_assert!(!shown.contains(char::is_control));
            prop_assert!(shown.chars().count() <= SHOWN_CHARS_MAX + 3);
        }
    }
}
