//! A job from its schedule to its end, alone and beside others; the slab that it lies in.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use torrap::jobs::{Jobs, LIFETIME_MS, NewJob, Outcome};
use torrap::slab::Slab;
use torrap::time::{Now, Tick, UnixTime};

const PATH: &str = "/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";
const BESIDE: [u32; 3] = [0, 1_000, 100_000];

fn new_job(text: &str, due: Tick) -> NewJob<'_> {
    NewJob {
        command: 0,
        origin: 0,
        path: PATH,
        text,
        due,
        expires_at: due.after(LIFETIME_MS),
    }
}

/// Scheduled, due, taken and settled, while so many others wait.
fn life(c: &mut Criterion) {
    let long = "sdrawkcab ".repeat(40);
    for (name, text) in [("short", "sdrawkcab si siht"), ("long", &long)] {
        let mut group = c.benchmark_group(format!("job_{name}"));
        group.throughput(Throughput::Elements(1));
        for beside in BESIDE {
            group.bench_with_input(
                BenchmarkId::from_parameter(beside),
                &beside,
                |b, &beside| {
                    let mut jobs = Jobs::new(10_000_000, Tick(0));
                    for _ in 0..beside {
                        let late = new_job(text, Tick(10_000_000));
                        jobs.schedule(late).expect("there is room");
                    }
                    // Time stands still, or the others would fall due.
                    let now = Now {
                        tick: Tick(0),
                        unix: UnixTime(0),
                    };
                    b.iter(|| {
                        jobs.schedule(new_job(text, now.tick))
                            .expect("there is room");
                        jobs.handle_timeout(now.tick, &mut 1_000);
                        let (key, _) = jobs.poll_ready(now.tick).expect("it is due");
                        jobs.handle_outcome(key, &Outcome::Delivered, now)
                    });
                },
            );
        }
        group.finish();
    }
}

fn slab(c: &mut Criterion) {
    let mut group = c.benchmark_group("slab_insert_remove");
    group.throughput(Throughput::Elements(1));
    for beside in BESIDE {
        group.bench_with_input(
            BenchmarkId::from_parameter(beside),
            &beside,
            |b, &beside| {
                let mut slab = Slab::new();
                for number in 0..beside {
                    slab.insert(u64::from(number));
                }
                b.iter(|| {
                    let key = slab.insert(7);
                    slab.remove(key)
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, life, slab);
criterion_main!(benches);
