//! The commands that a bot is made of, as they are given to [`run`](crate::run).

use std::fmt;
use std::sync::Arc;

use super::{BUILT_IN, Command};

/// Most commands that a Slack app can have (the app manifest's schema).
const COMMANDS_MAX: usize = 50;

/// Longest name that Slack takes, slash included, in characters (the app manifest's schema).
pub(super) const NAME_CHARS_MAX: usize = 32;

/// Longest description, in characters (likewise).
const DESCRIPTION_CHARS_MAX: usize = 2000;

/// Longest hint, in characters (likewise).
const HINT_CHARS_MAX: usize = 1000;

/// The position of a command that is not in the list. A job keeps its command's position in one byte.
const NONE: u8 = u8::MAX;
const _: () = assert!(COMMANDS_MAX < NONE as usize);

/// One command at least, each with a name of its own, and each with what Slack needs to show it.
#[derive(Clone, Debug)]
pub struct Commands(Arc<[Command]>);

impl Commands {
    /// Takes these commands, if Slack takes them.
    ///
    /// # Errors
    /// See [`ListError`].
    pub fn new(commands: &[Command]) -> Result<Self, ListError> {
        if commands.is_empty() {
            return Err(ListError::Empty);
        }
        if commands.len() > COMMANDS_MAX {
            return Err(ListError::TooMany(commands.len()));
        }
        for (index, command) in commands.iter().enumerate() {
            let is_same = |other: &Command| other.name == command.name;
            let fault = match commands[..index].iter().any(is_same) {
                true => Some(Fault::Twice),
                false => fault(command),
            };
            if let Some(fault) = fault {
                let name = command.name;
                return Err(ListError::Command { name, fault });
            }
        }
        Ok(Self(commands.into()))
    }

    /// All of them, in the order of the list.
    pub fn iter(&self) -> std::slice::Iter<'_, Command> {
        self.0.iter()
    }

    /// The first, which is chosen unless the settings choose others.
    #[must_use]
    pub fn first(&self) -> &Command {
        &self.0[0]
    }

    /// The command at this position; `None` at that of a command that is not in the list.
    #[must_use]
    pub fn get(&self, position: u8) -> Option<&Command> {
        self.0.get(usize::from(position))
    }

    /// The position of the command whose own name is `name`: a journal may name one that an earlier version had and this
    /// one has not.
    #[must_use]
    pub fn position(&self, name: &str) -> u8 {
        let position = self.iter().position(|command| command.name == name);
        position
            .and_then(|position| u8::try_from(position).ok())
            .unwrap_or(NONE)
    }

    /// Their own names.
    pub(super) fn names(&self) -> Names {
        Names(self.iter().map(|command| command.name).collect())
    }
}

/// Those of torrap's own binary.
impl Default for Commands {
    fn default() -> Self {
        Self(BUILT_IN.into())
    }
}

impl<'a> IntoIterator for &'a Commands {
    type Item = &'a Command;
    type IntoIter = std::slice::Iter<'a, Command>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What keeps a command from being one of Slack's.
fn fault(command: &Command) -> Option<Fault> {
    let is_plain =
        |text: &str, max| text.chars().count() <= max && !text.contains(char::is_control);
    if !is_name(command.name) {
        return Some(Fault::Name);
    }
    if command.description.is_empty() || !is_plain(command.description, DESCRIPTION_CHARS_MAX) {
        return Some(Fault::Description);
    }
    if !is_plain(command.hint, HINT_CHARS_MAX) {
        return Some(Fault::Hint);
    }
    // Where the command has another name, that takes the place of its own.
    (!command.usage.contains(command.name)).then_some(Fault::Usage)
}

/// Whether Slack takes a command of this name. Nothing in it can end the place where it stands in a list, in a
/// manifest or in a message.
pub(super) fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() && !c.is_uppercase() || matches!(c, '-' | '_');
    let word = name.strip_prefix('/').unwrap_or_default();
    (1..NAME_CHARS_MAX).contains(&word.chars().count()) && word.chars().all(is_letter)
}

/// Why these commands make no bot. It is a mistake of the program that has called [`run`](crate::run).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListError {
    /// There is none.
    Empty,
    /// There are this many.
    TooMany(usize),
    /// Slack does not take one of them.
    Command {
        /// Its own name.
        name: &'static str,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Slack takes no command of its name.
    Name,
    /// A command before it has its name.
    Twice,
    /// Its description is empty, or Slack does not take it.
    Description,
    /// Slack does not take its hint.
    Hint,
    /// Its usage does not say its name.
    Usage,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("torrap::run: ")?;
        match self {
            Self::Empty => f.write_str("there is no command; give it one at least"),
            Self::TooMany(count) => write!(
                f,
                "there are {count} commands, and a Slack app can have {COMMANDS_MAX}; give fewer"
            ),
            Self::Command { name, fault } => write!(f, "{name:?}: {fault}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "no command can have that name; {}", NameRule),
            Self::Twice => f.write_str("two commands have that name; give each its own"),
            Self::Description => write!(
                f,
                "its description is empty, has more than {DESCRIPTION_CHARS_MAX} characters or a control \
                 character; say in one line what it does"
            ),
            Self::Hint => write!(
                f,
                "its hint has more than {HINT_CHARS_MAX} characters or a control character; give a few words"
            ),
            Self::Usage => f.write_str(
                "its usage does not have its name, which people must know; write it there",
            ),
        }
    }
}

