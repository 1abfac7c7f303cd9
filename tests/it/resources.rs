//! Every other resource: health, what is not there, what may not be done.

use serde_json::Value;
use test_support::{Torrap, unix_secs};

use crate::draft::Draft;
use crate::slash_command::undated;

#[test]
fn health_is_json_with_the_time() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    for target in [
        "/healthz",
        "/healthz?verbose",
        "http://torrap.example/healthz",
    ] {
        let before = unix_secs();
        let response = client.exchange(Draft::new("GET", target).bytes());
        let text = std::str::from_utf8(&response.content).unwrap();
        let length = text.len();
        assert_eq!(
            undated(&response),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            )
        );
        let (start, end) = text.split_once(r#""timestamp":"#).unwrap();
        assert_eq!(start, r#"{"success":true,"#);
        let (secs, millis) = end.strip_suffix('}').unwrap().split_once('.').unwrap();
        assert_eq!(millis.len(), 3, "{text}");
        let secs: u64 = secs.parse().unwrap();
        assert!((before..=unix_secs()).contains(&secs), "{text}");
        let json: Value = serde_json::from_str(text).unwrap();
        assert!(json["timestamp"].is_f64() && json["success"] == true);
    }
}

#[test]
fn the_head_of_health_is_that_of_its_get() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    let get = client.exchange(Draft::new("GET", "/healthz").bytes());
    let head = Draft::new("HEAD", "/healthz").bytes();
    let last = Draft::new("HEAD", "/healthz")
        .with("Connection", "close")
        .bytes();
    client.send([head, last].concat());
    let rest = String::from_utf8(client.rest()).unwrap();
    let heads: Vec<_> = rest.split_inclusive("\r\n\r\n").collect();
    assert_eq!(heads.len(), 2, "no content follows a head: {rest}");
    for head in heads {
        let lines = head.split_inclusive("\r\n");
        let compared =
            lines.filter(|line| !line.starts_with("Date: ") && !line.starts_with("Connection: "));
        assert_eq!(compared.collect::<String>(), undated(&get));
    }
}

#[test]
fn what_is_not_there_or_not_allowed_is_said() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    for (method, target, status, allow) in [
        ("POST", "/", 404, None),
        ("GET", "/slack/", 404, None),
        ("POST", "/Slack", 404, None),
        ("POST", "/healthz/x", 404, None),
        ("DELETE", "/nowhere?a=/slack", 404, None),
        ("PUT", "/slack?x", 405, Some("POST")),
        ("DELETE", "/slack", 405, Some("POST")),
        ("OPTIONS", "/slack", 405, Some("POST")),
        ("post", "/slack", 405, Some("POST")),
        ("PUT", "/slack?ssl_check=1", 405, Some("POST")),
        ("POST", "/healthz", 405, Some("GET, HEAD")),
        ("DELETE", "/healthz?x", 405, Some("GET, HEAD")),
    ] {
        let response = client.exchange(Draft::new(method, target).bytes());
        let allow = allow.map_or_else(String::new, |methods| format!("Allow: {methods}\r\n"));
        let reason = if status == 404 {
            "Not Found"
        } else {
            "Method Not Allowed"
        };
        assert_eq!(
            undated(&response),
            format!("HTTP/1.1 {status} {reason}\r\n{allow}Content-Length: 0\r\n\r\n"),
            "{method} {target}"
        );
    }
    assert!(torrap.settle().is_empty());
}

/// A person who opens the address in a browser is told what it is.
#[test]
fn a_browser_is_told_what_this_is() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    for (target, status) in [("/", 404), ("/slack", 405), ("/slack?x", 405)] {
        let response = client.exchange(Draft::new("GET", target).bytes());
        assert_eq!(response.status, status, "{target}");
        let kind = "\r\nContent-Type: text/plain; charset=utf-8\r\n";
        assert!(response.head.contains(kind), "{}", response.head);
        let content = String::from_utf8(response.content).unwrap();
        assert!(content.contains("/slack") && content.ends_with('\n'));
    }
    assert!(torrap.settle().is_empty());
}
