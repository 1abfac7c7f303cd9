//! A bot that has nothing to do does nothing. Linux tells who woke up.

use std::fs;
use std::thread;
use std::time::Duration;

use test_support::{Bot, kernel, poll_for};

use crate::TORRAP;

/// How long nothing must happen.
const QUIET: Duration = Duration::from_millis(1500);

/// Name of each thread, and how often it has gone to sleep or was put off.
fn threads(pid: u32) -> Vec<(String, u64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let mut threads: Vec<_> = tasks
        .map(|task| {
            let status = fs::read_to_string(task.path().join("status")).unwrap();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap().trim().to_owned()
            };
            let switches = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"];
            let switches = switches.map(|name| field(name).parse::<u64>().unwrap());
            (field("Name:"), switches.iter().sum())
        })
        .collect();
    threads.sort();
    threads
}

/// What the threads do over [`QUIET`], once they have come to rest after a start or a request.
fn at_rest(bot: &Bot) -> Vec<(String, u64)> {
    let pid = bot.process.pid();
    let mut before = threads(pid);
    poll_for("rest", || {
        // An honest wait: that nothing happens for a while is the very subject.
        thread::sleep(QUIET);
        let after = threads(pid);
        let is_quiet = after == before;
        before = after;
        is_quiet.then(|| before.clone())
    })
}

#[test]
fn an_idle_bot_has_three_threads_and_none_of_them_wakes_up() {
    let bot = TORRAP.start(|_| {});
    let names: Vec<String> = at_rest(&bot).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["ctrl-c", "torrap", "torrap-log"]);
}

#[test]
fn neither_an_idle_connection_nor_a_closed_one_wakes_it_up() {
    let bot = TORRAP.start(|_| {});
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(bot.connect().exchange(get).status, 200);
    let mut open = bot.connect();
    assert_eq!(open.exchange(get).status, 200);
    assert_eq!(at_rest(&bot).len(), 3);
    assert_eq!(open.exchange(get).status, 200, "it is still there");
}

#[test]
fn connections_for_replies_go_when_there_are_none_for_a_while() {
    let mut bot = TORRAP.start(|_| {});
    let before = kernel::sockets(bot.process.pid()).len();
    bot.command("olleh");
    bot.posts(1);
    bot.process.read_until("answered");
    assert!(
        kernel::sockets(bot.process.pid()).len() > before,
        "it is kept for the next"
    );
    // The receiver keeps it open: it is the bot that lets go.
    poll_for("the socket to be closed", || {
        (kernel::sockets(bot.process.pid()).len() == before).then_some(())
    });
    bot.command("niaga");
    assert_eq!(
        bot.posts(2).len(),
        2,
        "and takes a new one when it needs one"
    );
}
