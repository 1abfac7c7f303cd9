//! Jobs of others: copies of a request, jobs that may not be posted here, lost and late commands.

use super::*;
use crate::store::Adopted;

pub(super) fn adopted(process: &mut Process) -> Vec<Adopted> {
    let events = process.take_events().into_iter();
    let adopted = events.filter_map(|event| match event {
        Event::Adopted(adopted) => Some(*adopted),
        _ => None,
    });
    adopted.collect()
}

pub(super) fn two() -> (Model, Process, Process) {
    let (mut model, one) = joined();
    let mut two = Process::new(2, 0);
    two.settle(&mut model, START);
    (model, one, two)
}

/// The first replica has died, and the second one has its job, 8 s later.
pub(super) fn a_job_taken_over() -> (Model, Process, Tick) {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    let later = START.after(8_000);
    two.run(&mut model, START, later);
    (model, two, later)
}

#[test]
fn a_copy_of_a_request_is_one_job_for_the_fleet_while_it_is_pending() {
    let (mut model, mut one, mut two) = two();
    let (keys, _) = one.accept(&[1], START);
    one.settle(&mut model, START);
    let (copies, ticket) = two.accept(&[2, 1], START);
    two.settle(&mut model, START);
    let expected = [Event::Duplicate(copies[1]), Event::Kept(ticket)];
    assert_eq!(two.take_events(), expected);
    assert_eq!(stored(&model), [1, 1]);
    one.tell(&[Outcome::Settled { job: keys[0] }], START);
    one.settle(&mut model, START);
    let (_, ticket) = two.accept(&[1], START);
    two.settle(&mut model, START);
    assert_eq!(two.take_events(), [Event::Kept(ticket)], "it is settled");
}

/// A proxy repeats at another replica what was answered "busy" at the first one.
#[test]
fn a_copy_is_posted_though_the_first_one_was_answered_busy() {
    let (mut model, mut one, mut two) = two();
    let (keys, ticket) = one.accept(&[1], START);
    for _ in 0..2 {
        one.act(Some(&mut model), Fate::AnswerLost, START);
        one.act(Some(&mut model), Fate::AnswerLost, START);
    }
    assert_eq!(one.take_events(), [Event::NotKept(ticket)]);
    let (copies, ticket) = two.accept(&[1], START);
    two.settle(&mut model, START);
    assert_eq!(
        two.take_events(),
        [Event::Duplicate(copies[0]), Event::Kept(ticket)]
    );
    one.tell(&[Outcome::Withdrawn { job: keys[0] }], START);
    one.settle(&mut model, START.after(1_000));
    assert_eq!(one.adopt_all(START.after(1_000)), ["1"]);
    assert_eq!((stored(&model), one.replica.kept()), (vec![1], (1, 0)));
}

#[test]
fn a_job_that_may_not_be_posted_here_is_handed_to_the_others() {
    let (mut model, mut two, later) = a_job_taken_over();
    let foreign = adopted(&mut two)[0].foreign;
    two.tell(&[Outcome::Declined { foreign }], later);
    two.settle(&mut model, later);
    assert_eq!(two.replica.kept(), (0, 0));
    assert_eq!(stored(&model), [1], "it is not lost");
    two.settle(&mut model, later.after(1_300));
    assert_eq!(
        two.replica.counters(later).processes,
        1,
        "a parcel does not live"
    );
    let mut three = Process::new(3, 0);
    three.settle(&mut model, later);
    three.run(&mut model, later, later.after(29_000));
    assert_eq!(three.adopt_all(later), Vec::<String>::new());
    // Only the third one is left to take it.
    let late = later.after(40_000);
    three.run(&mut model, later.after(29_001), late);
    assert_eq!(three.adopt_all(late), ["1"]);
    let values = model
        .keyspace
        .hashes
        .values()
        .flat_map(|hash| hash.values());
    let mut heads = values.filter_map(|value| Head::read(value));
    let head = heads.next().unwrap();
    assert_eq!(head.takeovers, 1, "only the first one has died");
}

/// A dead replica's job moves to one whose own copy was answered "busy": it must stay.
#[test]
fn a_taken_job_is_not_withdrawn_by_a_copy_that_was_answered_busy() {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    two.run(&mut model, START, START.after(4_900));
    let mut now = START.after(4_900);
    while model.keyspace.set(b"{bots}:replicas").len() == 2 {
        assert!(now < START.after(20_000), "it is taken over");
        now = two.replica.poll_timeout().unwrap().max(now.after(1));
        model.now = EPOCH + now.0;
        let fate = match two.replica.may_take() {
            true => Fate::AnswerLost,
            false => Fate::Answered,
        };
        two.act(Some(&mut model), fate, now);
    }
    // It does not know yet that it has the job.
    let (keys, ticket) = two.accept(&[1], now);
    two.settle(&mut model, now.after(50));
    let texts = two.adopt_all(now.after(50));
    let duplicate = Event::Duplicate(keys[0]);
    let events = two.take_events();
    assert!(
        texts == ["1"] && events.contains(&Event::Kept(ticket)),
        "{events:?}"
    );
    assert!(events.contains(&duplicate), "{events:?}");
    assert_eq!(stored(&model), [1]);
}

