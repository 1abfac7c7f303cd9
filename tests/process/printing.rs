//! Commands that print and end: the help, the version, the manifest.

use std::io::Read;
use std::process::{Command, Stdio};

use test_support::{DEADLINE, Finished, finish, poll_for};
use torrap::cli::OPTIONS;

use crate::TORRAP;
use crate::broken_log::full;

fn printed(args: &[&str]) -> String {
    let finished = finish(TORRAP.command().args(args));
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{args:?}"
    );
    finished.stdout
}

#[test]
fn the_help_shows_everything_in_lines_that_fit() {
    let help = printed(&["--help"]);
    for line in help.lines() {
        assert!(
            line.chars().count() <= 100 && !line.ends_with(' '),
            "{line}"
        );
    }
    for opt in OPTIONS {
        for part in [opt.flag.unwrap_or_default(), opt.variable, opt.value] {
            assert!(help.contains(part), "{part}");
        }
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words.contains(&format!("{} [{}]", opt.help, opt.default)),
            "{opt:?}"
        );
    }
    let (_, examples) = help.split_once("\nExamples:\n").unwrap();
    assert_eq!(examples.lines().count(), 3, "{examples}");
    for command in ["torrap [serve]", "torrap try", "torrap manifest"] {
        assert!(help.contains(command), "{command}");
    }
}

#[test]
fn help_and_version_stand_behind_every_command_and_need_no_settings() {
    let version = printed(&["--version"]);
    assert_eq!(version, concat!("torrap ", env!("CARGO_PKG_VERSION"), "\n"));
    for command in [
        "serve",
        "try",
        "check",
        "manifest",
        "journal",
        "completions",
        "man",
    ] {
        let help = printed(&["help", command]);
        assert!(help.starts_with(&format!("torrap {command}: ")), "{help}");
        assert!(help.contains("\nExamples:\n"), "{help}");
        assert_eq!(printed(&[command, "--help"]), help);
        assert_ne!(printed(&[command, "-h"]), help);
        assert_eq!(printed(&[command, "--version"]), version);
        assert_eq!(printed(&[command, "-V"]), version);
    }
    assert_eq!(printed(&["help"]), printed(&["--help"]));
}

#[test]
fn the_examples_of_the_help_work() {
    let help = printed(&["--help"]);
    let (_, examples) = help.split_once("\nExamples:\n").unwrap();
    let mut lines = examples.lines().map(|line| line.split_whitespace().skip(1));
    let mut next = || finish(TORRAP.command().args(lines.next().unwrap()));
    let (trial, manifest) = (next(), next());
    assert!(
        trial.code == Some(0) && trial.stdout.contains("hello"),
        "{trial:?}"
    );
    assert!(
        manifest.code == Some(0) && manifest.stdout.contains("url: "),
        "{manifest:?}"
    );
}

#[test]
fn the_manifest_has_the_url_and_what_slack_wants() {
    for url in [
        "https://x.example",
        "https://x.example/",
        "HTTPS://X.example/slack",
    ] {
        let manifest = printed(&["manifest", url]);
        for field in [
            "\n  name: torrap\n",
            "\n  slash_commands:\n    - command: /torrap\n      url: \"https://x.example/slack\"\n",
            "\n      should_escape: true\n",
            "\n      - commands\n",
            "\n  socket_mode_enabled: false\n",
        ] {
            assert!(
                manifest.contains(field),
                "{url}: no {field:?} in {manifest}"
            );
        }
        assert!(!manifest.contains(['\t', '{', '}']), "{manifest}");
    }
    let manifest = printed(&["manifest", "https://x.example:8443/bots/parrot/"]);
    assert!(manifest.contains("url: \"https://x.example:8443/bots/parrot/slack\"\n"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for (args, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["manifest", "https://x.example"], 0),
        // Whether the reply comes right is not known.
        (&["try", "--delay", "0"], 1),
    ] {
        // Closed before the first byte, which `| head` does not manage to be every time.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = TORRAP
            .command()
            .args(args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), stderr.as_str()),
            (Some(code), ""),
            "{args:?}"
        );
    }
}

