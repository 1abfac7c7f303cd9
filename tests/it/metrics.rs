//! What Prometheus is told, and the checks of readiness.

use test_support::{Client, DEADLINE, SECRET, Torrap, unix_secs};
use torrap::config::Config;
use torrap::slack::request;
use torrap::tools::trial::command::Response;
use torrap::tools::trial::stand_in::Answer;

use crate::draft::Draft;
use crate::exposition::Page;

pub fn watched(config: &mut Config) {
    config.metrics_listen = vec!["127.0.0.1:0".to_owned()];
}

fn watch(torrap: &Torrap) -> Client {
    Client::connect(torrap.metrics.unwrap())
}

fn get(client: &mut Client, target: &str) -> Response {
    client.exchange(Draft::new("GET", target).bytes())
}

fn page(torrap: &Torrap) -> Page {
    let response = get(&mut watch(torrap), "/metrics");
    assert_eq!(response.status, 200);
    Page::parse(std::str::from_utf8(&response.content).unwrap())
}

#[track_caller]
fn assert_samples(page: &Page, expected: &[(&str, f64)]) {
    for (sample, value) in expected {
        assert_eq!(page.get(sample), *value, "{sample}");
    }
}

/// Looks again until the page says so: what a test has seen from outside, the loop may count later.
pub fn wait_for(torrap: &Torrap, sample: &str, value: f64) -> Page {
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        let page = page(torrap);
        if page.get(sample) == value {
            return page;
        }
        let now = std::time::Instant::now();
        assert!(now < deadline, "{sample} is {}", page.get(sample));
    }
}

#[test]
fn a_fresh_bot_has_counted_nothing_and_tells_its_limits() {
    let torrap = Torrap::with(|_| Answer::ok(), watched);
    let mut client = watch(&torrap);
    let response = get(&mut client, "/metrics");
    assert!(
        response
            .head
            .contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n")
    );
    let page = Page::parse(std::str::from_utf8(&response.content).unwrap());
    assert_samples(
        &page,
        &[
            ("torrap_commands_accepted_total", 0.0),
            ("torrap_connections_open", 0.0),
            ("torrap_connections_limit", 8192.0),
            ("torrap_jobs_limit", 100_000.0),
            ("torrap_sender_threads", 0.0),
            ("torrap_ready", 1.0),
            ("torrap_oldest_pending_age_seconds", 0.0),
            ("torrap_acknowledgement_duration_seconds_count", 0.0),
        ],
    );
    let version = env!("CARGO_PKG_VERSION");
    let info = format!("torrap_build_info{{version=\"{version}\"}}");
    assert_eq!(page.get(&info), 1.0);
    assert!(page.get("process_start_time_seconds") > 1.7e9);
    for sample in ["torrap_journal_commits_total", "torrap_answers_held"] {
        assert!(!page.has(sample), "there is no journal");
    }
}

#[test]
fn commands_and_their_replies_are_counted_and_timed() {
    let (torrap, gate) = Torrap::gated(watched);
    let mut client = torrap.connect();
    for text in ["olleh", "dlrow", "help"] {
        assert_eq!(client.exchange(torrap.signed(text)).status, 200);
    }
    torrap.posts(2);
    let pending = wait_for(&torrap, "torrap_deliveries_outstanding", 2.0);
    assert_samples(
        &pending,
        &[
            ("torrap_commands_accepted_total", 2.0),
            ("torrap_usages_shown_total", 1.0),
            ("torrap_acknowledgement_duration_seconds_count", 2.0),
            ("torrap_connections_open", 1.0),
            ("torrap_connections_accepted_total", 1.0),
            ("torrap_jobs_pending", 2.0),
            ("torrap_replies_delivered_total", 0.0),
        ],
    );
    assert!(pending.get("torrap_sender_threads") >= 2.0);
    gate.open();
    let done = wait_for(&torrap, "torrap_replies_delivered_total", 2.0);
    assert_samples(
        &done,
        &[
            ("torrap_jobs_pending", 0.0),
            ("torrap_attempt_duration_seconds_count", 2.0),
            ("torrap_reply_latency_seconds_count", 2.0),
            ("torrap_oldest_pending_age_seconds", 0.0),
        ],
    );
}

