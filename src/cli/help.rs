//! What `--help` prints.

use super::options::{OPTIONS, Opt};
use crate::commands::{Command, Commands};

/// Longest line, in characters.
const COLUMNS_MAX: usize = 90;

/// Where an option's variable begins, and where its meaning does.
const VARIABLE_COLUMN: usize = 30;
const MEANING_COLUMN: usize = 6;

const HEAD: &str = "\
A Slack slash command: acknowledged at once, answered a little later.

Usage:
  torrap [serve] [OPTIONS]      run the bot
  torrap try [OPTIONS] [TEXT]   run it for one command, on a free port and against a
                                stand-in for Slack: needs no Slack and no settings
  torrap try --to URL [TEXT]    send a signed command to a running bot
  torrap check [OPTIONS]        find out whether the bot can run here with these settings
  torrap manifest URL           print the Slack app manifest (YAML) for a public https URL
                                and the --commands that the bot answers
  torrap manifest --link URL    print the link that creates that app
  torrap journal DIR [--jobs]   print what a journal holds, and each pending job
  torrap --help, --version      print this, or the version

Options, their variables, and the [defaults]. An option overrides its variable; if it is
repeated, the last one wins. Durations are in seconds, with decimals if needed. Lists are
separated by commas.
";

const EXAMPLES: &str = "
Examples:
  torrap try --delay 0.5 olleh
  torrap manifest https://example.ngrok.app
  SLACK_SIGNING_SECRET_FILE=/run/secrets/slack torrap --listen 0.0.0.0:8000
";

/// Commands, every option with its variable and its default, the slash commands, and three examples.
pub(super) fn text(commands: &Commands) -> String {
    let options: String = OPTIONS.iter().map(option).collect();
    let slash: String = commands.iter().map(slash_command).collect();
    format!("{HEAD}{options}\nSlash commands:\n{slash}{EXAMPLES}")
}

fn slash_command(command: &Command) -> String {
    let lines = format!("  {} {}", command.name, command.hint);
    let mut lines = lines.trim_end().to_owned();
    append_wrapped(&mut lines, command.description.split(' '));
    lines
}

fn option(opt: &Opt) -> String {
    let mut lines = match opt.flag {
        Some(flag) => {
            let flag = format!("{flag} {}", opt.value);
            let flag = flag.trim_end();
            format!(
                "  {flag:width$}{}",
                opt.variable,
                width = VARIABLE_COLUMN - 2
            )
        }
        None => format!("  {}={}", opt.variable, opt.value),
    };
    let default = format!("[{}]", opt.default);
    append_wrapped(&mut lines, opt.help.split(' ').chain([default.as_str()]));
    lines
}

/// Appends words from the column of meanings on, in lines of their own.
fn append_wrapped<'a>(lines: &mut String, words: impl Iterator<Item = &'a str>) {
    let mut column = COLUMNS_MAX;
    for word in words {
        let width = 1 + word.chars().count();
        if column + width > COLUMNS_MAX {
            // Room for the blank that every word brings along.
            column = MEANING_COLUMN - 1;
            lines.push('\n');
            lines.push_str(&" ".repeat(column));
        }
        lines.push(' ');
        lines.push_str(word);
        column += width;
    }
    lines.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::SHOUT;

    #[test]
    fn the_help_shows_every_option_within_its_columns() {
        let text = text(&Commands::default());
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for opt in OPTIONS {
            let flag = opt.flag.map(|flag| match opt.value {
                "" => format!("{flag} "),
                value => format!("{flag} {value} "),
            });
            let variable = match flag {
                Some(_) => format!("{} ", opt.variable),
                None => format!("{}={} ", opt.variable, opt.value),
            };
            let flag = flag.unwrap_or_default();
            let shown = format!("{flag}{variable}{} [{}]", opt.help, opt.default);
            assert!(words.contains(&shown), "{shown}");
        }
        for line in text.lines() {
            assert!(
                line.chars().count() <= COLUMNS_MAX && line == line.trim_end(),
                "{line}"
            );
        }
    }

    #[test]
    fn the_help_ends_with_three_examples() {
        let text = text(&Commands::default());
        let (_, examples) = text.rsplit_once("Examples:\n").unwrap();
        assert_eq!(examples.lines().count(), 3);
        assert!(examples.ends_with('\n') && examples.lines().all(|line| line.contains("torrap ")));
    }

    #[test]
    fn the_help_shows_the_commands_that_the_bot_is_made_of() {
        let hello = Command {
            name: "/hello",
            hint: "",
            description: "Say hello",
            usage: "`/hello`",
            ..SHOUT
        };
        let text = text(&Commands::new(&[hello]).unwrap());
        assert!(text.contains("\nSlash commands:\n  /hello\n      Say hello\n\nExamples"));
        assert!(
            !text.contains("/torrap") && !text.contains("/shout"),
            "{text}"
        );
    }
}
