//! What was acknowledged, and Redis has lost, while another replica had the job or was thought to have it.

use super::jobs::{a_job_taken_over, two};
use super::*;

fn empty(model: &mut Model) {
    model.keyspace = Default::default();
    model.flush_scripts();
}

/// Another Redis takes the place of the first one: with what this copy has.
fn fail_over(model: &mut Model, copy: &Model, processes: [&mut Process; 2]) {
    *model = copy.clone();
    for process in processes {
        process.server = "2".to_owned();
        process.replica.drop_connection(START);
    }
}

/// The second one has acknowledged a copy of request 1, of which the first one has answered "busy", and which it has in Redis.
fn copied() -> (Model, Model, Process, Process) {
    let (mut model, mut one, mut two) = two();
    let (keys, ticket) = one.accept(&[1], START);
    for _ in 0..3 {
        one.act(Some(&mut model), Fate::AnswerLost, START);
    }
    assert_eq!(one.take_events(), [Event::NotKept(ticket)]);
    one.tell(&[Outcome::Withdrawn { job: keys[0] }], START);
    let before = model.clone();
    let (copies, ticket) = two.accept(&[1], START);
    two.settle(&mut model, START);
    let events = [Event::Duplicate(copies[0]), Event::Kept(ticket)];
    assert_eq!(two.take_events(), events);
    (model, before, one, two)
}

#[test]
fn a_copy_is_posted_by_the_replica_that_has_acknowledged_it_when_redis_was_emptied() {
    let (mut model, _, mut one, mut two) = copied();
    empty(&mut model);
    let later = START.after(1_300);
    two.settle(&mut model, later);
    assert_eq!(two.adopt_all(later), ["1"]);
    one.settle(&mut model, later);
    two.settle(&mut model, later);
    assert_eq!(one.adopt_all(later), Vec::<String>::new());
    assert_eq!((stored(&model), two.replica.kept()), (vec![1], (1, 0)));
    assert_eq!(two.replica.counters(later).put_again, 1);
}

/// The failover has forgotten the mark that makes the first one keep the job.
#[test]
fn a_copy_is_posted_by_either_replica_when_a_failover_has_forgotten_that_one_relies_on_it() {
    for is_first_back_first in [true, false] {
        let (mut model, before, mut one, mut two) = copied();
        fail_over(&mut model, &before, [&mut one, &mut two]);
        let later = START.after(1_300);
        if is_first_back_first {
            one.settle(&mut model, later);
            assert_eq!(stored(&model), Vec::<usize>::new());
        }
        two.settle(&mut model, later);
        one.settle(&mut model, later);
        let adopted = [one.adopt_all(later), two.adopt_all(later)].concat();
        assert_eq!(adopted, ["1"]);
        assert_eq!(stored(&model), [1]);
    }
}

#[test]
fn a_copy_is_kept_until_its_job_is_settled_and_no_longer() {
    let (mut model, mut one, mut two) = two();
    let (keys, _) = one.accept(&[1], START);
    one.settle(&mut model, START);
    two.accept(&[1], START);
    two.settle(&mut model, START);
    let mut now = START;
    for _ in 0..4 {
        now = now.after(1_250);
        one.settle(&mut model, now);
        two.settle(&mut model, now);
    }
    assert_eq!(two.replica.spares.next_seen(9).len(), 1);
    // A lost connection to the same server is no reason to doubt what it has.
    one.tell(&[Outcome::Settled { job: keys[0] }], now);
    one.settle(&mut model, now);
    two.replica.drop_connection(now);
    two.run(&mut model, now, now.after(1_300));
    assert_eq!(two.replica.spares.next_seen(9).len(), 0);
    empty(&mut model);
    two.run(&mut model, now.after(1_301), now.after(5_000));
    assert_eq!(two.adopt_all(now), Vec::<String>::new());
    assert_eq!(stored(&model), Vec::<usize>::new());
}

