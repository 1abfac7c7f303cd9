//! Many replies at once: which of them wait for others, and over how many connections they go.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use test_support::{Gate, Torrap};
use torrap::tools::trial::stand_in::{Answer, Post};

use crate::slash_command::assert_acknowledged;

/// How many posts there were, and over how many connections they came.
fn posts_and_connections(posts: &[Post]) -> (usize, usize) {
    let connections: BTreeSet<_> = posts.iter().map(|post| post.connection).collect();
    (posts.len(), connections.len())
}

#[test]
fn a_receiver_that_hangs_holds_up_only_its_own_job() {
    let torrap = Torrap::with(
        |post| match post.path.as_str() {
            "/hangs" => Answer::Hang,
            _ => Answer::ok(),
        },
        |config| {
            config.senders = 2;
            config.drain_ms = 0;
        },
    );
    let mut client = torrap.connect();
    assert_acknowledged(&client.exchange(torrap.signed_to("/hangs", "abc")));
    torrap.posts(1);
    for _ in 0..30 {
        assert_acknowledged(&client.exchange(torrap.signed_to("/serves", "abc")));
    }
    torrap.log.wait_for(": answered", 30);
    // Still the first attempt: no other reply has waited for its time-out.
    let attempts = torrap.slack.posts();
    let attempts = attempts.iter().filter(|post| post.path == "/hangs");
    assert_eq!(attempts.count(), 1);
    let stopping = Instant::now();
    assert_eq!(torrap.stop(), 1, "what hangs is the one thing undelivered");
    let took = stopping.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "the hung sender held up the stop for {took:?}"
    );
}

#[test]
fn replies_that_follow_each_other_share_a_connection() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    for count in 1..=30 {
        assert_acknowledged(&client.exchange(torrap.signed("abc")));
        torrap.log.wait_for(": answered", count);
    }
    assert_eq!(posts_and_connections(&torrap.settle()), (30, 1));
}

#[test]
fn a_connection_that_the_receiver_closed_is_replaced() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let torrap = Torrap::with(|_| Answer::Last(ok.to_vec()), |_| {});
    let mut client = torrap.connect();
    for count in 1..=5 {
        assert_acknowledged(&client.exchange(torrap.signed("abc")));
        torrap.log.wait_for(": answered", count);
    }
    assert!(torrap.settle().len() >= 5);
}

#[test]
fn no_more_replies_are_under_way_than_there_are_senders() {
    let (torrap, gate) = Torrap::gated(|config| config.senders = 3);
    let mut client = torrap.connect();
    for _ in 0..20 {
        assert_acknowledged(&client.exchange(torrap.signed("abc")));
    }
    assert_eq!(torrap.posts(3).len(), 3);
    // The loop still answers while all of them wait.
    assert_eq!(torrap.command("help").status, 200);
    assert_eq!(torrap.slack.posts().len(), 3);
    gate.open();
    assert_eq!(posts_and_connections(&torrap.settle()), (20, 3));
}

/// While replies are quick, few threads are at work; when they are not, all of them are.
#[test]
fn slow_receivers_put_all_senders_to_work() {
    let (torrap, gate) = Torrap::gated(|config| config.senders = 20);
    let mut client = torrap.connect();
    let requests: Vec<_> = (0..30).map(|_| torrap.signed("abc")).collect();
    client.send(requests.concat());
    for _ in 0..30 {
        assert_acknowledged(&client.receive());
    }
    assert_eq!(torrap.posts(20).len(), 20);
    gate.open();
    assert_eq!(torrap.settle().len(), 30);
}

#[test]
fn a_reply_behind_busy_senders_is_not_left_to_those_that_hang() {
    let (hanging, serving) = (Gate::default(), Gate::default());
    let gates = (hanging.clone(), serving.clone());
    let torrap = Torrap::with(
        move |post| {
            match post.path.as_str() {
                "/hangs" => gates.0.wait(),
                _ => gates.1.wait(),
            }
            Answer::ok()
        },
        |config| {
            config.senders = 10;
            config.delay_ms = 0;
        },
    );
    let mut client = torrap.connect();
    for path in [["/hangs"; 8].as_slice(), &["/serves"; 2]].concat() {
        assert_acknowledged(&client.exchange(torrap.signed_to(path, "abc")));
    }
    torrap.posts(10);
    assert_acknowledged(&client.exchange(torrap.signed_to("/waits", "abc")));
    // Another turn: by now the reply waits for a sender.
    assert_eq!(torrap.command("help").status, 200);
    serving.open();
    assert_eq!(torrap.posts(11)[10].path, "/waits");
    hanging.open();
    assert_eq!(torrap.settle().len(), 11);
}

/// The goal is 3 s with the default senders; here it is shown, since other work may run beside.
#[test]
fn a_thousand_replies_are_due_at_once() {
    const COUNT: usize = 1_000;
    let round_trip = Duration::from_millis(100);
    let torrap = Torrap::with(
        move |_| {
            Gate::default().wait_at_most(round_trip);
            Answer::ok()
        },
        |config| {
            config.delay_ms = 300;
            config.drain_ms = 20_000;
        },
    );
    let texts: Vec<String> = (0..COUNT).map(|i| format!("{i:04}")).collect();
    let requests: Vec<_> = texts.iter().map(|text| torrap.signed(text)).collect();
    let mut client = torrap.connect();
    client.send(requests.concat());
    for _ in 0..COUNT {
        assert_acknowledged(&client.receive());
    }
    let replies: BTreeSet<_> = torrap.replies(COUNT).into_iter().collect();
    let reversed = |text: &String| text.chars().rev().collect();
    assert_eq!(replies, texts.iter().map(reversed).collect());
    let posts = torrap.settle();
    assert_eq!(posts.len(), COUNT, "each exactly once");
    let at = || posts.iter().map(|post| post.at);
    let took = at().max().unwrap() - at().min().unwrap() + round_trip;
    println!("{COUNT} replies took {took:?}");
}
