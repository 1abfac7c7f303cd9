//! The log as its reader wants it: the journal of systemd, a program, or a person at a terminal. And colours of what
//! other commands print.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use test_support::{Bot, Process, SECRET, finish, finish_on_terminal};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

/// What `JOURNAL_STREAM` says of a stream.
pub fn named(stream: &impl AsFd) -> String {
    let file = File::from(stream.as_fd().try_clone_to_owned().unwrap());
    let metadata = file.metadata().unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

/// The socket that systemd connects a service to is a stream as well.
#[test]
fn an_error_that_ends_the_start_is_an_error_in_the_journal() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = TORRAP.command();
    command
        .env("JOURNAL_STREAM", named(&theirs))
        .args(["--delay", "x"]);
    let mut process = Process::start_unread(command.stderr(OwnedFd::from(theirs)));
    drop(command);
    let mut line = String::new();
    BufReader::new(ours).read_line(&mut line).unwrap();
    assert_eq!(process.wait(), Some(2));
    assert!(line.starts_with("<3>torrap: "), "{line}");
}

const ESCAPE: char = '\u{1b}';

#[test]
fn a_person_gets_colours_on_a_terminal_that_has_them() {
    for (variables, is_coloured) in [
        (&[("TERM", "xterm")][..], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
        (&[], false),
    ] {
        let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
        let mut command = TORRAP.serve(&slack, |command| {
            command.envs(variables.iter().copied());
        });
        let mut bot = Bot::told(Process::start_on_terminal(&mut command), slack);
        assert_eq!(bot.process.stop(), Some(0));
        let line = bot.process.log.iter().find(|line| line.contains("startup"));
        let level = match is_coloured {
            true => "\u{1b}[36mINFO \u{1b}[0m",
            false => "INFO ",
        };
        let line = line.unwrap();
        assert!(
            line.contains(&format!("Z {level} [torrap::process] startup")),
            "{line:?}"
        );

        let check = ["check"];
        let (code, text) =
            finish_on_terminal(TORRAP.command().args(check).envs(variables.iter().copied()));
        assert_eq!(code, Some(1));
        let failed = match is_coloured {
            true => "\u{1b}[31mfailed \u{1b}[0m settings    SLACK_SIGNING_SECRET is ",
            false => "failed  settings    SLACK_SIGNING_SECRET is ",
        };
        assert!(text.starts_with(failed), "{text:?}");
        let (code, text) = finish_on_terminal(
            TORRAP
                .command()
                .args(["try", "--delay", "0"])
                .envs(variables.iter().copied()),
        );
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(
            text.contains("\u{1b}[32mok     \u{1b}[0m that"),
            is_coloured,
            "{text:?}"
        );
    }
}

#[test]
fn a_pipe_gets_no_colours() {
    for args in [&["check"][..], &["try", "--delay", "0"]] {
        let mut command = TORRAP.command();
        command
            .env("TERM", "xterm")
            .env("SLACK_SIGNING_SECRET", SECRET);
        let finished = finish(command.env("TORRAP_LISTEN", "127.0.0.1:0").args(args));
        let printed = finished.stdout + &finished.stderr;
        assert!(!printed.contains(ESCAPE), "{printed:?}");
    }
}