#[test]
fn what_is_passed_on_is_passed_on_again_when_redis_was_emptied_before_it_was_taken() {
    let (mut model, mut two, later) = a_job_taken_over();
    for _ in 0..2 {
        let events = two.take_events().into_iter();
        let foreign = events.filter_map(|event| match event {
            Event::Adopted(adopted) => Some(adopted.foreign),
            _ => None,
        });
        let declined: Vec<_> = foreign
            .map(|foreign| Outcome::Declined { foreign })
            .collect();
        assert_eq!(declined.len(), 1);
        two.tell(&declined, later);
        two.settle(&mut model, later);
        assert_eq!((stored(&model), two.replica.kept()), (vec![1], (0, 0)));
        empty(&mut model);
        two.settle(&mut model, later.after(1_300));
    }
}

/// The hash of the first one was empty when its lease ran out: Redis had lost its jobs, and had no memory to take them again.
#[test]
fn a_replica_that_was_taken_for_dead_keeps_the_jobs_that_redis_had_lost() {
    let (mut model, mut one, mut two) = two();
    let (keys, ticket) = one.accept(&[1, 2], START);
    one.settle(&mut model, START);
    assert_eq!(one.take_events(), [Event::Kept(ticket)]);
    empty(&mut model);
    model.is_full = true;
    let now = START.after(1_300);
    one.settle(&mut model, now);
    two.run(&mut model, now, now.after(9_000));
    assert_eq!(model.keyspace.set(b"{bots}:dead").len(), 1);
    let now = now.after(9_001);
    one.settle(&mut model, now);
    let lost = keys.iter().copied().collect();
    assert_eq!(one.take_events(), [Event::Fenced(lost)]);
    model.is_full = false;
    one.run(&mut model, now, now.after(600));
    assert_eq!((stored(&model), one.replica.kept()), (vec![2], (2, 0)));
    let settled = keys.iter().map(|job| Outcome::Settled { job: *job });
    one.tell(&settled.collect::<Vec<_>>(), now.after(600));
    one.settle(&mut model, now.after(600));
    assert_eq!(stored(&model), Vec::<usize>::new());
}

/// A failover has forgotten its last job, and the others have taken over what was left, before it is back.
#[test]
fn a_replica_that_was_taken_for_dead_at_a_failover_puts_again_what_the_others_did_not_find() {
    for wait in [0, 1] {
        let mut model = Model {
            acknowledging: 1,
            ..Model::default()
        };
        let (mut one, mut two) = (Process::new(1, wait), Process::new(2, wait));
        one.run(&mut model, Tick(0), START);
        two.settle(&mut model, START);
        one.accept(&[1], START);
        one.settle(&mut model, START);
        let before = model.clone();
        one.accept(&[2], START);
        one.settle(&mut model, START);
        one.take_events();
        fail_over(&mut model, &before, [&mut one, &mut two]);
        let now = START.after(9_000);
        two.run(&mut model, START, now);
        assert_eq!(two.adopt_all(now), ["1"]);
        one.run(&mut model, now, now.after(1_300));
        assert_eq!(one.events.remove(0), Event::Fenced(BTreeSet::new()));
        let expected: &[&str] = if wait == 0 { &["2"] } else { &[] };
        assert_eq!(one.adopt_all(now.after(1_300)), expected);
        assert!(one.replica.spares.next_seen(9).len() <= 1);
    }
}

/// Redis was emptied, and is given jobs 1 and 2 of the first one again, with `wait`. The copy is of a moment
/// before, when it had joined again.
fn put_again() -> (Model, Model, [Process; 2], Tick) {
    let mut model = Model {
        acknowledging: 1,
        ..Model::default()
    };
    let mut processes = [1, 2].map(|number| Process::new(number, 1));
    let [one, two] = &mut processes;
    one.run(&mut model, Tick(0), START);
    one.accept(&[1, 2], START);
    one.settle(&mut model, START);
    empty(&mut model);
    let now = START.after(1_300);
    two.settle(&mut model, now);
    one.settle(&mut model, now);
    assert_eq!(stored(&model), [2]);
    // It joins and puts in one exchange, by two scripts.
    let mut before = model.clone();
    let is_of_jobs = |key: &[u8]| key.starts_with(b"{bots}:jobs:");
    before.keyspace.hashes.retain(|key, _| !is_of_jobs(key));
    one.take_events();
    (model, before, processes, now)
}

