//! Bad usage and bad settings: exit code 2 and one line that names what is wrong, with its remedy.

use std::process::Command;

use test_support::{Finished, SECRET, finish};

use crate::TORRAP;

/// A line for exit code 2 with all these parts, and nothing else anywhere.
fn assert_refused(command: &mut Command, parts: &[&str]) -> Finished {
    let finished = finish(command);
    let line = &finished.stderr;
    assert_eq!(finished.code, Some(2), "{command:?}: {line}");
    assert_eq!(finished.stdout, "", "{command:?}");
    assert!(
        line.starts_with("torrap: ") && line.ends_with('\n'),
        "{command:?}: {line:?}"
    );
    assert_eq!(line.lines().count(), 1, "{command:?}: {line}");
    assert!(!line.contains("panicked"), "{command:?}: {line}");
    for part in parts {
        assert!(line.contains(part), "{command:?}: no {part:?} in {line}");
    }
    finished
}

fn with_secret() -> Command {
    let mut command = TORRAP.command();
    command.env("SLACK_SIGNING_SECRET", SECRET);
    command
}

#[test]
fn a_number_that_is_none_or_out_of_range_is_named_with_its_range() {
    for (flag, variable, range, out_of_range) in [
        ("--delay", "TORRAP_DELAY", "from 0 to 1500", "1500.001"),
        (
            "--tolerance",
            "TORRAP_TOLERANCE",
            "from 1 to 86400",
            "0.999",
        ),
        ("--drain", "TORRAP_DRAIN", "from 0 to 86400", "86401"),
        ("--senders", "TORRAP_SENDERS", "from 1 to 1024", "0"),
        (
            "--max-pending",
            "TORRAP_MAX_PENDING",
            "from 1 to 10000000",
            "10000001",
        ),
        (
            "--max-connections",
            "TORRAP_MAX_CONNECTIONS",
            "from 1 to 1000000",
            "0",
        ),
    ] {
        for value in [
            out_of_range,
            "-1",
            "many",
            "1e3",
            "99999999999999999999999999",
        ] {
            let shown = format!("{value:?} is not ");
            let flagged = format!("{flag}={value}");
            assert_refused(
                with_secret().arg(&flagged),
                &[flag, &shown, range, "; give"],
            );
            let mut command = with_secret();
            assert_refused(
                command.env(variable, value),
                &[variable, &shown, range, "; give"],
            );
        }
    }
}

#[test]
fn other_settings_are_named_with_their_value_and_a_remedy() {
    for (name, value, remedy) in [
        (
            "LOG_LEVEL",
            "loud",
            "give error, warn, info, debug, trace or off",
        ),
        (
            "TORRAP_LISTEN",
            "localhost",
            "the port is missing; give one such as localhost:8000",
        ),
        (
            "TORRAP_LISTEN",
            "localhost:0,:x",
            "a number from 0 to 65535; give one such as",
        ),
        (
            "TORRAP_LISTEN",
            "localhost:65536",
            "a number from 0 to 65535; give one such as",
        ),
        (
            "TORRAP_LISTEN",
            "http://localhost:0",
            "the host is malformed; give one such as",
        ),
        (
            "TORRAP_REPLY_ORIGINS",
            "hooks.slack.com",
            "give one such as https://hooks.slack.com",
        ),
        (
            "TORRAP_REPLY_ORIGINS",
            "https://hooks.slack.com/x",
            "give one such as https://hooks",
        ),
        (
            "TORRAP_REPLY_ORIGINS",
            "ftp://hooks.slack.com",
            "give one such as https://hooks",
        ),
    ] {
        let wrong = value.rsplit(',').next().unwrap();
        assert_refused(
            with_secret().env(name, value),
            &[name, &format!("{wrong:?}"), remedy],
        );
    }
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    let mut command = with_secret();
    // The system's resolver need not try for long.
    command.env("RES_OPTIONS", "timeout:1 attempts:1");
    command.args(["--listen", "no-such-host.invalid:0"]);
    assert_refused(
        &mut command,
        &["--listen no-such-host.invalid:0", "give an address such as"],
    );
}

