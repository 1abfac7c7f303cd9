//! The journal on a disk that is full or read-only, with the real binary.

use std::fs;

use test_support::{Bot, Finished, Process, SECRET, finish, poll_for};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;
use crate::mounted::Mounted;

/// A bot inside whose journal is there.
fn start(disk: &Mounted, slack: SlackStandIn) -> Bot {
    let command = TORRAP.serve(&slack, |command| {
        command.args(["--journal", disk.path()]);
    });
    Bot::told(Process::start(&mut disk.inside(&command)), slack)
}

/// What a command gets: nothing is an acknowledgement.
fn answer(bot: &Bot, text: &str) -> String {
    let response = bot.connect().exchange(bot.signed(text));
    assert_eq!(response.status, 200);
    String::from_utf8(response.content).unwrap()
}

fn readiness(bot: &Bot) -> (u16, String) {
    let request = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
    let response = bot.connect().exchange(request);
    (
        response.status,
        String::from_utf8(response.content).unwrap(),
    )
}

fn is_failing(bot: &Bot) -> bool {
    readiness(bot)
        == (
            503,
            "{\"ready\":false,\"reason\":\"journal failing\"}".to_owned(),
        )
}

const BUSY: &str = "I am busy, please try again in a moment.";

#[test]
fn a_full_disk_makes_busy_until_there_is_room() {
    let Some(disk) = Mounted::new("full", "64k") else {
        return;
    };
    let mut bot = start(&disk, SlackStandIn::start(|_| Answer::ok()).unwrap());
    bot.command("a");
    let filler = disk.join("filler");
    assert!(
        fs::write(&filler, vec![0; 64 * 1024]).is_err(),
        "it is full"
    );
    let large = "x".repeat(5000);
    assert!(answer(&bot, &large).contains(BUSY));
    assert!(is_failing(&bot));
    let log = bot
        .process
        .read_until("commands are answered \"busy\" until it can be written");
    assert!(log.contains("No space left on device"), "{log}");
    bot.posts(1);
    fs::remove_file(&filler).unwrap();
    poll_for("readiness", || (readiness(&bot).0 == 200).then_some(()));
    assert_eq!(answer(&bot, &large), "", "it is acknowledged");
    bot.process.read_until("journal: writable again");
    bot.posts(2);
    assert_eq!(bot.process.stop(), Some(0));
}

/// A file that is open for writing keeps a file system from being made read-only. So the process has not written yet.
#[test]
fn a_disk_that_becomes_read_only_makes_busy_until_it_can_be_written_again() {
    let Some(disk) = Mounted::new("read-only", "1m") else {
        return;
    };
    let slack = SlackStandIn::start(|_| Answer::ok());
    let mut bot = start(&disk, slack.unwrap());
    assert_eq!(readiness(&bot).0, 200);

    disk.remount("ro");
    assert!(answer(&bot, "c").contains(BUSY));
    assert!(is_failing(&bot));
    let log = bot
        .process
        .read_until("commands are answered \"busy\" until it can be written");
    assert!(log.contains("Read-only file system"), "{log}");

    disk.remount("rw");
    // By itself: no client has sent a command meanwhile.
    poll_for("readiness", || (readiness(&bot).0 == 200).then_some(()));
    bot.process.read_until("journal: writable again");
    bot.command("d");
    bot.posts(1);
    assert_eq!(bot.process.stop(), Some(0));
    assert!(shown(&disk).stdout.contains("pending: 0\n"));
}

fn shown(disk: &Mounted) -> Finished {
    finish(&mut disk.inside(TORRAP.command().args(["journal", disk.path()])))
}

#[test]
fn no_bot_starts_on_a_read_only_disk_and_its_journal_can_be_read() {
    let Some(disk) = Mounted::new("read-only-start", "1m") else {
        return;
    };
    let slack = SlackStandIn::start(|_| Answer::status(503, "Retry-After: 1000\r\n", ""));
    let mut bot = start(&disk, slack.unwrap());
    bot.command("olleh");
    bot.posts(1);
    assert_eq!(bot.process.stop(), Some(0));
    disk.remount("ro");
    let missing = format!("{}/missing", disk.path());
    for path in [disk.path(), &missing] {
        let mut command = TORRAP.command();
        command.env("SLACK_SIGNING_SECRET", SECRET);
        command.args(["--listen", "127.0.0.1:0", "--journal", path]);
        let finished = finish(&mut disk.inside(&command));
        let line = format!(
            "torrap: --journal {path:?}: cannot be used (Read-only file system (os error 30)); \
             give a directory of torrap's own\n"
        );
        assert_eq!((finished.code, finished.stderr), (Some(2), line));
    }
    let mut check = TORRAP.command();
    check.env("SLACK_SIGNING_SECRET", SECRET);
    check.args(["check", "--listen", "127.0.0.1:0", "--journal", disk.path()]);
    check.args(["--reply-origin", "http://127.0.0.1:9"]);
    let told = "failed  journal     --journal ";
    let line = finish(&mut disk.inside(&check)).stdout;
    assert!(
        line.contains(told) && line.contains("Read-only file system"),
        "{line}"
    );
    let finished = shown(&disk);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let begin = "in use: no\npending: 1\n";
    assert!(finished.stdout.starts_with(begin), "{}", finished.stdout);
}
