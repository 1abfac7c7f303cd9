//! `/torrap` on what people type, and on the longest text that gets through.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use torrap::commands::{self, Request, Run};

const SHORT: [(&str, &str); 6] = [
    ("ascii", "sdrawkcab si siht"),
    ("quotes", "it’s what “macOS” makes of an apostrophe"),
    ("names", "thanks :+1: see you at 10:30 :wave::skin-tone-3:"),
    ("emoji", "thanks 👍🏽 from 👨‍👩‍👧 in 🇫🇷"),
    ("entities", "fish &amp; chips &lt;3"),
    (
        "tokens",
        "ask <@U012AB3CD|bob> in <#C012AB3CD|general> or <https://example.com|here>",
    ),
];

const LONG: [(&str, &str); 5] = [
    ("ascii_long", "a word "),
    ("emoji_long", "👍🏽"),
    ("hindi_long", "हिन्दी "),
    ("brackets_long", "<"),
    ("names_long", ":+1:"),
];

const LONG_BYTES: usize = 200 * 1024;

fn reverse(c: &mut Criterion) {
    let long = LONG.map(|(name, unit)| (name, unit.repeat(LONG_BYTES / unit.len())));
    let long = long.iter().map(|(name, text)| (*name, text.as_str()));
    let Run::Inline(run) = commands::REVERSE.run else {
        unreachable!("it takes no time");
    };

    let mut group = c.benchmark_group("reverse");
    let mut out = String::new();
    for (name, text) in SHORT.into_iter().chain(long) {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |b, text| {
            b.iter(|| {
                out.clear();
                run(&Request::new("/torrap", black_box(text)), &mut out);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reverse);
criterion_main!(benches);
