//! The manual page, in the man(7) language of roff, made from the tables that the command line is read with.

use std::borrow::Cow;

use super::help;
use super::options::{OPTIONS, Opt};
use super::own;
use super::subcommand::{About, Subcommand};
use crate::commands::Commands;

/// The page of the program that is called `name` and has these slash commands; `version` is a line.
#[must_use]
pub fn page(name: &str, version: &str, commands: &Commands) -> String {
    let (name, version) = (roff(name), roff(version.trim_end()));
    let title = name.to_uppercase();
    let mut out = format!(
        ".\\\" The manual page, printed by the program itself.\n.TH {title} 1 \"\" \"{version}\" \"User Commands\"\n"
    );
    // What is copied from the page must not have a hyphen of roff's in it.
    out.push_str(".nh\n.ad l\n");
    section(&mut out, "NAME", &format!("{name} \\- {SUMMARY}"));
    out.push_str(".SH SYNOPSIS\n.nf\n");
    for (form, _) in Subcommand::ALL
        .iter()
        .flat_map(|command| command.about().forms)
    {
        out.push_str(&format!("\\fB{name}\\fR {}\n", roff(form)));
    }
    out.push_str(".fi\n");
    section(&mut out, "DESCRIPTION", &lines(DESCRIPTION));
    out.push_str(".SH COMMANDS\n");
    for command in Subcommand::ALL {
        push_command(&mut out, command, &name);
    }
    out.push_str(".SH SLASH COMMANDS\n");
    for command in commands.iter() {
        let tag = format!("\\fB{}\\fR {}", roff(command.name), roff(command.hint));
        push_item(&mut out, tag.trim_end(), command.description);
    }
    out.push_str(".SH OPTIONS\n");
    out.push_str(&lines(help::LEGEND));
    for opt in OPTIONS.iter().filter(|opt| opt.flag.is_some()) {
        push_option(&mut out, opt);
    }
    out.push_str(".SH ENVIRONMENT\n");
    out.push_str(&lines(
        "Each option above has its variable. These have no option.",
    ));
    for opt in OPTIONS.iter().filter(|opt| opt.flag.is_none()) {
        push_option(&mut out, opt);
    }
    for (name, meaning) in VARIABLES {
        push_item(&mut out, &format!("\\fB{}\\fR", roff(name)), meaning);
    }
    out.push_str(".SH EXIT STATUS\n");
    for (code, meaning) in EXIT_CODES {
        push_item(&mut out, &format!("\\fB{code}\\fR"), meaning);
    }
    out.push_str(".SH EXAMPLES\n.nf\n");
    for example in Subcommand::ALL
        .iter()
        .flat_map(|command| command.about().examples)
    {
        out.push_str(&format!("{}\n", roff(example)));
    }
    out.push_str(".fi\n.SH SEE ALSO\n");
    out.push_str(&lines(
        "https://docs.slack.dev/interactivity/implementing-slash-commands",
    ));
    out
}

const SUMMARY: &str = "Slack slash commands, acknowledged at once and answered a little later";

const DESCRIPTION: &str = "torrap answers slash commands of Slack. It acknowledges each one at once and posts the reply a \
    few seconds later. It takes Slack's requests at /slack by plain HTTP: a tunnel or a proxy in front of it terminates TLS.";

/// Variables that other programs have as well, and which are no settings of the bot's own.
const VARIABLES: [(&str, &str); 3] = [
    (
        "HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "the proxy that replies go through, and the hosts that they reach without it",
    ),
    (
        "NO_COLOR, TERM",
        "no colours on a terminal if NO_COLOR is not empty, or TERM is dumb or not set",
    ),
    (
        "LISTEN_FDS, NOTIFY_SOCKET, WATCHDOG_USEC, STATE_DIRECTORY, JOURNAL_STREAM",
        "set by systemd: sockets, readiness, watchdog, the journal's directory, the log",
    ),
];

const EXIT_CODES: [(u8, &str); 3] = [
    (0, "done, also after a graceful stop"),
    (
        1,
        "failed at run time: an address is taken, replies were left undelivered, or a second stop ended it",
    ),
    (
        2,
        "the command line or a setting is wrong: one line on standard error says what to do",
    ),
];

fn section(out: &mut String, name: &str, text: &str) {
    out.push_str(&format!(".SH {name}\n{}\n", text.trim_end()));
}