#[test]
fn a_lost_take_over_is_found_by_the_next_comparison() {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1, 2], START);
    one.settle(&mut model, START);
    drop(one);
    let mut now = START;
    two.run(&mut model, START, START.after(4_900));
    while model.keyspace.set(b"{bots}:replicas").len() == 2 {
        assert!(now < START.after(20_000), "it is taken over");
        now = two.replica.poll_timeout().unwrap().max(now.after(1));
        model.now = EPOCH + now.0;
        // The one that says whose lease is over has its answer.
        let fate = match two.replica.may_take() {
            true => Fate::AnswerLost,
            false => Fate::Answered,
        };
        two.act(Some(&mut model), fate, now);
    }
    assert_eq!(adopted(&mut two).len(), 0);
    two.settle(&mut model, now.after(2_000));
    assert_eq!(two.adopt_all(now.after(2_000)), ["1", "2"]);
}

/// The bytes lay in the server's buffer while the replica had given up and connected again.
#[test]
fn a_put_that_comes_late_is_found_and_deleted() {
    let (mut model, mut one) = joined();
    let (_, ticket) = one.accept(&[1], START);
    let Some(Action::Exchange(late)) = one.replica.poll_action(START) else {
        panic!("an exchange")
    };
    one.replica.handle_failure("no answer", START);
    one.run_alone(START, START.after(1_000));
    assert_eq!(one.take_events(), [Event::NotKept(ticket)]);
    let now = START.after(2_100);
    one.settle(&mut model, now);
    assert_eq!(one.replica.kept(), (0, 0), "the deletion is confirmed");
    model.exchange(&late.requests);
    assert_eq!(stored(&model), [1]);
    one.run(&mut model, now, now.after(8_000));
    assert_eq!((stored(&model), one.take_events()), (vec![], vec![]));
}

#[test]
fn two_hundred_and_fifty_six_are_taken_at_a_time_and_all_in_the_end() {
    let (mut model, mut one, mut two) = two();
    let requests: Vec<u64> = (1..=1_000).collect();
    one.accept(&requests, START);
    one.settle(&mut model, START);
    one.replica.finish();
    one.settle(&mut model, START);
    let (mut total, mut now) = (0, START);
    for _ in 0..20 {
        now = now.after(1_300);
        two.settle(&mut model, now);
        let adopted = two.adopt_all(now).len();
        assert!(adopted <= 256, "{adopted}");
        total += adopted;
        two.replica.set_room(256);
    }
    assert_eq!((total, stored(&model)), (1_000, vec![1_000]));
    assert_eq!(two.replica.counters(now).taken_over, 1_000);
}

#[test]
fn without_room_nothing_is_taken() {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1, 2, 3], START);
    one.settle(&mut model, START);
    drop(one);
    two.replica.set_room(0);
    let later = START.after(9_000);
    two.run(&mut model, START, later);
    assert_eq!(adopted(&mut two).len(), 0);
    two.replica.set_room(2);
    two.settle(&mut model, later.after(1_300));
    assert_eq!(two.adopt_all(later).len(), 2);
}

#[test]
fn a_job_from_too_many_dead_replicas_is_moved_aside() {
    let (mut model, mut one) = joined();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    let mut now = START;
    let mut takeovers = 0;
    let poisoned = loop {
        let mut next = Process::new(10 + takeovers, 0);
        next.settle(&mut model, now);
        next.run(&mut model, now, now.after(9_000));
        now = now.after(9_000);
        if next.adopt_all(now).is_empty() {
            break next.replica.counters(now).poisoned;
        }
        takeovers += 1;
    };
    assert_eq!((takeovers, poisoned), (8, 1));
    assert_eq!(
        (stored(&model), model.keyspace.hash(b"{bots}:aside").len()),
        (vec![], 1)
    );
}

#[test]
fn an_expired_job_is_dropped_and_none_lives_longer_than_slack_takes_answers() {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    let mut late = model.clone();
    let later = START.after(9_000);
    // Redis's clock is set back by an hour.
    let hour = 3_600_000;
    two.run(&mut model, START, START.after(1_000));
    model.now = EPOCH + later.0 - hour;
    while two.act(Some(&mut model), Fate::Answered, later) {}
    for step in 0..20 {
        model.now = EPOCH + later.0 - hour + step * 1_000;
        while two.act(Some(&mut model), Fate::Answered, later.after(step * 1_000)) {}
    }
    let end = later.after(19_000);
    let adopted = adopted(&mut two);
    assert!(
        adopted
            .iter()
            .all(|adopted| adopted.job().expires_at <= end.after(LIFETIME_MS))
    );
    let mut three = Process::new(3, 0);
    let after = START.after(LIFETIME_MS + 10_000);
    three.run(&mut late, after, after.after(12_000));
    assert_eq!(three.replica.counters(after).expired, 1);
    assert_eq!(three.adopt_all(after), Vec::<String>::new());
}

#[test]
fn a_clock_that_is_set_moves_the_times_of_all_jobs() {
    let (mut model, mut one) = joined();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    let expires = |model: &Model| {
        let values = model
            .keyspace
            .hashes
            .values()
            .flat_map(|hash| hash.values());
        let mut heads = values.filter_map(|value| Head::read(value));
        heads.next().unwrap().expires.0
    };
    let before = expires(&model);
    let now = START.after(2_000);
    let hour = 3_600_000;
    model.now = EPOCH + now.0 + hour;
    while one.act(Some(&mut model), Fate::Answered, now) {}
    assert_eq!(expires(&model), before + hour);
}
