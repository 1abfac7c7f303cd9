//! A request that comes again: it is carried out once while its reply is pending.

use test_support::Torrap;
use torrap::tools::trial::stand_in::Answer;

use crate::slash_command::{assert_acknowledged, assert_says};

const REPEATS: usize = 2_000;

/// One request many times, on many connections as well as on one: a proxy that asks again, or an attacker who has it.
#[test]
fn a_request_that_comes_two_thousand_times_has_one_reply() {
    let (torrap, gate) = Torrap::gated(|config| config.max_pending = 2);
    let request = torrap.signed("ecno");
    let mut client = torrap.connect();
    client.send(request.repeat(REPEATS / 2));
    for _ in 0..REPEATS / 2 {
        assert_acknowledged(&client.receive());
    }
    for _ in 0..REPEATS / 2 {
        assert_acknowledged(&torrap.connect().exchange(&request));
    }
    // There is room for others, and a table that others have filled leaves a repeat its 200.
    assert_acknowledged(&client.exchange(torrap.signed("rehto")));
    assert_says(&client.exchange(torrap.signed("ynam oot")), "busy");
    assert_acknowledged(&client.exchange(&request));
    let repeats = torrap
        .log
        .wait_for("DEBUG command 1: came once more", REPEATS);
    assert_eq!(repeats.len(), REPEATS);
    gate.open();
    let mut replies = torrap.replies(2);
    replies.sort();
    assert_eq!(replies, ["once", "other"]);
    let log = torrap.log.clone();
    assert_eq!(torrap.settle().len(), 2);
    // In one line, or in more if the bot needed more than one period of ten seconds for them.
    let sums = log.wait_for("came once more while their replies were pending", 1);
    let sum = |line: &String| line.split(' ').nth(1)?.parse::<usize>().ok();
    assert_eq!(sums.iter().filter_map(sum).sum::<usize>(), REPEATS);
}

/// What is settled is forgotten: the limit is the tolerance for timestamps, as for every request.
#[test]
fn a_request_that_comes_again_after_its_reply_is_a_new_one() {
    let torrap = Torrap::start();
    let request = torrap.signed("niaga");
    for count in 1..=3 {
        assert_acknowledged(&torrap.connect().exchange(&request));
        torrap.log.wait_for(": answered", count);
    }
    assert_eq!(torrap.settle().len(), 3);
}

#[test]
fn a_reply_that_was_refused_is_forgotten_as_well() {
    let torrap = Torrap::with(|_| Answer::status(404, "", ""), |_| {});
    let request = torrap.signed("niaga");
    for count in 1..=2 {
        assert_acknowledged(&torrap.connect().exchange(&request));
        torrap.log.wait_for("not answered", count);
    }
    assert_eq!(torrap.settle().len(), 2);
}

#[test]
fn where_replays_are_allowed_each_of_them_is_carried_out() {
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            config.allow_replays = true;
            config.delay_ms = 300; // all of them are pending together
        },
    );
    let request = torrap.signed("lla");
    let mut client = torrap.connect();
    client.send(request.repeat(50));
    for _ in 0..50 {
        assert_acknowledged(&client.receive());
    }
    assert_eq!(torrap.replies(50), vec!["all"; 50]);
    assert_eq!(torrap.settle().len(), 50);
}
