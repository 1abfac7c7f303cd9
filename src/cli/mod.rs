//! The command line: arguments and variables in, what to do out.

mod error;
mod help;
mod nearest;
mod options;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use options::{OPTIONS, Opt, rows};

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lexopt::Arg::{Long, Short, Value};

use crate::config::{Config, Proxy, Setting, Settings, SigningSecret};

/// What `torrap try` reverses when it is given nothing.
pub const TRIAL_TEXT: &str = "sdrawkcab si siht";

/// What `torrap try` logs unless `LOG_LEVEL` says otherwise: it tells its story by itself.
const TRIAL_LOG_LEVEL: &str = "warn";

/// Where `torrap try` listens unless `--listen` says otherwise: a free port, this machine only.
const TRIAL_LISTEN: &str = "127.0.0.1:0";

/// Set by systemd for a unit with `StateDirectory=`: paths, separated by colons.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// The flag of `torrap journal`, without its dashes.
const JOBS: &str = "jobs";

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
                line.to = Some(into_text(parser.value().map_err(|_| Error::NoTarget)?)?);
            }
            Long("link") => line.is_link = true,
            Long(JOBS) => line.jobs = true,
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

/// A command line, sorted into its parts.
#[derive(Default)]
struct Line {
    command: Option<Command>,
    flags: Vec<(&'static Opt, OsString)>,
    words: Vec<String>,
    /// `--to` of `try`.
    to: Option<String>,
    /// `--link` of `manifest`.
    is_link: bool,
    /// The one flag without a value, which belongs to `journal`.
    jobs: bool,
}

impl Line {
    fn push(&mut self, word: String) -> Result<(), Error> {
        if self.command.is_some() {
            self.words.push(word);
            return Ok(());
        }
        let command = Command::ALL
            .into_iter()
            .find(|command| command.word() == word);
        self.command = Some(command.ok_or_else(|| Error::no_command(word))?);
        Ok(())
    }

    fn into_invocation(self, surroundings: &Surroundings<'_>) -> Result<Invocation, Error> {
        let command = self.command.unwrap_or(Command::Serve);
        if self.to.is_some() && command != Command::Try {
            return Err(Error::OptionOf {
                option: "--to",
                command: Command::Try.word(),
            });
        }
        if self.is_link && command != Command::Manifest {
            return Err(Error::OptionOf {
                option: "--link",
                command: Command::Manifest.word(),
            });
        }
        if self.jobs && command != Command::Journal {
            return Err(Error::OptionOf {
                option: "--jobs",
                command: Command::Journal.word(),
            });
        }
        match command {
            Command::Serve => self.into_config(surroundings).map(Invocation::Serve),
            Command::Check => self.into_check(surroundings),
            Command::Try => self.into_try(surroundings),
            Command::Manifest => {
                let is_link = self.is_link;
                let url = self.into_only_word(Command::Manifest, Error::NoUrl)?;
                Ok(Invocation::Manifest { url, is_link })
            }
            Command::Journal => {
                let jobs = self.jobs;
                let directory = self.into_only_word(Command::Journal, Error::NoDirectory)?;
                Ok(Invocation::Journal {
                    directory: directory.into(),
                    jobs,
                })
            }
        }
    }

    /// What the bot runs with.
    fn into_config(self, surroundings: &Surroundings<'_>) -> Result<Config, Error> {
        if let Some(word) = self.words.into_iter().next() {
            return Err(Error::SuperfluousWord { word });
        }
        let mut settings = gather(self.flags, surroundings, |_| true);
        if !settings.has(Setting::Journal)
            && let Some(directory) = state_directory(surroundings)
        {
            settings.give(Setting::Journal, STATE_DIRECTORY, directory);
        }
        let secrets = SigningSecret::from_settings(&settings, surroundings.read_file)?;
        let mut config = Config::from_settings(&settings, secrets)?;
        config.proxy = Proxy::from_variables(surroundings.variable);
        Ok(config)
    }

    fn into_check(self, surroundings: &Surroundings<'_>) -> Result<Invocation, Error> {
        match self.into_config(surroundings) {
            Ok(config) => Ok(Invocation::Check { config: Ok(config) }),
            Err(Error::Setting(error)) => Ok(Invocation::Check {
                config: Err(error.to_string()),
            }),
            Err(error) => Err(error),
        }
    }

    fn into_try(self, surroundings: &Surroundings<'_>) -> Result<Invocation, Error> {
        let text = match self.words.as_slice() {
            [] => TRIAL_TEXT.to_owned(),
            words => words.join(" "),
        };
        if text.trim().is_empty() {
            return Err(Error::BlankText);
        }
        if let Some(url) = self.to {
            let line = Self {
                flags: self.flags,
                ..Self::default()
            };
            let config = line.into_config(surroundings)?;
            return Ok(Invocation::TryAt { url, text, config });
        }
        let mut settings = gather(self.flags, surroundings, |opt| opt.variable_in_trial);
        if !settings.has(Setting::Listen) {
            settings.give(Setting::Listen, "--listen", TRIAL_LISTEN.into());
        }
        if !settings.has(Setting::LogLevel) {
            settings.give(Setting::LogLevel, "LOG_LEVEL", TRIAL_LOG_LEVEL.into());
        }
        let mut config = Config::from_settings(&settings, Vec::new())?;
        config.reply_origins.clear();
        Ok(Invocation::Try { text, config })
    }

    /// The word of a command that takes one word and none of the bot's options.
    fn into_only_word(self, command: Command, missing: Error) -> Result<String, Error> {
        if let Some((opt, _)) = self.flags.first() {
            return Err(Error::OptionOfServe {
                option: opt.flag.unwrap_or(opt.variable),
                command: command.word(),
            });
        }
        let mut words = self.words.into_iter();
        let word = words.next().ok_or(missing)?;
        match words.next() {
            Some(word) => Err(Error::SuperfluousWord { word }),
            None => Ok(word),
        }
    }
}

/// The directory that systemd has made for the service's state: the first, of several.
fn state_directory(surroundings: &Surroundings<'_>) -> Option<OsString> {
    let directories = (surroundings.variable)(STATE_DIRECTORY)?;
    let first = directories.as_bytes().split(|b| *b == b':').next()?;
    (!first.is_empty()).then(|| OsStr::from_bytes(first).to_owned())
}

/// Notes the variables that `heeds` lets through, then the flags, which beat them.
fn gather(
    flags: Vec<(&'static Opt, OsString)>,
    surroundings: &Surroundings<'_>,
    heeds: impl Fn(&Opt) -> bool,
) -> Settings {
    let mut settings = Settings::default();
    for opt in OPTIONS.iter().filter(|opt| heeds(opt)) {
        // Compose files and unit files set variables to nothing to unset them, but an empty
        // secret is a deployment gone wrong, and must not pass for a file's default.
        let is_set = |value: &OsString| !value.is_empty() || opt.setting == Setting::SigningSecrets;
        if let Some(value) = (surroundings.variable)(opt.variable).filter(is_set) {
            settings.give(opt.setting, opt.variable, value);
        }
    }
    for (opt, value) in flags {
        settings.give(opt.setting, opt.flag.unwrap_or(opt.variable), value);
    }
    settings
}

fn into_text(word: OsString) -> Result<String, Error> {
    word.into_string().map_err(|word| Error::NotUtf8 {
        word: word.to_string_lossy().into(),
    })
}
