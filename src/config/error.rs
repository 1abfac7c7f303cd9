//! What is wrong with the settings, as one line that says what to do.

use std::fmt;
use std::io;
use std::path::Path;

use super::address::AddressError;
use super::bounds::ENTRIES_MAX;
use super::signing_secret::SecretError;
use crate::commands::ChoiceError;
use crate::slack::response_url::OriginError;

/// Most characters of a wrong value that are shown.
const SHOWN_CHARS_MAX: usize = 80;

/// A setting that is wrong, or missing. `name` is the flag or variable it was given under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no signing secret.
    SecretMissing,
    /// A secret is given both directly and as a file.
    SecretTwice {
        /// The variable that holds it.
        direct: &'static str,
        /// The variable that names the file.
        file: &'static str,
    },
    /// An entry of the list of secrets is not one.
    Secret {
        /// Flag or variable.
        name: &'static str,
        /// What is wrong with the entry.
        error: SecretError,
    },
    /// A file cannot be read.
    Unreadable {
        /// Flag or variable.
        name: &'static str,
        /// The path that was given.
        path: String,
        /// What the system says.
        error: String,
    },
    /// The password of Redis is unusable.
    Password {
        /// Flag or variable.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The URL of a journal is wrong. It is not shown, since it may hold a password.
    JournalUrl {
        /// Flag or variable.
        name: &'static str,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The value is not UTF-8.
    NotUtf8 {
        /// Flag or variable.
        name: &'static str,
    },
    /// A list has more than [`ENTRIES_MAX`] entries.
    TooManyEntries {
        /// Flag or variable.
        name: &'static str,
    },
    /// The value is not what the setting takes.
    Invalid {
        /// Flag or variable.
        name: &'static str,
        /// The value, or the entry of it that is wrong.
        value: String,
        /// What the setting takes.
        expected: Expected,
    },
}

/// What a setting takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A duration, written in seconds.
    Seconds {
        /// Least, in milliseconds.
        min_ms: u64,
        /// Greatest, in milliseconds.
        max_ms: u64,
    },
    /// A whole number from 1.
    Count {
        /// Greatest.
        max: usize,
    },
    /// Yes or no.
    Switch,
    /// A log level.
    Level,
    /// A form of the log's lines.
    LogFormat,
    /// An address to listen on.
    Address(AddressError),
    /// An address of this machine to connect to.
    AddressHere,
    /// An origin that replies may go to.
    Origin(OriginError),
    /// A command to answer.
    Command(ChoiceError),
    /// A path of a file.
    File,
    /// A path of a file of certificates.
    PemFile,
    /// A path of a directory.
    Directory,
}

impl Error {
    /// The file at this path, which `name` gives, cannot be read.
    pub(crate) fn unreadable(name: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::Unreadable {
            name,
            path: path.display().to_string(),
            error: error.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretMissing => f.write_str(
                "SLACK_SIGNING_SECRET is not set; copy the signing secret from Basic Information, \
                 App Credentials at api.slack.com/apps, or run `torrap try`, which needs none",
            ),
            Self::SecretTwice { direct, file } => {
                write!(f, "{direct} and {file} are both set; unset one")
            }
            Self::Secret { name, error } => write!(
                f,
                "{name}: {error}; copy it from Basic Information, App Credentials at \
                 api.slack.com/apps, and separate several with commas"
            ),
            Self::Unreadable { name, path, error } => {
                let path = Shown(path);
                write!(
                    f,
                    "{name}: cannot read {path}: {error}; give the path of a readable file"
                )
            }
            Self::Password { name, reason } => {
                write!(
                    f,
                    "{name}: {reason}; give the password of the Redis user, or unset it"
                )
            }
            Self::JournalUrl { name, reason } => write!(f, "{name}: {reason}"),
            Self::NotUtf8 { name } => {
                write!(f, "{name}: the value is not valid UTF-8; give plain text")
            }
            Self::TooManyEntries { name } => {
                write!(
                    f,
                    "{name}: the list has more than {ENTRIES_MAX} entries; give fewer"
                )
            }
            Self::Invalid {
                name,
                value,
                expected,
            } => {
                let value: &dyn fmt::Display = match expected {
                    Expected::Origin(_) => &ShownUrl(value),
                    _ => &Shown(value),
                };
                write!(f, "{name}: {value} is not {expected}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds { min_ms, max_ms } => {
                let (min, max) = (min_ms / 1000, max_ms / 1000);
                write!(
                    f,
                    "a number of seconds from {min} to {max}; give one such as 5 or 2.5"
                )
            }
            Self::Count { max } => write!(f, "a whole number from 1 to {max}; give one"),
            Self::Switch => f.write_str("yes or no; give one"),
            Self::Level => f.write_str("a log level; give error, warn, info, debug, trace or off"),
            Self::LogFormat => f.write_str("a format of the log; give text or json"),
            Self::Address(error) => write!(
                f,
                "an address to listen on: {error}; \
                 give one such as localhost:8000, 0.0.0.0:8000 or [::]:8000"
            ),
            Self::AddressHere => {
                f.write_str("an address of this machine; give one such as 127.0.0.1:4040, or 4040")
            }
            Self::Origin(error) => {
                write!(
                    f,
                    "an origin: {error}; give one such as https://hooks.slack.com"
                )
            }
            Self::Command(error) => write!(f, "a command to answer: {error}"),
            Self::File => f.write_str("a path; give the path of a file"),
            Self::PemFile => f.write_str("a path; give the path of a PEM file"),
            Self::Directory => f.write_str("a path; give the path of a directory"),
        }
    }
}

/// A value in quotes, escaped and cut so that it stays on the line.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN_CHARS_MAX) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}...", &self.0[..end]),
        }
    }
}

/// The same of what is meant as a URL, without the password that may stand before its last `@`.
pub(crate) struct ShownUrl<'a>(pub(crate) &'a str);

impl fmt::Display for ShownUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (front, rest) = self.0.rsplit_once('@').unwrap_or(("", self.0));
        let user = front.split_once("://").map_or(front, |(_, user)| user);
        match user.contains(':') {
            true => Shown(&format!("...@{rest}")).fmt(f),
            false => Shown(self.0).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for url in [
            "https://user:hunter2@a.example/b",
            "https://u:hunter2/@hunter2@a.example/b",
        ] {
            assert_eq!(ShownUrl(url).to_string(), "\"...@a.example/b\"");
            let error = Error::Invalid {
                name: "--reply-origin",
                value: url.to_owned(),
                expected: Expected::Origin(OriginError::Userinfo),
            };
            let line = error.to_string();
            let start =
                "--reply-origin: \"...@a.example/b\" is not an origin: it must have no user";
            assert!(line.starts_with(start), "{line}");
        }
        for url in ["https://a\n", "https://user@a.example", "https://a:1/b"] {
            assert_eq!(ShownUrl(url).to_string(), Shown(url).to_string());
        }
    }

    #[test]
    fn a_wrong_value_stays_on_its_line() {
        assert_eq!(
            Shown("a\nb\u{1b}\u{202e}").to_string(),
            r#""a\nb\u{1b}\u{202e}""#
        );
        let long = Shown(&"é".repeat(1000)).to_string();
        assert_eq!(long, format!("\"{}\"...", "é".repeat(80)));
    }
}
