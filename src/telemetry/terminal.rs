//! Colours, where a person reads and wants them.

use std::ffi::OsString;

/// What a stream leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether it is a terminal on which a line can be written over. One that says it is `dumb` cannot do that.
    pub can_write_over: bool,
    is_coloured: bool,
}

/// A colour of a terminal's own palette, so that it fits the terminal's background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For what has failed.
    Red = 31,
    /// For what is well.
    Green = 32,
    /// For a warning.
    Yellow = 33,
    /// For what goes on behind the scenes.
    Magenta = 35,
    /// For information.
    Cyan = 36,
}

impl Terminal {
    /// A stream that is a terminal or not, with these environment variables. A terminal has colours unless `NO_COLOR` is
    /// not empty (<https://no-color.org>), or `TERM` says that it is `dumb` or does not say anything.
    #[must_use]
    pub fn judge(is_terminal: bool, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let given = |name| variable(name).filter(|value| !value.is_empty());
        let is_able = given("TERM").is_some_and(|name| name != "dumb");
        Self {
            can_write_over: is_terminal && is_able,
            is_coloured: is_terminal && is_able && given("NO_COLOR").is_none(),
        }
    }

    /// Whether it shows colours.
    #[must_use]
    pub const fn is_coloured(self) -> bool {
        self.is_coloured
    }

    /// The text in a colour if there are colours, else as it is. Padding belongs into the text: it counts for columns,
    /// and the bytes of the colour do not.
    #[must_use]
    pub fn paint(self, colour: Colour, text: &str) -> String {
        match self.is_coloured {
            true => format!("\x1b[{}m{text}\x1b[0m", colour as u8),
            false => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_a_terminal_that_has_them_and_a_person_who_wants_them() {
        for (is_terminal, term, no_color, expected) in [
            (true, Some("xterm-256color"), None, true),
            (true, Some("xterm"), Some(""), true),
            (true, Some("xterm"), Some("1"), false),
            (true, Some("xterm"), Some("0"), false),
            (true, Some("dumb"), None, false),
            (true, Some(""), None, false),
            (true, None, None, false),
            (false, Some("xterm"), None, false),
        ] {
            let variable = |name: &str| {
                let value = match name {
                    "TERM" => term,
                    "NO_COLOR" => no_color,
                    _ => panic!("{name}"),
                };
                value.map(OsString::from)
            };
            let terminal = Terminal::judge(is_terminal, &variable);
            assert_eq!(terminal.is_coloured(), expected, "{term:?} {no_color:?}");
            let is_able = term.is_some_and(|name| name.starts_with("xterm"));
            assert_eq!(terminal.can_write_over, is_terminal && is_able);
            let painted = terminal.paint(Colour::Red, "failed ");
            let coloured = "\x1b[31mfailed \x1b[0m";
            assert_eq!(painted, if expected { coloured } else { "failed " });
        }
    }
}