impl std::error::Error for ListError {}

/// What a name is.
pub(super) struct NameRule;

impl fmt::Display for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a name is / and up to {} lower-case letters, digits, - or _",
            NAME_CHARS_MAX - 1
        )
    }
}

/// Names of commands: one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names(Vec<&'static str>);

impl Names {
    pub(super) fn first(&self) -> &'static str {
        self.0[0]
    }

    pub(super) fn last(&self) -> &'static str {
        self.0[self.0.len() - 1]
    }
}

/// `there are /a, /b and /c`
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.0.len() == 1 { "is" } else { "are" };
        write!(f, "there {verb} {}", Listed(&self.0))
    }
}

/// `a, b and c`
pub(super) struct Listed<'a, T>(pub(super) &'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            let separator = match self.0.len() - index {
                _ if index == 0 => "",
                1 => " and ",
                _ => ", ",
            };
            write!(f, "{separator}{item}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{REVERSE, SHOUT};

    fn named(name: &'static str) -> Command {
        let usage = name;
        Command {
            name,
            usage,
            ..SHOUT
        }
    }

    fn line(commands: &[Command]) -> String {
        Commands::new(commands).unwrap_err().to_string()
    }

    #[test]
    fn torraps_own_are_what_slack_takes() {
        let commands = Commands::default();
        assert!(Commands::new(&commands.0).is_ok());
    }

    #[test]
    fn a_command_is_found_by_its_own_name_and_position() {
        let commands = Commands::default();
        for (name, position) in [("/torrap", 0), ("/shout", 1)] {
            assert_eq!(commands.position(name), position);
            assert_eq!(commands.get(position).unwrap().name, name);
        }
        for name in ["/gone", "", "torrap"] {
            assert!(commands.get(commands.position(name)).is_none(), "{name}");
        }
    }

    #[test]
    fn a_wrong_list_is_one_line_that_says_what_to_do() {
        assert_eq!(
            line(&[]),
            "torrap::run: there is no command; give it one at least"
        );
        let names: Vec<&'static str> = (0..=COMMANDS_MAX)
            .map(|number| &*format!("/c{number}").leak())
            .collect();
        let many: Vec<Command> = names.into_iter().map(named).collect();
        assert!(Commands::new(&many[..COMMANDS_MAX]).is_ok());
        assert_eq!(
            line(&many),
            "torrap::run: there are 51 commands, and a Slack app can have 50; give fewer"
        );
        assert_eq!(
            line(&[REVERSE, SHOUT, REVERSE]),
            "torrap::run: \"/torrap\": two commands have that name; give each its own"
        );
        assert_eq!(
            line(&[REVERSE, named("Deploy\n")]),
            "torrap::run: \"Deploy\\n\": no command can have that name; \
             a name is / and up to 31 lower-case letters, digits, - or _"
        );
        for (wrong, start) in [
            (
                Command {
                    description: "",
                    ..SHOUT
                },
                "its description is empty",
            ),
            (
                Command {
                    description: "a\nb",
                    ..SHOUT
                },
                "its description is",
            ),
            (
                Command {
                    hint: "\u{1b}",
                    ..SHOUT
                },
                "its hint has more than 1000",
            ),
            (
                Command {
                    usage: "/yell",
                    ..SHOUT
                },
                "its usage does not have",
            ),
        ] {
            let line = line(&[wrong]);
            let start = format!("torrap::run: \"/shout\": {start}");
            assert!(line.starts_with(&start), "{line}");
            assert!(
                !line.contains(char::is_control) && line.contains("; "),
                "{line}"
            );
        }
        let long = "x".repeat(DESCRIPTION_CHARS_MAX).leak();
        assert!(
            Commands::new(&[Command {
                description: long,
                hint: "",
                ..SHOUT
            }])
            .is_ok()
        );
        assert!(
            Commands::new(&[Command {
                hint: long,
                ..SHOUT
            }])
            .is_err()
        );
    }

    #[test]
    fn names_are_listed_as_people_do() {
        let shown = |names: &[&'static str]| Names(names.to_vec()).to_string();
        assert_eq!(shown(&["/a"]), "there is /a");
        assert_eq!(shown(&["/a", "/b"]), "there are /a and /b");
        assert_eq!(shown(&["/a", "/b", "/c"]), "there are /a, /b and /c");
    }
}