fn push_command(out: &mut String, command: Subcommand, name: &str) {
    let About { forms, details, .. } = command.about();
    for (form, what) in *forms {
        push_item(out, &format!("\\fB{name}\\fR {}", roff(form)), what);
    }
    for own in own::of(command) {
        let name = format!("\\fB{}\\fR \\fI{}\\fR", roff(own.flag), own.value);
        let name = name.trim_end_matches(" \\fI\\fR");
        out.push_str(".RS\n");
        push_item(out, name, own.help);
        out.push_str(".RE\n");
    }
    out.push_str(".IP\n");
    out.push_str(&lines(details));
}

fn push_option(out: &mut String, opt: &Opt) {
    let variable = format!("\\fB{}\\fR", roff(opt.variable));
    let value = format!("\\fI{}\\fR", opt.value);
    let name = match opt.flag {
        Some(flag) if opt.is_switch() => format!("\\fB{}\\fR, {variable}", roff(flag)),
        Some(flag) => format!("\\fB{}\\fR {value}, {variable}", roff(flag)),
        None => format!("{variable}={value}"),
    };
    push_item(out, &name, &format!("{} [{}]", opt.help, opt.default));
}

/// An item with a hanging tag; the tag is roff already.
fn push_item(out: &mut String, tag: &str, text: &str) {
    out.push_str(&format!(".TP\n{tag}\n{}", lines(text)));
}

/// A text in lines of source, of which none is a request.
fn lines(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in roff(text).split(' ') {
        let word = breakable(word);
        if column > 0 && column + word.len() > 78 {
            out.push('\n');
            column = 0;
        }
        match column {
            0 if word.starts_with(['.', '\'']) => out.push_str("\\&"),
            0 => {}
            _ => out.push(' '),
        }
        out.push_str(&word);
        column += word.len() + 1;
    }
    out.push('\n');
    out
}

/// A URL may be longer than a line: it may be broken before each part of its query, without a hyphen.
fn breakable(word: &str) -> Cow<'_, str> {
    match word.contains("://") {
        true => word.replace('?', "\\:?").replace('&', "\\:&").into(),
        false => word.into(),
    }
}

/// Plain text as roff: a backslash begins an escape, and a bare hyphen is not the ASCII one that a person copies.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        super::page("my-bot", "my-bot (torrap 1.2.3)\n", &Commands::default())
    }

    #[test]
    fn the_page_has_every_command_option_and_variable() {
        let page = page();
        for opt in OPTIONS {
            for name in [opt.flag.unwrap_or_default(), opt.variable] {
                assert!(page.contains(&roff(name)), "{name}");
            }
        }
        for own in own::OWN {
            assert!(page.contains(&format!("\\fB{}\\fR", roff(own.flag))));
        }
        for (form, _) in Subcommand::ALL
            .iter()
            .flat_map(|command| command.about().forms)
        {
            let line = format!("\n\\fBmy\\-bot\\fR {}\n", roff(form));
            assert_eq!(page.matches(&line).count(), 2, "{form}");
        }
    }

    #[test]
    fn the_page_is_about_the_program_and_its_slash_commands() {
        let page = page();
        assert!(
            page.contains("\n.TH MY\\-BOT 1 \"\" \"my\\-bot (torrap 1.2.3)\" "),
            "{page}"
        );
        assert!(page.contains("\n.SH SLASH COMMANDS\n.TP\n\\fB/torrap\\fR "));
    }

    #[test]
    fn a_url_has_places_to_break_and_nothing_is_hyphenated() {
        assert_eq!(lines("redis://h/0?a=1&b=2"), "redis://h/0\\:?a=1\\:&b=2\n");
        assert_eq!(lines("is it? & so"), "is it? & so\n");
        assert!(page().contains("\n.nh\n.ad l\n.SH NAME\n"));
    }

    #[test]
    fn text_never_becomes_a_request_or_an_escape() {
        assert_eq!(lines(".TH 'x \\n"), "\\&.TH 'x \\en\n");
        assert_eq!(lines("'a - b"), "\\&'a \\- b\n");
        let page = page();
        let known = [
            ".TH ", ".SH ", ".TP", ".IP", ".nf", ".fi", ".RS", ".RE", ".nh", ".ad l", ".\\\"",
        ];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(
                known.iter().any(|request| line.starts_with(request)),
                "{line}"
            );
        }
        assert!(page.is_ascii() && page.lines().all(|line| line == line.trim_end()));
    }
}
