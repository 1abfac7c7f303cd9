//! What a timer costs, and that it costs the same beside a million others.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use test_support::generator::Generator;
use torrap::time::Tick;
use torrap::timing_wheel::{RANGE_MS, TimingWheel};

const PENDING: [u64; 3] = [0, 100_000, 1_000_000];
const BATCH: u64 = 256;
const CASCADED: u64 = 100_000;
const HOUR_MS: u64 = 3_600_000;
const DELAY_MS_MAX: u64 = 1_800_000;

criterion_group!(
    benches,
    schedule_cancel,
    schedule_expire,
    turn_over,
    cascade
);
criterion_main!(benches);

/// An idle timeout that is armed and taken back.
fn schedule_cancel(c: &mut Criterion) {
    let mut group = c.benchmark_group("schedule_cancel");
    group.throughput(Throughput::Elements(1));
    for pending in PENDING {
        let mut wheel = wheel_with(pending, HOUR_MS, RANGE_MS);
        group.bench_function(BenchmarkId::from_parameter(pending), |b| {
            b.iter(|| {
                let key = wheel.schedule(black_box(Tick(30_000)), 0);
                wheel.cancel(black_box(key))
            });
        });
    }
    group.finish();
}

/// A short timer, beside others that stay where they are: 256 in each millisecond.
fn schedule_expire(c: &mut Criterion) {
    let mut group = c.benchmark_group("schedule_expire");
    group.throughput(Throughput::Elements(BATCH));
    for pending in PENDING {
        let mut wheel = wheel_with(pending, HOUR_MS, RANGE_MS);
        let mut now = Tick(0);
        group.bench_function(BenchmarkId::from_parameter(pending), |b| {
            b.iter(|| {
                for value in 0..BATCH {
                    wheel.schedule(now.after(5), value);
                }
                now = now.after(1);
                expire_all(&mut wheel, now)
            });
        });
    }
    group.finish();
}

/// A long timer's whole life, cascades included: for each that expires, another is scheduled.
fn turn_over(c: &mut Criterion) {
    let mut group = c.benchmark_group("turn_over");
    group.throughput(Throughput::Elements(1));
    for pending in [1, 100_000, 1_000_000] {
        let mut wheel = wheel_with(pending, 1, DELAY_MS_MAX);
        let mut now = Tick(0);
        let mut generator = Generator::new(1);
        group.bench_function(BenchmarkId::from_parameter(pending), |b| {
            b.iter(|| {
                let mut budget = usize::MAX;
                let value = loop {
                    if let Some(value) = wheel.expire(now, &mut budget) {
                        break value;
                    }
                    now = wheel.next_expiration().unwrap_or(now);
                };
                wheel.schedule(now.after(generator.between(1..=DELAY_MS_MAX)), value)
            });
        });
    }
    group.finish();
}

/// One slot of each upper level, moved down: the longest thing that one call can have to do.
fn cascade(c: &mut Criterion) {
    let mut group = c.benchmark_group("cascade");
    group.throughput(Throughput::Elements(CASCADED));
    for (level, width_ms) in [(1, 64), (2, 4_096), (3, 262_144)] {
        group.bench_function(BenchmarkId::new("level", level), |b| {
            b.iter_batched_ref(
                || wheel_with(CASCADED, width_ms + 1, 2 * width_ms - 1),
                |wheel| wheel.expire(Tick(width_ms), &mut (CASCADED as usize)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// A wheel at tick 0 with `pending` deadlines scattered from `first` to `last`.
fn wheel_with(pending: u64, first: u64, last: u64) -> TimingWheel<u64> {
    let mut wheel = TimingWheel::new(Tick(0));
    let mut generator = Generator::new(1);
    for value in 0..pending {
        wheel.schedule(Tick(generator.between(first..=last)), value);
    }
    wheel
}

fn expire_all(wheel: &mut TimingWheel<u64>, now: Tick) -> u64 {
    let mut budget = usize::MAX;
    let mut sum = 0;
    while let Some(value) = wheel.expire(now, &mut budget) {
        sum += value;
    }
    sum
}
