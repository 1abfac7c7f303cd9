//! A `response_url` judged by the allowed origins.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use torrap::slack::response_url::{Origin, ResponseUrl};

fn judge(c: &mut Criterion) {
    let origins = ["https://hooks.slack.com", "https://hooks.slack-gov.com"];
    let origins = origins.map(|origin| Origin::parse(origin).expect("an origin"));
    let own = "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";
    let mut group = c.benchmark_group("response_url");
    for (name, url) in [
        ("own", own),
        (
            "foreign",
            "https://hooks.slack.com.example/commands/T1DC2JH3J",
        ),
        (
            "malformed",
            "https://hooks.slack.com@example/commands/T1DC2JH3J",
        ),
    ] {
        group.throughput(Throughput::Bytes(url.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| ResponseUrl::parse(black_box(url), &origins).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
