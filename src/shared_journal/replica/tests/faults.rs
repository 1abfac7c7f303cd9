//! The rows of "what happens when".

use super::*;

/// A second process on the same model, which has joined.
fn other(model: &mut Model, number: u64, now: Tick) -> Process {
    let mut process = Process::new(number, 0);
    process.settle(model, now);
    process
}

#[test]
fn a_batch_is_kept_and_its_jobs_are_there_until_they_are_settled() {
    let (mut model, mut one) = joined();
    assert!(one.replica.is_accepting(START));
    let (keys, ticket) = one.accept(&[1, 2, 0], START);
    one.settle(&mut model, START);
    assert_eq!(one.take_events(), [Event::Kept(ticket)]);
    assert_eq!(stored(&model), [3]);
    let attempted = Outcome::Attempted {
        job: keys[1],
        attempts: 1,
        due: START.after(9_000),
    };
    one.tell(&[Outcome::Settled { job: keys[0] }, attempted], START);
    one.settle(&mut model, START);
    assert_eq!(one.take_events(), [Event::Kept(ticket + 1)]);
    assert_eq!(stored(&model), [2]);
    assert_eq!(one.replica.kept(), (2, 0));
    let name = RequestId(2).0.to_le_bytes();
    let mut hashes = model.keyspace.hashes.values();
    let value = hashes.find_map(|hash| hash.get(name.as_slice())).unwrap();
    let head = Head::read(value).unwrap();
    assert_eq!((head.attempts, head.due.0), (1, EPOCH + START.0 + 9_000));
}

#[test]
fn the_jobs_of_a_replica_that_was_killed_are_taken_over_within_ten_seconds() {
    let (mut model, mut one) = joined();
    let mut two = other(&mut model, 2, START);
    one.accept(&[1, 2, 3], START);
    one.settle(&mut model, START);
    drop(one);
    let mut adopted = Vec::new();
    let mut now = START;
    while adopted.len() < 3 {
        assert!(now < START.after(10_000), "in time");
        now = two.replica.poll_timeout().unwrap().max(now.after(1));
        two.settle(&mut model, now);
        adopted.extend(two.adopt_all(now));
    }
    assert_eq!(adopted, ["1", "2", "3"]);
    assert!(now >= START.after(LEASE_MS), "not before its lease is over");
    two.settle(&mut model, now);
    assert_eq!(
        (stored(&model), two.replica.counters(now).taken_over),
        (vec![3], 3)
    );
    assert_eq!(model.keyspace.set(b"{bots}:replicas").len(), 1);
}

#[test]
fn a_replica_that_was_stopped_asks_before_it_posts_and_forgets_what_others_have() {
    let (mut model, mut one) = joined();
    let mut two = other(&mut model, 2, START);
    let (keys, _) = one.accept(&[1, 2], START);
    one.settle(&mut model, START);
    one.take_events();
    two.run(&mut model, START, START.after(8_000));
    assert_eq!(two.adopt_all(START.after(8_000)), ["1", "2"]);
    let now = START.after(8_001);
    assert!(!one.gate.may_post(now));
    one.settle(&mut model, now);
    assert_eq!(one.take_events(), [Event::Fenced(BTreeSet::new())]);
    assert!(one.gate.may_post(now), "it has a new lease");
    // Its sender comes back with an outcome of what it has no more.
    one.tell(&[Outcome::Settled { job: keys[0] }], now);
    one.settle(&mut model, now);
    assert_eq!(stored(&model), [2]);
    let (_, ticket) = one.accept(&[3], now);
    one.settle(&mut model, now);
    assert_eq!(one.take_events().pop(), Some(Event::Kept(ticket)));
}

#[test]
fn a_batch_that_meets_a_fence_is_kept_under_a_new_name() {
    let (mut model, mut one) = joined();
    let mut two = other(&mut model, 2, START);
    one.accept(&[3], START);
    one.settle(&mut model, START);
    one.take_events();
    two.accept(&[1], START);
    two.run(&mut model, START, START.after(8_000));
    let now = START.after(8_001);
    let (keys, ticket) = one.accept(&[2, 1], now);
    one.settle(&mut model, now);
    // The other replica has a copy of the second request.
    let expected = [
        Event::Fenced(BTreeSet::new()),
        Event::Duplicate(keys[1]),
        Event::Kept(ticket),
    ];
    assert_eq!(one.take_events(), expected);
    let mut stored = stored(&model);
    stored.sort_unstable();
    assert_eq!(stored, [1, 2]);
}

