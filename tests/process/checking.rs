//! `torrap check`, and `torrap try --to` against a bot that runs already.

use std::net::TcpListener;
use std::process::Command;

use crate::bot::{Bot, SECRET};
use crate::journal;
use crate::support::{Finished, Scratch, finish, torrap};

fn check(change: impl FnOnce(&mut Command)) -> Finished {
    let mut command = torrap();
    command
        .arg("check")
        .env("SLACK_SIGNING_SECRET", SECRET)
        .env("TORRAP_LISTEN", "127.0.0.1:0");
    change(&mut command);
    finish(&mut command)
}

/// An address where a client would be refused a moment ago, and most likely still is.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_check_finds_all_well() {
    // Any HTTP server is a receiver of replies, as far as a check can see.
    let bot = Bot::start(|_| {});
    let origin = format!("http://{}", bot.address);
    let finished = check(|command| {
        command.args(["--reply-origin", &origin, "--metrics-listen", "127.0.0.1:0"]);
    });
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    for (line, start) in lines.iter().zip([
        "ok      settings    complete; signing secrets: 1",
        "ok      signature   Slack's own example is verified",
        "ok      listen      free: 127.0.0.1:",
        &format!("ok      replies to  {origin} answers after "),
        "ok      clock       ",
        "all is well: torrap can run here",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(lines[2].contains("; for metrics: 127.0.0.1:"));
    assert!(
        lines[4].contains(" s from http://127.0.0.1:"),
        "{}",
        lines[4]
    );
    assert_eq!((lines.len(), finished.stderr.as_str()), (6, ""));
}

#[test]
fn a_check_says_what_to_do() {
    let nobody = format!("http://{}", free_address());
    let finished = check(|command| {
        command.args(["--reply-origin", &nobody, "--listen", "nowhere.invalid:1"]);
    });
    assert_eq!(finished.code, Some(1));
    let text = &finished.stdout;
    assert!(
        text.contains("failed  listen      --listen nowhere.invalid:1: cannot be"),
        "{text}"
    );
    assert!(
        text.contains(&format!("failed  replies to  {nobody}: ")),
        "{text}"
    );
    assert!(text.ends_with("to be put right: 2\n"), "{text}");

    let finished = check(|command| {
        command.args(["--delay", "x"]);
    });
    assert_eq!(finished.code, Some(1));
    let line = "failed  settings    --delay: \"x\" is not a number of seconds";
    assert!(finished.stdout.starts_with(line), "{}", finished.stdout);

    let finished = check(|command| {
        command.arg("--to=x");
    });
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    assert!(
        finished
            .stderr
            .contains("--to: only an option of `torrap try`")
    );
}

#[test]
fn a_check_beside_a_running_bot_knows_it() {
    let bot = Bot::start(|_| {});
    let address = bot.address.to_string();
    let finished = check(|command| {
        let origin = format!("http://{address}");
        command.args(["--listen", &address, "--reply-origin", &origin]);
    });
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    let line =
        format!("ok      listen      {address} is taken, by a bot that answers there already");
    assert!(finished.stdout.contains(&line), "{}", finished.stdout);
}

/// The line about the journal, and the code.
fn check_journal(path: &str) -> (Option<i32>, String) {
    let bot = Bot::start(|_| {});
    let finished = check(|command| {
        command.args(["--reply-origin", &format!("http://{}", bot.address)]);
        command.args(["--journal", path]);
    });
    let mut lines = finished.stdout.lines();
    let line = lines.find(|line| line.contains("  journal  "));
    let line = line.unwrap_or_else(|| panic!("no line about it in {}", finished.stdout));
    (finished.code, line.to_owned())
}

#[test]
fn a_check_looks_at_the_journal_and_leaves_no_trace() {
    let directory = Scratch::new("check-journal");
    let path = directory.path();
    let line = format!("ok      journal     {path} does not exist yet; the bot makes it");
    assert_eq!(check_journal(path), (Some(0), line));
    assert!(!std::fs::exists(path).unwrap());

    let mut bot = journal::start(&directory, "1000");
    bot.command("olleh");
    let process = bot.process.pid();
    let line =
        format!("ok      journal     {path} is in use by process {process}; see `torrap journal`");
    assert_eq!(check_journal(path), (Some(0), line));
    bot.command("olleh");
    assert_eq!(bot.process.stop(), Some(0));

    let line = format!("ok      journal     {path} can be used; see `torrap journal`");
    assert_eq!(check_journal(path), (Some(0), line));
    let mut names: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, [journal::FIRST, "lock"]);
}

