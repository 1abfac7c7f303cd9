//! The log as its reader wants it: the journal of systemd, a program, or a person at a terminal. And colours of what
//! other commands print.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

#[cfg(target_os = "linux")]
use serde_json::Value;
use test_support::{Bot, Process, SECRET, Scratch, finish, finish_on_terminal};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

/// What `JOURNAL_STREAM` says of a stream.
fn named(stream: &impl AsFd) -> String {
    let file = File::from(stream.as_fd().try_clone_to_owned().unwrap());
    let metadata = file.metadata().unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

/// All that a bot logs to a file, from its start to its stop.
#[cfg(target_os = "linux")] // which tells where a process listens whose log is not read
fn log_of(test: &str, change: impl FnOnce(&mut Command, &File)) -> Vec<String> {
    let directory = Scratch::new(&format!("log-format-{test}"));
    fs::create_dir_all(directory.path()).unwrap();
    let path = directory.join("log");
    let file = File::create(&path).unwrap();
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let mut command = TORRAP.serve(&slack, |command| change(command, &file));
    let process = Process::start_unread(command.stderr(file));
    let address = test_support::kernel::listening_address(process.pid());
    let mut bot = Bot {
        process,
        slack,
        address,
    };
    bot.command("olleh");
    bot.connect().exchange("\x16\x03\x01 TLS");
    bot.posts(1);
    assert_eq!(bot.process.stop(), Some(0));
    let log = fs::read_to_string(path).unwrap();
    log.lines().map(str::to_owned).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn the_journal_gets_levels_as_it_reads_them_and_no_times() {
    let lines = log_of("journal", |command, file| {
        command
            .env("JOURNAL_STREAM", named(file))
            .env("LOG_LEVEL", "debug");
    });
    for line in &lines {
        let (level, rest) = line.split_at(3);
        let word = rest.split(' ').next().unwrap();
        let expected = [
            ("<3>", "ERROR"),
            ("<4>", "WARN"),
            ("<6>", "INFO"),
            ("<7>", "DEBUG"),
        ];
        assert!(expected.contains(&(level, word)), "{line}");
        assert!(rest.contains(" [torrap"), "{line}");
    }
    let has = |start: &str, part: &str| {
        lines
            .iter()
            .any(|l| l.starts_with(start) && l.contains(part))
    };
    assert!(
        has("<6>INFO ", "] startup") && has("<7>DEBUG ", "] validating"),
        "{lines:#?}"
    );
}

/// A child of a service has the variable too, and its standard error may be a file.
#[cfg(target_os = "linux")]
#[test]
fn another_stream_than_the_journals_has_times() {
    let (other, _peer) = UnixStream::pair().unwrap();
    for name in [named(&other), "nonsense".to_owned(), String::new()] {
        let lines = log_of("other", |command, _| {
            command.env("JOURNAL_STREAM", &name);
        });
        assert!(
            lines[0].ends_with("Z INFO  [torrap::process] startup"),
            "{name}: {}",
            lines[0]
        );
    }
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

#[cfg(target_os = "linux")]
#[test]
fn a_program_gets_one_object_a_line() {
    // Also where the journal reads it: the program that reads on wants nothing in front of an object.
    let lines = log_of("json", |command, file| {
        command
            .env("JOURNAL_STREAM", named(file))
            .env("LOG_LEVEL", "debug")
            .env("LOG_FORMAT", "json");
    });
    let objects = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let objects: Vec<Value> = objects.collect();
    for object in &objects {
        let time = object["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{object}");
        assert!(["debug", "info", "warn"].contains(&object["level"].as_str().unwrap()));
        assert!(object["target"].as_str().unwrap().starts_with("torrap"));
    }
    let of_command = objects.iter().filter(|object| object["command"] == 1);
    let messages: Vec<_> = of_command
        .map(|object| object["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages.len(), 2, "{messages:#?}");
    assert!(
        messages[0].starts_with("command 1: /torrap, 5 bytes"),
        "{messages:#?}"
    );
    assert_eq!(messages[1], "command 1: answered");
    let refused = objects
        .iter()
        .find(|object| object["message"].as_str().unwrap().contains("TLS"));
    assert_eq!(refused.unwrap()["command"], Value::Null);
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
