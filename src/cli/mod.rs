//! The command line: arguments and variables in, what to do out.

mod error;
mod help;
mod line;
mod misspelt;
mod options;
#[cfg(test)]
mod tests;

pub use error::Error;
use line::Line;
pub use options::{OPTIONS, Opt, rows};

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use lexopt::Arg::{Long, Short, Value};

use crate::commands::Chosen;
use crate::config::{Config, clean};

/// What `torrap try` reverses when it is given nothing.
pub const TRIAL_TEXT: &str = "sdrawkcab si siht";

/// What the process was started to do.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Run the bot.
    Serve(Config),
    /// Run the bot for one command, against a stand-in for Slack.
    Try {
        /// The command's text; never blank.
        text: String,
        /// Without a signing secret and without a reply origin: the trial makes its own. A bot
        /// that ran with this as it is would refuse every request.
        config: Config,
    },
    /// Send one command to a bot that runs already.
    TryAt {
        /// Its base URL as given, not yet judged.
        url: String,
        /// The command's text; never blank.
        text: String,
        /// What that bot runs with, as far as the same settings say so here.
        config: Config,
    },
    /// Look whether the bot could run with these settings.
    Check {
        /// The settings, or the line about the one that is wrong.
        config: Result<Config, String>,
    },
    /// Print the app manifest.
    Manifest {
        /// The commands that it lists.
        commands: Chosen,
        /// The public base URL as given, not yet judged.
        url: String,
        /// Print the link that creates the app, instead.
        is_link: bool,
    },
    /// Print what a journal holds.
    Journal {
        /// Its directory.
        directory: PathBuf,
        /// Whether each job gets a line.
        jobs: bool,
    },
    /// Print this text.
    Help(String),
    /// Print this line.
    Version(String),
}

/// What the process finds around it, handed in so that nothing here depends on the process.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The names of all environment variables.
    pub names: &'a [OsString],
    /// The content of a file.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

/// A word that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Serve,
    Try,
    Check,
    Manifest,
    Journal,
}

impl Command {
    const ALL: [Self; 5] = [
        Self::Serve,
        Self::Try,
        Self::Check,
        Self::Manifest,
        Self::Journal,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Try => "try",
            Self::Check => "check",
            Self::Manifest => "manifest",
            Self::Journal => "journal",
        }
    }
}

/// Reads the command line, without the program's name, and the variables behind it.
///
/// Options may stand before and behind the command. Of an option given twice the last counts, as is
/// the custom, so that a script's defaults can be overridden at the end of its line.
///
/// # Errors
/// The first thing that is wrong. All of them are for exit code 2.
pub fn parse<I>(args: I, surroundings: &Surroundings<'_>) -> Result<Invocation, Error>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = lexopt::Parser::from_args(args);
    let mut line = Line::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Invocation::Help(help::text())),
            Short('V') | Long("version") => return Ok(Invocation::Version(help::version())),
            Long("to") => {
                let url = into_text(parser.value().map_err(|_| Error::NoTarget)?)?;
                line.to = Some(clean(&url).to_owned());
            }
            Long("link") => line.is_link = true,
            Long("jobs") => line.jobs = true,
            Long(name) => {
                let opt = options::with_flag(name)
                    .ok_or_else(|| Error::no_option(&format!("--{name}"), line.command))?;
                let value = if opt.is_switch() {
                    parser.optional_value().unwrap_or_else(|| "yes".into())
                } else {
                    parser.value().map_err(|_| Error::NoValue { opt })?
                };
                line.flags.push((opt, value));
            }
            Short(letter) => return Err(Error::no_option(&format!("-{letter}"), line.command)),
            Value(word) => line.push(into_text(word)?)?,
        }
    }
    line.into_invocation(surroundings)
}

fn into_text(word: OsString) -> Result<String, Error> {
    word.into_string().map_err(|word| Error::NotUtf8 {
        word: word.to_string_lossy().into(),
    })
}