fn finish_redirected(args: &[&str], to: &str) -> Finished {
    let mut shell = Command::new("sh");
    shell.env_clear();
    shell.args([
        "-c",
        &format!("exec \"$0\" \"$@\" {to}"),
        env!("CARGO_BIN_EXE_torrap"),
    ]);
    finish(shell.args(args))
}

#[test]
fn a_pipe_to_head_shows_its_line() {
    let shell = "\"$0\" --help | head -n 1";
    let mut command = Command::new("sh");
    let finished = finish(command.args(["-c", shell, env!("CARGO_BIN_EXE_torrap")]));
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert!(
        finished.stdout.starts_with("A Slack slash command"),
        "{}",
        finished.stdout
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    for args in [
        &["--help"][..],
        &["--version"],
        &["manifest", "https://x.example"],
        &["try", "--delay", "0"],
    ] {
        let finished = finish_redirected(args, ">/dev/full");
        let line = "torrap: cannot write to standard output: No space left on device (os error 28); \
                    send it somewhere else\n";
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(1), line),
            "{args:?}"
        );
    }
}

#[test]
fn closed_streams_are_no_panic() {
    for args in [
        &["--help"][..],
        &["manifest", "https://x.example"],
        &["try", "--delay", "0"],
    ] {
        let finished = finish_redirected(args, ">&-");
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
    assert_eq!(finish_redirected(&["--nonsense"], "2>&-").code, Some(2));
}

pub fn to_stdout(command: &mut Command, stream: Stdio) {
    command.stdout(stream);
}

/// What a command prints on a stream that is full, does not block, and is read a few bytes at a time.
pub fn read_slowly(
    command: &mut Command,
    redirect: fn(&mut Command, Stdio),
) -> (Option<i32>, String) {
    let (stream, mut unread, filled) = full(true);
    redirect(command.stdout(Stdio::null()).stderr(Stdio::null()), stream);
    let mut child = command.spawn().unwrap();
    // Otherwise it would hold the stream open.
    redirect(command, Stdio::null());
    unread.set_read_timeout(Some(DEADLINE)).unwrap();
    let (mut read, mut piece) = (Vec::new(), [0; 7]);
    loop {
        match unread.read(&mut piece).unwrap() {
            0 => break,
            len => read.extend_from_slice(&piece[..len]),
        }
    }
    let code = poll_for("the exit", || child.try_wait().unwrap()).code();
    (code, String::from_utf8(read.split_off(filled)).unwrap())
}

#[test]
fn a_slow_reader_of_a_stream_that_does_not_block_gets_everything() {
    let to_stderr = |command: &mut Command, stream| {
        command.stderr(stream);
    };
    for args in [
        &["--help"][..],
        &["--version"],
        &["manifest", "https://x.example"],
    ] {
        let (code, text) = read_slowly(TORRAP.command().args(args), to_stdout);
        assert_eq!((code, text), (Some(0), printed(args)), "{args:?}");
    }
    let (code, text) = read_slowly(TORRAP.command().args(["try", "--delay", "0"]), to_stdout);
    assert!(code == Some(0) && text.contains("ok"), "{code:?} {text}");
    let (code, text) = read_slowly(TORRAP.command().arg("check"), to_stdout);
    let checked = finish(TORRAP.command().arg("check"));
    assert_eq!(code, checked.code);
    assert_eq!(text.lines().count(), checked.stdout.lines().count());
    let (code, text) = read_slowly(TORRAP.command().arg("--nonsense"), to_stderr);
    let nonsense = finish(TORRAP.command().arg("--nonsense"));
    assert_eq!((code, text), (nonsense.code, nonsense.stderr));
}
