//! Which of the commands the bot answers, and under which names.

use std::fmt;

use super::{COMMANDS, Command};

/// Longest name that Slack takes, slash included, in characters (the app manifest's schema).
const NAME_CHARS_MAX: usize = 32;

/// A command that the bot answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its position among all commands.
    pub position: u8,
    /// Its name in Slack, with its slash.
    pub name: String,
    /// What to answer a person who asks how to use it, by that name.
    pub usage: String,
}

impl Choice {
    /// What it does.
    #[must_use]
    pub fn command(&self) -> &'static Command {
        &COMMANDS[usize::from(self.position)]
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command().name {
            name if name == self.name => f.write_str(name),
            name => write!(f, "{} ({name})", self.name),
        }
    }
}

/// The commands that the bot answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    choices: Vec<Choice>,
}

/// Why a command cannot be chosen so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChoiceError {
    /// There is no command of this name.
    Unknown,
    /// Slack takes no command of this name.
    Name,
    /// The command is chosen already.
    CommandTwice,
    /// Another command has this name.
    NameTwice,
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
                write!(f, "there are {}", names.join(" and "))
            }
            Self::Name => write!(
                f,
                "a name is / and up to {} lower-case letters, digits, - or _",
                NAME_CHARS_MAX - 1
            ),
            Self::CommandTwice => f.write_str("the list has that command already"),
            Self::NameTwice => f.write_str("another command has that name"),
        }
    }
}

impl std::error::Error for ChoiceError {}

impl Chosen {
    /// Adds a command by its own name, `/shout`, or with another one behind that: `/shout=/yell`.
    ///
    /// # Errors
    /// See [`ChoiceError`].
    pub fn add(&mut self, entry: &str) -> Result<(), ChoiceError> {
        let (own, name) = entry.split_once('=').unwrap_or((entry, entry));
        let (own, name) = (own.trim(), name.trim());
        let is_own = |command: &Command| command.name == own;
        let found = COMMANDS.iter().position(is_own);
        let position = found.and_then(|position| u8::try_from(position).ok());
        let position = position.ok_or(ChoiceError::Unknown)?;
        if !is_name(name) {
            return Err(ChoiceError::Name);
        }
        if self
            .choices
            .iter()
            .any(|choice| choice.position == position)
        {
            return Err(ChoiceError::CommandTwice);
        }
        if self.choices.iter().any(|choice| choice.name == name) {
            return Err(ChoiceError::NameTwice);
        }
        let usage = COMMANDS[usize::from(position)].usage.replace(own, name);
        self.choices.push(Choice {
            position,
            name: name.to_owned(),
            usage,
        });
        Ok(())
    }

    /// All of them, in the order of the list.
    pub fn iter(&self) -> std::slice::Iter<'_, Choice> {
        self.choices.iter()
    }

    /// The one that an invocation calls. Any name stands for the only one: the name is given in Slack, and has to
    /// differ from those of other apps, since of two equal ones the app that was installed last wins
    /// (<https://docs.slack.dev/interactivity/implementing-slash-commands>).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Choice> {
        match &self.choices[..] {
            [only] => Some(only),
            choices => choices.iter().find(|choice| choice.name == name),
        }
    }

    /// What to answer to a name that is not among several.
    #[must_use]
    pub fn unknown(&self) -> String {
        let names: Vec<String> = self
            .iter()
            .map(|choice| format!("`{}`", choice.name))
            .collect();
        format!(
            "I do not know that command. There is {}.",
            names.join(" and ")
        )
    }
}

impl<'a> IntoIterator for &'a Chosen {
    type Item = &'a Choice;
    type IntoIter = std::slice::Iter<'a, Choice>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As in a list: `/torrap, /yell (/shout)`.
impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, choice) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{choice}")?;
        }
        Ok(())
    }
}

/// Whether Slack takes a command of this name. Nothing in it can end the place where it stands in a list, in a
/// manifest or in a message.
fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() && !c.is_uppercase() || matches!(c, '-' | '_');
    let word = name.strip_prefix('/').unwrap_or_default();
    (1..NAME_CHARS_MAX).contains(&word.chars().count()) && word.chars().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(list: &str) -> Result<Chosen, ChoiceError> {
        let mut chosen = Chosen::default();
        list.split(',').try_for_each(|entry| chosen.add(entry))?;
        Ok(chosen)
    }

    #[test]
    fn commands_are_chosen_by_their_own_names_and_may_have_others() {
        let shown = |list| chosen(list).map(|chosen| chosen.to_string());
        assert_eq!(shown("/torrap").unwrap(), "/torrap");
        assert_eq!(
            shown("/shout = /yell,/torrap").unwrap(),
            "/yell (/shout), /torrap"
        );
        assert_eq!(
            shown("/torrap=/shout,/shout=/torrap").unwrap(),
            "/shout (/torrap), /torrap (/shout)"
        );
        let longest = format!("/{}", "x".repeat(31));
        assert!(chosen(&format!("/torrap={longest}")).is_ok());
        for (list, error) in [
            ("", ChoiceError::Unknown),
            ("torrap", ChoiceError::Unknown),
            ("/Torrap", ChoiceError::Unknown),
            ("/torrap,", ChoiceError::Unknown),
            ("/yell", ChoiceError::Unknown),
            ("/yell=/shout", ChoiceError::Unknown),
            ("/torrap=", ChoiceError::Name),
            ("/torrap=/", ChoiceError::Name),
            ("/torrap=yell", ChoiceError::Name),
            ("/torrap=/Yell", ChoiceError::Name),
            ("/torrap=/a b", ChoiceError::Name),
            ("/torrap=/a/b", ChoiceError::Name),
            ("/torrap=/a=b", ChoiceError::Name),
            ("/torrap=/a\"", ChoiceError::Name),
            (&format!("/torrap={longest}x"), ChoiceError::Name),
            ("/torrap,/torrap", ChoiceError::CommandTwice),
            ("/torrap,/torrap=/yell", ChoiceError::CommandTwice),
            ("/torrap,/shout=/torrap", ChoiceError::NameTwice),
        ] {
            assert_eq!(chosen(list).err(), Some(error), "{list}");
        }
    }

    #[test]
    fn any_name_stands_for_the_only_one_and_none_for_several() {
        let one = chosen("/shout").unwrap();
        for name in ["/shout", "/torrap", "/backwards", ""] {
            assert_eq!(one.find(name).unwrap().command().name, "/shout");
        }
        let two = chosen("/torrap,/shout=/yell").unwrap();
        let found = |name| two.find(name).map(|choice| choice.command().name);
        assert_eq!(found("/torrap"), Some("/torrap"));
        assert_eq!(found("/yell"), Some("/shout"));
        for name in ["/shout", "/YELL", "yell", ""] {
            assert_eq!(found(name), None, "{name}");
        }
        assert_eq!(
            two.unknown(),
            "I do not know that command. There is `/torrap` and `/yell`."
        );
    }

    #[test]
    fn the_usage_has_the_name_that_people_type() {
        let usage = chosen("/shout=/yell").unwrap().choices.remove(0).usage;
        assert!(
            usage.contains("`/yell hello`") && !usage.contains("/shout"),
            "{usage}"
        );
    }
}
