//! `torrap check`, and `torrap try --to` against a bot that runs already.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use test_support::{Finished, SECRET, Scratch, finish};

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

/// An address where a client would be refused a moment ago, and most likely still is.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
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

fn try_to(url: &str, change: impl FnOnce(&mut Command)) -> Finished {
    let mut command = TORRAP.command();
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
    let bot = TORRAP.start(|command| {
        command.env("TORRAP_REPLY_ORIGINS", &origins);
        command.args(["--delay", "0.3"]);
    });
    let url = format!("http://{}", bot.address);
    let finished = try_to(&url, |command| {
        command.env("TORRAP_REPLY_ORIGINS", &origins);
        // That of the bot counts.
        command.env("TORRAP_DELAY", "1000");
    });
    let text = finished.stdout;
    assert_eq!(finished.code, Some(0), "{text} {}", finished.stderr);
    for part in [
        &format!("Slack   sends /torrap olleh to {url}/slack\n"),
        "bot     answers 200 after ",
        "torrap  thinking… (0.3 s)\n",
        "posts {\"text\": \"hello\"} to the response_url\n",
        "ok      that is what Slack would have shown\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let finished = try_to(&url, |command| {
        command.env("TORRAP_REPLY_ORIGINS", &origins);
        command.args(["--command", "/shout"]);
    });
    let text = finished.stdout;
    assert_eq!(
        finished.code,
        Some(1),
        "the bot answers /torrap alone: {text}"
    );
    assert!(text.contains("Slack   sends /shout olleh to "), "{text}");
    let failed =
        "failed  expected {\"response_type\":\"in_channel\"}; has the bot the same --commands";
    assert!(text.contains(failed), "{text}");
}

#[test]
fn a_bot_that_does_not_say_its_delay_is_waited_for_as_the_settings_say() {
    let receiver = format!("http://{}", free_address());
    let with_origin = |command: &mut Command| {
        command.env("TORRAP_REPLY_ORIGINS", &receiver);
    };
    let mut bot = TORRAP.start(|command| {
        with_origin(command.args(["--delay", "0.5"]));
    });
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let address = bot.address;
    // As a proxy that passes nothing on but /slack.
    let passing = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().unwrap();
        client.read_exact(&mut [0; 64]).unwrap();
        let none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.write_all(none).unwrap();
        let (mut client, _) = proxy.accept().unwrap();
        let mut bot = TcpStream::connect(address).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), bot.try_clone().unwrap());
        let requests = std::thread::spawn(move || {
            std::io::copy(&mut from, &mut to).unwrap();
            to.shutdown(std::net::Shutdown::Write)
        });
        std::io::copy(&mut bot, &mut client).unwrap();
        requests.join().unwrap().unwrap();
    });
    let finished = try_to(&url, |command| {
        with_origin(command.env("TORRAP_DELAY", "0.25"));
    });
    let text = finished.stdout;
    assert_eq!(finished.code, Some(0), "{text} {}", finished.stderr);
    for part in [
        "note    the bot's delay is not known, since its /readyz does not say it here: this waits for --delay (0.25 s)\n",
        "torrap  thinking… (0.25 s)\n",
        "posts {\"text\": \"hello\"} to the response_url\n",
        "ok      that is what Slack would have shown\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(bot.process.stop(), Some(0));
    passing.join().unwrap();
}

#[test]
fn without_a_receiver_here_what_was_asked_for_is_sent_and_no_more_is_promised() {
    // It posts no reply before it is gone.
    let bot = TORRAP.start(|command| {
        command.env_remove("TORRAP_REPLY_ORIGINS");
        command.args(["--delay", "1500"]);
    });
    let url = format!("http://{}/", bot.address);
    let run = |args: &[&str]| {
        let mut command = TORRAP.command();
        command.args(["try", "--to", &url]).args(args);
        let finished = finish(command.env("SLACK_SIGNING_SECRET", SECRET));
        assert_eq!(finished.stderr, "");
        (finished.code, finished.stdout)
    };
    let note = "note    no --reply-origin leads to this machine: ";
    let (code, text) = run(&[]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        &format!("{note}without a TEXT this asks for help"),
        "Slack   sends /torrap help to ",
        "bot     says {\"response_type\": \"ephemeral\"",
        "ok      that is what Slack would have shown\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, text) = run(&["olleh"]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        &format!("{note}the bot posts the reply to https://hooks.slack.com, which refuses it"),
        "Slack   sends /torrap olleh to ",
        "ok      that is the acknowledgement that Slack waits for; the reply was not looked at\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("that is what Slack would have shown"),
        "{text}"
    );
    // The bot answers one command, to any name, and with an acknowledgement of its own kind.
    for args in [&["/shout hello"][..], &["--command", "/shout"]] {
        let (code, text) = run(args);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("Slack   sends /shout h"), "{text}");
        assert!(!text.contains("ok      "), "{text}");
    }
}

#[test]
fn what_keeps_a_command_from_being_answered_is_told() {
    let bot = TORRAP.start(|_| {});
    let url = format!("http://{}", bot.address);
    let other = try_to(&url, |command| {
        command.env("SLACK_SIGNING_SECRET", "another");
    });
    let nowhere = try_to(&format!("{url}/elsewhere"), |_| {});
    let foreign = try_to(&url, |_| {});
    let unused = try_to(&format!("http://{}", free_address()), |_| {});
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxied = format!("http://{}", proxy.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().unwrap();
        client.read_exact(&mut [0; 64]).unwrap();
        client
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        std::io::copy(&mut client, &mut std::io::sink()).unwrap();
    });
    let broken = try_to(&proxied, |_| {});
    answering.join().unwrap();
    for (finished, told) in [
        (other, "the bot has another signing secret"),
        (nowhere, "there is no /slack there"),
        (
            foreign,
            "start the bot with a --reply-origin that has https://hooks.slack.com",
        ),
        (unused, "Slack would have shown dispatch_failed"),
        (broken, "Slack would have shown http_service_error"),
    ] {
        assert_eq!(finished.code, Some(1), "{}", finished.stdout);
        assert!(finished.stdout.contains(told), "{}", finished.stdout);
    }
    let pasted = try_to(&format!(" '{url}/'\n"), |_| {});
    assert!(
        pasted.stdout.contains(&format!(" to {url}/slack\n")),
        "{}",
        pasted.stdout
    );
    let finished = try_to("example.com", |_| {});
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("\"example.com\" is not a URL"),
        "{}",
        finished.stderr
    );
}
