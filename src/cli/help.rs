//! What `help`, `--help` and `-h` print.

use super::options::{OPTIONS, Opt};
use super::own;
use super::subcommand::Subcommand;
use crate::commands::Commands;
use crate::config::Setting;

/// Longest line, in characters.
const COLUMNS_MAX: usize = 90;

/// Where what a form does begins, where an option's variable does, and where its meaning does.
const FORM_COLUMN: usize = 32;
const VARIABLE_COLUMN: usize = 30;
const MEANING_COLUMN: usize = 6;

const HEAD: &str = "A Slack slash command: acknowledged at once, answered a little later.
";

/// What holds for all options.
pub(super) const LEGEND: &str = "Options, their variables, and the [defaults]. An option overrides its variable; if it is \
    repeated, the last one wins. Durations are in seconds, with decimals if needed. Lists are separated by commas.";

const EXAMPLES: [&str; 3] = [
    "torrap try --delay 0.5 olleh",
    "torrap manifest https://parrot.ngrok-free.dev",
    "SLACK_SIGNING_SECRET_FILE=/run/secrets/slack torrap --listen 0.0.0.0:8000",
];

/// How much a person wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// `-h`: what fits a screen.
    Short,
    /// `--help`: all.
    Long,
}

/// Help about one command, or about all of them.
pub(super) fn text(command: Option<Subcommand>, length: Length, slash: &Commands) -> String {
    match (command, length) {
        (None, Length::Long) => overview(slash),
        (None, Length::Short) => summary(),
        (Some(command), Length::Long) => long(command, slash),
        (Some(command), Length::Short) => short(command),
    }
}

/// Commands, every option with its variable and its default, the slash commands, and three examples.
fn overview(slash: &Commands) -> String {
    let mut out = format!("{HEAD}\nUsage:\n");
    Subcommand::ALL
        .iter()
        .for_each(|command| push_forms(&mut out, *command));
    push_pair(
        &mut out,
        "torrap --help, --version",
        "print this, or the version",
    );
    push_legend(&mut out);
    OPTIONS.iter().for_each(|opt| push_option(&mut out, opt));
    push_slash_commands(&mut out, slash);
    push_examples(&mut out, &EXAMPLES);
    out
}

/// Commands and options, each with a few words.
fn summary() -> String {
    let mut out = format!("{HEAD}\nUsage: torrap [COMMAND] [OPTIONS]\n\nCommands:\n");
    for command in Subcommand::ALL {
        push_pair(&mut out, command.word(), command.about().summary);
    }
    push_short_options(&mut out, Subcommand::Serve);
    out.push_str("\n`torrap --help` says more, `torrap help COMMAND` all about one command.\n");
    out
}

fn usage(command: Subcommand) -> String {
    let about = command.about();
    let mut out = format!("torrap {}: {}\n\nUsage:\n", about.word, about.summary);
    push_forms(&mut out, command);
    out
}

fn short(command: Subcommand) -> String {
    let mut out = usage(command);
    push_short_options(&mut out, command);
    out + &format!("\n`torrap help {}` says more.\n", command.word())
}

fn long(command: Subcommand, slash: &Commands) -> String {
    let about = command.about();
    let mut out = usage(command);
    out.push('\n');
    fill(&mut out, 0, 0, about.details);
    if own::of(command).next().is_some() {
        out.push_str("\nOptions of this command:\n");
    }
    for own in own::of(command) {
        let flag = format!("  {} {}", own.flag, own.value);
        out.push_str(&format!("{}\n", flag.trim_end()));
        fill(&mut out, 0, MEANING_COLUMN, own.help);
    }
    let settings: Vec<_> = OPTIONS.iter().filter(|opt| command.takes(opt)).collect();
    if !settings.is_empty() {
        push_legend(&mut out);
    }
    settings.iter().for_each(|opt| push_option(&mut out, opt));
    if settings.iter().any(|opt| opt.setting == Setting::Commands) {
        push_slash_commands(&mut out, slash);
    }
    push_examples(&mut out, about.examples);
    out
}

fn push_legend(out: &mut String) {
    out.push('\n');
    fill(out, 0, 0, LEGEND);
}

fn push_slash_commands(out: &mut String, slash: &Commands) {
    out.push_str("\nSlash commands:\n");
    for command in slash.iter() {
        let name = format!("  {} {}", command.name, command.hint);
        out.push_str(&format!("{}\n", name.trim_end()));
        fill(out, 0, MEANING_COLUMN, command.description);
    }
}

fn push_forms(out: &mut String, command: Subcommand) {
    for (form, what) in command.about().forms {
        push_pair(out, &format!("torrap {form}"), what);
    }
}

fn push_examples(out: &mut String, examples: &[&str]) {
    out.push_str("\nExamples:\n");
    for example in examples {
        out.push_str(&format!("  {example}\n"));
    }
}

/// A name, and what it means in a column of its own.
fn push_pair(out: &mut String, name: &str, what: &str) {
    let name = format!("  {name:width$}", width = FORM_COLUMN - 3);
    out.push_str(&name);
    fill(out, name.chars().count(), FORM_COLUMN, what);
}