#[test]
fn a_replica_that_is_cut_off_is_busy_and_posts_after_it_has_asked_for_a_second() {
    let (mut model, mut one) = joined();
    one.accept(&[1], START);
    one.settle(&mut model, START);
    one.take_events();
    let until = START.after(5_000);
    one.run_alone(START.after(1), until);
    assert!(!one.replica.is_accepting(until));
    assert!(matches!(one.replica.trouble(), Some(Trouble::NoAnswer(_))));
    assert!(!one.gate.may_post(until) && one.gate.may_post(until.after(1_000)));
    // What comes nevertheless is refused in time.
    let (_, ticket) = one.accept(&[2], until);
    one.run_alone(until, until.after(1_000));
    assert_eq!(one.take_events(), [Event::NotKept(ticket)]);
}

#[test]
fn a_redis_that_hangs_is_tried_twice_within_a_second() {
    let (mut model, mut one) = joined();
    let (_, ticket) = one.accept(&[1], START);
    let mut now = START;
    for _ in 0..2 {
        let Some(Action::Exchange(exchange)) = one.replica.poll_action(now) else {
            panic!("an exchange")
        };
        assert!(exchange.deadline <= now.after(500));
        now = exchange.deadline;
        one.replica.handle_failure("no answer in time", now);
        one.note_events();
        if now == exchange.deadline && one.events.is_empty() {
            assert!(matches!(
                one.replica.poll_action(now),
                Some(Action::Connect { .. })
            ));
            one.replica.handle_connected("1", now);
        }
    }
    assert_eq!(one.take_events(), [Event::NotKept(ticket)]);
    assert!(now <= START.after(1_000));
    // It may have been put nevertheless: it is deleted when Redis answers again.
    assert_eq!(one.replica.kept(), (0, 1));
    one.settle(&mut model, now.after(2_000));
    assert_eq!((one.replica.kept(), stored(&model)), ((0, 0), vec![]));
}

#[test]
fn a_put_whose_answer_is_lost_is_repeated_and_is_no_duplicate_of_itself() {
    let (mut model, mut one) = joined();
    let (_, ticket) = one.accept(&[1], START);
    one.act(Some(&mut model), Fate::AnswerLost, START);
    assert_eq!(one.take_events(), []);
    one.settle(&mut model, START.after(10));
    assert_eq!(one.take_events(), [Event::Kept(ticket)]);
    assert_eq!(stored(&model), [1]);
}

#[test]
fn an_outage_of_the_whole_fleet_is_followed_by_a_grace() {
    let (mut model, mut one) = joined();
    let mut two = other(&mut model, 2, START);
    one.accept(&[1], START);
    one.settle(&mut model, START);
    one.take_events();
    let back = START.after(8_000);
    one.run_alone(START.after(1), back);
    two.run_alone(START.after(1), back);
    // The second one is back first, and the lease of the first one is over.
    two.run(&mut model, back.after(1), back.after(2_000));
    assert_eq!(two.take_events(), []);
    one.settle(&mut model, back.after(2_000));
    assert_eq!(one.take_events(), []);
    assert!(one.replica.is_accepting(back.after(2_000)));
    assert_eq!(
        (stored(&model), two.replica.counters(back).taken_over),
        (vec![1], 0)
    );
}

#[test]
fn a_replica_and_redis_that_die_together_are_taken_over_after_the_grace() {
    let (mut model, mut one) = joined();
    let mut two = other(&mut model, 2, START);
    one.accept(&[1], START);
    one.settle(&mut model, START);
    drop(one);
    model.flush_scripts();
    let back = START.after(8_000);
    two.run_alone(START.after(1), back);
    two.run(&mut model, back.after(1), back.after(LEASE_MS - 100));
    assert_eq!(two.adopt_all(back), Vec::<String>::new());
    let late = back.after(LEASE_MS + 3_000);
    two.run(&mut model, back.after(LEASE_MS), late);
    assert_eq!(two.adopt_all(late), ["1"]);
}

#[test]
fn an_emptied_redis_is_filled_again_from_memory() {
    let (mut model, mut one) = joined();
    let jobs: Vec<u64> = (1..=2_000).collect();
    one.accept(&jobs, START);
    one.settle(&mut model, START);
    one.take_events();
    model.keyspace = Default::default();
    model.flush_scripts();
    let later = START.after(2_000);
    one.settle(&mut model, later);
    assert_eq!((stored(&model), one.take_events()), (vec![2_000], vec![]));
    assert_eq!(one.replica.counters(later).put_again, 2_000);
    assert!(one.replica.is_accepting(later));
}

