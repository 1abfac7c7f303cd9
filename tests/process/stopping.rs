//! Signals and what the process says with its exit code.

use std::net::TcpListener;

use crate::bot::{Bot, SECRET};
use crate::support::{finish, torrap};

#[test]
fn each_signal_that_asks_for_an_end_is_a_graceful_stop() {
    for name in ["INT", "TERM", "HUP"] {
        let mut bot = Bot::start(|_| {});
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
fn a_reply_that_is_owed_is_sent_before_the_exit() {
    let mut bot = Bot::start(|command| {
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
    let mut bot = Bot::start(|command| {
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

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "INT"), ("INT", "INT")] {
        let mut bot = Bot::start(|command| {
            command.args(["--delay", "1000"]);
        });
        bot.command("olleh");
        bot.process.signal(first);
        bot.process.read_until("stopping; replies pending: 1");
        bot.process.signal(second);
        assert_eq!(bot.process.wait(), Some(1), "{first}, {second}");
    }
}

#[test]
fn a_taken_port_is_one_line_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = torrap();
    command.env("SLACK_SIGNING_SECRET", SECRET);
    let finished = finish(command.args(["--listen", &address]));
    assert_eq!(finished.code, Some(1));
    let line = format!(
        "torrap: --listen {address}: already in use; stop the other server or choose another port\n"
    );
    assert_eq!(finished.stderr, line);
    assert_eq!(finished.stdout, "");
}
