//! The slash commands: one file for each, and the table that names them.

mod chosen;
mod command;
mod reverse;
mod shout;

pub use chosen::{Choice, ChoiceError, Chosen};
pub use command::Command;

/// Every command there is.
pub const COMMANDS: &[Command] = &[reverse::COMMAND, shout::COMMAND];

const _: () = assert!(!COMMANDS.is_empty());

/// Most commands that a Slack app can have (the app manifest's schema).
const COMMANDS_MAX: usize = 50;
const _: () = assert!(
    COMMANDS.len() <= COMMANDS_MAX,
    "and a job keeps its command's position in one byte"
);

/// The position in the table of the command whose own name is `name`, or else of the first: a journal may name one
/// that an older version had.
#[must_use]
pub fn position(name: &str) -> usize {
    COMMANDS
        .iter()
        .position(|command| command.name == name)
        .unwrap_or(0)
}

/// Whether an invocation's text asks for the usage: blank, or `help` in any case.
#[must_use]
pub fn is_help(text: &str) -> bool {
    let text = text.trim_matches(is_unseen);
    text.is_empty() || text.eq_ignore_ascii_case("help")
}

/// Whether nothing is seen of a text: it is empty, or all white space, zero-width and format characters.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_unseen)
}

/// White space, control characters, and what Unicode calls default ignorable (`DerivedCoreProperties.txt`); besides
/// these, the braille pattern without dots and the marks of interlinear annotations.
fn is_unseen(c: char) -> bool {
    match c {
        '\u{21}'..='\u{7e}' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => {
            true
        }
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' => true,
        '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => true,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => c.is_whitespace() || c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_in_the_table_gets_the_first_command() {
        assert_eq!(COMMANDS[position("/torrap")].name, "/torrap");
        assert_eq!(COMMANDS[position("/shout")].name, "/shout");
        assert_eq!(position("/backwards"), 0);
        assert_eq!(position(""), 0);
    }

    #[test]
    fn names_are_what_slack_allows_and_unique() {
        for (index, command) in COMMANDS.iter().enumerate() {
            assert!(command.name.starts_with('/') && (2..=32).contains(&command.name.len()));
            assert!(
                COMMANDS[..index]
                    .iter()
                    .all(|other| other.name != command.name)
            );
            assert!(command.usage.contains(command.name));
            // The app manifest's limits, and what can stand in its YAML between double quotes.
            let is_plain = |text: &str| !text.contains(['"', '\\', '\n']);
            assert!(
                (1..=2000).contains(&command.description.len()) && is_plain(command.description)
            );
            assert!((1..=1000).contains(&command.hint.len()) && is_plain(command.hint));
        }
    }

    #[test]
    fn help_is_blank_or_the_word_alone() {
        for text in [
            "",
            " \t\r\n",
            "\u{a0}\u{3000}\u{2028}",
            "help",
            " HeLp\u{a0}",
            "\u{200b}\u{200d}\u{feff}",
            "\u{2067}\u{2069}\u{fe0f}\u{ad}",
            "\u{e0001}\u{3164}\u{2800}\0\u{7f}",
            "\u{200b}help\u{feff}",
        ] {
            assert!(is_help(text), "{text:?}");
            assert_eq!(
                is_blank(text),
                !text.to_lowercase().contains("help"),
                "{text:?}"
            );
        }
        for text in [
            "help me", "helpful", "\u{301}", "\u{fffd}", "\u{600}", ".", "hëlp", "-h", "🇫",
        ] {
            assert!(!is_help(text) && !is_blank(text), "{text:?}");
        }
    }
}
