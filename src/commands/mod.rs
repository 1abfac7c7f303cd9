//! The slash commands: what one is, and torrap's own.

mod chosen;
mod command;
mod list;
mod messages;
mod reply;
mod request;
mod reverse;
pub(crate) mod run;
mod shout;

pub use crate::slack::message::Visibility;
pub use command::{Acknowledgement, BlockingFn, Command, InlineFn, Run};
pub use messages::{Messages, SendError};
pub use reply::{Failure, Reply, Unusable};
pub use request::{Field, Request};
pub use reverse::REVERSE;
pub use run::Rehearsal;
pub use shout::SHOUT;

// What other parts of this crate, its tests and its benches need besides.
#[cfg_attr(not(inside), doc(hidden))]
pub use chosen::{Choice, ChoiceError, ChoiceFault, Chosen};
#[cfg_attr(not(inside), doc(hidden))]
pub use list::{Commands, Fault, ListError};
pub(crate) use messages::Outlet;
pub(crate) use request::LATE_MS;
#[cfg_attr(not(inside), doc(hidden))]
pub use run::RunEnd;

/// The commands of torrap's own binary. It answers the first unless `--commands` says otherwise.
pub const BUILT_IN: &[Command] = &[REVERSE, SHOUT];

/// Whether an invocation's text asks for the usage: blank, or `help` in any case.
#[cfg_attr(not(inside), doc(hidden))]
#[must_use]
pub fn is_help(text: &str) -> bool {
    let text = text.trim_matches(is_unseen);
    text.is_empty() || text.eq_ignore_ascii_case("help")
}

/// Whether nothing is seen of a text: it is empty, or all white space, zero-width and format characters.
#[cfg_attr(not(inside), doc(hidden))]
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
