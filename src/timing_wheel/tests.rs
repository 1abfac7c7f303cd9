//! The wheel against cases that broke others, and against an ordered map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60_000;

/// A wheel at tick `start`, with values that are their own deadlines.
fn wheel_with(start: u64, deadlines: impl IntoIterator<Item = u64>) -> TimingWheel<u64> {
    let mut wheel = TimingWheel::new(Tick(start));
    for deadline in deadlines {
        wheel.schedule(Tick(deadline), deadline);
    }
    wheel
}

fn drain<T>(wheel: &mut TimingWheel<T>, now: u64) -> Vec<T> {
    let mut budget = usize::MAX;
    std::iter::from_fn(|| wheel.expire(Tick(now), &mut budget)).collect()
}

/// How often a wheel that is driven by `next_expiration` alone is woken; each value must be on
/// time.
fn wake_ups(wheel: &mut TimingWheel<u64>) -> usize {
    let mut count = 0;
    while let Some(now) = wheel.next_expiration() {
        count += 1;
        assert!(
            drain(wheel, now.0)
                .iter()
                .all(|&deadline| deadline == now.0)
        );
    }
    assert!(wheel.is_empty());
    count
}

#[test]
fn each_deadline_is_met_to_the_millisecond_on_every_level() {
    for start in [0, 63, 64, 4_095, 262_143, RANGE_MS, 1 << 40] {
        for delay in [
            1,
            2,
            63,
            64,
            65,
            4_095,
            4_096,
            4_097,
            262_144,
            RANGE_MS - 1,
            RANGE_MS,
        ] {
            let mut wheel = wheel_with(start, [start + delay]);
            assert_eq!(
                drain(&mut wheel, start + delay - 1),
                [0; 0],
                "{start} + {delay}"
            );
            assert_eq!(drain(&mut wheel, start + delay), [start + delay]);
            assert!(wheel.is_empty());
        }
    }
}

#[test]
fn the_range_counts_from_the_last_expire() {
    let mut wheel = wheel_with(0, []);
    assert_eq!(drain(&mut wheel, 10 * RANGE_MS), [0; 0]);
    wheel.schedule(Tick(10 * RANGE_MS + 5), 5);
    assert_eq!(wheel.next_expiration(), Some(Tick(10 * RANGE_MS + 5)));
}

#[test]
fn what_has_passed_is_due_at_once() {
    let mut wheel = wheel_with(1_000, [1_000, 0, 999]);
    assert_eq!(wheel.next_expiration(), Some(Tick(1_000)));
    assert_eq!(drain(&mut wheel, 1_000), [1_000, 0, 999]);
    assert_eq!(wheel.next_expiration(), None);
}

#[test]
fn a_deadline_beyond_the_range_is_neither_early_nor_lost() {
    let far = 5 * RANGE_MS - 12_345;
    let mut wheel = wheel_with(7, [far]);
    assert_eq!(wake_ups(&mut wheel), 4 + LEVELS);

    // The longest that needs no extra wake-up: from the end of a slot of the top level to another
    // end.
    let end = (1 << shift(TOP)) - 1;
    assert_eq!(wake_ups(&mut wheel_with(end, [end + RANGE_MS])), LEVELS);
}

#[test]
fn the_last_tick_there_is_does_not_overflow() {
    let start = u64::MAX - 5_000;
    let mut wheel = wheel_with(start, [u64::MAX, u64::MAX - 1]);
    assert_eq!(drain(&mut wheel, u64::MAX - 1), [u64::MAX - 1]);
    wheel.schedule(Tick(u64::MAX), 0);
    assert_eq!(drain(&mut wheel, u64::MAX), [u64::MAX, 0]);
    wheel_with(0, [u64::MAX]).schedule(Tick(u64::MAX), 0);
}

#[test]
fn the_top_level_goes_on_at_its_first_slot() {
    // Both lie in slots numbered below the one that the time is in.
    let start = RANGE_MS - 1;
    let mut wheel = wheel_with(start, [start + 120 * MINUTE, start + 60 * MINUTE]);
    assert_eq!(drain(&mut wheel, start + 59 * MINUTE), [0; 0]);
    assert_eq!(
        drain(&mut wheel, start + 60 * MINUTE),
        [start + 60 * MINUTE]
    );
    assert_eq!(
        drain(&mut wheel, start + 120 * MINUTE),
        [start + 120 * MINUTE]
    );
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let mut wheel = wheel_with(0, [10, 20, 30]);
    assert_eq!(drain(&mut wheel, 20), [10, 20]);
    wheel.schedule(Tick(5), 5);
    assert_eq!(drain(&mut wheel, 19), [0; 0]);
    assert_eq!(drain(&mut wheel, 20), [5]);
    assert_eq!(drain(&mut wheel, 30), [30]);
}