fn push_option(out: &mut String, opt: &Opt) {
    match opt.flag {
        Some(flag) => {
            let flag = format!("{flag} {}", opt.value);
            let width = VARIABLE_COLUMN - 2;
            out.push_str(&format!("  {:width$}{}\n", flag.trim_end(), opt.variable));
        }
        None => out.push_str(&format!("  {}={}\n", opt.variable, opt.value)),
    }
    let meaning = format!("{} [{}]", opt.help, opt.default);
    fill(out, 0, MEANING_COLUMN, &meaning);
}

/// The options that a command takes, up to the first semicolon of what they mean.
fn push_short_options(out: &mut String, command: Subcommand) {
    out.push_str("\nOptions:\n");
    for own in own::of(command) {
        push_pair(
            out,
            format!("{} {}", own.flag, own.value).trim_end(),
            own.help,
        );
    }
    for opt in OPTIONS.iter().filter(|opt| command.takes(opt)) {
        let name = match opt.flag {
            Some(flag) => format!("{flag} {}", opt.value),
            None => format!("{}={}", opt.variable, opt.value),
        };
        let meaning = opt.help.split("; ").next().unwrap_or_default();
        push_pair(
            out,
            name.trim_end(),
            &format!("{meaning} [{}]", opt.default),
        );
    }
    push_pair(out, "-h, --help", "print this, or more");
    push_pair(out, "-V, --version", "print the version");
}

/// Appends words to a line that has `column` characters already, in lines that begin at `indent`. A name that reaches
/// into the column of the words has its line to itself.
fn fill(out: &mut String, mut column: usize, indent: usize, text: &str) {
    if column > 0 && column >= indent {
        out.push('\n');
        column = 0;
    }
    out.push_str(&" ".repeat(indent - column));
    column = indent;
    for word in text.split(' ') {
        let chars = word.chars().count();
        if column == indent {
            column += chars;
        } else if column + 1 + chars <= COLUMNS_MAX {
            out.push(' ');
            column += 1 + chars;
        } else {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent + chars;
        }
        out.push_str(word);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::SHOUT;

    fn text(command: Option<Subcommand>, length: Length) -> String {
        super::text(command, length, &Commands::default())
    }

    fn all() -> impl Iterator<Item = String> {
        let commands = Subcommand::ALL.map(Some).into_iter().chain([None]);
        commands
            .flat_map(|command| [Length::Short, Length::Long].map(|length| text(command, length)))
    }

    #[test]
    fn every_text_fits_its_columns() {
        for text in all() {
            for line in text.lines() {
                assert!(
                    line.chars().count() <= COLUMNS_MAX && line == line.trim_end(),
                    "{line}"
                );
            }
            assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{text}");
        }
    }

    #[test]
    fn the_help_shows_every_option_with_variable_and_default() {
        for command in [
            None,
            Some(Subcommand::Serve),
            Some(Subcommand::Try),
            Some(Subcommand::Check),
        ] {
            let text = text(command, Length::Long);
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_taken = |opt: &&Opt| command.is_none_or(|command| command.takes(opt));
            for opt in OPTIONS.iter().filter(is_taken) {
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
        }
    }

    #[test]
    fn the_help_of_a_command_has_its_forms_and_options_and_no_others() {
        for command in Subcommand::ALL {
            for length in [Length::Short, Length::Long] {
                let text = text(Some(command), length);
                let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
                for (form, what) in command.about().forms {
                    assert!(words.contains(&format!("torrap {form} {what}")), "{words}");
                }
                for own in own::OWN {
                    let mut words = text.lines().map(|line| line.split_whitespace().next());
                    let shown = words.any(|first| first == Some(own.flag));
                    assert_eq!(shown, own.command == command, "{}: {text}", own.flag);
                }
                for flag in OPTIONS.iter().filter(|opt| !command.takes(opt)) {
                    let flag = format!("\n  {} ", flag.flag.unwrap_or(flag.variable));
                    assert!(!text.contains(&flag), "{flag}: {text}");
                }
            }
        }
    }

    #[test]
    fn the_short_help_is_shorter() {
        for command in Subcommand::ALL.map(Some).into_iter().chain([None]) {
            let lines = |length| text(command, length).lines().count();
            assert!(
                lines(Length::Short) <= lines(Length::Long) + 1,
                "{command:?}"
            );
        }
        let lines = text(None, Length::Short).lines().count();
        assert!(lines <= 60, "{lines}");
    }

    #[test]
    fn the_help_ends_with_three_examples() {
        let text = text(None, Length::Long);
        let (_, examples) = text.rsplit_once("Examples:\n").unwrap();
        assert_eq!(examples.lines().count(), 3);
        assert!(examples.ends_with('\n') && examples.lines().all(|line| line.contains("torrap ")));
    }

    #[test]
    fn the_help_shows_the_commands_that_the_bot_is_made_of() {
        let hello = crate::commands::Command {
            name: "/hello",
            hint: "",
            description: "Say hello",
            usage: "`/hello`",
            ..SHOUT
        };
        let slash = Commands::new(&[hello]).unwrap();
        for command in [None, Some(Subcommand::Serve), Some(Subcommand::Manifest)] {
            let text = super::text(command, Length::Long, &slash);
            assert!(text.contains(
                "
Slash commands:
  /hello
      Say hello

Examples"
            ));
        }
        let text = super::text(None, Length::Long, &slash);
        assert!(
            !text.contains("/torrap") && !text.contains("/shout"),
            "{text}"
        );
    }
}
