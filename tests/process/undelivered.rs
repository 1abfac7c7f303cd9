//! Far more undelivered replies than the log's queue holds: each has its line all the same.

use std::collections::BTreeSet;
use std::process::Command;

use test_support::{Bot, Process};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

/// More than twice what waits in the queue.
const COUNT: usize = 20_000;

fn thinking_for_long(command: &mut Command) {
    command.args(["--delay", "1000", "--drain", "0"]);
    command.env("LOG_LEVEL", "info");
}

#[test]
fn each_of_many_has_a_line_of_its_own() {
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let process = Process::start_read_slowly(&mut TORRAP.serve(&slack, thinking_for_long));
    let mut bot = Bot::told(process, slack);
    bot.commands("olleh", COUNT);
    assert_eq!(bot.process.stop(), Some(1));
    let log = bot.process.messages();
    let undelivered: BTreeSet<&str> = log
        .iter()
        .copied()
        .filter(|line| line.starts_with("command ") && line.contains(": not answered, "))
        .collect();
    assert_eq!(undelivered.len(), COUNT);
    let end = ["20000 replies left undelivered", "shutdown"];
    assert_eq!(log[log.len() - 2..], end);
}