#[test]
fn cancelling_leaves_the_neighbours_and_goes_stale() {
    let mut wheel = TimingWheel::new(Tick(0));
    for deadline in [0, 40, MINUTE, 300 * MINUTE] {
        let keys: Vec<_> = (0..3).map(|n| wheel.schedule(Tick(deadline), n)).collect();
        assert_eq!(wheel.cancel(keys[1]), Some(1));
        assert_eq!(wheel.cancel(keys[1]), None);
        assert_eq!(wheel.cancel(keys[0]), Some(0));
        assert_eq!(wheel.cancel(keys[2]), Some(2));
        assert_eq!(wheel.next_expiration(), None, "{deadline}");
    }
}

#[test]
fn what_is_due_can_be_cancelled_until_it_is_taken() {
    let mut wheel = TimingWheel::new(Tick(0));
    let keys: Vec<_> = (0..3).map(|n| wheel.schedule(Tick(10), n)).collect();
    assert_eq!(wheel.expire(Tick(10), &mut 1), Some(0));
    assert_eq!(wheel.cancel(keys[0]), None);
    assert_eq!(wheel.cancel(keys[1]), Some(1));
    assert_eq!(drain(&mut wheel, 10), [2]);
}

#[test]
fn a_budget_of_one_moves_or_yields_one() {
    // Ten entries, each in need of three moves: from level 3 to 2, to 1, to 0.
    let base = 3 << shift(TOP);
    let deadlines = (0..10).map(|n| base + ((n + 1) << shift(2)) + (1 << shift(1)) + 1);
    let last = deadlines.clone().max().unwrap();
    let mut wheel = wheel_with(0, deadlines.clone());
    let mut yielded = Vec::new();
    for _ in 0..40 {
        assert!(
            wheel.next_expiration().unwrap() <= Tick(last),
            "there is work left at {last}"
        );
        assert_eq!(wheel.expire(Tick(last), &mut 0), None);
        yielded.extend(wheel.expire(Tick(last), &mut 1));
    }
    assert!(yielded.into_iter().eq(deadlines));
    assert!(wheel.is_empty());
}

#[test]
fn a_cascade_in_progress_says_now_and_keeps_the_order() {
    let mut wheel = wheel_with(0, []);
    let keys: Vec<_> = (0..4).map(|n| wheel.schedule(Tick(70), n)).collect();
    assert_eq!(wheel.expire(Tick(100), &mut 2), None); // 0 and 1 moved, 2 and 3 not
    assert_eq!(wheel.next_expiration(), Some(Tick(64)));
    wheel.schedule(Tick(70), 4);
    wheel.schedule(Tick(1), 5);
    wheel.schedule(Tick(101), 6);
    wheel.schedule(Tick(200), 7);
    assert_eq!(wheel.cancel(keys[0]), Some(0));
    assert_eq!(wheel.cancel(keys[2]), Some(2));
    assert_eq!(drain(&mut wheel, 100), [5, 1, 3, 4]);
    assert_eq!(drain(&mut wheel, 200), [6, 7]);
}

#[test]
fn a_cascade_ends_when_its_last_entry_is_cancelled() {
    let mut wheel = wheel_with(0, []);
    wheel.schedule(Tick(70), 0);
    let key = wheel.schedule(Tick(71), 1);
    assert_eq!(wheel.expire(Tick(64), &mut 1), None);
    assert_eq!(wheel.next_expiration(), Some(Tick(64)));
    wheel.cancel(key);
    assert_eq!(wheel.next_expiration(), Some(Tick(70)));
}

#[derive(Clone, Debug)]
enum Step {
    /// So many milliseconds after now, before it if negative.
    Schedule(i64),
    Cancel(prop::sample::Index),
    Advance(u64),
    AdvanceToNext,
    Expire {
        budget: usize,
    },
}

