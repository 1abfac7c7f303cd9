//! `torrap check`: whether the bot could run here.

use std::net::TcpListener;
use std::process::Command;

use test_support::{Finished, SECRET, Scratch, finish, free_address};

use crate::TORRAP;
#[cfg(target_os = "linux")]
use crate::mounted::Mounted;

fn check(change: impl FnOnce(&mut Command)) -> Finished {
    let mut command = TORRAP.command();
    command
        .arg("check")
        .env("SLACK_SIGNING_SECRET", SECRET)
        .env("TORRAP_LISTEN", "127.0.0.1:0");
    change(&mut command);
    finish(&mut command)
}

#[test]
fn a_check_finds_all_well() {
    // Any HTTP server is a receiver of replies, as far as a check can see.
    let bot = TORRAP.start(|_| {});
    let origin = format!("http://{}", bot.address);
    let finished = check(|command| {
        command.args(["--reply-origin", &origin, "--metrics-listen", "127.0.0.1:0"]);
    });
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    for (line, start) in lines.iter().zip([
        "ok      settings    complete; signing secrets: 1; commands: /torrap",
        "ok      signature   Slack's own example is verified",
        "ok      listen      free: 127.0.0.1:",
        "ok      roots       the built-in ones",
        &format!("ok      replies to  {origin} answers after "),
        "ok      clock       ",
        "all is well: torrap can run here",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(lines[2].contains("; for metrics: 127.0.0.1:"));
    assert!(
        lines[5].contains(" s from http://127.0.0.1:"),
        "{}",
        lines[5]
    );
    assert_eq!((lines.len(), finished.stderr.as_str()), (7, ""));
}

#[test]
fn a_check_says_what_to_do() {
    let unused = format!("http://{}", free_address());
    let finished = check(|command| {
        command.args(["--reply-origin", &unused, "--listen", "nowhere.invalid:1"]);
    });
    assert_eq!(finished.code, Some(1));
    let text = &finished.stdout;
    assert!(
        text.contains("failed  listen      --listen nowhere.invalid:1: cannot be"),
        "{text}"
    );
    assert!(
        text.contains(&format!("failed  replies to  {unused}: ")),
        "{text}"
    );
    assert!(text.ends_with("problems found: 2\n"), "{text}");

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
    let bot = TORRAP.start(|_| {});
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

#[test]
fn a_check_says_whether_a_journal_could_be_kept() {
    let directory = Scratch::new("check-journal");
    let line = |path: &str| {
        let finished = check(|command| {
            // Nothing else may need a thing of the outside world.
            command.args(["--journal", path, "--reply-origin", "http://127.0.0.1:1"]);
        });
        let lines = finished.stdout.lines();
        let mut found = lines.filter(|line| line[8..].starts_with("journal"));
        found.next().unwrap().to_owned()
    };
    let path = directory.path();
    let missing = format!("ok      journal     {path} is not there yet; the bot makes it");
    assert_eq!(line(path), missing);
    assert_eq!(line(path), missing, "the check has not made it");
    let below = directory.join("below").display().to_string();
    assert_eq!(
        line(&below),
        format!(
            "failed  journal     --journal {below:?}: cannot be used (No such file or directory (os error 2)); \
             give a directory of torrap's own"
        )
    );
    let mut bot = TORRAP.start(|command| {
        command.args(["--journal", path]);
    });
    let kept = "can be written and read";
    assert_eq!(
        line(path),
        format!("ok      journal     {path} {kept}, and a bot uses it; see `torrap journal`")
    );
    assert_eq!(bot.process.stop(), Some(0), "it has noticed nothing");
    let files = || std::fs::read_dir(path).unwrap().count();
    let before = files();
    assert_eq!(
        line(path),
        format!("ok      journal     {path} {kept}; see `torrap journal`")
    );
    assert_eq!(files(), before);
    let later = b"torrap\x03\x00\xfc\xff and whatever a later version has here, in whatever form";
    std::fs::write(directory.join("0000000001.log"), later).unwrap();
    let found = line(path);
    assert!(
        found.starts_with("failed  journal     --journal "),
        "{found}"
    );
    assert!(found.contains(" is of format 3"), "{found}");
}

#[test]
fn a_check_finds_limits_and_what_a_service_manager_has_left_behind() {
    let mut command = TORRAP.command_limited(100);
    command
        .arg("check")
        .args([
            "--reply-origin",
            "http://127.0.0.1:1",
            "--listen",
            "127.0.0.1:0",
        ])
        .env("SLACK_SIGNING_SECRET", SECRET)
        .env("NOTIFY_SOCKET", "/nowhere/notify");
    let finished = finish(&mut command);
    let text = &finished.stdout;
    for line in [
        "warning limits      --max-connections 8192 lowered to ",
        "warning service     NOTIFY_SOCKET: \"/nowhere/notify\" cannot be used (",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(
        finished.code,
        Some(1),
        "the receiver alone has failed: {text}"
    );
    assert!(text.ends_with("problems found: 1\n"), "{text}");
}

#[test]
fn a_check_knows_the_receivers_of_slack() {
    let finished = check(|command| {
        command.args(["--reply-origin", "https://slack.invalid"]);
    });
    let line =
        "warning settings    --reply-origin: neither of Slack's origins (https://hooks.slack.com, ";
    assert!(finished.stdout.contains(line), "{}", finished.stdout);
}

/// A socket that `sh` has opened would not listen: the test is its service manager.
#[test]
fn a_check_takes_the_sockets_that_are_passed_as_the_bot_would() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let passed = |stdin: std::process::Stdio, fds: &str| {
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ exec \"$0\" check";
        let mut command = Command::new("sh");
        command
            .env_clear()
            .args(["-c", script, env!("CARGO_BIN_EXE_torrap")]);
        command
            .env("SLACK_SIGNING_SECRET", SECRET)
            .env("LISTEN_FDS", fds)
            .env("TORRAP_REPLY_ORIGINS", "http://127.0.0.1:1");
        finish(command.stdin(stdin)).stdout
    };
    let socket =
        || std::process::Stdio::from(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
    let text = passed(socket(), "1");
    let line = format!("ok      listen      passed by the service manager: {address}\n");
    assert!(text.contains(&line), "{text}");
    let text = passed(socket(), "many");
    assert!(text.contains("failed  listen      LISTEN_FDS: "), "{text}");
    let text = passed(std::process::Stdio::null(), "1");
    assert!(text.contains("failed  listen      LISTEN_FDS: "), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_check_says_that_a_disk_is_nearly_full() {
    let Some(disk) = Mounted::new("check-disk", "8m") else {
        return;
    };
    let mut command = TORRAP.command();
    command
        .args(["check", "--journal", disk.path(), "--listen", "127.0.0.1:0"])
        .args(["--reply-origin", "http://127.0.0.1:1"])
        .env("SLACK_SIGNING_SECRET", SECRET);
    let text = finish(&mut disk.inside(&command)).stdout;
    let line = format!("warning journal     {} has ", disk.path());
    let found = text.lines().find(|found| found.starts_with(&line));
    let found = found.unwrap_or_else(|| panic!("{text}"));
    assert!(found.ends_with(
        "the log may take 64 MiB: while it is full, commands are answered \"busy\"; make room"
    ));
}
