//! Signals and what the process says with its exit code.

use std::net::TcpListener;
use std::process::Command;

use test_support::{Bot, Process, SECRET, Scratch, finish, poll_for};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

#[test]
fn each_signal_that_asks_for_an_end_is_a_graceful_stop() {
    for name in ["INT", "TERM", "HUP"] {
        let mut bot = TORRAP.start(|_| {});
        // The address is told last: a signal that comes now finds everything in its place.
        bot.process.signal(name);
        assert_eq!(
            bot.process.wait(),
            Some(0),
            "{name}: {:#?}",
            bot.process.log
        );
        let end = [
            "stopping; replies pending: 0, waiting up to 30 s",
            "shutdown",
        ];
        let messages = bot.process.messages();
        assert_eq!(messages[messages.len() - 2..], end, "{name}");
    }
}

#[test]
fn a_pending_reply_is_sent_before_the_exit() {
    let mut bot = TORRAP.start(|command| {
        command.env("TORRAP_DELAY", "0.7");
    });
    bot.command("olleh");
    assert_eq!(bot.slack.posts().len(), 0, "it is still thinking");
    assert_eq!(bot.process.stop(), Some(0));
    assert_eq!(bot.slack.posts()[0].content, br#"{"text": "hello"}"#);
    let log = bot.process.messages();
    assert!(
        log.contains(&"stopping; replies pending: 1, waiting up to 30.7 s"),
        "{log:#?}"
    );
}

#[test]
fn what_the_drain_time_leaves_undelivered_is_told_line_by_line() {
    let mut bot = TORRAP.start(|command| {
        command.args(["--delay", "1000", "--drain", "0.3"]);
    });
    bot.commands("olleh", 3);
    assert_eq!(bot.process.stop(), Some(1));
    let log = bot.process.messages();
    let undelivered = log
        .iter()
        .filter(|line| line.contains(": not answered, still thinking"));
    assert_eq!(undelivered.count(), 3, "{log:#?}");
    assert!(log.contains(&"3 replies left undelivered"), "{log:#?}");
    assert!(bot.slack.posts().is_empty());
}

/// What begins with a Ctrl-C in a terminal, ends with the service manager, or comes from `timeout`.
#[test]
fn one_stop_that_arrives_several_times_is_one() {
    for names in ["TERM HUP", "INT INT INT", "HUP TERM INT"] {
        let mut bot = TORRAP.start(|command| {
            command.env("TORRAP_DELAY", "0.7");
        });
        bot.command("olleh");
        signal_at_once(bot.process.pid(), names);
        assert_eq!(
            bot.process.wait(),
            Some(0),
            "{names}: {:#?}",
            bot.process.log
        );
        assert_eq!(bot.slack.posts().len(), 1, "{names}");
    }
}

#[test]
fn a_second_stop_ends_it_at_once_and_tells_what_it_leaves() {
    for (first, second) in [("TERM", "INT"), ("INT", "INT")] {
        let mut bot = TORRAP.start(|command| {
            command.args(["--delay", "1000"]);
        });
        bot.commands("olleh", 3);
        assert_eq!(bot.process.stop_twice(first, second), Some(1));
        let log = bot.process.messages();
        let undelivered = log
            .iter()
            .filter(|line| line.contains(": not answered, still thinking"));
        assert_eq!(undelivered.count(), 3, "{log:#?}");
        let end = ["3 replies left undelivered", "shutdown"];
        assert_eq!(log[log.len() - 2..], end, "{log:#?}");
        assert!(
            log.contains(&"stopping at once; replies pending: 3"),
            "{log:#?}"
        );
        let hint = |line: &&&str| line.contains("Ctrl-C");
        assert_eq!(log.iter().find(hint), None, "there is no terminal");
    }
}

#[test]
fn on_a_terminal_the_first_stop_says_what_the_second_does() {
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let mut command = TORRAP.serve(&slack, |command| {
        command.args(["--delay", "1000"]);
    });
    let mut bot = Bot::told(Process::start_on_terminal(&mut command), slack);
    bot.command("olleh");
    bot.process.signal("INT");
    bot.process.read_until("press Ctrl-C again to exit at once");
    bot.process.read_until("stopping; replies pending: 1");
    assert_eq!(bot.process.stop_again("INT"), Some(1));
}

/// `nohup`, and a script's background job.
#[test]
#[cfg(target_os = "linux")] // elsewhere no process is told what it ignores
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let nohup: &[&str] = &["nohup"];
    let script: &[&str] = &["sh", "-c", "trap '' INT; exec \"$0\" \"$@\""];
    let both: &[&str] = &["env", "--block-signal=HUP", "--ignore-signal=HUP"];
    for (name, number, wrapper) in [("HUP", 1, nohup), ("INT", 2, script), ("HUP", 1, both)] {
        let mut bot = TORRAP.start_by(wrapper, |_| {});
        bot.process.signal(name);
        bot.command("olleh");
        bot.posts(1);
        let ready = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(bot.connect().exchange(ready).status, 200, "{name}");
        // Otherwise it might still be on its way.
        assert!(is_pending(&bot.process, number), "{name}");
        assert_eq!(bot.process.stop(), Some(0), "{:#?}", bot.process.log);
    }
}

