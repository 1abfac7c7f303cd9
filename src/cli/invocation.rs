//! What a command line comes to.

use std::path::PathBuf;

use super::completions::Shell;
use crate::commands::Chosen;
use crate::config::Config;

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
    /// Print completions for a shell.
    Completions(Shell),
    /// Print the manual page.
    Man,
    /// Print the version.
    Version,
}