#[test]
fn a_check_says_what_is_wrong_with_the_journal() {
    let directory = Scratch::new("check-no-journal");
    let below = directory.join("below").display().to_string();
    let missing =
        "cannot be used (No such file or directory (os error 2)); give a directory of torrap's own";
    let line = format!("failed  journal     --journal {below:?}: {missing}");
    assert_eq!(check_journal(&below), (Some(1), line));

    std::fs::create_dir(directory.path()).unwrap();
    let content = b"torrap\x02\x00\xfd\xff and whatever a later version has here";
    std::fs::write(directory.join(journal::FIRST), content).unwrap();
    let path = directory.path();
    let format = "0000000001.log is of format 2, and this torrap knows only format 1; \
                  run the version that wrote it, or give another directory";
    let line = format!("failed  journal     --journal {path:?}: {format}");
    assert_eq!(check_journal(path), (Some(1), line));

    let file = directory.join(journal::FIRST).display().to_string();
    let (code, line) = check_journal(&file);
    assert_eq!(code, Some(1));
    let begin = format!("failed  journal     --journal {file:?}: cannot be used (Not a directory ");
    assert!(line.starts_with(&begin), "{line}");
}

fn try_to(url: &str, change: impl FnOnce(&mut Command)) -> Finished {
    let mut command = torrap();
    command
        .args(["try", "--to", url, "olleh"])
        .env("SLACK_SIGNING_SECRET", SECRET);
    change(&mut command);
    finish(&mut command)
}

#[test]
fn a_running_bot_is_asked_and_its_reply_looked_at() {
    let receiver = format!("http://{}", free_address());
    let origins = format!("https://hooks.slack.com,{receiver}");
    let bot = Bot::start(|command| {
        command.env("TORRAP_REPLY_ORIGINS", &origins);
    });
    let url = format!("http://{}", bot.address);
    let finished = try_to(&url, |command| {
        command.env("TORRAP_REPLY_ORIGINS", &origins);
        command.env("TORRAP_DELAY", "0");
    });
    let text = finished.stdout;
    assert_eq!(finished.code, Some(0), "{text} {}", finished.stderr);
    for part in [
        &format!("Slack   sends /torrap olleh to {url}/slack\n"),
        "bot     answers 200 after ",
        "posts {\"text\": \"hello\"} to the response_url\n",
        "ok      that is what Slack would have shown\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn without_a_receiver_here_only_the_usage_is_asked_for() {
    let bot = Bot::start(|command| {
        command.env_remove("TORRAP_REPLY_ORIGINS");
    });
    let url = format!("http://{}/", bot.address);
    let finished = try_to(&url, |_| {});
    let text = finished.stdout;
    assert_eq!(finished.code, Some(0), "{text}");
    assert!(
        text.contains("no --reply-origin leads to this machine"),
        "{text}"
    );
    assert!(
        text.contains("bot     says {\"response_type\": \"ephemeral\""),
        "{text}"
    );
}

#[test]
fn what_keeps_a_command_from_being_answered_is_told() {
    let bot = Bot::start(|_| {});
    let url = format!("http://{}", bot.address);
    let other = try_to(&url, |command| {
        command.env("SLACK_SIGNING_SECRET", "another");
    });
    let nowhere = try_to(&format!("{url}/elsewhere"), |_| {});
    let foreign = try_to(&url, |_| {});
    let nobody = try_to(&format!("http://{}", free_address()), |_| {});
    for (finished, told) in [
        (other, "the bot has another signing secret"),
        (nowhere, "there is no /slack there"),
        (
            foreign,
            "start the bot with a --reply-origin that has https://hooks.slack.com",
        ),
        (nobody, "Slack would have shown dispatch_failed"),
    ] {
        assert_eq!(finished.code, Some(1), "{}", finished.stdout);
        assert!(finished.stdout.contains(told), "{}", finished.stdout);
    }
    let finished = try_to("example.com", |_| {});
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("\"example.com\" is not a URL"),
        "{}",
        finished.stderr
    );
}
