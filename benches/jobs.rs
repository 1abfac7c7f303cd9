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
        fields: "",
        is_late: false,
        needs_run: false,
        due,
        expires_at: due.after(LIFETIME_MS),
        request: None,
    }
}

/// Measures beside none, some and many others; `set_up` is told how many, and gives what is measured.
fn beside<R, M: FnMut() -> R>(c: &mut Criterion, name: &str, set_up: impl Fn(u32) -> M) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    for others in BESIDE {
        group.bench_function(BenchmarkId::from_parameter(others), |b| {
            b.iter(set_up(others));
        });
    }
    group.finish();
}

/// Scheduled, due, taken and settled, while so many others wait.
fn life(c: &mut Criterion) {
    // Time stands still, or the others would fall due.
    const NOW: Now = Now {
        tick: Tick(0),
        unix: UnixTime(0),
    };
    let long = "sdrawkcab ".repeat(40);
    for (name, text) in [("job_short", "sdrawkcab si siht"), ("job_long", &long)] {
        beside(c, name, |others| {
            let mut jobs = Jobs::new(10_000_000, NOW.tick);
            for _ in 0..others {
                let late = new_job(text, Tick(10_000_000));
                jobs.schedule(late).expect("there is room");
            }
            move || {
                let new = new_job(text, NOW.tick);
                jobs.schedule(new).expect("there is room");
                jobs.handle_timeout(NOW.tick, &mut 1_000);
                let (key, _) = jobs.poll_ready(NOW.tick).expect("it is due");
                jobs.handle_outcome(key, &Outcome::Delivered, NOW)
            }
        });
    }
}

fn slab(c: &mut Criterion) {
    beside(c, "slab_insert_remove", |others| {
        let mut slab = Slab::new();
        for number in 0..others {
            slab.insert(u64::from(number));
        }
        move || {
            let key = slab.insert(7);
            slab.remove(key)
        }
    });
}

criterion_group!(benches, life, slab);
criterion_main!(benches);
