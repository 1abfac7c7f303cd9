//! A reply's JSON.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use torrap::slack::message::{Message, Visibility};

fn append_json(c: &mut Criterion) {
    let long = "a word ".repeat(200 * 1024 / 7);
    let mut group = c.benchmark_group("append_json");
    let mut out = Vec::new();
    for (name, text) in [
        ("short", "this is backwards"),
        ("quotes", "they said \"this\nis\nbackwards\", twice"),
        ("long", &long),
    ] {
        let message = Message {
            visibility: Visibility::Default,
            text,
        };
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &message, |b, message| {
            b.iter(|| {
                out.clear();
                black_box(message).append_json(&mut out);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, append_json);
criterion_main!(benches);