#[test]
fn with_maxmemory_reached_only_new_commands_are_refused() {
    let (mut model, mut one) = joined();
    let mut two = other(&mut model, 2, START);
    let (keys, _) = one.accept(&[1, 2], START);
    one.settle(&mut model, START);
    two.accept(&[3], START);
    two.settle(&mut model, START);
    drop(two);
    model.is_full = true;
    one.take_events();
    let (_, ticket) = one.accept(&[4], START);
    one.settle(&mut model, START);
    assert_eq!(one.take_events(), [Event::NotKept(ticket)]);
    assert!(!one.replica.is_accepting(START));
    one.tell(&[Outcome::Settled { job: keys[0] }], START);
    let later = START.after(8_000);
    one.run(&mut model, START.after(1), later);
    assert_eq!(one.adopt_all(later), ["3"], "take-over goes on");
    one.settle(&mut model, later);
    assert_eq!(stored(&model), [2]);
    model.is_full = false;
    one.run(&mut model, later, later.after(600));
    assert!(
        one.replica.is_accepting(later.after(600)),
        "it looks by itself"
    );
}

#[test]
fn too_few_confirmations_refuse_new_commands_and_nothing_else() {
    let mut model = Model {
        acknowledging: 1,
        ..Model::default()
    };
    let mut one = Process::new(1, 1);
    one.run(&mut model, Tick(0), START);
    let (keys, ticket) = one.accept(&[1, 2], START);
    one.settle(&mut model, START);
    assert_eq!(one.take_events(), [Event::Kept(ticket)]);
    model.acknowledging = 0;
    let (_, ticket) = one.accept(&[3], START);
    one.settle(&mut model, START);
    assert_eq!(one.take_events(), [Event::NotKept(ticket)]);
    one.tell(&[Outcome::Settled { job: keys[0] }], START);
    one.settle(&mut model, START);
    assert_eq!(
        stored(&model),
        [1],
        "outcomes go on, and what was refused is gone"
    );
    assert!(!one.replica.is_accepting(START));
    let trouble = one.replica.trouble().unwrap().to_string();
    assert!(trouble.contains("wait=1"), "{trouble}");
    assert_eq!(one.replica.counters(START).wait_short, 1);
    model.acknowledging = 1;
    one.run(&mut model, START, START.after(600));
    assert!(one.replica.is_accepting(START.after(600)));
}

#[test]
fn a_replica_that_leaves_is_taken_over_at_once() {
    let (mut model, mut one) = joined();
    let mut two = other(&mut model, 2, START);
    let (keys, _) = one.accept(&[1, 2], START);
    one.settle(&mut model, START);
    one.replica.begin_stop();
    one.settle(&mut model, START);
    assert_eq!(one.take_events().pop(), Some(Event::Recoverable));
    one.tell(&[Outcome::Settled { job: keys[0] }], START);
    one.replica.finish();
    assert!(!one.replica.is_finished());
    one.settle(&mut model, START);
    assert!(one.replica.is_finished() && one.replica.poll_timeout().is_none());
    let soon = START.after(1_300);
    two.run(&mut model, START, soon);
    assert_eq!(two.adopt_all(soon), ["2"]);
    let values = model
        .keyspace
        .hashes
        .values()
        .flat_map(|hash| hash.values());
    let taken_over: Vec<_> = values.filter_map(|value| Head::read(value)).collect();
    assert_eq!(taken_over[0].takeovers, 0, "to leave is no death");
}

#[test]
fn a_replica_without_jobs_leaves_nothing() {
    let (mut model, mut one) = joined();
    one.replica.finish();
    one.settle(&mut model, START);
    assert!(one.replica.is_finished());
    assert_eq!(model.keyspace.set(b"{bots}:replicas").len(), 0);
}

#[test]
fn what_a_failover_forgets_is_put_again_and_what_it_brings_back_is_deleted() {
    let (mut model, mut one) = joined();
    let (keys, _) = one.accept(&[1, 2], START);
    one.settle(&mut model, START);
    let mut behind = model.clone();
    one.accept(&[3], START);
    one.tell(&[Outcome::Settled { job: keys[0] }], START);
    one.settle(&mut model, START);
    one.take_events();
    one.replica.handle_failure("closed", START);
    let later = START.after(1_000);
    one.settle(&mut behind, later);
    assert_eq!(one.take_events(), []);
    assert_eq!((stored(&behind), one.replica.kept()), (vec![2], (2, 0)));
    let names = behind.keyspace.hashes.values().flat_map(|hash| hash.keys());
    let settled = RequestId(1).0.to_le_bytes();
    assert!(names.into_iter().all(|name| *name != settled));
}
