//! The log that a bot writes to a file, from its start to its stop.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::Value;
use test_support::{Bot, Process, Scratch};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;
use crate::log_formats::named;

/// All that a bot logs to a file, from its start to its stop.
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

#[test]
fn a_program_gets_one_object_a_line() {
    let lines = log_of("json", |command, _| {
        command.env("LOG_LEVEL", "debug").env("LOG_FORMAT", "json");
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

/// Which takes the level off, so that `journalctl -o cat` gives the objects alone.
#[test]
fn the_journal_gets_objects_with_a_level_before_each() {
    let lines = log_of("journal-json", |command, file| {
        command
            .env("JOURNAL_STREAM", named(file))
            .env("LOG_LEVEL", "debug")
            .env("LOG_FORMAT", "json");
    });
    for line in &lines {
        let (level, object) = line.split_at(3);
        let object: Value = serde_json::from_str(object).unwrap();
        let expected = match object["level"].as_str().unwrap() {
            "warn" => "<4>",
            "info" => "<6>",
            "debug" => "<7>",
            other => panic!("{other}"),
        };
        assert_eq!(level, expected, "{line}");
    }
}
