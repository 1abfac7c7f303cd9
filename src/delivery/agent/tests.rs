//! Attempts on loopback sockets: what was surely not sent, and what is not trusted after a failure.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::thread;

use super::*;
use crate::config::Settings;
use crate::slab::Key;
use crate::tools::trial::stand_in::{Answer, Post, SlackStandIn};

fn config() -> Config {
    Config::from_settings(&Settings::default(), Vec::new()).unwrap()
}

/// Agents for which `slack.test` has these addresses, one look-up after the other.
fn agents(addresses: Vec<Vec<SocketAddr>>) -> Agents {
    agents_with(&config(), addresses)
}

fn agents_with(config: &Config, addresses: Vec<Vec<SocketAddr>>) -> Agents {
    let left = Mutex::new(addresses.into_iter());
    let resolver = CachingResolver::asking(move |_| {
        let found = left.lock().unwrap().next();
        found.ok_or_else(|| ErrorKind::NotFound.into())
    });
    Agents::with_resolver(config, resolver).unwrap()
}

fn delivery(origin: &str, path: &str) -> Delivery {
    Delivery {
        job: Key::from_parts(1, 1),
        url: format!("{origin}{path}"),
        body: br#"{"text": "cba"}"#.to_vec(),
    }
}

fn post_to(poster: &mut Poster, origin: &str, path: &str) -> Report {
    poster.attempt(&delivery(origin, path))
}

#[track_caller]
fn assert_outcome(report: &Report, outcome: &Outcome) {
    assert_eq!(report.outcome, *outcome, "{}", report.detail);
}

/// An address where nothing listens.
fn gone() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A server that answers every connection with these bytes, whatever the client sends.
fn speaker(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut some = [0; 4096];
            let _ = socket.read(&mut some);
            let _ = socket.write_all(bytes);
        }
    });
    address
}

