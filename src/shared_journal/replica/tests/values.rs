//! Values that this replica cannot open, or that no replica can.

use super::jobs::{adopted, two};
use super::*;
use crate::shared_journal::RedisTime;

#[test]
fn a_job_of_another_secret_is_handed_to_the_others() {
    let (mut model, mut one) = joined();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    let mut other = Process::with_secrets(2, 0, &[b"a newer secret"]);
    let later = START.after(16_000);
    other.run(&mut model, START, later);
    assert_eq!(adopted(&mut other).len(), 0);
    assert!(other.replica.counters(later).unreadable >= 1);
    assert_eq!((stored(&model), other.replica.kept()), (vec![1], (0, 0)));
    let mut both = Process::with_secrets(3, 0, &[b"a newer secret", SECRET]);
    let late = later.after(70_000);
    both.run(&mut model, later, late);
    assert_eq!(both.adopt_all(late), ["1"]);
}

/// The one that has passed it on sees the end of that lease first, since it has set it.
#[test]
fn what_one_replica_cannot_open_is_taken_by_another_one_that_can() {
    let (mut model, mut one) = joined();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    let mut other = Process::with_secrets(2, 0, &[b"a newer secret"]);
    let later = START.after(9_000);
    other.run(&mut model, START, later);
    let mut both = Process::with_secrets(3, 0, &[b"a newer secret", SECRET]);
    let (mut now, mut adopted) = (later, Vec::new());
    while adopted.is_empty() {
        assert!(now < later.after(40_000), "it is taken over");
        for process in [&mut other, &mut both] {
            let next = process.replica.poll_timeout();
            if next.is_none_or(|next| next <= now) {
                process.settle(&mut model, now);
            }
        }
        adopted = both.adopt_all(now);
        now = now.after(10);
    }
    assert_eq!(adopted, ["1"]);
    assert_eq!(other.replica.counters(now).unreadable, 1, "once");
}

#[test]
fn values_of_a_newer_format_are_left_where_they_are_and_unreadable_ones_moved_aside() {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    let key = model
        .keyspace
        .hashes
        .keys()
        .find(|key| key.starts_with(b"{bots}:jobs:"));
    let key = key.unwrap().clone();
    let now = model.now;
    model
        .keyspace
        .hset(&key, &[2; 8], &value(0x25, now + 60_000));
    model.keyspace.hset(&key, &[3; 8], &[0; 3]);
    model.keyspace.hset(&key, &[4; 8], b"short");
    // No replica will ever open these, and nothing else would end them.
    model.keyspace.hset(&key, &[5; 8], &value(0x15, u64::MAX));
    model
        .keyspace
        .hset(&key, &[6; 8], &value(0x25, now + 3 * LIFETIME_MS));
    drop(one);
    let later = START.after(9_000);
    two.run(&mut model, START, later);
    assert_eq!(two.adopt_all(later), ["1"]);
    assert_eq!(model.keyspace.hash(&key).len(), 1, "the newer one");
    assert_eq!(model.keyspace.hash(b"{bots}:aside").len(), 4);
    assert_eq!(two.replica.counters(later).unreadable, 4);
    let end = START.after(100_000);
    two.run(&mut model, later, end);
    assert_eq!(model.keyspace.hash(&key).len(), 0, "it has expired");
    assert_eq!(two.replica.counters(end).expired, 1);
}

/// A value that cannot be opened and says this of itself.
fn value(format: u8, expires: u64) -> Vec<u8> {
    let head = Head {
        hint: 0,
        takeovers: 0,
        expires: RedisTime(expires),
        due: RedisTime(0),
        attempts: 0,
        is_relied_on: false,
    };
    let mut value = head.to_bytes().to_vec();
    value[0] = format;
    value.resize(100, 7);
    value
}

