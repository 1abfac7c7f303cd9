//! What a replica must find out, do or do without though the next thing to do has come already.

use super::jobs::two;
use super::*;
use crate::redis::{Reply, ServerError};

/// A take-over that the server executes when the replica has given up, connected again and compared: under load there is
/// always a batch under way.
#[test]
fn what_is_taken_over_late_is_found_under_load() {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    let mut now = START;
    let late = loop {
        now = now.after(100);
        assert!(now < START.after(20_000), "it is taken over");
        model.now = EPOCH + now.0;
        if two.replica.may_take() {
            two.act(Some(&mut model), Fate::Late, now);
            break two.late.take().unwrap();
        }
        two.act(Some(&mut model), Fate::Answered, now);
    };
    // Another process would take them next, but this one comes late.
    two.replica.set_room(0);
    two.settle(&mut model, now);
    model.exchange(&late);
    two.replica.set_room(256);
    for request in 2..20 {
        now = now.after(1_000);
        let (_, ticket) = two.accept(&[request], now);
        two.settle(&mut model, now);
        let events = two.take_events();
        assert!(events.contains(&Event::Kept(ticket)), "{events:?}");
        two.events.extend(events);
        if two.adopt_all(now) == ["1"] {
            return;
        }
    }
    panic!("it is never found");
}

/// A failover has forgotten a job, and a stop begins before the comparison has come to it.
#[test]
fn a_stop_is_told_that_all_is_there_when_all_was_compared() {
    let (mut model, mut one) = joined();
    let forgotten = model.clone();
    let requests: Vec<u64> = (1..=3_000).collect();
    one.accept(&requests, START);
    one.settle(&mut model, START);
    one.take_events();
    let mut model = forgotten;
    one.replica.drop_connection(START.after(100));
    one.replica.begin_stop();
    model.now = EPOCH + START.0 + 200;
    while one.act(Some(&mut model), Fate::Answered, START.after(200)) {
        let is_told = one.take_events().contains(&Event::Recoverable);
        assert!(!is_told || stored(&model) == [3_000], "some are not there");
        if is_told {
            return;
        }
    }
    panic!("it is never told");
}

/// The last outcomes may come in before all is compared.
#[test]
fn a_replica_that_leaves_has_compared_before() {
    let (mut model, mut one) = joined();
    let forgotten = model.clone();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    let mut model = forgotten;
    one.replica.drop_connection(START.after(100));
    one.replica.begin_stop();
    one.replica.finish();
    one.settle(&mut model, START.after(200));
    assert!(one.replica.is_finished());
    assert_eq!(stored(&model), [1]);
}

/// One dead replica whose jobs cannot be taken over, because its key is another program's, is not the fleet's trouble.
#[test]
fn a_take_over_that_is_refused_refuses_no_commands() {
    let (mut model, mut one) = joined();
    model.keyspace.zadd(b"{bots}:replicas", b"odd", 1);
    let mut refused = 0;
    for request in 1..=40 {
        let now = START.after(request * 500);
        model.now = EPOCH + now.0;
        let (_, ticket) = one.accept(&[request], now);
        while let Some(action) = one.replica.poll_action(now) {
            let Action::Exchange(exchange) = action else {
                panic!("the connection stays")
            };
            let is_take = one.replica.take_over.is_under_way();
            let mut replies = model.clone().exchange(&exchange.requests);
            if is_take {
                let error = "WRONGTYPE Operation against a key holding the wrong kind of value";
                *replies.last_mut().unwrap() = Reply::Error(ServerError::parse(error));
                refused += 1;
            } else {
                replies = model.exchange(&exchange.requests);
            }
            assert_eq!(one.replica.handle_replies(replies, now), Next::GoOn);
        }
        one.note_events();
        assert_eq!(one.take_events(), [Event::Kept(ticket)], "{request}");
        assert!(one.replica.is_accepting(now));
    }
    assert!((1..=2).contains(&refused), "{refused} in 20 s");
    let (them, trouble) = one.replica.take_refusal().expect("it is told");
    assert_eq!(them, "odd");
    assert!(trouble.to_string().contains("WRONGTYPE"), "{trouble}");
}

/// Values may be long, and the way to Redis narrow.
#[test]
fn jobs_that_do_not_come_in_time_are_fetched_in_smaller_parts() {
    let (mut model, mut one, mut two) = two();
    let requests: Vec<u64> = (1..=200).collect();
    one.accept(&requests, START);
    one.settle(&mut model, START);
    drop(one);
    let (mut now, mut texts, mut failures) = (START, Vec::new(), 0);
    while texts.len() < requests.len() {
        assert!(now < START.after(60_000), "{} are fetched", texts.len());
        model.now = EPOCH + now.0;
        for actions in 0.. {
            assert!(actions < 100, "it comes to rest");
            let fetched = two.replica.fetchable();
            let fate = match fetched > 5 && two.replica.link.is_up() {
                true => Fate::AnswerLost,
                false => Fate::Answered,
            };
            failures += usize::from(fate == Fate::AnswerLost);
            if !two.act(Some(&mut model), fate, now) {
                break;
            }
        }
        texts.extend(two.adopt_all(now));
        now = two.replica.poll_timeout().unwrap().max(now.after(1));
    }
    assert!(failures < 60, "{failures}");
}

/// An emptied Redis that is full: only this process has what it has acknowledged.
#[test]
fn a_stop_does_not_leave_to_others_what_redis_has_lost() {
    for is_full in [true, false] {
        let (mut model, mut one) = joined();
        one.accept(&[1, 2, 3], START);
        one.settle(&mut model, START);
        one.take_events();
        model.keyspace = Default::default();
        model.is_full = is_full;
        let now = START.after(3_000);
        one.run(&mut model, START, now);
        one.replica.begin_stop();
        one.run(&mut model, now, now.after(299));
        let told: &[Event] = if is_full { &[] } else { &[Event::Recoverable] };
        assert_eq!(one.take_events(), told);
        one.run(&mut model, now.after(300), now.after(400));
        let told: &[Event] = if is_full { &[Event::GivenUp] } else { &[] };
        assert_eq!(one.take_events(), told);
        assert_eq!(one.replica.is_finished(), is_full);
    }
}

/// What Redis has kept it has, as far as is known, when it is away.
#[test]
fn a_stop_leaves_to_others_what_was_kept_when_redis_is_away() {
    let (mut model, mut one) = joined();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    one.take_events();
    one.replica.drop_connection(START);
    one.run_alone(START, START.after(100));
    one.replica.begin_stop();
    one.run_alone(START.after(100), START.after(1_000));
    assert_eq!(one.take_events(), []);
}
