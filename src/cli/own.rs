//! Options that belong to one command each.

use super::subcommand::Subcommand;

/// The name of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    To,
    Command,
    Link,
    Json,
    Gov,
    Jobs,
}

/// An option of one command.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) name: Name,
    /// With its dashes.
    pub(super) flag: &'static str,
    /// What its value is called; empty if it has none, in brackets if it can be left out.
    pub(super) value: &'static str,
    pub(super) command: Subcommand,
    /// What it means, as plain text without a full stop.
    pub(super) help: &'static str,
    /// What to give it, for the error about a value that is missing.
    pub(super) remedy: &'static str,
}

impl Own {
    /// Whether it may stand without its value.
    pub(super) fn is_value_optional(&self) -> bool {
        self.value.starts_with('[')
    }
}

/// All of them, in the order of the help.
pub(super) const OWN: &[Own] = &[
    Own {
        name: Name::To,
        flag: "--to",
        value: "[URL]",
        command: Subcommand::Try,
        help: "the bot that runs already: its public URL, or one on this machine; without URL that of the tunnel \
               that leads to --listen",
        remedy: "",
    },
    Own {
        name: Name::Command,
        flag: "--command",
        value: "NAME",
        command: Subcommand::Try,
        help: "the slash command to send; without it the one whose name TEXT begins with, or else the first of the \
               --commands",
        remedy: "give a slash command, such as /torrap",
    },
    Own {
        name: Name::Link,
        flag: "--link",
        value: "",
        command: Subcommand::Manifest,
        help: "print a link to the page of Slack's that creates the app, instead of the manifest",
        remedy: "",
    },
    Own {
        name: Name::Json,
        flag: "--json",
        value: "",
        command: Subcommand::Manifest,
        help: "print the manifest as JSON",
        remedy: "",
    },
    Own {
        name: Name::Gov,
        flag: "--gov",
        value: "",
        command: Subcommand::Manifest,
        help: "name the pages of GovSlack",
        remedy: "",
    },
    Own {
        name: Name::Jobs,
        flag: "--jobs",
        value: "",
        command: Subcommand::Journal,
        help: "print a line for each pending job as well",
        remedy: "",
    },
];

/// The option with a flag, given without its dashes.
pub(super) fn with_flag(name: &str) -> Option<&'static Own> {
    OWN.iter().find(|own| own.flag[2..] == *name)
}

/// The options of a command.
pub(super) fn of(command: Subcommand) -> impl Iterator<Item = &'static Own> {
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
            let needs_value = !own.value.is_empty() && !own.is_value_optional();
            assert_eq!(needs_value, !own.remedy.is_empty(), "{own:?}");
        }
        assert!(with_flag("").is_none() && with_flag("t").is_none());
    }
}