/// The other Redis had not received what was put again when it took over, and the others took the first one for dead.
#[test]
fn a_replica_that_was_taken_for_dead_keeps_what_was_put_again_and_no_other_redis_has_confirmed() {
    let (mut model, before, [mut one, mut two], now) = put_again();
    fail_over(&mut model, &before, [&mut one, &mut two]);
    let later = now.after(12_000);
    two.run(&mut model, now, later);
    assert_eq!(two.adopt_all(later), Vec::<String>::new());
    one.run(&mut model, later, later.after(1_300));
    assert_eq!(one.events.remove(0), Event::Fenced(BTreeSet::new()));
    assert_eq!(one.adopt_all(later.after(1_300)), ["1", "2"]);
}

/// The other Redis has confirmed a later command, and with it all before: the others have posted all.
#[test]
fn a_replica_that_was_taken_for_dead_puts_nothing_again_when_another_redis_had_confirmed_all() {
    let (mut model, _, [mut one, mut two], now) = put_again();
    one.accept(&[3], now);
    one.settle(&mut model, now);
    one.take_events();
    let copy = model.clone();
    fail_over(&mut model, &copy, [&mut one, &mut two]);
    let later = now.after(12_000);
    two.run(&mut model, now, later);
    let keys = (two.next_key + 1..).map(|number| Key::from_parts(number, number));
    let settled: Vec<_> = keys.take(3).map(|job| Outcome::Settled { job }).collect();
    assert_eq!(two.adopt_all(later), ["1", "2", "3"]);
    two.tell(&settled, later);
    two.settle(&mut model, later);
    assert_eq!(stored(&model), [0; 0], "posted");
    one.run(&mut model, later, later.after(1_300));
    assert_eq!(one.events.remove(0), Event::Fenced(BTreeSet::new()));
    assert_eq!(one.adopt_all(later.after(1_300)), Vec::<String>::new());
}

/// The same of jobs for which the loop has no key yet: it forgets what it was told of before.
#[test]
fn a_replica_that_was_taken_for_dead_tells_again_of_adopted_jobs_that_redis_had_lost() {
    let (mut model, mut two, later) = a_job_taken_over();
    let events = two.take_events();
    assert!(matches!(&events[..], [Event::Adopted(_)]), "{events:?}");
    empty(&mut model);
    model.is_full = true;
    two.settle(&mut model, later.after(1_300));
    let mut three = Process::new(3, 0);
    three.run(&mut model, later, later.after(12_000));
    model.is_full = false;
    let now = later.after(12_001);
    two.settle(&mut model, now);
    assert_eq!(two.events.remove(0), Event::Fenced(BTreeSet::new()));
    two.run(&mut model, now, now.after(1_000));
    assert_eq!(two.adopt_all(now.after(1_000)), ["1"]);
}

/// Another replica's job moves to one that has withdrawn its own of that name, and not deleted it yet.
#[test]
fn a_taken_job_is_not_lost_with_one_of_the_same_name_that_is_withdrawn() {
    let (mut model, mut one, mut two) = two();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    let mut hashes = model.keyspace.hashes.iter();
    let hash = hashes.find(|(key, _)| key.starts_with(b"{bots}:jobs:"));
    let (name, value) = hash.unwrap().1.first_key_value().unwrap();
    let (name, value) = (name.clone(), value.clone());
    drop(one);
    let mut now = START;
    while !two.replica.may_take() {
        assert!(now < START.after(20_000), "it is taken over");
        now = two.replica.poll_timeout().unwrap().max(now.after(1));
        model.now = EPOCH + now.0;
        two.act(Some(&mut model), Fate::Answered, now);
    }
    let mine = format!("{{bots}}:jobs:{}", two.replica.membership.id()).into_bytes();
    model.keyspace.hset(&mine, &name, &value);
    // The renewal before the take-over comes to others first.
    for number in 0..5_000 {
        let other = Name::numbered([0; 8], number);
        two.replica.deletions.withdraw(other);
    }
    two.replica.deletions.withdraw(Name::read(&name).unwrap());
    two.settle(&mut model, now);
    assert_eq!(
        (two.adopt_all(now), stored(&model)),
        (vec!["1".to_owned()], vec![1])
    );
}
