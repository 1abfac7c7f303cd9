//! Which of the commands the bot answers, and under which names.

use std::fmt;

use super::Command;
use super::list::{Commands, Listed, NameRule, Names, is_name};

/// A command that the bot answers.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its position among all commands.
    pub position: u8,
    /// Its name in Slack, with its slash.
    pub name: String,
    /// What to answer a person who asks how to use it, by that name.
    pub usage: String,
    command: Command,
}

impl Choice {
    /// What it does.
    #[must_use]
    pub const fn command(&self) -> &Command {
        &self.command
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

/// The commands that the bot answers, out of those that it is made of.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    all: Commands,
    choices: Vec<Choice>,
}

/// Why a command cannot be chosen under a name, and which commands there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceError {
    /// Why.
    pub fault: ChoiceFault,
    names: Names,
}

/// Why a command cannot be chosen under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChoiceFault {
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
        match self.fault {
            ChoiceFault::Unknown => self.names.fmt(f)?,
            ChoiceFault::Name => NameRule.fmt(f)?,
            ChoiceFault::CommandTwice => f.write_str("the list has that command already")?,
            ChoiceFault::NameTwice => f.write_str("another command has that name")?,
        }
        let (first, last) = (self.names.first(), self.names.last());
        write!(f, "; give one such as {first}, or {last}=/yell")
    }
}

impl std::error::Error for ChoiceError {}

impl Chosen {
    /// No choice yet, out of these commands.
    #[must_use]
    pub const fn of(all: Commands) -> Self {
        let choices = Vec::new();
        Self { all, choices }
    }

    /// All commands that the bot is made of, chosen or not.
    #[must_use]
    pub const fn all(&self) -> &Commands {
        &self.all
    }

    /// Adds a command by its own name, `/shout`, or with another one behind that: `/shout=/yell`.
    ///
    /// # Errors
    /// See [`ChoiceError`].
    pub fn add(&mut self, entry: &str) -> Result<(), ChoiceError> {
        let choice = self.choice(entry).map_err(|fault| ChoiceError {
            fault,
            names: self.all.names(),
        })?;
        self.choices.push(choice);
        Ok(())
    }

    fn choice(&self, entry: &str) -> Result<Choice, ChoiceFault> {
        let (own, name) = entry.split_once('=').unwrap_or((entry, entry));
        let (own, name) = (own.trim(), name.trim());
        let position = self.all.position(own);
        let command = *self.all.get(position).ok_or(ChoiceFault::Unknown)?;
        if !is_name(name) {
            return Err(ChoiceFault::Name);
        }
        if self.iter().any(|choice| choice.position == position) {
            return Err(ChoiceFault::CommandTwice);
        }
        if self.iter().any(|choice| choice.name == name) {
            return Err(ChoiceFault::NameTwice);
        }
        Ok(Choice {
            position,
            name: name.to_owned(),
            usage: command.usage.replace(own, name),
            command,
        })
    }

    /// Whether a command has this name, in Slack or of its own, chosen or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let is_chosen = self.choices.iter().any(|choice| choice.name == name);
        is_chosen || self.all.iter().any(|command| command.name == name)
    }

    /// Puts the command of this name, in Slack or else of its own, in front of the others; it is added if it is not chosen.
    /// The slash may be missing.
    ///
    /// # Errors
    /// See [`ChoiceError`].
    pub fn put_first(&mut self, name: &str) -> Result<(), ChoiceError> {
        let name = match name.strip_prefix('/') {
            Some(_) => name.to_owned(),
            None => format!("/{name}"),
        };
        let named = self.choices.iter().position(|choice| choice.name == name);
        let own = || {
            self.choices
                .iter()
                .position(|choice| choice.command().name == name)
        };
        let at = match named.or_else(own) {
            Some(at) => at,
            None => {
                self.add(&name)?;
                self.choices.len() - 1
            }
        };
        self.choices[..=at].rotate_right(1);
        Ok(())
    }

    /// All of them, in the order of the list.
    pub fn iter(&self) -> std::slice::Iter<'_, Choice> {
        self.choices.iter()
    }

    /// The choice that an invocation calls. If there is only one, it has any name: the name is given in Slack, and has to
    /// differ from those of other apps, since of two apps with the same name the one that was installed last is called
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
        format!("I do not know that command. There is {}.", Listed(&names))
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
        for (list, fault) in [
            ("", ChoiceFault::Unknown),
            ("torrap", ChoiceFault::Unknown),
            ("/Torrap", ChoiceFault::Unknown),
            ("/torrap,", ChoiceFault::Unknown),
            ("/yell", ChoiceFault::Unknown),
            ("/yell=/shout", ChoiceFault::Unknown),
            ("/torrap=", ChoiceFault::Name),
            ("/torrap=/", ChoiceFault::Name),
            ("/torrap=yell", ChoiceFault::Name),
            ("/torrap=/Yell", ChoiceFault::Name),
            ("/torrap=/a b", ChoiceFault::Name),
            ("/torrap=/a/b", ChoiceFault::Name),
            ("/torrap=/a=b", ChoiceFault::Name),
            ("/torrap=/a\"", ChoiceFault::Name),
            (&format!("/torrap={longest}x"), ChoiceFault::Name),
            ("/torrap,/torrap", ChoiceFault::CommandTwice),
            ("/torrap,/torrap=/yell", ChoiceFault::CommandTwice),
            ("/torrap,/shout=/torrap", ChoiceFault::NameTwice),
        ] {
            assert_eq!(chosen(list).unwrap_err().fault, fault, "{list}");
        }
    }

    #[test]
    fn a_command_is_put_first_by_either_name_and_added_if_it_is_not_chosen() {
        for (list, name, shown) in [
            ("/torrap", "/torrap", "/torrap"),
            ("/torrap", "/shout", "/shout, /torrap"),
            ("/torrap", "shout", "/shout, /torrap"),
            ("/torrap,/shout=/yell", "/yell", "/yell (/shout), /torrap"),
            ("/torrap,/shout=/yell", "/shout", "/yell (/shout), /torrap"),
            (
                "/torrap=/shout,/shout=/yell",
                "/shout",
                "/shout (/torrap), /yell (/shout)",
            ),
        ] {
            let mut chosen = chosen(list).unwrap();
            assert!(chosen.has(name) || !name.starts_with('/'));
            chosen.put_first(name).unwrap();
            assert_eq!(chosen.to_string(), shown, "{list}, {name}");
        }
        let mut chosen = chosen("/torrap").unwrap();
        for name in ["/yell", "", "/", "/Shout"] {
            assert!(
                !chosen.has(name) && chosen.put_first(name).is_err(),
                "{name}"
            );
        }
        assert_eq!(chosen.to_string(), "/torrap");
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
