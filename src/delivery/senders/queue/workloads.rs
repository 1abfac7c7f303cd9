//! What the rule for the number of threads comes to, with receivers of many kinds, in virtual time.

use proptest::prelude::*;

use super::super::concurrency::FEW;
use super::model::{Model, THREADS_MOST, Takes};

const SECOND_US: u64 = 1_000_000;
const SIZES: [usize; 7] = [1, 2, 6, 7, 8, 16, THREADS_MOST];

/// Posts for so long what was due from the beginning.
fn backlog(threads_max: usize, takes: Takes<'_>, span_us: u64, turn_us: u64) -> Model<'_> {
    let mut model = Model::new(threads_max, takes);
    model.turn_us = turn_us;
    model.plan_due(0, u32::MAX, 0);
    model.run_until(span_us);
    model
}

/// The percentage of what so many threads could have posted.
fn percent(model: &Model<'_>, threads: usize, takes_us: u64) -> u64 {
    model.posted * 100 / (threads as u64 * model.now_us / takes_us)
}

#[test]
fn all_threads_work_off_a_backlog_of_a_slow_receiver() {
    for takes_us in [1_100, 2_000, 20_000, 100_000, SECOND_US] {
        for threads_max in SIZES {
            for turn_us in [20, 500] {
                let takes = |_, _| takes_us;
                let span_us = SECOND_US.max(10 * takes_us);
                let model = backlog(threads_max, &takes, span_us, turn_us);
                let percent = percent(&model, threads_max, takes_us);
                let what = format!("{takes_us} µs, {threads_max} threads, turns of {turn_us} µs");
                assert!(percent >= 80, "{what}: {percent} %");
                assert!(
                    model.turns <= model.posted + 60,
                    "{what}: {} turns",
                    model.turns
                );
            }
        }
    }
}

#[test]
fn few_threads_work_off_a_backlog_of_a_prompt_receiver() {
    for takes_us in [50, 200, 500, 900] {
        for threads_max in SIZES {
            let takes = |_, _| takes_us;
            let model = backlog(threads_max, &takes, SECOND_US / 5, 20);
            let few = threads_max.min(FEW);
            let percent = percent(&model, few, takes_us);
            let what = format!("{takes_us} µs, {threads_max} threads");
            assert!(percent >= 80, "{what}: {percent} %");
            assert_eq!(model.queue.threads, few, "{what}");
            let (turns, wake_ups) = (model.turns, model.wake_ups);
            assert!(turns <= model.posted + 60, "{what}: {turns} turns");
            assert!(wake_ups <= turns, "{what}: {wake_ups} wake-ups");
        }
    }
}

/// A review comes late since the loop's turns are long: until then the few have posted more than a prompt receiver would get in
/// the time of a review that is not late.
#[test]
fn a_loop_that_is_late_does_not_take_a_slow_receiver_for_a_prompt_one() {
    for (takes_us, turn_us) in [(1_100, 6_000), (1_200, 5_000)] {
        let takes = |_, _| takes_us;
        let model = backlog(THREADS_MOST, &takes, SECOND_US, turn_us);
        let percent = percent(&model, THREADS_MOST, takes_us);
        assert!(percent >= 80, "{takes_us} µs: {percent} %");
    }
}

#[test]
fn while_all_threads_hang_or_are_idle_the_loop_sleeps() {
    let takes = |_, _| 10 * SECOND_US;
    let mut model = backlog(THREADS_MOST, &takes, SECOND_US / 2, 20);
    assert_eq!(model.queue.at_work(), THREADS_MOST);
    let before = model.turns;
    model.run_until(9 * SECOND_US);
    assert_eq!(model.turns, before);
    let mut model = Model::new(THREADS_MOST, &|_, _| 1_000);
    model.plan_due(0, 1_000, 0);
    model.run_until(SECOND_US);
    assert_eq!((model.posted, model.queue.deliveries.len()), (1_000, 0));
    let before = model.turns;
    model.run_until(100 * SECOND_US);
    assert_eq!((model.turns, model.queue.threads), (before, 0));
}

/// All threads but one wait for it.
#[test]
fn a_workspace_that_hangs_delays_others_by_reviews_only() {
    for threads_max in [8, 16, THREADS_MOST] {
        let hanging = threads_max as u32 - 1;
        let takes = |number, _| {
            if number <= hanging {
                10 * SECOND_US
            } else {
                1_000
            }
        };
        let mut model = Model::new(threads_max, &takes);
        model.plan_due(0, hanging, 0);
        (0..3_000).for_each(|number| model.plan_due(SECOND_US / 2 + number * 3_000, 1, 0));
        model.run_until(9 * SECOND_US + SECOND_US * 9 / 10);
        assert_eq!(model.posted, 3_000, "{threads_max} threads");
        assert!(model.waited_ms <= 45, "{} ms", model.waited_ms);
    }
}

#[test]
fn commands_run_at_once_while_the_few_wait_for_a_receiver_that_hangs() {
    let mut model = Model::new(THREADS_MOST, &|_, _| 10 * SECOND_US);
    model.run_us = SECOND_US;
    model.plan_due(0, FEW as u32, 0);
    model.plan_due(1_000, 0, 40);
    model.run_until(2_000);
    assert_eq!((model.queue.running, model.queue.at_work()), (40, 40 + FEW));
}

#[test]
fn commands_on_all_threads_that_they_may_have_delay_no_reply() {
    let mut model = Model::new(THREADS_MOST, &|_, _| 1_000);
    model.run_us = 10 * SECOND_US;
    model.plan_due(0, 0, 100);
    (0..1_000).for_each(|number| model.plan_due(5_000 + number * 1_000, 1, 0));
    model.run_until(2 * SECOND_US);
    assert_eq!((model.queue.running, model.posted), (56, 1_000));
    assert!(model.waited_ms <= 1, "{} ms", model.waited_ms);
}

#[derive(Clone, Debug)]
struct Workload {
    threads_max: usize,
    startable: usize,
    turn_us: u64,
    /// What the receiver takes, in µs: one of these, and from half a second on another.
    before: Vec<u64>,
    after: Vec<u64>,
    run_us: u64,
    /// When so many replies and commands become due.
    due: Vec<(u64, u32, u32)>,
}

fn takes_us() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 50..500_u64,
        4 => 500..3_000_u64,
        2 => 3_000..200_000_u64,
        1 => Just(10 * SECOND_US),
    ]
}

