//! Commands that are refused, and Slack's certificate check, which is not a command.

use test_support::{SECRET, Torrap, unix_secs};
use torrap::slack::request;
use torrap::tools::trial::stand_in::Answer;

use crate::draft::{Draft, SIGNATURE, TIMESTAMP};
use crate::slash_command::{assert_acknowledged, undated};

fn form(torrap: &Torrap) -> String {
    let url = format!("{}/commands/T0001/1/secret-path", torrap.slack.origin());
    request::form("/torrap", "abc", &url)
}

/// Requests that cannot be verified, each with a word that the log has for it.
fn unbelievable(form: &str) -> Vec<(&'static str, Draft)> {
    let now = unix_secs();
    let good = || Draft::signed(form);
    let signature = good().value(SIGNATURE).to_owned();
    let upper = signature.to_uppercase().replace("V0=", "v0=");
    let signed_as = |timestamp: &str| {
        let message = good().with(TIMESTAMP, timestamp);
        message.with(SIGNATURE, &signature)
    };
    vec![
        ("Timestamp is missing", good().without(TIMESTAMP)),
        ("Signature is missing", good().without(SIGNATURE)),
        ("missing", good().without(SIGNATURE).without(TIMESTAMP)),
        ("malformed", good().and(SIGNATURE, &signature)),
        ("malformed", good().and(TIMESTAMP, &now.to_string())),
        ("malformed", signed_as("")),
        ("malformed", signed_as("abc")),
        ("malformed", signed_as(&format!("{now}.0"))),
        ("malformed", signed_as(&format!("-{now}"))),
        ("malformed", signed_as("99999999999999999999999")),
        ("malformed", good().with(SIGNATURE, "")),
        ("malformed", good().with(SIGNATURE, &signature[3..])),
        ("malformed", good().with(SIGNATURE, &upper)),
        ("malformed", good().with(SIGNATURE, &signature[..66])),
        ("malformed", good().with(SIGNATURE, "v0=é")),
        (
            "malformed",
            good().with(SIGNATURE, &signature.replace("v0=", "v1=")),
        ),
        ("skew +1", Draft::signed_with(SECRET, now - 120, form)),
        ("skew -1", Draft::signed_with(SECRET, now + 120, form)),
        ("skew", Draft::signed_with(SECRET, 0, form)),
        ("not match", Draft::signed_with("another", now, form)),
        ("not match", signed_as(&(now + 1).to_string())),
        (
            "not match",
            good().content(form.replace("text=abc", "text=abd")),
        ),
        ("not match", good().content("")),
        ("not match", Draft::signed("").content(form)),
        ("not match", good().content("payload=\u{0}")),
    ]
}

#[test]
fn a_request_that_is_not_verified_gets_the_same_answer_whatever_the_reason() {
    let torrap = Torrap::start();
    let requests = unbelievable(&form(&torrap));
    for (reason, request) in &requests {
        let response = torrap.connect().exchange(request.bytes());
        assert_eq!(
            (undated(&response).as_str(), response.content.len()),
            (
                "HTTP/1.1 401 Unauthorized\r\n\
                 WWW-Authenticate: Slack-Signature version=\"v0\"\r\n\
                 Content-Length: 0\r\n\r\n",
                0
            ),
            "{reason}"
        );
        let lines = torrap.log.wait_for(reason, 1);
        assert!(lines.iter().all(|line| line.contains("401")), "{lines:?}");
    }
    let told = torrap.log.wait_for("refused with 401", requests.len());
    assert_eq!(told.len(), requests.len());
    // The connection goes on, and the right signature still serves.
    let mut client = torrap.connect();
    assert_eq!(client.exchange(requests[0].1.bytes()).status, 401);
    assert_acknowledged(&client.exchange(Draft::signed(form(&torrap)).bytes()));
    torrap.posts(1);
    assert_eq!(torrap.settle().len(), 1, "nothing else was ever posted");
}

#[test]
fn the_tolerance_is_a_setting() {
    let torrap = Torrap::with(|_| Answer::ok(), |config| config.tolerance_ms = 300_000);
    let at = |timestamp| {
        let draft = Draft::signed_with(SECRET, timestamp, form(&torrap));
        torrap.connect().exchange(draft.bytes()).status
    };
    let now = unix_secs();
    assert_eq!((at(now - 250), at(now + 250)), (200, 200));
    assert_eq!((at(now - 320), at(now + 320)), (401, 401));
}

