//! Completions for shells, made from the tables that the command line is read with.

mod bash;
mod fish;
mod zsh;

use super::options::OPTIONS;
use super::own;
use super::subcommand::Subcommand;
use crate::commands::Commands;

/// A shell that has completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash, from version 4 on.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    pub(super) const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    pub(super) fn with_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shell| shell.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

/// What completes, in this shell, the command line of the program that is called `name` and has these slash commands.
#[must_use]
pub fn script(shell: Shell, name: &str, commands: &Commands) -> String {
    let slash: Vec<_> = commands.iter().map(|command| command.name).collect();
    let slash = slash.join(" ");
    let script = match shell {
        Shell::Bash => bash::script(&slash),
        Shell::Zsh => zsh::script(&slash),
        Shell::Fish => fish::script(&slash),
    };
    // Functions of shells have no hyphens and dots everywhere.
    let function = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    script
        .replace("{name}", name)
        .replace("{function}", &format!("_{function}"))
}

/// What a value can be completed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// There is no value.
    None,
    /// Anything: there is nothing to propose.
    Free,
    File,
    Directory,
    /// One of the slash commands.
    SlashCommand,
    /// Some of them, with commas between them.
    SlashCommands,
}

/// One option, as completions see it.
#[derive(Clone, Copy)]
struct Flag {
    flag: &'static str,
    /// What its value is called.
    name: &'static str,
    value: Value,
    help: &'static str,
}

impl Flag {
    const fn new(flag: &'static str, name: &'static str, help: &'static str) -> Self {
        let value = match name.as_bytes() {
            // A value in brackets may be left out, so that an option may stand in its place.
            b"" | [b'[', ..] => Value::None,
            b"PATH" => Value::File,
            b"DIR" => Value::Directory,
            b"NAME" => Value::SlashCommand,
            b"COMMANDS" => Value::SlashCommands,
            _ => Value::Free,
        };
        Self {
            flag,
            name,
            value,
            help,
        }
    }
}

/// The options that a command takes, those of its own first.
fn flags(command: Subcommand) -> impl Iterator<Item = Flag> {
    let own = own::of(command).map(|own| Flag::new(own.flag, own.value, own.help));
    let opts = OPTIONS.iter().filter(move |opt| command.takes(opt));
    own.chain(opts.filter_map(|opt| Some(Flag::new(opt.flag?, opt.value, opt.help))))
}

/// Each option there is, once.
fn all_flags() -> impl Iterator<Item = Flag> {
    let own = own::OWN.iter();
    let own = own.map(|own| Flag::new(own.flag, own.value, own.help));
    own.chain(flags(Subcommand::Serve))
}

fn words(commands: &[Subcommand]) -> Vec<&'static str> {
    commands.iter().map(|command| command.word()).collect()
}

#[cfg(test)]
mod tests;
