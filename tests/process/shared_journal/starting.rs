//! Starts with a journal in Redis: one that is away, one that cannot be used, and what two processes say to one request.

use std::fs;
use std::path::Path;
use std::process::Command;

use test_support::{Client, Finished, Process, SECRET, SECRET_PATH, finish, poll_for, signed};
use torrap::redis::Reply;
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use super::redis_server::{RedisServer, is_installed};
use crate::TORRAP;
use crate::metrics::{sample, watched};

fn with_journal(command: &mut Command, redis: &RedisServer) {
    let url = format!("redis://{}/0?fleet=test", redis.address);
    command.args(["--journal", &url, "--metrics-listen", "127.0.0.1:0"]);
    command.env("LOG_LEVEL", "info");
}

#[test]
fn a_bot_starts_without_redis_and_takes_commands_when_that_is_there() {
    if !is_installed() {
        return;
    }
    let mut redis = RedisServer::start("away", &[]);
    redis.kill();
    let mut bot = TORRAP.start(|command| with_journal(command, &redis));
    let watched = watched(&mut bot.process);
    let log = bot.process.log.join("\n");
    assert!(
        log.contains("answered \"busy\" until Redis takes them"),
        "{log}"
    );
    let address = bot.address;
    let ready = || {
        let request = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
        Client::connect(address).exchange(request).status
    };
    assert_eq!(ready(), 503);
    let busy = bot.connect().exchange(bot.signed("olleh"));
    assert!(
        String::from_utf8(busy.content)
            .unwrap()
            .contains("I am busy")
    );
    assert!(sample(watched, "torrap_journal_store_up") == 0.0);
    redis.restart();
    poll_for("a bot that is ready", || (ready() == 200).then_some(()));
    bot.process.read_until("Redis takes commands again");
    bot.command("olleh");
    bot.posts(1);
    assert!(sample(watched, "torrap_journal_store_up") == 1.0);
    assert!(sample(watched, "torrap_journal_fleet_size") == 1.0);
    assert!(sample(watched, "torrap_journal_lease_remaining_seconds") > 0.0);
    assert_eq!(bot.process.stop(), Some(0));
    assert_eq!(
        redis.run("ZCARD {test}:replicas"),
        Reply::Integer(0),
        "it has left"
    );
}

/// What a start says to a Redis that these commands have prepared.
fn refused(name: &str, arguments: &[&str], commands: &[&str]) -> Finished {
    let redis = RedisServer::start(name, arguments);
    for command in commands {
        redis.run(command);
    }
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let finished = finish(&mut TORRAP.serve(&slack, |command| with_journal(command, &redis)));
    let line = &finished.stderr;
    assert_eq!(finished.code, Some(2), "{name}: {line}");
    let line = line.lines().last().unwrap();
    assert!(
        line.contains(&format!("--journal redis://{}", redis.address)),
        "{line}"
    );
    finished
}

#[test]
fn what_a_person_has_to_change_refuses_the_start_with_a_line() {
    if !is_installed() {
        return;
    }
    let policy = ["CONFIG SET maxmemory-policy allkeys-lru"];
    let rights = ["ACL SETUSER default -evalsha"];
    for (name, commands, part) in [
        (
            "password",
            ["CONFIG SET requirepass hunter2"],
            "TORRAP_REDIS_PASSWORD",
        ),
        ("policy", policy, "maxmemory-policy noeviction"),
        ("type", ["SET {test}:fleet x"], "?fleet=NAME"),
        ("rights", rights, "evalsha"),
    ] {
        let finished = refused(name, &[], &commands);
        assert!(
            finished.stderr.contains(part),
            "{name}: {}",
            finished.stderr
        );
        assert!(!finished.stderr.contains("hunter2"));
    }
}

/// The connection is closed first, and that alone says nothing of the password.
#[test]
fn a_password_that_changes_while_it_runs_is_told_and_may_change_back() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start("changed", &[]);
    redis.run("ACL SETUSER bot on >hunter2 ~* &* +@all");
    let mut bot = TORRAP.start(|command| {
        with_journal(command, &redis);
        let url = format!("redis://bot@{}/0?fleet=test", redis.address);
        command.args(["--journal", &url]);
        command.env("TORRAP_REDIS_PASSWORD", "hunter2");
    });
    let watched = watched(&mut bot.process);
    redis.run("ACL SETUSER bot resetpass >hunter3");
    redis.run("CLIENT KILL USER bot");
    bot.process.read_until("user or password is wrong");
    let counted = || sample(watched, "torrap_journal_errors_total{kind=\"rights\"}");
    poll_for("it is counted", || (counted() > 0.0).then_some(()));
    redis.run("ACL SETUSER bot >hunter2");
    bot.process.read_until("Redis takes commands again");
    bot.command("olleh");
    bot.posts(1);
    assert_eq!(bot.process.stop(), Some(0));
    assert!(!bot.process.log.join("\n").contains("hunter"));
}

#[test]
fn a_request_that_comes_to_two_processes_is_carried_out_once() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start("twice", &[]);
    let later = |command: &mut Command| {
        with_journal(command, &redis);
        command.args(["--delay", "1"]);
    };
    let first = TORRAP.start(later);
    let mut second = Process::start(&mut TORRAP.serve(&first.slack, later));
    let addresses = [first.address, second.read_address()];
    for number in 0..20 {
        let request = signed(
            SECRET,
            "olleh",
            &format!("{}/commands/T0001/{number}/x", first.slack.origin()),
        );
        let answers = addresses.map(|address| Client::connect(address).exchange(&request));
        answers
            .iter()
            .for_each(|answer| assert_eq!((answer.status, answer.content.len()), (200, 0)));
    }
    first.posts(20);
    assert_eq!(second.stop(), Some(0));
    assert_eq!(first.slack.posts().len(), 20);
}

/// What is pending is in the memory of Redis and in its file, and is no text there.
#[test]
fn nothing_that_redis_keeps_can_be_read_there() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start("sealed", &[]);
    let bot = TORRAP.start(|command| {
        with_journal(command, &redis);
        command.args(["--delay", "600", "--drain", "0"]);
    });
    bot.command("sesame-of-the-test");
    let size = redis.run("HLEN {test}:fleet");
    assert!(matches!(size, Reply::Integer(1..)), "{size:?}");
    let mut bytes = Vec::new();
    read_all(redis.directory(), &mut bytes);
    let has = |part: &str| {
        bytes
            .windows(part.len())
            .any(|window| window == part.as_bytes())
    };
    assert!(has("{test}:jobs:"), "the job is there");
    assert!(!has("sesame-of-the-test") && !has(SECRET_PATH) && !has("127.0.0.1"));
}

fn read_all(directory: &Path, bytes: &mut Vec<u8>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, bytes),
            false => bytes.extend(fs::read(path).unwrap()),
        }
    }
}