/// As on systems without `/proc`.
#[test]
#[cfg(target_os = "linux")] // for unshare(1)
fn where_it_is_not_known_what_was_ignored_a_line_says_that_all_signals_stop_it() {
    let hidden = "mount -t tmpfs none /proc && trap '' HUP && exec \"$0\" \"$@\"";
    let namespace = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
    ];
    let can_hide = Command::new(namespace[0])
        .args(&namespace[1..])
        .args(["mount -t tmpfs none /proc"])
        .status();
    if !can_hide.is_ok_and(|status| status.success()) {
        eprintln!("not tested: /proc cannot be hidden here");
        return;
    }
    let wrapper = [&namespace[..], &[hidden]].concat();
    let mut bot = TORRAP.start_by(&wrapper, |_| {});
    let warning = "a signal was ignored when the bot was started, and this system does not tell which: \
                   SIGINT, SIGTERM and SIGHUP all stop it";
    assert!(
        bot.process.messages().contains(&warning),
        "{:#?}",
        bot.process.log
    );
    bot.process.signal("HUP");
    assert_eq!(bot.process.wait(), Some(0));
}

/// As a parent leaves them that handles signals on a thread of its own.
#[test]
#[cfg(target_os = "linux")] // for coreutils
fn a_signal_that_was_blocked_at_the_start_is_heard() {
    for name in ["INT", "TERM", "HUP"] {
        let mut bot = TORRAP.start_by(&["env", "--block-signal"], |_| {});
        bot.process.signal(name);
        assert_eq!(bot.process.wait(), Some(0), "{name}");
    }
}

#[test]
fn a_limit_of_file_sizes_makes_small_segments_and_kills_no_process() {
    let scratch = Scratch::new("file-size");
    std::fs::create_dir(scratch.path()).unwrap();
    let log = scratch.join("log");
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    // POSIX counts in blocks of 512 bytes; bash, where it is the shell, in those of 1024.
    let limited = ["sh", "-c", "ulimit -f 32; exec \"$0\" \"$@\""];
    let journal = scratch.join("journal");
    let mut command = TORRAP.serve_by(&limited, &slack, |command| {
        command.arg("--journal").arg(&journal);
        command.env("LOG_LEVEL", "debug");
    });
    let process = Process::start_unread(command.stderr(std::fs::File::create(&log).unwrap()));
    let address = poll_for("the address", || {
        let text = std::fs::read_to_string(&log).unwrap();
        let (_, rest) = text.split_once("listening on http://")?;
        rest.split_once('\n')?.0.parse().ok()
    });
    let mut bot = Bot {
        process,
        slack,
        address,
    };
    for _ in 0..100 {
        let answer = bot.connect().exchange(bot.signed(&"x".repeat(1_000)));
        assert_eq!((answer.status, answer.content.len()), (200, 0));
    }
    poll_for("a full log", || {
        let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(bot.connect().exchange(get).status, 200);
        let len = std::fs::metadata(&log).unwrap().len();
        [32 * 512, 32 * 1024].contains(&len).then_some(())
    });
    assert_eq!(bot.process.stop(), Some(0));
}

/// Whether it was sent a signal that nothing has come of.
#[cfg(target_os = "linux")]
fn is_pending(process: &Process, number: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask >> (number - 1) & 1 == 1
}

/// All of them from one shell, so that they come within a few milliseconds.
fn signal_at_once(pid: u32, names: &str) {
    let script = "for name in $0; do kill -s \"$name\" \"$1\" || exit; done";
    let status = Command::new("sh")
        .args(["-c", script, names, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_taken_port_is_one_line_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = TORRAP.command();
    command.env("SLACK_SIGNING_SECRET", SECRET);
    let finished = finish(command.args(["--listen", &address]));
    assert_eq!(finished.code, Some(1));
    let line = format!(
        "torrap: --listen {address}: already in use; stop the other server or choose another port\n"
    );
    assert_eq!(finished.stderr, line);
    assert_eq!(finished.stdout, "");
}

/// As in a background job of a script.
#[test]
fn the_test_of_a_signal_passes_where_that_signal_is_ignored() {
    let mut command = Command::new("sh");
    let script =
        "trap '' INT; exec \"$0\" --exact stopping::one_stop_that_arrives_several_times_is_one";
    let finished = finish(
        command
            .args(["-c", script])
            .arg(std::env::current_exe().unwrap()),
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    assert!(finished.stdout.contains("1 passed"), "{}", finished.stdout);
}
