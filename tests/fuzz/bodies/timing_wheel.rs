//! The timing wheel against an ordered map, through what is public of it.

use std::collections::BTreeSet;

use super::input::Input;
use torrap::slab::Key;
use torrap::time::Tick;
use torrap::timing_wheel::{RANGE_MS, TimingWheel};

/// Deadline and order of scheduling.
type Place = (u64, u64);

struct Model {
    wheel: TimingWheel<u64>,
    now: u64,
    /// Where the wheel stands, at the latest and at the earliest: the times that `expire` was last
    /// called with, and last went through with.
    expired: u64,
    reached: u64,
    waiting: BTreeSet<Place>,
    /// Of those that wait, the ones whose place among others is left open: their deadline had
    /// passed when they were scheduled, or was beyond the range.
    unordered: BTreeSet<u64>,
    scheduled: Vec<(Key, Place)>,
    /// What all calls together have cost, and may cost.
    spent: u64,
    allowed: u64,
}

/// The body: where the clock begins, then steps.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let start = input.u64() >> 24;
    let mut model = Model {
        wheel: TimingWheel::new(Tick(start)),
        now: start,
        expired: start,
        reached: start,
        waiting: BTreeSet::new(),
        unordered: BTreeSet::new(),
        scheduled: Vec::new(),
        spent: 0,
        allowed: 0,
    };
    while !input.is_empty() && model.scheduled.len() < 400 {
        model.step(&mut input);
        assert_eq!(model.wheel.len(), model.waiting.len());
        assert_eq!(model.wheel.is_empty(), model.waiting.is_empty());
        model.check_next_expiration();
    }
    model.run_dry();
}

/// A span of time: near, far, and at the edges of the wheel's slots.
fn span(input: &mut Input<'_>) -> u64 {
    let (choice, value) = (input.byte(), u64::from(input.byte()));
    match choice % 8 {
        0 => value,
        1 => value << 3,
        2 => (1 + value % 63) << (6 * (value % 4)),
        3 => ((1 + value % 63) << (6 * (value % 4))) - 1,
        4 => u64::from(input.u32()) >> 12,
        5 => u64::from(input.u32()) >> 8,
        6 => RANGE_MS - 2 + value % 5,
        _ => u64::from(input.u32()) << 2,
    }
}

impl Model {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0..7 => self.schedule(self.now + span(input)),
            7 => self.schedule(self.now.saturating_sub(span(input))),
            8..10 => self.cancel(usize::from(input.byte())),
            10 => self.now += span(input),
            11..13 => self.now = self.now.max(self.next()),
            13 => self.expire(usize::from(input.byte() % 4)),
            14 => self.expire(usize::from(input.byte())),
            _ => self.expire(usize::MAX),
        }
    }

    fn next(&self) -> u64 {
        self.wheel.next_expiration().map_or(0, |tick| tick.0)
    }

    fn schedule(&mut self, deadline: u64) {
        let sequence = self.scheduled.len() as u64;
        let key = self.wheel.schedule(Tick(deadline), sequence);
        let place = (deadline, sequence);
        self.waiting.insert(place);
        self.scheduled.push((key, place));
        if deadline <= self.expired || deadline - self.reached > SURELY_MS {
            self.unordered.insert(sequence);
        }
        // One to be yielded, three moves, and one more for each round of the top level.
        self.allowed += 4 + deadline.saturating_sub(self.reached) / SURELY_MS;
    }

    fn cancel(&mut self, which: usize) {
        let Some(&(key, place)) = self.scheduled.get(which % self.scheduled.len().max(1)) else {
            return;
        };
        let waits = self.waiting.remove(&place);
        assert_eq!(self.wheel.cancel(key), waits.then_some(place.1));
        assert_eq!(self.wheel.cancel(key), None, "taken back twice");
    }

    fn expire(&mut self, budget: usize) {
        let mut left = budget;
        let mut yielded = 0;
        self.expired = self.expired.max(self.now);
        let mut last: Option<Place> = None;
        while let Some(sequence) = self.wheel.expire(Tick(self.now), &mut left) {
            yielded += 1;
            let (_, place) = self.scheduled[sequence as usize];
            assert!(
                self.waiting.remove(&place),
                "expired twice, or after it was cancelled"
            );
            assert!(place.0 <= self.now, "early by {}", place.0 - self.now);
            if !self.unordered.contains(&sequence) {
                assert!(last.is_none_or(|last| last < place), "out of order");
                last = Some(place);
                let mut earlier = self.waiting.range(..place);
                let open = |place: &Place| self.unordered.contains(&place.1);
                assert!(earlier.all(open), "before one that is due earlier");
            }
        }
        self.spent += (budget - left) as u64;
        assert!(yielded <= budget - left, "for nothing");
        assert!(
            self.spent <= self.allowed,
            "{} spent of {}",
            self.spent,
            self.allowed
        );
        if left > 0 {
            self.reached = self.expired;
            let first = self.waiting.first();
            assert!(first.is_none_or(|first| first.0 > self.now), "late");
        }
    }

    fn check_next_expiration(&self) {
        let next = self.wheel.next_expiration();
        assert_eq!(next.is_none(), self.waiting.is_empty());
        if let (Some(next), Some(first)) = (next, self.waiting.first()) {
            // One that had passed when it was scheduled is met at the next call, whenever that is.
            assert!(
                next.0 <= first.0.max(self.expired),
                "{next:?} is after {}",
                first.0
            );
        }
    }

    /// Driven by `next_expiration` alone, everything comes on time and in few wake-ups.
    fn run_dry(&mut self) {
        self.expire(usize::MAX);
        // For each its own, three that move it, and those at the end of each stretch of the range.
        let far = self.waiting.last().map_or(0, |last| last.0 - self.now);
        let wake_ups = self.waiting.len() as u64 * (4 + far.div_ceil(SURELY_MS));
        for _ in 0..wake_ups {
            if self.waiting.is_empty() {
                break;
            }
            let next = self.next();
            assert!(next > self.now, "no progress");
            self.now = next;
            self.expire(usize::MAX);
        }
        assert!(self.waiting.is_empty(), "too many wake-ups");
    }
}

/// What is surely in range: the slot that the time is in may be nearly over.
const SURELY_MS: u64 = RANGE_MS - RANGE_MS / 63;

/// Timers on each level and beyond, cancelled and not, with time passing in leaps and in steps.
pub fn seeds() -> Vec<Vec<u8>> {
    let start = |byte: u8| [byte, 0, 0, byte, 0xff, 0, 0, 0];
    let mut seeds = Vec::new();
    for choice in 0..8_u8 {
        for begin in [0, 0x3f, 0xff] {
            let mut seed = start(begin).to_vec();
            for value in [0, 1, 3, 62, 63, 64, 200] {
                seed.extend([choice % 7, choice, value, 1, value, 3, 9]);
                seed.extend([10 + value % 3, choice, value / 2, 13, 2]);
            }
            seed.extend([8, 3, 11, 13, 1, 7, 0, 9, 14, 30, 15]);
            seeds.push(seed);
        }
    }
    seeds
}
