//! How much each level tells.

use std::io::{Read, Write};

#[cfg(target_os = "linux")]
use test_support::{Bot, Process, unix_secs};
use test_support::{SECRET, finish};
#[cfg(target_os = "linux")]
use torrap::slack::request;

use crate::TORRAP;

const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn info_has_the_start_a_line_per_command_and_reply_refusals_and_the_stop() {
    let mut bot = TORRAP.start(|command| {
        command.env_remove("LOG_LEVEL");
    });
    bot.command("olleh");
    bot.process.read_until("answered");
    assert_eq!(bot.connect().exchange(NOWHERE).status, 404);
    assert_eq!(bot.process.stop(), Some(0));
    let listening = format!("listening on http://{}", bot.address);
    let expected = [
        "startup",
        &listening,
        "command 1: /torrap, 5 bytes of text, reply in 0 s, from user U2147483697 in channel C2147483705 of team T0001",
        "command 1: answered",
        "GET /nowhere: refused with 404: no such path",
        "stopping; replies pending: 0, waiting up to 30 s",
        "shutdown",
    ];
    assert_eq!(bot.process.messages(), expected);
}

#[cfg(target_os = "linux")]
#[test]
fn warn_and_error_are_quiet_while_all_is_well_and_off_is_silent() {
    for level in ["warn", "Error", "off", "OFF"] {
        let mut bot = TORRAP.start_silent(Process::start, |command| {
            command.env("LOG_LEVEL", level);
        });
        bot.command("olleh");
        bot.posts(1);
        assert_eq!(bot.connect().exchange(NOWHERE).status, 404);
        assert_eq!(bot.process.stop(), Some(0));
        assert!(
            bot.process.log.is_empty(),
            "{level}: {:#?}",
            bot.process.log
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn undelivered_replies_are_warnings_and_their_number_is_an_error() {
    for (level, lines) in [("warn", 2), ("error", 1), ("off", 0)] {
        let mut bot = TORRAP.start_silent(Process::start, |command| {
            command.args(["--delay", "1000", "--drain", "0"]);
            command.env("LOG_LEVEL", level);
        });
        bot.command("olleh");
        assert_eq!(bot.process.stop(), Some(1), "{level}");
        assert_eq!(
            bot.process.log.len(),
            lines,
            "{level}: {:#?}",
            bot.process.log
        );
    }
}

#[test]
fn a_failed_start_is_told_at_every_level() {
    for level in ["off", "error", "info", "trace"] {
        let mut command = TORRAP.command();
        command
            .env("SLACK_SIGNING_SECRET", SECRET)
            .env("LOG_LEVEL", level);
        let finished = finish(command.args(["--ca-file", "/nowhere/ca.pem"]));
        assert_eq!(finished.code, Some(2), "{level}");
        assert_eq!(
            finished.stderr.lines().count(),
            1,
            "{level}: {}",
            finished.stderr
        );
        assert!(
            finished.stderr.contains("/nowhere/ca.pem"),
            "{level}: {}",
            finished.stderr
        );
    }
}

#[test]
fn a_flood_of_refusals_is_summed_up() {
    const FLOOD: usize = 1_000;
    let mut bot = TORRAP.start(|_| {});
    let mut client = bot.connect();
    let length = client.exchange(NOWHERE).head.len();
    // The answers are waited for too, so that none is left when the stop comes.
    client
        .stream
        .write_all(NOWHERE.repeat(FLOOD - 1).as_bytes())
        .unwrap();
    client
        .stream
        .read_exact(&mut vec![0; length * (FLOOD - 1)])
        .unwrap();
    bot.process.stop();
    let messages = bot.process.messages();
    let refusals: Vec<_> = messages
        .iter()
        .filter(|line| line.contains("refused"))
        .collect();
    assert!((2..=20).contains(&refusals.len()), "{refusals:#?}");
    let own_lines = refusals.len() - 1;
    let sum = format!(
        "refused {} more within 10 s: {0} not found",
        FLOOD - own_lines
    );
    assert_eq!(**refusals[own_lines], sum);
}

/// The messages of a bot at `warn` that has got these requests, one answered before the next.
#[cfg(target_os = "linux")]
fn warnings(requests: impl Fn(&Bot) -> Vec<Vec<u8>>) -> Vec<String> {
    let mut bot = TORRAP.start_silent(Process::start, |command| {
        command.args(["--delay", "1000", "--drain", "0", "--max-pending", "1"]);
        command.env("LOG_LEVEL", "warn");
    });
    let mut client = bot.connect();
    for request in requests(&bot) {
        client.exchange(request);
    }
    bot.process.stop();
    let messages = bot.process.messages().into_iter();
    messages
        .filter(|line| line.contains("refused"))
        .map(str::to_owned)
        .collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_flood_of_busy_is_summed_up_where_its_lines_are() {
    let lines = warnings(|bot| (0..31).map(|_| bot.signed("olleh")).collect());
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert!(lines[..10].iter().all(|line| line.contains("200: busy")));
    assert_eq!(lines[10], "refused 20 more within 10 s: 20 busy");
}

#[cfg(target_os = "linux")]
#[test]
fn who_has_no_secret_cannot_hide_a_warning() {
    let lines = warnings(|bot| {
        let url = format!("{}/commands/1", bot.slack.origin());
        let form = request::form("/torrap", "olleh", &url);
        let request =
            |secret: &str, secs| request::signed(secret.as_bytes(), secs, form.as_bytes());
        let mut requests = vec![NOWHERE.into(); 30];
        requests.extend(vec![request("another", unix_secs()); 30]);
        // Whether signed or not, they are old; only the last one is so by Slack's own word.
        requests.extend(vec![request("another", 1); 30]);
        requests.push(request(SECRET, 1));
        requests
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("the timestamp is stale"), "{lines:#?}");
}
