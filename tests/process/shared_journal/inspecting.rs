//! What people are shown of the journal of a bot that runs, and of one that has died.

use test_support::{Finished, SECRET, SECRET_PATH, finish, poll_for};

use super::redis_server::{RedisServer, is_installed};
use crate::TORRAP;

/// What the bot prints about this journal when it is called like this.
fn torrap(arguments: &[&str], secret: Option<&str>) -> Finished {
    let mut command = TORRAP.command();
    if let Some(secret) = secret {
        command.env("SLACK_SIGNING_SECRET", secret);
    }
    finish(command.args(arguments))
}

/// Lines of the report, without secrets.
pub(super) fn shown(url: &str, more: &[&str], secret: Option<&str>) -> String {
    let finished = torrap(&[&["journal", url], more].concat(), secret);
    let text = finished.stdout;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        !text.contains(SECRET_PATH) && !text.contains("olleh"),
        "{text}"
    );
    text
}

pub(super) fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|it| it == *line), "no {line:?} in {text}");
    }
}

#[test]
fn the_journal_of_a_fleet_is_shown_while_it_is_used() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start("inspect", &[]);
    let url = format!("redis://{}/0?fleet=shown", redis.address);
    let bot = TORRAP.start(|command| {
        command.args(["--journal", &url, "--delay", "600"]);
        command.env("TORRAP_REDIS_LEASE_MS", "1000");
    });
    for _ in 0..3 {
        bot.command("olleh");
    }
    let text = shown(&url, &[], None);
    assert_lines(
        &text,
        &["replicas: 1", "pending: 3", "  due now: 0", "put aside: 0"],
    );
    let replica = text.lines().nth(2).unwrap();
    assert!(
        replica.contains(": lives, lease ends in ") && replica.ends_with(", pending: 3"),
        "{text}"
    );

    let jobs = |secret| {
        let text = shown(&url, &["--jobs"], secret);
        text.lines()
            .filter(|line| line.starts_with("replica "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let opened = jobs(Some(SECRET));
    let end = format!(", /torrap to {}, 5 bytes of text", bot.slack.origin());
    assert!(
        opened.len() == 3 && opened.iter().all(|line| line.ends_with(&end)),
        "{opened:?}"
    );
    let other = jobs(Some("0123456789abcdef0123456789abcdef"));
    assert!(
        other
            .iter()
            .all(|line| line.ends_with("sealed with another signing secret, or damaged")),
        "{other:?}"
    );
    assert!(
        jobs(None)
            .iter()
            .all(|line| line.ends_with("taken over: 0"))
    );

    // A check beside it changes nothing.
    let check = torrap(
        &["check", "--listen", "127.0.0.1:0", "--journal", &url],
        Some(SECRET),
    );
    let line = check.stdout.lines().find(|line| line.contains(" journal "));
    let line = line.unwrap_or_else(|| panic!("{}", check.stdout));
    assert!(
        line.starts_with("ok ") && line.contains(" can be used; "),
        "{line}"
    );
    assert_lines(&shown(&url, &[], None), &["replicas: 1", "pending: 3"]);

    bot.process.signal("KILL");
    poll_for("the end of its lease", || {
        let text = shown(&url, &[], None);
        let line = text.lines().nth(2).unwrap().to_owned();
        (line.contains(": dead, lease ended ") && line.ends_with(" s ago, pending: 3"))
            .then_some(())
    });
}
