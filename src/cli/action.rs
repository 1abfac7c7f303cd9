//! What a command line asks for: one action.

use std::path::PathBuf;

use super::completions::Shell;
use crate::commands::Chosen;
use crate::config::{Config, PublicUrl};
#[cfg(feature = "redis")]
use crate::tools::fleet_journal;
use crate::tools::manifest;

/// What the process was started to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Run the bot.
    Serve(Config),
    /// Run the bot for one command, against a stand-in for Slack.
    Try {
        /// The command's text, if one is given; never blank.
        text: Option<String>,
        /// Its first command is the one to try. It has neither signing secret nor reply origin, since the trial makes its own:
        /// a bot that ran with this as it is would refuse every request.
        config: Config,
    },
    /// Send one command to a bot that runs already.
    TryAt {
        /// Its base URL.
        url: PublicUrl,
        /// The command's text, if one is given; never blank.
        text: Option<String>,
        /// What that bot runs with, as far as the same settings say so here. Its first command is the one to send.
        config: Config,
    },
    /// Look whether the bot could run with these settings.
    Check {
        /// The settings, or a line about each that is wrong.
        config: Result<Config, Vec<String>>,
    },
    /// Print the app manifest.
    Manifest {
        /// The commands that it lists.
        commands: Chosen,
        /// The public base URL.
        url: PublicUrl,
        /// What is printed.
        options: manifest::Options,
    },
    /// Print what a journal holds.
    Journal {
        /// Its directory.
        directory: PathBuf,
        /// Whether each job gets a line.
        jobs: bool,
    },
    /// Print what a fleet's journal holds.
    #[cfg(feature = "redis")]
    FleetJournal(Box<fleet_journal::Query>),
    /// Print this text.
    Help(String),
    /// Print completions for a shell.
    Completions(Shell),
    /// Print the manual page.
    Man,
    /// Print the version.
    Version,
}