#[test]
fn what_fails_before_the_request_was_not_sent() {
    let mut poster = agents(Vec::new()).make();
    let no_tls = speaker(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let hangs_up = speaker(b"");
    for (why, origin) in [
        ("no address", "http://slack.test".to_owned()),
        ("refused", format!("http://{}", gone())),
        ("refused, TLS", format!("https://{}", gone())),
        ("no TLS", format!("https://{no_tls}")),
        ("closed in the handshake", format!("https://{hangs_up}")),
    ] {
        let report = post_to(&mut poster, &origin, "/x");
        assert_eq!(report.outcome, Outcome::Unsent, "{why}: {}", report.detail);
    }
}

#[test]
fn what_fails_in_the_proxy_was_not_sent() {
    let (refusing, hanging_up) = (speaker(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), speaker(b""));
    let no_tls = speaker(b"HTTP/1.1 200 OK\r\n\r\nnot TLS");
    for proxy in [gone(), refusing, hanging_up, no_tls] {
        let mut config = config();
        config.proxy = Some(crate::config::Proxy {
            variable: "HTTPS_PROXY",
            url: format!("http://{proxy}"),
            no_proxy: crate::config::NoProxy::default(),
        });
        let mut poster = Agents::new(&config).unwrap().make();
        assert_outcome(
            &post_to(&mut poster, "https://slack.test", "/x"),
            &Outcome::Unsent,
        );
    }
}

#[test]
fn what_fails_after_the_request_was_perhaps_sent() {
    let mut poster = agents(Vec::new()).make();
    for answer in [&b""[..], b"HTTP/1.1 20", b"SSH-2.0-parrot\r\n\r\n"] {
        let origin = format!("http://{}", speaker(answer));
        assert_outcome(&post_to(&mut poster, &origin, "/x"), &Outcome::Unknown);
    }
}

#[test]
fn a_name_is_looked_up_again_after_its_address_has_failed() {
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let hanging_up = speaker(b"");
    let agents = agents(vec![vec![gone()], vec![hanging_up], vec![slack.address()]]);
    let outcomes = [Outcome::Unsent, Outcome::Unknown, Outcome::Delivered];
    for outcome in &outcomes {
        // Each by another thread's agent: what one has learned they all know.
        let mut poster = agents.make();
        assert_outcome(&post_to(&mut poster, "http://slack.test", "/x"), outcome);
    }
}

#[test]
fn another_address_of_the_name_is_tried_at_once_and_first_from_then_on() {
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let agents = agents(vec![vec![gone(), slack.address()]]);
    for _ in 0..3 {
        let report = post_to(&mut agents.make(), "http://slack.test", "/x");
        assert_outcome(&report, &Outcome::Delivered);
    }
}

/// A network that drops one kept connection drops them all: each would cost an attempt.
#[test]
fn a_failure_on_a_kept_connection_makes_others_connect_anew() {
    let script = |post: &Post| match &*post.path {
        "/fails" => Answer::Close,
        _ => Answer::ok(),
    };
    let slack = SlackStandIn::start(script).unwrap();
    let (agents, origin) = (agents(Vec::new()), slack.origin());
    let mut posters = [agents.make(), agents.make(), agents.make()];
    let connections_of = |posters: &mut [Poster], path: &str| -> Vec<usize> {
        for poster in posters {
            assert_outcome(&post_to(poster, &origin, path), &Outcome::Delivered);
        }
        let posts = slack.posts();
        let posts = posts.iter().filter(|post| post.path == path);
        posts.map(|post| post.connection).collect()
    };
    assert_eq!(connections_of(&mut posters, "/1"), [0, 1, 2]);
    assert_eq!(
        connections_of(&mut posters, "/2"),
        [0, 1, 2],
        "they are kept"
    );
    assert_outcome(
        &post_to(&mut posters[0], &origin, "/fails"),
        &Outcome::Unknown,
    );
    assert_eq!(connections_of(&mut posters, "/3"), [3, 4, 5]);
    assert_eq!(connections_of(&mut posters, "/4"), [3, 4, 5]);
    // What fails on a new connection says nothing of those that are kept.
    assert_outcome(
        &post_to(&mut agents.make(), &origin, "/fails"),
        &Outcome::Unknown,
    );
    assert_eq!(connections_of(&mut posters, "/5"), [3, 4, 5]);
}

/// Its addresses were not looked up when the attempt began; where a proxy is set, ureq never asks for them.
#[test]
fn a_kept_connection_that_is_gone_is_replaced_within_the_attempt() {
    let last = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let mut beside_a_proxy = config();
    beside_a_proxy.proxy = Some(crate::config::Proxy {
        variable: "HTTPS_PROXY",
        url: format!("http://{}", gone()),
        no_proxy: crate::config::NoProxy::parse("slack.test"),
    });
    for config in [config(), beside_a_proxy] {
        let slack = SlackStandIn::start(|_| Answer::Last(last.to_vec())).unwrap();
        let mut poster = agents_with(&config, vec![vec![slack.address()]]).make();
        for _ in 0..3 {
            let report = post_to(&mut poster, "http://slack.test", "/x");
            assert_outcome(&report, &Outcome::Delivered);
        }
        let connections: Vec<_> = slack.posts().iter().map(|post| post.connection).collect();
        assert_eq!(connections, [0, 1, 2]);
    }
}

/// What is the same for all replies to an origin was made for the first one. What is left is ureq's, but for the path and the
/// copy of the fields.
#[test]
fn a_reply_on_a_kept_connection_takes_few_allocations() {
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let mut poster = agents(Vec::new()).make();
    let delivery = delivery(&slack.origin(), "/x");
    let mut allocations = || {
        let mut report = None;
        let counted = allocation_counter::measure(|| report = Some(poster.attempt(&delivery)));
        assert_outcome(&report.unwrap(), &Outcome::Delivered);
        counted.count_total
    };
    allocations();
    let (second, third) = (allocations(), allocations());
    assert_eq!(second, third);
    assert!(third <= 27, "{third}");
}