#[test]
fn a_secret_that_is_missing_empty_or_blank_is_named_and_never_shown() {
    assert_refused(
        &mut TORRAP.command(),
        &[
            "SLACK_SIGNING_SECRET is not set",
            "api.slack.com/apps",
            "torrap try",
        ],
    );
    for value in [
        "",
        " \t",
        ",",
        "first-secret,",
        "first-secret, ,third",
        "first-secret\nsecond",
    ] {
        let mut command = TORRAP.command();
        command.env("SLACK_SIGNING_SECRET", value);
        let finished = assert_refused(
            &mut command,
            &["SLACK_SIGNING_SECRET: a secret ", "copy it"],
        );
        assert!(
            !finished.stderr.contains("first-secret"),
            "{}",
            finished.stderr
        );
    }
    let mut command = with_secret();
    command.env("SLACK_SIGNING_SECRET_FILE", "/run/secret");
    assert_refused(
        &mut command,
        &["SLACK_SIGNING_SECRET_FILE are both set; unset one"],
    );
    let mut command = TORRAP.command();
    command.env("SLACK_SIGNING_SECRET_FILE", "/nowhere/sec\nret");
    assert_refused(
        &mut command,
        &[
            "SLACK_SIGNING_SECRET_FILE",
            r"/nowhere/sec\nret",
            "give the path",
        ],
    );
    let finished = assert_refused(
        TORRAP.command().arg("--secret=first-secret"),
        &["set SLACK_SIGNING_SECRET"],
    );
    assert!(
        !finished.stderr.contains("first-secret"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_variable_that_was_meant_to_hold_the_secret_is_named_and_not_shown() {
    for (name, meant) in [
        ("SLACK_SIGNING_SECERT", "SLACK_SIGNING_SECRET"),
        ("TORRAP_SIGNING_SECRET", "SLACK_SIGNING_SECRET"),
        ("slack_signing_secret_file", "SLACK_SIGNING_SECRET_FILE"),
    ] {
        let parts = [
            "SLACK_SIGNING_SECRET is not set, but ",
            name,
            &format!("; rename it to {meant}\n"),
        ];
        let finished = assert_refused(TORRAP.command().env(name, SECRET), &parts);
        assert!(!finished.stderr.contains(SECRET), "{}", finished.stderr);
    }
}

#[test]
fn what_is_mistyped_is_named_with_what_was_meant() {
    for (args, parts) in [
        (
            &["--lisen", "x"][..],
            &["\"--lisen\"", "did you mean --listen?"][..],
        ),
        (&["--dealy=3"], &["\"--dealy\"", "did you mean --delay?"]),
        (
            &["--frobnicate"],
            &["\"--frobnicate\"", "see `torrap --help`"],
        ),
        (&["-d", "3"], &["\"-d\"", "see `torrap --help`"]),
        (&["--log-level", "debug"], &["LOG_LEVEL"]),
        (
            &["manifset", "x"],
            &["\"manifset\"", "did you mean manifest?"],
        ),
        (&["serve", "now"], &["\"now\"", "see `torrap --help`"]),
        (&["--delay"], &["--delay", "give --delay SECONDS"]),
        (&["\u{1b}[2J\n\u{202e}"], &[r"\u{1b}[2J\n\u{202e}"]),
        (&["try", " "], &["the text is blank; give some"]),
        (
            &["try", "--dealy", "0"],
            &["did you mean --delay?", "goes behind --"],
        ),
        (
            &["manifest", "https://NAME.ngrok-free.dev"],
            &["https://NAME.ngrok-free.dev", "it is only an example"],
        ),
        (
            &["manifest", "https://192.168.1.2:8000"],
            &["https://192.168.1.2:8000", "in a private network"],
        ),
        (
            &["manifest", "http://x.example"],
            &["http://x.example", "must begin with https://"],
        ),
        (&["manifest", "https://x.example?a=b"], &["without query"]),
        (&["manifest", "https://x.example", "y"], &["\"y\""]),
        (
            &["manifest", "--delay", "0", "https://x.example"],
            &["--delay", "leave it out"],
        ),
    ] {
        assert_refused(with_secret().args(args), parts);
    }
}

#[test]
fn a_file_of_authorities_that_holds_none_is_named() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let file = |name: &str, content: &str| {
        let path = format!("{folder}/{name}");
        std::fs::write(&path, content).unwrap();
        path
    };
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (path, reason) in [
        ("/nowhere/ca.pem".to_owned(), "cannot be read"),
        (folder.to_owned(), "cannot be read"),
        (file("empty.pem", ""), "no certificate in it"),
        (
            file("words.pem", "not a certificate\n"),
            "no certificate in it",
        ),
        (file("key.pem", key), "no certificate in it"),
        (
            file("hollow.pem", &key.replace("PRIVATE KEY", "CERTIFICATE")),
            "no usable certificate in it",
        ),
        (
            file("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
            "not PEM",
        ),
        (
            "/nowhere/\n\u{1b}[2J".to_owned(),
            r#""/nowhere/\n\u{1b}[2J""#,
        ),
    ] {
        let parts = ["--ca-file", reason, "give a PEM file"];
        assert_refused(with_secret().args(["--ca-file", &path]), &parts);
        assert_refused(
            with_secret().env("SSL_CERT_FILE", &path),
            &["SSL_CERT_FILE", reason],
        );
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
    for (name, value, reason) in [
        ("HTTPS_PROXY", "nonsense://u:hunter2@h:1", "not a proxy URL"),
        ("https_proxy", "http://u:hunter2@", "not a proxy URL"),
        (
            "ALL_PROXY",
            "socks5://u:hunter2@h:1",
            "SOCKS proxies cannot be used",
        ),
        ("all_proxy", "socks4a://h", "SOCKS proxies cannot be used"),
        (
            "HTTPS_PROXY",
            "http://u:hunter2@h:65536",
            "its port is not a number from 1 to 65535",
        ),
        (
            "HTTPS_PROXY",
            "http://h:0",
            "its port is not a number from 1 to 65535",
        ),
    ] {
        let finished = assert_refused(with_secret().env(name, value), &[name, reason, "unset it"]);
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}