fn span_ms() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..4_u64,
        4 => 0..200_u64,
        3 => 0..10_000_u64,
        2 => 0..10 * MINUTE,
        2 => 0..=RANGE_MS,
        1 => 0..4 * RANGE_MS,
        2 => (0..4_u32, 1..64_u64).prop_map(|(level, n)| n << (6 * level)), // on the boundaries
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => span_ms().prop_map(|ms| Step::Schedule(ms as i64)),
        1 => span_ms().prop_map(|ms| Step::Schedule(-(ms as i64))),
        3 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        3 => span_ms().prop_map(Step::Advance),
        3 => Just(Step::AdvanceToNext),
        4 => prop_oneof![0..4_usize, 0..100_usize].prop_map(|budget| Step::Expire { budget }),
    ]
}

struct Model {
    wheel: TimingWheel<u64>,
    now: u64,
    /// By deadline and order of scheduling: whether it was beyond the range then.
    waiting: BTreeMap<(u64, u64), bool>,
    keys: Vec<(Key, (u64, u64))>,
}

impl Model {
    fn new(start: u64) -> Self {
        let wheel = TimingWheel::new(Tick(start));
        Self {
            wheel,
            now: start,
            waiting: BTreeMap::new(),
            keys: Vec::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Schedule(ms) => {
                let deadline = self.now.saturating_add_signed(ms);
                let sequence = self.keys.len() as u64;
                let place = (deadline.max(self.wheel.elapsed), sequence);
                let key = self.wheel.schedule(Tick(deadline), sequence);
                self.waiting
                    .insert(place, place.0 - self.wheel.elapsed > RANGE_MS);
                self.keys.push((key, place));
            }
            Step::Cancel(_) if self.keys.is_empty() => {}
            Step::Cancel(which) => {
                let (key, place) = self.keys[which.index(self.keys.len())];
                let expected = self.waiting.remove(&place).map(|_| place.1);
                assert_eq!(self.wheel.cancel(key), expected);
            }
            Step::Advance(ms) => self.now += ms,
            Step::AdvanceToNext => {
                let next = self.wheel.next_expiration().map_or(0, |tick| tick.0);
                self.now = self.now.max(next);
            }
            Step::Expire { budget } => self.expire(budget),
        }
        assert_eq!(self.wheel.len(), self.waiting.len());
        assert!(self.wheel.elapsed <= self.now);
        self.check_next_expiration();
    }

    fn expire(&mut self, budget: usize) {
        let mut left = budget;
        let mut yielded = 0;
        while let Some(sequence) = self.wheel.expire(Tick(self.now), &mut left) {
            yielded += 1;
            let (&first, &far) = self.waiting.first_key_value().expect("one expired of none");
            let (_, place) = self.keys[sequence as usize];
            assert!(place.0 <= self.now, "early by {}", place.0 - self.now);
            assert_eq!(place.0, first.0, "before one with an earlier deadline");
            let overtaking = self.waiting.remove(&place).expect("expired once");
            assert!(
                place == first || far || overtaking,
                "before one scheduled earlier"
            );
        }
        assert!(yielded <= budget - left);
        if left > 0 {
            let first = self.waiting.first_key_value();
            assert!(
                first.is_none_or(|(&(deadline, _), _)| deadline > self.now),
                "late"
            );
        }
    }

    fn check_next_expiration(&self) {
        let next = self.wheel.next_expiration();
        assert_eq!(next.is_none(), self.waiting.is_empty());
        if let (Some(next), Some((first, _))) = (next, self.waiting.first_key_value()) {
            assert!(
                next.0 <= first.0,
                "{next:?} is after the first deadline, {}",
                first.0
            );
        }
    }
}

proptest! {
    #[test]
    fn behaves_like_an_ordered_map(
        start in prop_oneof![Just(0), 0..4 * RANGE_MS, 0..1_u64 << 40],
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut model = Model::new(start);
        for step in &steps {
            model.take(step);
        }
        while let Some((&(last, _), _)) = model.waiting.last_key_value() {
            model.now = model.now.max(last);
            model.take(&Step::Expire { budget: 1 });
        }
    }

    #[test]
    fn driven_by_next_expiration_alone_all_is_on_time(
        start in 0..1_u64 << 40,
        delays in prop::collection::vec(
            prop_oneof![1..100_u64, 1..10_000_u64, 1..=RANGE_MS],
            1..20,
        ),
    ) {
        let mut wheel = wheel_with(start, delays.iter().map(|delay| start + delay));
        prop_assert!(wake_ups(&mut wheel) <= LEVELS * delays.len());
    }
}
