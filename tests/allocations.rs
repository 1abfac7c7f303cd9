//! What a request costs in heap allocations, from its bytes to the bytes of its answer.

use allocation_counter::measure;
use test_support::SECRET;
use torrap::Config;
use torrap::app::{Bot, Report};
use torrap::config::{Settings, SigningSecret};
use torrap::http::{Connection, Limits, Request, Staging};
use torrap::jobs::Outcome;
use torrap::slack::request;
use torrap::time::{Now, Tick, UnixTime};

const URL: &str =
    "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";
const WARM_UP: u64 = 1_000;
const COUNT: u64 = 10_000;

/// A connection that stays, and the bot behind it.
struct Server {
    bot: Bot,
    connection: Connection,
    limits: Limits,
    staging: Staging,
    now: Now,
}

impl Server {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        log::set_max_level(log::LevelFilter::Off);
        let now = Now {
            tick: Tick(0),
            unix: UnixTime(1_531_420_618_000),
        };
        let secret = SigningSecret::new(SECRET).expect("a good secret");
        let mut config = Config::from_settings(&Settings::default(), vec![secret])
            .expect("the defaults are good");
        change(&mut config);
        let limits = Limits::default();
        Self {
            bot: Bot::new(&config, now.tick),
            connection: Connection::new(now.tick, &limits),
            limits,
            staging: Staging::default(),
            now,
        }
    }

    /// Takes in a request and stages the answer to it, which must begin so.
    fn receive(&mut self, request: &mut [u8], answer: &str) {
        self.staging.begin(self.now.unix);
        let (bot, now) = (&mut self.bot, self.now);
        let handler = |request: &Request<'_>| bot.handle_request(request, now);
        self.connection
            .receive(request, now.tick, &self.limits, &mut self.staging, handler);
        assert!(self.staging.bytes().starts_with(answer.as_bytes()));
    }

    /// Lets so much time pass and delivers what has become due. Returns how much that was.
    fn deliver_after(&mut self, ms: u64) -> u64 {
        self.now.tick = self.now.tick.after(ms);
        let mut budget = usize::MAX;
        self.bot.handle_timeout(self.now, &mut budget);
        let mut count = 0;
        while let Some(delivery) = self.bot.poll_delivery(self.now) {
            let report = Report {
                job: delivery.job,
                outcome: Outcome::Delivered,
                detail: String::new(),
                took_ms: 0,
            };
            self.bot.handle_outcome(&report, self.now);
            count += 1;
        }
        count
    }
}

/// A command with this text; no two numbers give the same request.
fn signed(number: u64, text: &str) -> Vec<u8> {
    let content = request::form("/torrap", text, URL) + &format!("&test={number:05}");
    request::signed(SECRET.as_bytes(), 1_531_420_618, content.as_bytes())
}

/// Allocations of so many requests, each in a turn of its own, after as many as it takes to warm up.
fn allocations_of(request: impl Fn(u64) -> Vec<u8>, answer: &str) -> u64 {
    allocations_at(Server::new(), request, answer)
}

fn allocations_at(mut server: Server, request: impl Fn(u64) -> Vec<u8>, answer: &str) -> u64 {
    let mut total = 0;
    for number in 0..WARM_UP + COUNT {
        let mut request = request(number);
        let info = measure(|| server.receive(&mut request, answer));
        total += if number < WARM_UP {
            0
        } else {
            info.count_total
        };
        // The load is steady: replies go out as fast as commands come in.
        server.deliver_after(5);
    }
    total
}

/// Tables grow now and then.
const GROWTH: u64 = COUNT / 10;

fn short(number: u64) -> Vec<u8> {
    signed(number, "sdrawkcab si siht")
}

#[test]
fn an_acknowledgement_allocates_nothing() {
    let total = allocations_of(short, "HTTP/1.1 200 OK\r\n");
    println!("{total} allocations for {COUNT} commands");
    assert!(total <= GROWTH, "{total}");
}

#[test]
fn a_repeat_allocates_nothing() {
    let total = allocations_of(|_| short(0), "HTTP/1.1 200 OK\r\n");
    println!("{total} allocations for {COUNT} commands, most of them repeats");
    assert!(total <= GROWTH, "{total}");
}

#[test]
fn an_acknowledgement_for_all_allocates_nothing_either() {
    let server = Server::with(|config| config.in_channel = true);
    let total = allocations_at(server, short, "HTTP/1.1 200 OK\r\n");
    println!("{total} allocations for {COUNT} commands that all see");
    assert!(total <= GROWTH, "{total}");
}

#[test]
fn a_long_text_costs_its_own_allocation() {
    let long = "sdrawkcab".repeat(20);
    let total = allocations_of(|number| signed(number, &long), "HTTP/1.1 200 OK\r\n");
    println!("{total} allocations for {COUNT} commands with a long text");
    assert!((COUNT..=COUNT + GROWTH).contains(&total), "{total}");
}

#[test]
fn a_wave_of_acknowledgements_costs_little_more() {
    let mut server = Server::new();
    let mut requests: Vec<Vec<u8>> = (0..COUNT).map(short).collect();
    let info = measure(|| {
        for request in &mut requests {
            server.receive(request, "HTTP/1.1 200 OK\r\n");
        }
    });
    println!("{} allocations for a wave of {COUNT}", info.count_total);
    assert!(info.count_total <= GROWTH, "{}", info.count_total);
    let sent = measure(|| assert_eq!(server.deliver_after(10_000), COUNT));
    println!("{} allocations for their replies", sent.count_total);
    // The message and its URL leave for another thread.
    assert!(
        sent.count_total <= 2 * COUNT + GROWTH,
        "{}",
        sent.count_total
    );
}

#[test]
fn a_health_check_costs_its_content() {
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let total = allocations_of(|_| request.to_vec(), "HTTP/1.1 200 OK\r\n");
    println!("{total} allocations for {COUNT} health checks");
    assert!(total <= 2 * COUNT + GROWTH, "{total}");
}

#[test]
fn a_refusal_costs_nothing() {
    let mut forged = short(0);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let total = allocations_of(|_| forged.clone(), "HTTP/1.1 401 Unauthorized\r\n");
    println!("{total} allocations for {COUNT} refusals");
    assert_eq!(total, 0);
}
