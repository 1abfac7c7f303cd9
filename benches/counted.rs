//! The same work a given number of times, for tools that count instructions: see `benches/count`.
//!
//! usage: counted (accept | allow | repeat | refuse | reply) COUNT

use std::env::args;

use torrap::app::{Bot, Report};
use torrap::config::{Config, Settings, SigningSecret};
use torrap::http::{Connection, Limits, Request, Staging};
use torrap::jobs::Outcome;
use torrap::slack::request;
use torrap::time::{Now, Tick, UnixTime};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const URL: &str =
    "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";
const SENT_SECS: u64 = 1_531_420_618;
/// Commands that are accepted between two looks at what is due.
const TURN: usize = 64;
/// No two requests are the same, or they would be one command. However many are asked for, so many are signed: in the
/// difference of two counts the signing of the others does not show.
const REQUESTS: usize = 6_000;

fn main() {
    let given: Vec<String> = args().skip(1).collect();
    if given.iter().any(|argument| argument == "--bench") {
        return; // by `cargo bench`, which runs all of them with the same arguments
    }
    match &given[..] {
        [work, count] if WORKS.contains(&work.as_str()) => {
            carry_out(work, count.parse().expect("a number"));
        }
        _ => panic!("usage: counted (accept | allow | repeat | refuse | reply) COUNT"),
    }
}

/// Takes in so many commands: as usual; as with `--allow-replays`, where no repeat is looked for; each a repeat, since all are
/// pending; each with a wrong signature; or delivers the replies as well.
const WORKS: [&str; 5] = ["accept", "allow", "repeat", "refuse", "reply"];

fn carry_out(work: &str, count: usize) {
    log::set_max_level(log::LevelFilter::Off);
    let mut now = Now {
        tick: Tick(0),
        unix: UnixTime(SENT_SECS * 1000),
    };
    let limits = Limits::default();
    let mut bot = bot(now, work == "allow");
    let mut connection = Connection::new(now.tick, &limits);
    let mut staging = Staging::default();
    let secret = if work == "refuse" {
        "another secret"
    } else {
        SECRET
    };
    let mut requests: Vec<_> = (0..REQUESTS).map(|number| signed(secret, number)).collect();
    assert!(count <= REQUESTS, "{REQUESTS} at most");
    let mut take = |bot: &mut Bot, request: &mut Vec<u8>, now: Now| {
        staging.begin(now.unix);
        let handler = |request: &Request<'_>| bot.handle_request(request, now);
        connection.receive(request, now.tick, &limits, &mut staging, handler);
        assert!(staging.bytes().starts_with(b"HTTP/1.1 "));
    };
    if work == "repeat" {
        // However many are repeated.
        for request in &mut requests.clone() {
            take(&mut bot, request, now);
        }
    }
    for (number, request) in (1..).zip(&mut requests[..count]) {
        take(&mut bot, request, now);
        if work == "reply" && number % TURN == 0 {
            now.tick = now.tick.after(5_001);
            deliver(&mut bot, now);
        }
    }
}

fn signed(secret: &str, number: usize) -> Vec<u8> {
    let content = request::form("/torrap", "sdrawkcab si siht", URL);
    // Where Slack puts another number in each.
    let content = content.replace(
        "trigger_id=13345224609",
        &format!("trigger_id={number:011}"),
    );
    request::signed(secret.as_bytes(), SENT_SECS, content.as_bytes())
}

fn bot(now: Now, allows_replays: bool) -> Bot {
    let secret = SigningSecret::new(SECRET).expect("a good secret");
    let mut config =
        Config::from_settings(&Settings::default(), vec![secret]).expect("the defaults are good");
    config.max_pending = 10_000_000;
    config.allow_replays = allows_replays;
    Bot::new(&config, now.tick)
}

fn deliver(bot: &mut Bot, now: Now) {
    bot.handle_timeout(now, &mut usize::MAX.clone());
    while let Some(delivery) = bot.poll_delivery(now) {
        let report = Report {
            job: delivery.job,
            outcome: Outcome::Delivered,
            detail: String::new(),
            took_ms: 0,
        };
        bot.handle_outcome(&report, now);
    }
}
