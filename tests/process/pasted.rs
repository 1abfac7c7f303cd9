//! Settings as people paste them, and likely mistakes: what the start says of them, and what `torrap check` does.

use std::fs::DirBuilder;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::process::Command;

use test_support::{Authority, Finished, Process, SECRET, Scratch, finish, signed};

use crate::TORRAP;

/// What the start says at this level before it listens; then the bot is stopped.
fn told(level: &str, change: impl FnOnce(&mut Command)) -> Vec<String> {
    let mut command = TORRAP.command();
    command
        .args(["--listen", "127.0.0.1:0", "--delay", "0"])
        .env("SLACK_SIGNING_SECRET", SECRET);
    change(&mut command);
    let mut process = Process::start(&mut command);
    process.read_until("listening on");
    let lines = process.log.clone();
    assert_eq!(process.stop(), Some(0));
    let of_level = lines.into_iter().filter(|line| line.contains(level));
    of_level.collect()
}

/// A check that asks no receiver in the outside world.
fn check(change: impl FnOnce(&mut Command)) -> Finished {
    let mut command = TORRAP.command();
    command
        .args(["check", "--listen", "127.0.0.1:0"])
        .env("SLACK_SIGNING_SECRET", SECRET)
        .env("TORRAP_REPLY_ORIGINS", "http://127.0.0.1:1");
    change(&mut command);
    finish(&mut command)
}

/// One warning at the start, with these parts, and the same in a check.
fn assert_warned(change: impl Fn(&mut Command), parts: &[&str]) {
    let warnings = told("WARN", &change);
    let [at_start] = &warnings[..] else {
        panic!("one warning: {warnings:#?}");
    };
    let checked = check(&change).stdout;
    let line = checked.lines().find(|line| line.starts_with("warning "));
    let checked = line.unwrap_or_else(|| panic!("no warning in {checked}"));
    for part in parts {
        assert!(at_start.contains(part), "{part}: {at_start}");
        assert!(checked.contains(part), "{part}: {checked}");
    }
}

#[test]
fn a_good_start_has_no_warning() {
    assert_eq!(told("WARN", |_| {}), [""; 0]);
}

#[test]
fn what_is_pasted_along_with_a_secret_does_no_harm() {
    let path = format!("{}/pasted-secret", env!("CARGO_TARGET_TMPDIR"));
    for pasted in [
        format!("\"{SECRET}\""),
        format!(" '{SECRET}' \r\n"),
        format!("\u{feff}{SECRET}\n"),
        format!("\u{200b}{SECRET}\u{200b}"),
    ] {
        std::fs::write(&path, &pasted).unwrap();
        for by_file in [false, true] {
            let mut bot = TORRAP.start(|command| {
                if by_file {
                    command.env_remove("SLACK_SIGNING_SECRET");
                    command.env("SLACK_SIGNING_SECRET_FILE", format!(" \"{path}\"\n"));
                } else {
                    command.env("SLACK_SIGNING_SECRET", &pasted);
                }
            });
            let url = format!("{}/x", bot.slack.origin());
            let response = bot.connect().exchange(signed(SECRET, "olleh", &url));
            assert_eq!(response.status, 200, "{pasted:?} {by_file}");
            bot.posts(1);
            assert_eq!(bot.process.stop(), Some(0));
            let log = &bot.process.log;
            assert!(!log.iter().any(|line| line.contains("WARN")), "{log:#?}");
        }
    }
}

#[test]
fn what_cannot_be_a_secret_gets_a_warning_that_does_not_show_it() {
    // Any HTTP server is a receiver of replies, as far as a check can see.
    let bot = TORRAP.start(|_| {});
    let receiver = format!("http://{}", bot.address);
    for (secret, looks) in [
        ("xoxb-17653672481-hunter2", "looks like a token"),
        (&format!("SLACK_SIGNING_SECRET={SECRET}"), "NAME=value line"),
        ("your-signing-secret-here", "looks like a placeholder"),
        (
            "OGY3NDIyMzFiMTBlODg4OGFiY2Q5OWZlZWRmYWNlODU=",
            "looks like base64",
        ),
        (&SECRET[1..], "has 31 hex digits"),
    ] {
        let set = |command: &mut Command| {
            command.env("SLACK_SIGNING_SECRET", secret);
        };
        assert_warned(set, &["SLACK_SIGNING_SECRET: the secret ", looks]);
        let lines = told("WARN", set);
        assert!(!lines.concat().contains(secret), "{lines:?}");
        let checked = check(|command| {
            set(command);
            command.env("TORRAP_REPLY_ORIGINS", &receiver);
        });
        assert_eq!(checked.code, Some(0), "the bot runs with it");
        assert!(!checked.stdout.contains(secret), "{}", checked.stdout);
        assert!(
            checked
                .stdout
                .ends_with("torrap can run here; warnings: 1\n")
        );
    }
    let two = format!("{SECRET},hunter2");
    assert_warned(
        |command| {
            command.env("SLACK_SIGNING_SECRET", &two);
        },
        &["secret 2 of 2 has 7 characters"],
    );
}

