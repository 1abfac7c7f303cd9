//! Crashes at every step, on disks that work and on disks that do not.

use crate::number;
use crate::world::{Plan, World};

/// Seeds whose every step is the last of some run, and seeds that crash wherever they will.
const STEPWISE_SEEDS: u64 = 1;
const SEEDS: u64 = 40;

/// Names the run when a check fails.
struct Replay(u64, Plan);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to see it again: TORRAP_SEED={}; {:?}", self.0, self.1);
        }
    }
}

#[derive(Default)]
struct Sums {
    runs: u64,
    steps: u64,
    acknowledged: u64,
    repeated: u64,
}

impl Sums {
    fn run(&mut self, seed: u64, plan: Plan) -> u64 {
        let replay = Replay(seed, plan);
        let mut world = World::new(seed, plan);
        world.run();
        drop(replay);
        let steps = world.disk.with(|disk| disk.steps);
        self.runs += 1;
        self.steps += steps;
        self.acknowledged += world.acknowledged;
        self.repeated += world.repeated;
        steps
    }

    fn print(&self) {
        let Self {
            runs,
            steps,
            acknowledged,
            repeated,
        } = self;
        eprintln!(
            "{runs} runs, {steps} steps: {acknowledged} acknowledged, {repeated} answered again"
        );
        assert!(*acknowledged > 0);
    }
}

fn seeds(default: u64) -> std::ops::Range<u64> {
    let first = number("TORRAP_SEED");
    let default = if first.is_some() { 1 } else { default };
    let count = number("TORRAP_SEEDS").unwrap_or(default);
    let first = first.unwrap_or(0);
    first..first + count
}

#[test]
fn a_crash_at_any_step_loses_nothing() {
    let mut sums = Sums::default();
    for seed in seeds(STEPWISE_SEEDS) {
        for (has_faults, is_small) in [(false, false), (true, false), (false, true), (true, true)] {
            let plan = Plan {
                turns: 12,
                crash_at: None,
                crashes_again: false,
                has_faults,
                is_small,
            };
            let steps = sums.run(seed, plan);
            for step in 1..=steps {
                sums.run(
                    seed,
                    Plan {
                        crash_at: Some(step),
                        crashes_again: seed % 2 == 1,
                        ..plan
                    },
                );
            }
        }
    }
    sums.print();
}

/// A job that was answered busy is found by a start, and lost when the power is cut (589); outcomes
/// stand in a segment that was given up, and the header behind it is torn (31), or in one that was made
/// and failed at once (829); a batch that was cut off comes back (5149, 1743); a number that was in that
/// batch is given out again, and then the first who had it comes back (6033); a segment is given up, and so is the next
/// one, whose header would say where the first ends (5517); a full disk makes room, and the header of the newest segment
/// is torn (100541); the newest header is lost that says that nothing before it counts (19119).
#[test]
fn what_once_failed_holds() {
    for (seed, turns, crash_at, is_small) in [
        (589, 100, 290, false),
        (31, 12, 13, false),
        (829, 100, 230, false),
        (5149, 100, 50, false),
        (1743, 100, 244, true),
        (6033, 100, 34, false),
        (5517, 100, 118, false),
        (100_541, 100, 42, false),
        (19_119, 100, 220, true),
    ] {
        let plan = Plan {
            turns,
            crash_at: Some(crash_at),
            crashes_again: true,
            has_faults: true,
            is_small,
        };
        Sums::default().run(seed, plan);
    }
}

#[test]
fn many_crashes_lose_nothing() {
    let mut sums = Sums::default();
    for seed in seeds(SEEDS) {
        let plan = Plan {
            turns: 100,
            crash_at: Some(1 + seed % 300),
            crashes_again: true,
            has_faults: seed % 2 == 1,
            is_small: seed % 4 >= 2,
        };
        sums.run(seed, plan);
    }
    sums.print();
}