fn workloads() -> impl Strategy<Value = Workload> {
    let receiver = || prop::collection::vec(takes_us(), 1..12);
    let due = (
        0..2 * SECOND_US,
        prop_oneof![0..3_u32, 0..1_500_u32],
        prop_oneof![4 => Just(0), 1 => 0..40_u32],
    );
    (
        1..=THREADS_MOST,
        prop_oneof![3 => Just(usize::MAX), 1 => 0..=THREADS_MOST],
        prop_oneof![Just(20), 20..10_000_u64],
        (receiver(), receiver()),
        takes_us(),
        prop::collection::vec(due, 1..20),
    )
        .prop_map(
            |(threads_max, startable, turn_us, (before, after), run_us, due)| Workload {
                threads_max,
                startable: startable.min(threads_max),
                turn_us,
                before,
                after,
                run_us,
                due,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// [`Model::run_until`] checks at each step that nothing is stuck while a thread is free.
    #[test]
    fn everything_is_posted_once_and_nothing_waits_while_a_thread_may_post(workload in workloads()) {
        let takes = |number: u32, now_us| {
            let kinds = if now_us < SECOND_US / 2 { &workload.before } else { &workload.after };
            kinds[number.wrapping_mul(2_654_435_761) as usize % kinds.len()]
        };
        let mut model = Model::new(workload.threads_max, &takes);
        model.startable = workload.startable;
        model.turn_us = workload.turn_us;
        model.run_us = workload.run_us;
        for &(at_us, replies, commands) in &workload.due {
            model.plan_due(at_us, replies, commands);
        }
        model.run_until(u64::MAX);
        let replies: u64 = workload.due.iter().map(|&(_, replies, _)| u64::from(replies)).sum();
        let commands: u64 = workload.due.iter().map(|&(.., commands)| u64::from(commands)).sum();
        prop_assert_eq!((model.posted + model.unsent, model.ran), (replies, commands));
        prop_assert_eq!((model.queue.threads, model.queue.starting, model.queue.running), (0, 0, 0));
        prop_assert!(workload.startable == 0 || model.unsent == 0);
    }
}
