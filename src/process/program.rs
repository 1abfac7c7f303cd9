//! The name of the program.

use std::ffi::OsString;
use std::path::Path;

/// What the texts of this library call the program.
const OURS: &str = "torrap";

/// Longest name that stands in texts: what Slack takes as the name of an app.
const NAME_BYTES_MAX: usize = 35;

/// The name of the program: `torrap`, or that of a bot with commands of its own.
///
/// It is what the program was started by, the last part of the process's first argument, because `run` is a function and
/// not a macro that could see the package it is called in, and because people can type what they read: `mybot --help`.
/// Variables and metrics are called as torrap's are, since what is written about them, and made for them, is about all bots.
pub(super) struct Program {
    name: String,
}

impl Program {
    /// Takes the first argument of the process. What could not stand in a shell command without quotes is no name.
    pub(super) fn started_by(argument: Option<OsString>) -> Self {
        let argument = argument.unwrap_or_default();
        let name = Path::new(&argument).file_name();
        let name = name.and_then(|name| name.to_str());
        let name = name.filter(|name| name.len() <= NAME_BYTES_MAX && name.chars().all(is_plain));
        let name = name.unwrap_or(OURS).to_owned();
        Self { name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The version of this library, and for a bot with a name of its own what is of that version.
    pub(super) fn version(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match &*self.name {
            OURS => format!("{OURS} {version}\n"),
            name => format!("{name} ({OURS} {version})\n"),
        }
    }

    /// A text of this library with the program's name in it. What stands in double quotes is a person's own words, and
    /// stays as it is.
    pub(super) fn named(&self, text: &str) -> String {
        let mut named = String::with_capacity(text.len());
        let mut is_quoted = false;
        for (index, part) in text.split('"').enumerate() {
            if index > 0 {
                named.push('"');
            }
            match is_quoted {
                true => named.push_str(part),
                false => self.append_named(part, &mut named),
            }
            is_quoted ^= !part.ends_with('\\');
        }
        named
    }

    fn append_named(&self, text: &str, named: &mut String) {
        let mut end = 0;
        for (start, word) in text.match_indices(OURS) {
            if is_apart(&text[..start], &text[start + word.len()..]) {
                named.push_str(&text[end..start]);
                named.push_str(&self.name);
                end = start + word.len();
            }
        }
        named.push_str(&text[end..]);
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Whether what stands between the two is a word of its own: no part of a path, of a URL, of a command in Slack or of an
/// item of this library.
fn is_apart(before: &str, behind: &str) -> bool {
    let begins = before.is_empty()
        || before.ends_with(|c: char| c.is_whitespace() || matches!(c, '`' | '('));
    let behind = behind.strip_prefix('.').unwrap_or(behind);
    let ends = |c: char| c.is_whitespace() || matches!(c, '`' | ';' | ',' | '\'');
    begins && (behind.is_empty() || behind.starts_with(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(argument: &str) -> Program {
        Program::started_by(Some(argument.into()))
    }

    #[test]
    fn the_name_is_the_last_part_of_the_path_or_else_torrap() {
        for (argument, name) in [
            ("mybot", "mybot"),
            ("/usr/local/bin/my-bot_2.1", "my-bot_2.1"),
            ("target/debug/torrap", "torrap"),
            ("", "torrap"),
            ("/", "torrap"),
            ("my bot", "torrap"),
            ("a`b", "torrap"),
            ("\u{1b}[2J", "torrap"),
        ] {
            assert_eq!(program(argument).name, name, "{argument:?}");
        }
        assert_eq!(Program::started_by(None).name, "torrap");
        assert_eq!(program(&"x".repeat(NAME_BYTES_MAX + 1)).name, "torrap");
    }

    #[test]
    fn texts_say_the_name_where_they_mean_the_program() {
        let bot = program("mybot");
        for (text, expected) in [
            (
                "unknown command; see `torrap --help`",
                "unknown command; see `mybot --help`",
            ),
            ("  torrap try [TEXT]\ntorrap", "  mybot try [TEXT]\nmybot"),
            (
                "give a directory of torrap's own; stop torrap.",
                "give a directory of mybot's own; stop mybot.",
            ),
            (
                "\"a torrap b\": see `torrap --help`",
                "\"a torrap b\": see `mybot --help`",
            ),
            (
                r#""a\"torrap ": stop torrap"#,
                r#""a\"torrap ": stop mybot"#,
            ),
        ] {
            assert_eq!(bot.named(text), expected);
            assert_eq!(program("torrap").named(text), text);
        }
        for text in [
            "/torrap x",
            "/var/lib/torrap",
            "torrap::run: there is no command",
            "torrap.socket",
            "torrap_up",
            "TORRAP_DELAY",
        ] {
            assert_eq!(bot.named(text), text);
        }
    }

    #[test]
    fn the_version_says_what_it_is_of() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(program("torrap").version(), format!("torrap {version}\n"));
        assert_eq!(
            program("mybot").version(),
            format!("mybot (torrap {version})\n")
        );
    }
}
