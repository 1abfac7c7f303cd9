//! The graceful stop: pending replies are posted, idle connections are closed, and it ends in time.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use test_support::{Client, DEADLINE, Gate, Torrap};
use torrap::tools::trial::stand_in::Answer;

use crate::draft::Draft;
use crate::slash_command::{assert_acknowledged, undated};

/// A bot whose stop lasts until the gate opens.
fn gated() -> (Torrap, Gate) {
    Torrap::gated(|config| config.drain_ms = 20_000)
}

/// A connection that the loop surely has: one that only waits in the kernel is not its own yet.
fn established(torrap: &Torrap) -> Client {
    let mut client = torrap.connect();
    let health = client.exchange(Draft::new("GET", "/healthz").bytes());
    assert_eq!(health.status, 200);
    client
}

#[track_caller]
fn assert_last(client: &mut Client, status: &str) {
    assert_eq!(
        undated(&client.receive()),
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    );
    assert!(client.rest().is_empty(), "and then it closes");
}

#[test]
fn what_is_still_being_thought_about_is_answered_before_the_end() {
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.delay_ms = 300);
    let mut client = torrap.connect();
    let sent = Instant::now();
    for text in ["one", "two", "three"] {
        assert_acknowledged(&client.exchange(torrap.signed(text)));
    }
    torrap.begin_stop();
    torrap.begin_stop();
    assert!(client.rest().is_empty(), "an idle connection is closed");
    let posts = torrap.settle();
    assert_eq!(posts.len(), 3);
    for post in posts {
        let thought = post.at.duration_since(sent);
        assert!(
            thought >= Duration::from_millis(300),
            "a stop hurries nothing: {thought:?}"
        );
    }
}

#[test]
fn what_waits_for_another_attempt_gets_it() {
    let torrap = Torrap::with(
        {
            let attempts = std::sync::atomic::AtomicUsize::new(0);
            move |_| match attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => Answer::status(503, "", ""),
                _ => Answer::ok(),
            }
        },
        |_| {},
    );
    assert_acknowledged(&torrap.command("abc"));
    torrap.log.wait_for("attempt failed", 1);
    assert_eq!(torrap.settle().len(), 2);
}

#[test]
fn when_the_drain_time_is_over_the_rest_is_counted_and_named() {
    let torrap = Torrap::with(
        |_| Answer::Hang,
        |config| {
            config.delay_ms = 60_000;
            config.drain_ms = 150;
        },
    );
    let mut client = torrap.connect();
    for _ in 0..3 {
        assert_acknowledged(&client.exchange(torrap.signed("abc")));
    }
    let log = torrap.log.clone();
    let stopping = Instant::now();
    assert_eq!(torrap.stop(), 3);
    let took = stopping.elapsed();
    // Ticks are whole milliseconds: a drain time may be a little shorter than its setting.
    assert!(
        took >= Duration::from_millis(145),
        "it waited only {took:?}"
    );
    let lines = log.wait_for("not answered, still thinking; 0 of 5 attempts made", 3);
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_reply_that_is_being_sent_when_the_time_is_over_is_undelivered() {
    let torrap = Torrap::with(|_| Answer::Hang, |config| config.drain_ms = 100);
    assert_acknowledged(&torrap.command("abc"));
    torrap.posts(1);
    let log = torrap.log.clone();
    let stopping = Instant::now();
    assert_eq!(torrap.stop(), 1);
    let took = stopping.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "not until the attempt's own end: {took:?}"
    );
    log.wait_for("being sent; 1 of 5 attempts made", 1);
}

#[test]
fn with_nothing_pending_a_stop_waits_for_nothing() {
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.drain_ms = 60_000);
    let mut idle = established(&torrap);
    let mut silent = torrap.connect();
    assert_acknowledged(&torrap.command("abc"));
    torrap.log.wait_for(": answered", 1);
    let stopping = Instant::now();
    assert_eq!(torrap.settle().len(), 1);
    assert!(stopping.elapsed() < DEADLINE);
    assert!(idle.rest().is_empty() && silent.rest().is_empty());
}

#[test]
fn while_draining_no_connection_is_accepted_and_idle_ones_are_closed() {
    let (torrap, gate) = gated();
    let mut idle = established(&torrap);
    assert_acknowledged(&torrap.command("abc"));
    torrap.posts(1);
    torrap.begin_stop();
    assert!(
        idle.rest().is_empty(),
        "it is closed while a reply is pending"
    );
    let refused = TcpStream::connect(torrap.address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(torrap.slack.posts().len(), 1);
    gate.open();
    assert_eq!(torrap.settle().len(), 1);
}

#[test]
fn a_request_that_has_begun_is_still_answered() {
    let (torrap, gate) = gated();
    let [first, second, third] = [(); 3].map(|()| torrap.signed("abc"));
    let chunked = {
        let url = format!("{}/commands/2", torrap.slack.origin());
        let form = torrap::slack::request::form("/torrap", "def", &url);
        Draft::signed(form).chunked(20)
    };
    let bad = Draft::new("GET", "/nowhere").bytes();
    // In the middle of the request line, of the fields, of the content; each from its own client.
    let cut = [
        (&first, 7, "200 OK"),
        (&second, 150, "200 OK"),
        (&third, third.len() - 1, "200 OK"),
        (&chunked, chunked.len() - 60, "200 OK"),
        (&bad, 3, "404 Not Found"),
    ];
    let mut clients: Vec<Client> = cut.iter().map(|_| established(&torrap)).collect();
    let mut idle = established(&torrap);
    assert_acknowledged(&torrap.command("pending"));
    for (client, (request, at, _)) in clients.iter_mut().zip(&cut) {
        client.send(&request[..*at]);
    }
    torrap.begin_stop();
    assert!(idle.rest().is_empty(), "the stop has begun");
    for (client, (request, at, status)) in clients.iter_mut().zip(&cut) {
        client.send(&request[*at..]);
        assert_last(client, status);
    }
    gate.open();
    let posts = torrap.settle();
    assert_eq!(posts.len(), 5, "and what it asked for is done: {posts:?}");
}

#[test]
fn a_request_that_never_ends_does_not_outlast_the_drain_time() {
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.drain_ms = 200);
    let mut client = established(&torrap);
    client.send("POST /slack HTTP/1.1\r\nHost: tor");
    let stopping = Instant::now();
    assert!(torrap.settle().is_empty());
    let took = stopping.elapsed();
    assert!(
        took >= Duration::from_millis(195),
        "it is waited for: {took:?}"
    );
    assert!(took < Duration::from_secs(10), "but not for ever: {took:?}");
    assert!(client.rest().is_empty());
}

#[test]
fn an_unauthenticated_byte_holds_up_a_stop_for_a_moment_only() {
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.drain_ms = 60_000);
    let mut client = established(&torrap);
    client.send("P");
    let stopping = Instant::now();
    assert!(torrap.settle().is_empty());
    let took = stopping.elapsed();
    assert!(took < Duration::from_secs(20), "not for --drain: {took:?}");
}