/// Another replica may have its secret, until it has expired.
#[test]
fn a_value_that_no_replica_can_open_goes_round_until_it_has_expired() {
    let (mut model, mut one) = joined();
    let now = model.now;
    model.keyspace.zadd(b"{bots}:replicas", b"a", 1);
    model
        .keyspace
        .hset(b"{bots}:jobs:a", &[5; 8], &value(0x15, now + 300_000));
    one.run(&mut model, START, START.after(250_000));
    let unreadable = one.replica.counters(START).unreadable;
    assert!((5..=10).contains(&unreadable), "{unreadable} rounds");
    let end = START.after(400_000);
    one.run(&mut model, START.after(250_000), end);
    let counters = one.replica.counters(end);
    assert_eq!((counters.expired, counters.processes), (1, 1));
    assert_eq!(model.keyspace.hashes.len(), 1, "beat and grace");
}

/// What cannot be taken stays, and is named by each renewal.
#[test]
fn many_dead_replicas_that_cannot_be_emptied_hide_no_other_one() {
    let (mut model, mut one, mut two) = two();
    for number in 0..100 {
        let id = format!("{number:016x}");
        let jobs = format!("{{bots}}:jobs:{id}");
        let newer = value(0x25, model.now + 600_000);
        model.keyspace.hset(jobs.as_bytes(), &[2; 8], &newer);
        model.keyspace.zadd(b"{bots}:replicas", id.as_bytes(), 1);
    }
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    let (mut adopted, mut now) = (Vec::new(), START);
    while adopted.is_empty() {
        assert!(now < START.after(20_000), "it is taken over");
        now = two.replica.poll_timeout().unwrap().max(now.after(1));
        two.settle(&mut model, now);
        adopted = two.adopt_all(now);
    }
    assert_eq!(adopted, ["1"]);
    assert_eq!(two.replica.counters(now).processes, 1);
}

/// Another program has written it there, and a reply is not as long.
#[test]
fn a_value_that_is_longer_than_any_is_not_fetched_and_is_put_aside_by_others() {
    let (mut model, mut one) = joined();
    let (_, ticket) = one.accept(&[1], START);
    one.settle(&mut model, START);
    assert_eq!(one.take_events(), [Event::Kept(ticket)]);
    let id = one.replica.name().unwrap().to_owned();
    let mine = format!("{{bots}}:jobs:{id}").into_bytes();
    let mut long = vec![0x10; 2 << 20];
    long[2..10].copy_from_slice(&(EPOCH + 600_000).to_be_bytes());
    model.keyspace.hset(&mine, &[2; 8], &long);
    model.keyspace.hset(&mine, &vec![3; 2 << 20], b"value");
    let passed = START.after(10_000);
    one.run(&mut model, START, passed);
    assert_eq!(one.replica.counters(passed).unreadable, 1);
    assert_eq!(model.keyspace.hash(&mine).len(), 2, "but for its name");
    let later = passed.after(60_000);
    one.run(&mut model, passed, later);
    let aside = model.keyspace.hash(b"{bots}:aside");
    let lengths: Vec<_> = aside.values().map(Vec::len).collect();
    assert_eq!(lengths, [1_024]);
    assert!(one.replica.is_accepting(later));
}

/// Those that no one can empty have the lowest scores.
fn many_dead(model: &mut Model) {
    for number in 0..300 {
        let id = format!("dead{number}");
        let hash = format!("{{bots}}:jobs:{id}").into_bytes();
        let mut newer = [0x25; 60];
        newer[2..10].copy_from_slice(&(EPOCH + 1_800_000).to_be_bytes());
        model.keyspace.hset(&hash, &[1; 8], &newer);
        let replicas = b"{bots}:replicas";
        model.keyspace.zadd(replicas, id.as_bytes(), 0);
    }
}

#[test]
fn more_dead_replicas_than_are_read_at_once_hide_no_other_one() {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    many_dead(&mut model);
    let later = START.after(5 * 60_000);
    two.run(&mut model, START, later);
    assert_eq!(two.adopt_all(later), ["1"]);
}

#[test]
fn a_copy_is_found_beside_many_dead_replicas() {
    let (mut model, mut one, mut two) = two();
    many_dead(&mut model);
    one.accept(&[1], START);
    one.settle(&mut model, START);
    let (keys, ticket) = two.accept(&[1], START);
    two.settle(&mut model, START);
    let events = two.take_events();
    assert_eq!(events, [Event::Duplicate(keys[0]), Event::Kept(ticket)]);
}