#[test]
fn a_signed_request_that_is_no_command_is_a_bad_request() {
    let torrap = Torrap::start();
    let good = form(&torrap);
    let with_url = |url: &str| Draft::signed(request::form("/torrap", "abc", url));
    let address = torrap.slack.address();
    let without = |name: &str| {
        let pairs = form_urlencoded::parse(good.as_bytes()).filter(|(key, _)| key != name);
        let mut form = form_urlencoded::Serializer::new(String::new());
        Draft::signed(form.extend_pairs(pairs).finish())
    };
    let json = format!(r#"{{"command":"/torrap","text":"a","response_url":"http://{address}/"}}"#);
    let refused = [
        without("command"),
        without("response_url"),
        Draft::signed(""),
        Draft::signed(&json).with("Content-Type", "application/json"),
        Draft::signed(&json),
        Draft::signed(&good).with("Content-Type", "application/json"),
        Draft::signed(&good).with("Content-Type", "multipart/form-data; boundary=x"),
        with_url(""),
        with_url("not a url"),
        with_url("https://hooks.slack.com/commands/1"),
        with_url(&format!("https://{address}/commands/1")),
        with_url(&format!("http://{address}.evil.example/commands/1")),
        with_url(&format!("http://{address}@evil.example/commands/1")),
        with_url(&format!("http://evil.example/http://{address}/")),
        with_url("http://127.0.0.1:1/commands/1"),
        with_url(&format!("http://{address}/a b")),
        with_url(&format!("http://{address}/a\r\nX: y")),
        with_url(&format!("http://{address}/{}", "a".repeat(2_100))),
        with_url(&format!("//{address}/commands/1")),
        with_url(&format!("file://{address}/commands/1")),
    ];
    let mut client = torrap.connect();
    for (index, request) in refused.iter().enumerate() {
        let response = client.exchange(request.bytes());
        assert_eq!(response.status, 400, "the request of index {index}");
        assert!(response.content.is_empty());
    }
    assert_acknowledged(&client.exchange(Draft::signed(&good).bytes()));
    torrap.posts(1);
    assert_eq!(torrap.settle().len(), 1, "only the good one was answered");
}

#[test]
fn a_certificate_check_is_answered_with_nothing_and_does_nothing() {
    let torrap = Torrap::start();
    let post = |content: &str| {
        let draft = Draft::new("POST", "/slack")
            .with("Content-Type", "application/x-www-form-urlencoded")
            .content(content);
        torrap.connect().exchange(draft.bytes())
    };
    assert_acknowledged(&post("ssl_check=1&token=gIkuvaNzQIHg97ATvDxqgjtO"));
    assert_acknowledged(&post("token=x&ssl_check=1"));
    let signed = Draft::signed("ssl_check=1&token=x").bytes();
    assert_acknowledged(&torrap.connect().exchange(signed));
    let get = |target: &str| torrap.connect().exchange(Draft::new("GET", target).bytes());
    assert_acknowledged(&get("/slack?ssl_check=1"));
    for smuggled in [
        format!("ssl_check=1&{}", form(&torrap)),
        format!("{}&ssl_check=1", form(&torrap)),
        "ssl_check=1&%63ommand=%2Ftorrap".to_owned(),
        "ssl_check=0".to_owned(),
        "ssl_check=true".to_owned(),
        "ssl_check=1&ssl_check=1".to_owned(),
        "x=ssl_check=1".to_owned(),
    ] {
        assert_eq!(post(&smuggled).status, 401, "{smuggled}");
    }
    for target in [
        "/slack",
        "/slack?",
        "/slack?ssl_check=0",
        "/slack?ssl_check",
    ] {
        let response = get(target);
        assert_eq!(response.status, 405, "{target}");
        assert!(response.head.contains("\r\nAllow: POST\r\n"));
    }
    let target = "/slack?ssl_check=1";
    assert_eq!(post("").status, 401);
    let in_query = Draft::new("POST", target).bytes();
    assert_eq!(torrap.connect().exchange(in_query).status, 401);
    assert!(torrap.settle().is_empty());
}

#[test]
fn neither_secrets_nor_paths_nor_tokens_are_ever_logged() {
    let script = |post: &torrap::tools::trial::stand_in::Post| {
        Answer::status(404, "", &format!("cannot POST {} today", post.path))
    };
    let torrap = Torrap::with(script, |_| {});
    let good = Draft::signed(form(&torrap));
    let mut client = torrap.connect();
    assert_acknowledged(&client.exchange(good.bytes()));
    let line = torrap.log.wait_for("status 404", 1).remove(0);
    assert!(
        line.contains("cannot POST") && line.contains("today"),
        "{line}"
    );
    let tampered = good
        .clone()
        .content("token=gIkuvaNzQIHg97ATvDxqgjtO&text=x");
    assert_eq!(client.exchange(tampered.bytes()).status, 401);
    let token = "gIkuvaNzQIHg97ATvDxqgjtO";
    let hmac = &good.value(SIGNATURE)[3..];
    for line in torrap.log.all() {
        for secret in [SECRET, token, hmac, "secret-path", "T0001/1"] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }
}