#[test]
fn a_variable_that_looks_like_a_setting_and_is_none_is_told() {
    assert_warned(
        |command| {
            command.env("TORRAP_DELY", "1");
            // Kubernetes sets these for a service called torrap.
            command.env("TORRAP_PORT", "tcp://10.0.0.11:8000");
            command.env("TORRAP_PORT_8000_TCP_ADDR", "10.0.0.11");
            command.env("TORRAP_SERVICE_HOST", "10.0.0.11");
            command.env("SLACK_BOT_TOKEN", "xoxb-1");
        },
        &["\"TORRAP_DELY\" has no effect; did you mean TORRAP_DELAY?"],
    );
}

#[test]
fn replies_without_encryption_beyond_this_machine_are_told() {
    assert_warned(
        |command| {
            // The system's resolver need not try for long.
            command.env("RES_OPTIONS", "timeout:1 attempts:1");
            let origins = "http://127.0.0.1:1,http://slack.invalid";
            command.env("TORRAP_REPLY_ORIGINS", origins);
        },
        &[
            "TORRAP_REPLY_ORIGINS: replies to http://slack.invalid cross the network without encryption",
        ],
    );
}

#[test]
fn what_no_proxy_does_not_understand_is_told_and_a_check_says_what_goes_past() {
    let set = |command: &mut Command| {
        command.env("HTTPS_PROXY", "\"http://127.0.0.1:1\"\n");
        command.env("NO_PROXY", " 127.0.0.0/8 , hooks.*");
    };
    assert_warned(
        set,
        &["NO_PROXY: \"hooks.*\" is of no known form and has no effect"],
    );
    let line = "ok      proxy       replies go through that of HTTPS_PROXY; without it: http://127.0.0.1:1\n";
    let checked = check(set).stdout;
    assert!(checked.contains(line), "{checked}");
}

#[test]
fn authorities_from_the_environment_are_told_and_a_check_names_what_is_trusted() {
    let authority = Authority::create();
    let path = authority.file.to_str().unwrap();
    let by_variable = |command: &mut Command| {
        command.env("SSL_CERT_FILE", path);
    };
    let by_flag = |command: &mut Command| {
        command.args(["--ca-file", path]);
    };
    let mentions = |lines: Vec<String>| lines.iter().filter(|l| l.contains(path)).count();
    assert_eq!(mentions(told("INFO", by_variable)), 1);
    assert_eq!(mentions(told("INFO", by_flag)), 0);
    assert_eq!(told("WARN", by_variable), [""; 0]);
    let line = format!("ok      roots       1 of {path:?}, instead of the built-in ones\n");
    for checked in [check(by_variable).stdout, check(by_flag).stdout] {
        assert!(checked.contains(&line), "{checked}");
    }
}

#[test]
fn a_journal_that_belongs_to_another_user_is_told() {
    let directory = Scratch::new("foreign-journal");
    let mut made = DirBuilder::new();
    made.mode(0o700).create(directory.path()).unwrap();
    // Only root can give a directory away; others see that in the unit test.
    if chown(directory.path(), Some(65534), None).is_err() {
        return;
    }
    assert_warned(
        |command| {
            command.args(["--journal", directory.path()]);
        },
        &["the directory belongs to user 65534 and torrap runs as user 0"],
    );
}

#[test]
fn a_short_address_is_enough() {
    let told = |listen: &str| {
        let mut command = TORRAP.command();
        command
            .args(["--listen", listen, "--metrics-listen", listen])
            .env("SLACK_SIGNING_SECRET", SECRET);
        let mut process = Process::start(&mut command);
        process.read_until("metrics on http://");
        assert_eq!(process.stop(), Some(0));
        process.messages().join("\n")
    };
    let every = told(":0");
    assert!(every.contains("listening on http://0.0.0.0:"), "{every}");
    assert!(every.contains("metrics on http://0.0.0.0:"), "{every}");
    let has_v6 = TcpListener::bind("[::]:0").is_ok();
    assert_eq!(
        every.contains("listening on http://[::]:"),
        has_v6,
        "{every}"
    );
    let local = told("0");
    assert!(local.contains("listening on http://127.0.0.1:"), "{local}");
    assert!(
        !local.contains("0.0.0.0") && !local.contains("[::]:"),
        "{local}"
    );
}

#[test]
fn a_port_that_another_server_has_in_one_family_serves_in_the_other_with_a_warning() {
    let other = TcpListener::bind("0.0.0.0:0").unwrap();
    let taken = other.local_addr().unwrap();
    let port = taken.port();
    let mut command = TORRAP.command();
    command
        .env("SLACK_SIGNING_SECRET", SECRET)
        .args(["--listen", &format!(":{port}")]);
    if TcpListener::bind("[::1]:0").is_err() {
        let finished = finish(&mut command);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        let start = format!("torrap: --listen :{port}: {taken} is already in use; ");
        assert!(finished.stderr.starts_with(&start), "{}", finished.stderr);
        return;
    }
    let mut process = Process::start(&mut command);
    let warning = process.read_until("another server has");
    assert!(
        warning.contains(&format!("{taken}; listening on [::]:{port} only")),
        "{warning}"
    );
    process.read_until(&format!("listening on http://[::]:{port}"));
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn a_url_may_be_pasted_into_the_manifest() {
    let finished = finish(
        TORRAP
            .command()
            .args(["manifest", " \"https://example.ngrok.app\"\n"]),
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished
            .stdout
            .contains("url: \"https://example.ngrok.app/slack\"\n")
    );
}
