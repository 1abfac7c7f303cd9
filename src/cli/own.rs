//! Options that one command has alone.

use super::command::Command;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    To,
    Link,
    Jobs,
}

/// An option of one command.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) name: Name,
    /// With its dashes.
    pub(super) flag: &'static str,
    /// What its value is called; empty if it has none.
    pub(super) value: &'static str,
    pub(super) command: Command,
    /// What it means, as plain text without a full stop.
    pub(super) help: &'static str,
    /// What to give it, for the error about a value that is missing.
    pub(super) remedy: &'static str,
}

/// All of them, in the order of the help.
pub(super) const OWN: &[Own] = &[
    Own {
        name: Name::To,
        flag: "--to",
        value: "URL",
        command: Command::Try,
        help: "the bot that runs already: its public URL, or one on this machine",
        remedy: "give the bot's URL, such as https://example.ngrok.app",
    },
    Own {
        name: Name::Link,
        flag: "--link",
        value: "",
        command: Command::Manifest,
        help: "print a link to the page of Slack's that creates the app, instead of the manifest",
        remedy: "",
    },
    Own {
        name: Name::Jobs,
        flag: "--jobs",
        value: "",
        command: Command::Journal,
        help: "print a line for each pending job as well",
        remedy: "",
    },
];

/// The one with a flag, given without its dashes.
pub(super) fn with_flag(name: &str) -> Option<&'static Own> {
    OWN.iter().find(|own| own.flag[2..] == *name)
}

/// Those of a command.
pub(super) fn of(command: Command) -> impl Iterator<Item = &'static Own> {
    OWN.iter().filter(move |own| own.command == command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::OPTIONS;

    #[test]
    fn no_flag_is_another_ones() {
        for own in OWN {
            assert_eq!(with_flag(&own.flag[2..]).unwrap().name, own.name);
            assert!(OPTIONS.iter().all(|opt| opt.flag != Some(own.flag)));
            assert_eq!(own.value.is_empty(), own.remedy.is_empty(), "{own:?}");
        }
        assert!(with_flag("").is_none() && with_flag("t").is_none());
    }
}
