//! What is wrong with the command line, as one line that says what to do.

use std::fmt;

use super::options::{self, OPTIONS, Opt, nearest};
use super::own::OWN;
use super::subcommand::Subcommand;
use crate::config::{self, Setting, Shown};

/// A command line or a setting that is wrong: exit code 2.
#[derive(Debug)]
pub enum Error {
    /// A setting is wrong or missing.
    Setting(config::Error),
    /// A line of the file of variables is wrong.
    EnvFileLine {
        /// Flag or variable.
        name: &'static str,
        /// The path that was given.
        path: String,
        /// The line's number.
        line: usize,
        /// What it is, and what to do.
        why: &'static str,
    },
    /// No secret is given, and a variable is set that may have been meant to give one.
    SecretMisspelt {
        /// The variable that is set.
        variable: String,
        /// The one that was probably meant.
        meant: &'static str,
    },
    /// The option does not exist.
    UnknownOption {
        /// The option, dashes included.
        option: String,
        /// The option that was probably meant.
        nearest: Option<&'static str>,
        /// Whether it stands behind `try`, where it may have been meant as text.
        is_trial: bool,
    },
    /// What was given as an option is set by an environment variable only.
    OnlyVariable {
        /// The option, dashes included.
        option: String,
        /// The setting that was probably meant.
        opt: &'static Opt,
    },
    /// An option of the bot was given to a command that does not run it.
    OptionOfServe {
        /// The option.
        option: &'static str,
        /// The command's word.
        command: &'static str,
    },
    /// An option of one command was given to another.
    OptionOf {
        /// The option.
        option: &'static str,
        /// The word of the command that has it.
        command: &'static str,
    },
    /// An option of one command stands at the end of the line, without a value.
    NoOwnValue {
        /// The option.
        option: &'static str,
        /// What to give it.
        remedy: &'static str,
    },
    /// An option stands at the end of the line, without a value.
    NoValue {
        /// The option.
        opt: &'static Opt,
    },
    /// The command does not exist.
    UnknownCommand {
        /// The word that stands where a command would.
        word: String,
        /// The command that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A word stands where none is expected.
    SuperfluousWord {
        /// The word.
        word: String,
    },
    /// A word is not UTF-8.
    NotUtf8 {
        /// The word, with replacement characters.
        word: String,
    },
    /// `journal` was given no directory.
    NoDirectory,
    /// `completions` was given no shell.
    NoShell,
    /// There are no completions for this shell.
    UnknownShell {
        /// What was given.
        word: String,
    },
    /// `try` was given nothing to reverse.
    BlankText,
    /// The line cannot be split into options and words.
    Syntax(lexopt::Error),
}

impl Error {
    pub(super) fn no_option(option: &str, command: Option<Subcommand>) -> Self {
        let name = option.trim_start_matches('-');
        let option = option.to_owned();
        if let Some(opt) = options::without_flag(name) {
            return Self::OnlyVariable { option, opt };
        }
        let flags = OPTIONS.iter().filter_map(|opt| opt.flag);
        let flags = flags.chain(OWN.iter().map(|own| own.flag));
        let nearest = options::called_elsewhere(name)
            .or_else(|| nearest(&option, flags.chain(["--help", "--version"])));
        Self::UnknownOption {
            option,
            nearest,
            is_trial: command == Some(Subcommand::Try),
        }
    }

    /// Whether it is about a setting, wherever that was given, and not about the command line itself.
    pub(super) const fn is_of_settings(&self) -> bool {
        matches!(
            self,
            Self::Setting(_) | Self::SecretMisspelt { .. } | Self::EnvFileLine { .. }
        )
    }

    pub(super) fn option_of_serve(opt: &Opt, command: Subcommand) -> Self {
        Self::OptionOfServe {
            option: opt.flag.unwrap_or(opt.variable),
            command: command.word(),
        }
    }

    pub(super) fn no_command(word: String) -> Self {
        let nearest = Subcommand::nearest(&word);
        Self::UnknownCommand { word, nearest }
    }
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::Setting(error)
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Syntax(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(error) => error.fmt(f),
            Self::EnvFileLine {
                name,
                path,
                line,
                why,
            } => write!(f, "{name}: line {line} of {} {why}", Shown(path)),
            Self::SecretMisspelt { variable, meant } => {
                let variable = Shown(variable);
                write!(
                    f,
                    "SLACK_SIGNING_SECRET is not set, but {variable} is; rename it to {meant}"
                )
            }
            Self::UnknownOption {
                option,
                nearest,
                is_trial,
            } => {
                let (option, hint) = (Shown(option), Hint(*nearest));
                let end = if *is_trial { TEXT_WITH_HYPHEN } else { "" };
                write!(f, "unknown option {option}; {hint}{end}")
            }
            Self::OnlyVariable { option, opt } => write_only_variable(f, option, opt),
            Self::OptionOfServe { option, command } => {
                write!(
                    f,
                    "{option}: not an option of `torrap {command}`; leave it out"
                )
            }
            Self::OptionOf { option, command } => {
                write!(
                    f,
                    "{option}: only an option of `torrap {command}`; leave it out"
                )
            }
            Self::NoOwnValue { option, remedy } => {
                write!(f, "{option}: the value is missing; {remedy}")
            }
            Self::NoValue { opt } => {
                let name = opt.flag.unwrap_or(opt.variable);
                write!(f, "{name}: the value is missing; give {name} {}", opt.value)
            }
            Self::UnknownCommand { word, nearest } => {
                write!(f, "unknown command {}; {}", Shown(word), Hint(*nearest))
            }
            Self::SuperfluousWord { word } => {
                let word = Shown(word);
                write!(f, "unexpected argument {word}; see `torrap --help`")
            }
            Self::NotUtf8 { word } => {
                let word = Shown(word);
                write!(f, "argument {word} is not valid UTF-8; give plain text")
            }
            Self::NoDirectory => f.write_str(NO_DIRECTORY),
            Self::NoShell => f.write_str(NO_SHELL),
            Self::UnknownShell { word } => write!(
                f,
                "completions: {} is not a shell that there are completions for; give bash, zsh or fish",
                Shown(word)
            ),
            Self::BlankText => f.write_str("try: the text is blank; give some, or none at all"),
            Self::Syntax(error) => write!(f, "{error}; see `torrap --help`"),
        }
    }
}

impl std::error::Error for Error {}

const TEXT_WITH_HYPHEN: &str = "; text that begins with - goes behind --";
const NO_DIRECTORY: &str = "journal: the directory is missing; give the one that the bot was given, \
    such as `torrap journal /var/lib/torrap`";
const NO_SHELL: &str =
    "completions: the shell is missing; give bash, zsh or fish, such as `torrap completions bash`";

fn write_only_variable(f: &mut fmt::Formatter<'_>, option: &str, opt: &Opt) -> fmt::Result {
    let (option, variable) = (Shown(option), opt.variable);
    match opt.setting {
        Setting::SigningSecrets | Setting::SigningSecretsFile => write!(
            f,
            "option {option}: a secret is taken only from the environment, since flags show in \
             ps; set SLACK_SIGNING_SECRET or SLACK_SIGNING_SECRET_FILE"
        ),
        _ => write!(
            f,
            "unknown option {option}; set the variable {variable} instead"
        ),
    }
}

/// What was probably meant, or where to look.
struct Hint(Option<&'static str>);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "did you mean {nearest}? See `torrap --help`"),
            None => f.write_str("see `torrap --help`"),
        }
    }
}
