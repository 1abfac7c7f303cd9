//! Values that no process can post: each has its end, and the log and `torrap journal` tell of it.

use test_support::{SECRET, poll_for, unix_secs};
use torrap::redis::Reply;
use torrap::shared_journal::{Head, RedisTime};

use super::inspecting::{assert_lines, shown};
use super::redis_server::{RedisServer, is_installed};
use crate::TORRAP;

/// A value that no secret opens, with this first byte, so many take-overs, and an expiry in so many seconds.
fn value(format: u8, takeovers: u8, expires_in: i64) -> Vec<u8> {
    let now = unix_secs() * 1000;
    let head = Head {
        hint: 0,
        takeovers,
        expires: RedisTime(now.saturating_add_signed(expires_in * 1000)),
        due: RedisTime(now),
        attempts: 0,
        is_relied_on: false,
    };
    let mut bytes = head.to_bytes().to_vec();
    bytes[0] = format;
    bytes.resize(100, b'x');
    bytes
}

#[test]
fn values_that_no_process_can_post_are_told_and_hold_up_nothing() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start("odd", &[]);
    let values = [
        ("sealed-1", value(0x10, 0, 600)),
        ("newer--1", value(0x25, 0, 600)),
        ("expired1", value(0x10, 0, -1)),
        ("poison-1", value(0x10, 8, 600)),
        ("far----1", value(0x10, 0, 365 * 24 * 3600)),
        ("short--1", b"x".to_vec()),
    ];
    for (name, value) in &values {
        let parts = [
            b"HSET",
            "{shown}:jobs:gone".as_bytes(),
            name.as_bytes(),
            value,
        ];
        assert_eq!(redis.run_parts(&parts), Reply::Integer(1));
    }
    redis.run("ZADD {shown}:replicas 1 gone");
    let url = format!("redis://{}/0?fleet=shown", redis.address);
    let mut bot = TORRAP.start(|command| {
        command.args(["--journal", &url]);
        command.env("LOG_LEVEL", "info");
        command.env("TORRAP_REDIS_LEASE_MS", "1000");
    });
    for part in [
        "1 replies of dead processes were too late, and are not posted",
        "1 replies are put aside, since all processes that had them died",
        "replies cannot be read",
    ] {
        bot.process.read_until(part);
    }
    bot.command("olleh");
    assert_eq!(bot.posts(1)[0].content, br#"{"text": "hello"}"#);
    poll_for("what is passed on", || {
        let text = shown(&url, &[], Some(SECRET));
        text.contains("  parcel:").then_some(())
    });
    let text = shown(&url, &["--jobs"], Some(SECRET));
    assert_lines(
        &text,
        &["put aside: 3", "unreadable, of no known format: 1"],
    );
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("put aside, of replica gone: "), 3, "{text}");
    assert_eq!(
        count("replica gone: unreadable, of no known format"),
        1,
        "{text}"
    );
    assert_eq!(count("replica parcel:"), 1, "{text}");
}

/// Another program has written it there; a reply of Redis is read up to 1 MiB.
#[test]
fn a_value_that_is_too_long_for_a_reply_keeps_no_process_from_taking_commands() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start("long", &[]);
    let url = format!("redis://{}/0?fleet=shown", redis.address);
    let mut bot = TORRAP.start(|command| {
        command.args(["--journal", &url]);
        command.env("LOG_LEVEL", "info");
        command.env("TORRAP_REDIS_LEASE_MS", "1000");
    });
    let replicas = poll_for("a replica", || {
        let replicas = redis.run("ZRANGE {shown}:replicas 0 -1");
        replicas.array().filter(|all| !all.is_empty())?;
        Some(replicas)
    });
    let id = replicas.array().unwrap()[0].text().unwrap();
    let mut long = value(0x10, 0, 600);
    long.resize(2 << 20, b'x');
    for hash in [id, "newer"] {
        let key = format!("{{shown}}:jobs:{hash}");
        let parts = [b"HSET", key.as_bytes(), b"longlong", &long];
        assert_eq!(redis.run_parts(&parts), Reply::Integer(1));
    }
    bot.process
        .read_until("1 replies cannot be read: those of another signing secret");
    bot.command("olleh");
    assert_eq!(bot.posts(1)[0].content, br#"{"text": "hello"}"#);
    redis.run("ZADD {shown}:replicas 9999999999999 newer");
    let text = shown(&url, &["--jobs"], Some(SECRET));
    assert_lines(&text, &["unreadable, of no known format: 2"]);
    let line = "replica newer: unreadable, of no known format";
    assert!(text.lines().any(|other| other == line), "{text}");
}
