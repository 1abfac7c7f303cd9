//! `torrap try`: works wherever it is started, and shows how.

use std::process::Command;

use test_support::{Binary, Finished, Scratch, finish, finish_on_terminal};

use crate::TORRAP;

fn run(command: &mut Command) -> Vec<String> {
    let Finished {
        code,
        stdout,
        stderr,
    } = finish(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    stdout.lines().map(str::to_owned).collect()
}

#[test]
fn it_tells_each_step_with_its_time() {
    let lines = run(TORRAP.command().args(["try", "--delay", "0"]));
    let steps = [
        ("torrap", "listens on http://127.0.0.1:"),
        ("Slack", "sends /torrap sdrawkcab si siht"),
        ("torrap", "answers 200 after "),
        ("torrap", "thinking… (0 s)"),
        (
            "torrap",
            "posts {\"text\": \"this is backwards\"} to the response_url",
        ),
        ("ok", "that is what Slack would have shown"),
    ];
    assert_eq!(lines.len(), steps.len(), "{lines:#?}");
    for (line, (who, what)) in lines.iter().zip(steps) {
        let (time, rest) = line.split_once(" s  ").unwrap();
        assert!(time.trim().parse::<f64>().is_ok(), "{line}");
        assert!(
            rest.starts_with(who) && rest[8..].starts_with(what),
            "{line}"
        );
    }
}

#[test]
fn it_takes_any_text() {
    for (words, reply) in [
        (&["olleh"][..], "hello"),
        (&["dlrow", "olleh"], "hello world"),
        (&["--", "-x"], "x-"),
        (&["👍🏽 é"], "é 👍🏽"),
        (&[">lennahc!<"], "&lt;!channel&gt;"),
    ] {
        let lines = run(TORRAP.command().args(["try", "--delay=0"]).args(words));
        let posted = format!("posts {{\"text\": \"{reply}\"}} to");
        assert!(lines[4].contains(&posted), "{words:?}: {lines:#?}");
    }
    let lines = run(TORRAP.command().args(["try", "--delay=0", "help"]));
    assert!(
        lines.iter().any(|line| line.contains("ephemeral")),
        "{lines:#?}"
    );
}

#[test]
fn it_tries_the_first_of_the_commands_under_its_name() {
    let for_all =
        |text| format!("posts {{\"response_type\": \"in_channel\", \"text\": \"{text}\"}}");
    for (args, sends, posts) in [
        (
            &["--commands", "/shout=/yell,/torrap", "hello"][..],
            "sends /yell hello ",
            for_all("HELLO"),
        ),
        (
            &["--in-channel", "olleh"],
            "sends /torrap olleh ",
            for_all("hello"),
        ),
    ] {
        let lines = run(TORRAP.command().args(["try", "--delay=0"]).args(args));
        assert!(lines[1].contains(sends), "{lines:#?}");
        assert!(lines[2].ends_with(", 30 bytes of content"), "{lines:#?}");
        assert!(lines[4].contains(&posts), "{lines:#?}");
        assert!(
            lines[5].contains("that is what Slack would have shown"),
            "{lines:#?}"
        );
    }
    let lines = run(TORRAP
        .command()
        .args(["try", "--delay=0", "help"])
        .env("TORRAP_COMMANDS", "/shout=/yell"));
    assert!(
        lines.iter().any(|line| line.contains("`/yell hello`")),
        "{lines:#?}"
    );
}

#[test]
fn the_bots_own_surroundings_do_not_matter() {
    let mut command = TORRAP.command();
    for (name, value) in [
        ("TORRAP_LISTEN", "bad"),
        ("TORRAP_REPLY_ORIGINS", "bad"),
        ("SLACK_SIGNING_SECRET", ""),
        ("SLACK_SIGNING_SECRET_FILE", "/nowhere"),
        ("SSL_CERT_FILE", "/nowhere"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("TORRAP_DELAY", "0"),
    ] {
        command.env(name, value);
    }
    assert_eq!(run(command.arg("try")).len(), 6);
}

#[test]
fn the_log_is_there_for_who_asks_for_it() {
    let finished = finish(
        TORRAP
            .command()
            .args(["try", "--delay=0"])
            .env("LOG_LEVEL", "debug"),
    );
    assert_eq!(finished.code, Some(0));
    let story = "DEBUG [torrap::app::replies] sending reply: this is backwards\n";
    assert!(finished.stderr.contains(story), "{}", finished.stderr);
}

#[test]
fn on_a_terminal_the_thinking_moves() {
    // The one of util-linux: others take other arguments.
    let version = Command::new("script").arg("--version").output();
    if !version.is_ok_and(|output| output.stdout.windows(10).any(|w| w == b"util-linux")) {
        eprintln!("skipped: there is no script(1) of util-linux to make a terminal");
        return;
    }
    let line = format!("'{}' try --delay 0.65", env!("CARGO_BIN_EXE_torrap"));
    let mut script = Command::new("script");
    script
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .args(["-qec", &line, "/dev/null"]);
    let finished = finish(script.stdin(std::process::Stdio::null()));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for frame in ['⠋', '⠙', '⠹', '⠸'] {
        assert!(
            finished.stdout.contains(frame),
            "no {frame} in {}",
            finished.stdout
        );
    }
    assert!(
        finished
            .stdout
            .contains("that is what Slack would have shown")
    );
    assert!(
        finished.stdout.contains("\r\u{1b}[K"),
        "the last frame is taken away"
    );
}

#[test]
fn a_terminal_that_cannot_write_over_gets_lines_alone() {
    let args = ["try", "--delay", "0.25"];
    let (code, text) = finish_on_terminal(TORRAP.command().args(args).env("TERM", "dumb"));
    assert_eq!((code, text.lines().count()), (Some(0), 6), "{text:?}");
    assert!(!text.contains(['\r', '\u{1b}']), "{text:?}");
}

#[test]
fn a_bot_with_another_name_is_called_by_it() {
    let directory = Scratch::new("names");
    std::fs::create_dir(directory.path()).unwrap();
    for name in ["mybot", "a-bot-with-a-long-name"] {
        let link = directory.join(name);
        std::os::unix::fs::symlink(TORRAP.0, &link).unwrap();
        let link = link.to_str().unwrap();
        let lines = run(Binary(link).command().args(["try", "--delay=0", "olleh"]));
        let columns: Vec<_> = lines
            .iter()
            .map(|line| {
                line.split_once(" s  ")
                    .unwrap()
                    .1
                    .split_at(name.len().max(7) + 1)
            })
            .collect();
        let who: Vec<_> = columns.iter().map(|(who, _)| who.trim_end()).collect();
        assert_eq!(who, [name, "Slack", name, name, name, "ok"], "{lines:#?}");
        assert!(columns[0].1.starts_with("listens on "), "{lines:#?}");
        assert!(columns[5].1.starts_with("that is "), "{lines:#?}");
    }
    let link = directory.join("mybot");
    let mut bot = Binary(link.to_str().unwrap()).start(|_| {});
    let note = bot.connect().exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(note.status, 404);
    assert!(
        note.content
            .starts_with(b"This is mybot, a Slack slash-command bot. ")
    );
    assert_eq!(bot.process.stop(), Some(0));
}

#[test]
fn a_text_cannot_drive_the_terminal() {
    let lines = run(TORRAP
        .command()
        .args(["try", "--delay=0", "a\u{1b}[2J\nb\u{202e}"]));
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(
        lines[1].contains("sends /torrap a\\u{1b}[2J\\nb\\u{202e}  ("),
        "{lines:#?}"
    );
}

#[test]
fn another_command_is_tried_by_its_name() {
    let posts = "posts {\"response_type\": \"in_channel\", \"text\": \"HELLO\"}";
    for args in [
        &["--command", "/shout", "hello"][..],
        &["/shout", "hello"],
        &["/yell hello", "--commands", "/torrap,/shout=/yell"],
    ] {
        let lines = run(TORRAP.command().args(["try", "--delay=0"]).args(args));
        let name = args
            .iter()
            .find_map(|arg| arg.strip_prefix("/yell").map(|_| "/yell"));
        let sends = format!("Slack   sends {} hello ", name.unwrap_or("/shout"));
        assert!(lines[1].contains(&sends), "{lines:#?}");
        assert!(lines[4].contains(posts), "{lines:#?}");
    }
    let lines = run(TORRAP.command().args(["try", "--delay=0", "/shout"]));
    assert!(
        lines[4].contains("\"text\": \"SDRAWKCAB SI SIHT\""),
        "{lines:#?}"
    );
}
