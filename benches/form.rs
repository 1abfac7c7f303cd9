//! The form of a slash command: three values found in place, against decoding all of it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use torrap::slack::form;

/// The example of Slack's page on verifying requests.
const CONTENT: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
    &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J\
    %2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

/// `हिन्दी and some words`, as a browser would write it.
const VALUE: &[u8] = b"%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80+and+some+words";

fn three_fields(content: &[u8]) -> [Option<&[u8]>; 3] {
    ["command", "text", "response_url"].map(|name| form::find(content, name))
}

fn scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("form");
    group.throughput(Throughput::Bytes(CONTENT.len() as u64));
    group.bench_function("three_fields", |b| {
        b.iter(|| three_fields(black_box(CONTENT)))
    });
    group.bench_function("form_urlencoded", |b| {
        b.iter(|| {
            form_urlencoded::parse(black_box(CONTENT))
                .into_owned()
                .collect::<Vec<_>>()
        });
    });
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let mut out = [0; VALUE.len()];
    for (name, value) in [("escapes", VALUE), ("words", b"sdrawkcab+si+siht")] {
        group.throughput(Throughput::Bytes(value.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| form::decode(black_box(value), &mut out));
        });
    }
    group.finish();
}

criterion_group!(benches, scan, decode);
criterion_main!(benches);
