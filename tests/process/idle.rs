//! A bot that has nothing to do does nothing. Linux tells who woke up.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use crate::bot::{Bot, exchange};
use crate::support::poll_for;

/// How long nothing must happen.
const QUIET: Duration = Duration::from_millis(1500);

/// Where a process listens, for those whose log does not tell it.
pub fn listening_address(pid: u32) -> SocketAddr {
    poll_for("a listening socket", || {
        let sockets = sockets(pid);
        let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, port) = fields[1].split_once(':').unwrap();
            let port = u16::from_str_radix(port, 16).unwrap();
            // 0A is LISTEN; the tenth field is the socket's inode.
            (fields[3] == "0A" && sockets.contains(fields[9]))
                .then(|| (Ipv4Addr::LOCALHOST, port).into())
        })
    })
}

fn sockets(pid: u32) -> BTreeSet<String> {
    // Descriptors come and go while they are listed.
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    targets
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        })
        .collect()
}

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
    let bot = Bot::start(|_| {});
    let names: Vec<String> = at_rest(&bot).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["ctrl-c", "torrap", "torrap-log"]);
}

#[test]
fn neither_an_idle_connection_nor_a_closed_one_wakes_it_up() {
    let bot = Bot::start(|_| {});
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(exchange(&mut bot.connect(), get).status, 200);
    let mut open = bot.connect();
    assert_eq!(exchange(&mut open, get).status, 200);
    assert_eq!(at_rest(&bot).len(), 3);
    assert_eq!(exchange(&mut open, get).status, 200, "it is still there");
}

#[test]
fn connections_for_replies_go_when_there_are_none_for_a_while() {
    let mut bot = Bot::start(|_| {});
    let before = sockets(bot.process.pid()).len();
    bot.command("olleh");
    bot.posts(1);
    bot.process.read_until("answered");
    assert!(
        sockets(bot.process.pid()).len() > before,
        "it is kept for the next"
    );
    // The receiver keeps it open: it is the bot that lets go.
    poll_for("the socket to be closed", || {
        (sockets(bot.process.pid()).len() == before).then_some(())
    });
    bot.command("niaga");
    assert_eq!(
        bot.posts(2).len(),
        2,
        "and takes a new one when it needs one"
    );
}
