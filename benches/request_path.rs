//! A whole command without a socket: bytes in, response bytes out, the reply scheduled.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use torrap::app::Bot;
use torrap::config::{Config, Settings, SigningSecret};
use torrap::http::{Connection, Limits, Request, Staging};
use torrap::slack::request;
use torrap::time::{Now, Tick, UnixTime};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const NOW: Now = Now {
    tick: Tick(0),
    unix: UnixTime(1_531_420_618_000),
};
const URL: &str =
    "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";

fn bot() -> Bot {
    let secret = SigningSecret::new(SECRET).expect("a good secret");
    let mut config =
        Config::from_settings(&Settings::default(), vec![secret]).expect("the defaults are good");
    config.max_pending = 10_000_000;
    Bot::new(&config, NOW.tick)
}

fn signed(text: &str) -> Vec<u8> {
    let content = request::form("/torrap", text, URL);
    request::signed(SECRET.as_bytes(), NOW.unix.secs(), content.as_bytes())
}

fn request_path(c: &mut Criterion) {
    log::set_max_level(log::LevelFilter::Off);
    let limits = Limits::default();
    let health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let inputs = [
        ("command", signed("sdrawkcab si siht"), 1),
        ("healthz", health, 1),
        ("pipeline", signed("x").repeat(16), 16),
    ];
    let mut group = c.benchmark_group("request_path");
    for (name, request, count) in inputs {
        group.throughput(Throughput::Elements(count));
        group.bench_function(name, |b| {
            let mut bot = bot();
            let mut connection = Connection::new(NOW.tick, &limits);
            let mut staging = Staging::default();
            b.iter_batched_ref(
                || request.clone(),
                |request| {
                    staging.begin(NOW.unix);
                    let handler = |request: &Request<'_>| bot.handle_request(request, NOW);
                    connection.receive(request, NOW.tick, &limits, &mut staging, handler);
                    black_box(staging.bytes().len())
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, request_path);
criterion_main!(benches);