#[test]
fn the_oldest_command_is_as_old_as_slacks_stamp() {
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            watched(config);
            config.delay_ms = 60_000;
            config.drain_ms = 0;
        },
    );
    let url = format!("{}/commands/1", torrap.slack.origin());
    let form = request::form("/torrap", "olleh", &url);
    let stamped = Draft::signed_with(SECRET, unix_secs() - 30, form);
    assert_eq!(torrap.connect().exchange(stamped.bytes()).status, 200);
    torrap.command("dlrow");
    let page = page(&torrap);
    assert_eq!(page.get("torrap_jobs_pending"), 2.0);
    let age = page.get("torrap_oldest_pending_age_seconds");
    assert!(
        (30.0..30.0 + DEADLINE.as_secs_f64()).contains(&age),
        "{age}"
    );
}

#[test]
fn refusals_and_failures_are_counted_by_reason() {
    let script = |_: &_| Answer::status(404, "", "no_such_hook");
    let torrap = Torrap::with(script, watched);
    let mut client = torrap.connect();
    assert_eq!(get(&mut client, "/nowhere").status, 404);
    let unsigned = Draft::new("POST", "/slack");
    assert_eq!(client.exchange(unsigned.bytes()).status, 401);
    let mut forged = torrap.signed("olleh");
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(client.exchange(forged).status, 401);
    assert_eq!(torrap.connect().exchange("nonsense\r\n\r\n").status, 400);
    torrap.command("olleh");
    let sample = "torrap_replies_abandoned_total{reason=\"rejected\"}";
    let page = wait_for(&torrap, sample, 1.0);
    for reason in ["not_found", "not_signed", "wrong_signature", "http_fault"] {
        let sample = format!("torrap_requests_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(page.get(&sample), 1.0, "{reason}");
    }
    let stale = "torrap_requests_refused_total{reason=\"stale\"}";
    assert_eq!(page.get(stale), 0.0, "what never happened is there, as 0");
}

#[test]
fn each_listener_has_its_own_resources() {
    let torrap = Torrap::with(|_| Answer::ok(), watched);
    let mut front = torrap.connect();
    assert_eq!(get(&mut front, "/metrics").status, 404);
    assert_eq!(get(&mut front, "/readyz").status, 200);
    let mut client = watch(&torrap);
    for (method, target, status) in [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics?x=1", 200),
        ("HEAD", "/nowhere", 404),
        ("POST", "/slack", 404),
    ] {
        let response = client.exchange(Draft::new(method, target).bytes());
        assert_eq!(response.status, status, "{method} {target}");
    }
    let refused = client.exchange(Draft::new("DELETE", "/metrics").bytes());
    assert_eq!(refused.status, 405);
    assert!(refused.head.contains("\r\nAllow: GET, HEAD\r\n"));
    let fault = watch(&torrap).exchange("nonsense\r\n\r\n");
    assert_eq!(fault.status, 400);
    let counted = "torrap_requests_refused_total{reason=\"http_fault\"}";
    assert_eq!(page(&torrap).get(counted), 0.0, "the front's alone");
}

#[test]
fn a_bot_whose_places_are_all_taken_can_still_be_watched() {
    let torrap = Torrap::with(
        |_| Answer::ok(),
        |config| {
            watched(config);
            config.max_connections = 1;
        },
    );
    let mut only = torrap.connect();
    only.send("GET /healthz HTTP/1.1\r\n");
    let _waiting = torrap.connect();
    wait_for(&torrap, "torrap_connections_open", 1.0);
    let watchers: Vec<_> = (0..8).map(|_| watch(&torrap)).collect();
    assert_eq!(page(&torrap).get("torrap_connections_limit"), 1.0);
    drop(watchers);
}

#[test]
fn a_bot_that_drains_is_not_ready_and_can_be_watched_to_the_end() {
    let (torrap, gate) = Torrap::gated(watched);
    torrap.command("olleh");
    torrap.posts(1);
    let mut watcher = watch(&torrap);
    let mut late = torrap.connect();
    late.send("GET /readyz HTTP/1.1\r\n");
    wait_for(&torrap, "torrap_connections_open", 1.0);
    torrap.begin_stop();
    wait_for(&torrap, "torrap_ready", 0.0);
    let response = late.exchange("Host: torrap\r\n\r\n");
    assert_eq!(response.status, 503);
    assert_eq!(response.content, br#"{"ready":false,"reason":"draining"}"#);
    assert_eq!(get(&mut watcher, "/readyz").status, 503);
    assert_eq!(get(&mut watcher, "/healthz").status, 200);
    gate.open();
    assert_eq!(torrap.stop(), 0);
}
