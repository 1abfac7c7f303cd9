//! Attempts at a reply: which answers settle it, which end it, which are tried again and when.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use test_support::{DEADLINE, Gate, SECRET, Torrap, signed};
use torrap::slack::response_url::Origin;
use torrap::tools::trial::stand_in::{Answer, Post, SlackStandIn};

use crate::slash_command::assert_acknowledged;

/// The first attempt at each path is answered as `first` says, all others with `ok`.
fn first_then_ok(
    first: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Post) -> Answer + Send + Sync + 'static {
    let seen = Mutex::new(Vec::new());
    move |post| {
        let mut seen = seen.lock().unwrap();
        if seen.contains(&post.path) {
            return Answer::ok();
        }
        seen.push(post.path.clone());
        first(&post.path)
    }
}

fn of_path<'a>(posts: &'a [Post], path: &str) -> Vec<&'a Post> {
    posts.iter().filter(|post| post.path == path).collect()
}

#[test]
fn what_may_pass_is_tried_again_a_second_later() {
    let torrap = Torrap::with(
        first_then_ok(|path| match path {
            "/closed" => Answer::Close,
            "/half" => Answer::Last(b"HTTP/1.1 200".to_vec()),
            "/nonsense" => Answer::Last(b"SSH-2.0-parrot\r\n\r\n".to_vec()),
            status => Answer::status(status[1..].parse().unwrap(), "", "a passing fault"),
        }),
        |_| {},
    );
    let paths = [
        "/500",
        "/502",
        "/503",
        "/599",
        "/408",
        "/429",
        "/closed",
        "/half",
        "/nonsense",
    ];
    let mut client = torrap.connect();
    for path in paths {
        assert_acknowledged(&client.exchange(torrap.signed_to(path, "abc")));
    }
    torrap.posts(2 * paths.len());
    assert_eq!(
        torrap.log.wait_for("attempt failed", paths.len()).len(),
        paths.len()
    );
    let posts = torrap.settle();
    for path in paths {
        let [first, second] = of_path(&posts, path)[..] else {
            panic!("{path}: {posts:?}");
        };
        assert_eq!(first.content, second.content);
        // What is over the 1.2 s is the machine's own.
        let wait = second.at.duration_since(first.at).as_secs_f64();
        assert!((0.795..4.0).contains(&wait), "{path}: again after {wait} s");
    }
}

#[test]
fn nothing_comes_before_retry_after() {
    let torrap = Torrap::with(
        first_then_ok(|path| {
            let (status, secs) = path[1..].split_once('/').unwrap();
            let line = format!("Retry-After: {secs}\r\n");
            Answer::status(status.parse().unwrap(), &line, "")
        }),
        |_| {},
    );
    let paths = [
        ("/429/2", 2.0),
        ("/503/2", 2.0),
        ("/429/1", 1.0),
        ("/429/0", 0.795),
    ];
    let mut client = torrap.connect();
    for (path, _) in paths {
        assert_acknowledged(&client.exchange(torrap.signed_to(path, "abc")));
    }
    torrap.posts(2 * paths.len());
    let posts = torrap.settle();
    for (path, secs) in paths {
        let [first, second] = of_path(&posts, path)[..] else {
            panic!("{path}: {posts:?}");
        };
        let wait = second.at.duration_since(first.at).as_secs_f64();
        assert!(wait >= secs, "{path}: again after {wait} s");
    }
}

#[test]
fn a_refusal_is_final_and_a_redirect_is_not_followed() {
    let elsewhere = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let origin = elsewhere.origin();
    let torrap = Torrap::with(
        move |post| {
            let location = format!("Location: {origin}/elsewhere\r\n");
            Answer::status(post.path[1..].parse().unwrap(), &location, "no_service")
        },
        |config| {
            // Even where the target would be allowed to be a response_url.
            let origin = Origin::parse(&elsewhere.origin()).unwrap();
            config.reply_origins.push(origin);
        },
    );
    let statuses = [
        301, 302, 303, 307, 308, 400, 401, 403, 404, 410, 413, 499, 600,
    ];
    let mut client = torrap.connect();
    for status in statuses {
        let request = torrap.signed_to(&format!("/{status}"), "abc");
        assert_acknowledged(&client.exchange(request));
    }
    for line in torrap.log.wait_for("not answered", statuses.len()) {
        assert!(
            line.starts_with("WARN") && line.ends_with(": no_service"),
            "{line}"
        );
    }
    let posts = torrap.settle();
    assert_eq!(posts.len(), statuses.len(), "one attempt each");
    assert!(elsewhere.posts().is_empty());
}

/// Bytes that say yes, each in its own way.
fn successes() -> Vec<Answer> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let huge = vec![b'x'; 10 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", huge.len());
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"100000\r\n".as_slice(), &huge[..1 << 20], b"\r\n"].concat();
    vec![
        Answer::ok(),
        Answer::status(201, "", ""),
        Answer::status(202, "Content-Type: text/html\r\n", "<p>later</p>"),
        Answer::status(299, "Retry-After: 5\r\n", ""),
        Answer::Bytes(bytes("HTTP/1.1 204 No Content\r\n\r\n")),
        Answer::Bytes(bytes(chunked)),
        Answer::Bytes(bytes(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        )),
        Answer::status(200, "Connection: close\r\n", "ok"),
        Answer::Last(bytes("HTTP/1.1 200 OK\r\n\r\nok")),
        Answer::Last(bytes("HTTP/1.0 200 OK\r\n\r\nok")),
        Answer::Last(bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")),
        Answer::Bytes([head.as_bytes(), &huge].concat()),
        Answer::Bytes([endless.as_slice(), &chunk, &chunk, &chunk].concat()),
        Answer::status(200, "Content-Encoding: gzip\r\n", "this is not gzip"),
    ]
}

#[test]
fn every_yes_settles_a_reply_however_it_is_said() {
    let answers = successes();
    let count = answers.len();
    let torrap = Torrap::with(
        move |post| answers[post.path[1..].parse::<usize>().unwrap()].clone(),
        |_| {},
    );
    let mut client = torrap.connect();
    for index in 0..count {
        let request = torrap.signed_to(&format!("/{index}"), "abc");
        assert_acknowledged(&client.exchange(request));
    }
    let answered = torrap.log.wait_for("answered", count);
    assert!(
        answered.iter().all(|line| line.ends_with(": answered")),
        "{answered:?}"
    );
    assert_eq!(torrap.settle().len(), count, "one attempt each");
}

/// A stand-in's address whose connections are refused until it listens.
struct NotYetListening(Socket);

impl NotYetListening {
    fn bind() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).unwrap();
        Self(socket)
    }

    fn origin(&self) -> String {
        let address = self.0.local_addr().unwrap().as_socket().unwrap();
        format!("http://{address}")
    }

    fn listen(self) -> SlackStandIn {
        self.0.listen(16).unwrap();
        SlackStandIn::start_on(
            self.0.into(),
            |_| Answer::ok(),
            |socket| Ok(Box::new(socket)),
        )
        .unwrap()
    }
}

#[test]
fn a_receiver_that_refuses_connections_is_tried_again() {
    let late = NotYetListening::bind();
    let origin = late.origin();
    let unused = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let torrap = Torrap::posting_to(unused, &origin, |_| {});
    let request = signed(SECRET, "abc", &format!("{origin}/late"));
    assert_acknowledged(&torrap.connect().exchange(request));
    let line = torrap.log.wait_for("attempt failed", 1).remove(0);
    assert!(
        line.contains("refused") && line.contains("next in"),
        "{line}"
    );
    let late = late.listen();
    let posts = late.wait_for(1, DEADLINE);
    assert_eq!(posts[0].content, br#"{"text": "cba"}"#);
    assert!(torrap.settle().is_empty());
    assert_eq!(late.posts().len(), 1);
}

#[test]
fn a_slow_answer_is_waited_for() {
    let torrap = Torrap::with(
        |_| {
            Gate::default().wait_at_most(Duration::from_millis(300));
            Answer::ok()
        },
        |_| {},
    );
    assert_acknowledged(&torrap.command("abc"));
    torrap.log.wait_for("answered", 1);
    assert_eq!(torrap.settle().len(), 1);
}

#[test]
fn a_200_that_says_no_is_final() {
    let torrap = Torrap::with(
        |_| Answer::status(200, "", r#"{"ok":false,"error":"channel_not_found"}"#),
        |_| {},
    );
    assert_acknowledged(&torrap.command("abc"));
    let line = torrap.log.wait_for("not answered", 1).remove(0);
    assert!(line.starts_with("WARN"), "{line}");
    assert!(
        line.ends_with(r#"status 200: {"ok":false,"error":"channel_not_found"}"#),
        "{line}"
    );
    assert_eq!(torrap.settle().len(), 1, "one attempt");
}

#[test]
fn a_refused_message_is_apologised_for_once() {
    let torrap = Torrap::with(
        |post| match &*post.path {
            "/commands/T1/only-the-reply" if post.content.starts_with(b"{\"response_type") => {
                Answer::ok()
            }
            _ => Answer::status(400, "", "msg_too_long"),
        },
        |_| {},
    );
    let paths = ["/commands/T1/only-the-reply", "/commands/T2/everything"];
    for (path, count) in paths.into_iter().zip([2, 4]) {
        let request = torrap.signed_to(path, "abc");
        assert_acknowledged(&torrap.connect().exchange(request));
        let posts = torrap.posts(count);
        let posts = of_path(&posts, path);
        assert_eq!(posts[0].content, br#"{"text": "cba"}"#);
        let apology = std::str::from_utf8(&posts[1].content).unwrap();
        let begin = r#"{"response_type": "ephemeral", "text": "Sorry, "#;
        assert!(apology.starts_with(begin), "{apology}");
        match path {
            "/commands/T1/only-the-reply" => torrap.log.wait_for("the apology was posted", 1),
            _ => torrap.log.wait_for("the apology was not posted either", 1),
        };
    }
    assert_eq!(torrap.settle().len(), 4);
}

/// Nothing was sent, however often it was tried: all five attempts are left.
#[test]
fn refused_connections_do_not_count_as_attempts() {
    let never = NotYetListening::bind();
    let origin = never.origin();
    let unused = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let torrap = Torrap::posting_to(unused, &origin, |config| config.drain_ms = 0);
    let request = signed(SECRET, "abc", &format!("{origin}/late"));
    assert_acknowledged(&torrap.connect().exchange(request));
    torrap.log.wait_for("attempt failed", 2);
    assert_nothing_was_sent(torrap);
}

/// A reply is left undelivered, and may be tried as often as at the beginning.
pub fn assert_nothing_was_sent(torrap: Torrap) {
    let log = torrap.log.clone();
    assert_eq!(torrap.stop(), 1);
    let line = log.wait_for("not answered", 1).remove(0);
    // It may have been on its way again when the bot was stopped.
    let is_on_its_way = line.contains(", being sent; 1 of 5");
    assert!(is_on_its_way || line.contains("; 0 of 5"), "{line}");
}

/// Slack's limits on a smaller scale: so many at once, and then one a second.
fn limited(burst: f64) -> impl Fn(&Post) -> Answer + Send + Sync + 'static {
    let bucket = Mutex::new((burst, Instant::now()));
    move |post| {
        if !post.path.starts_with("/commands/T1/") {
            return Answer::ok();
        }
        let mut bucket = bucket.lock().unwrap();
        let now = Instant::now();
        let refilled = bucket.0 + now.duration_since(bucket.1).as_secs_f64();
        *bucket = (refilled.min(burst), now);
        if bucket.0 < 1.0 {
            return Answer::status(429, "Retry-After: 1\r\n", "rate_limited");
        }
        bucket.0 -= 1.0;
        Answer::ok()
    }
}

#[test]
fn a_burst_to_a_limited_workspace_is_delivered_wholly_while_others_go_on() {
    const BURST: usize = 12;
    let torrap = Torrap::with(limited(7.0), |config| config.drain_ms = 60_000);
    let mut client = torrap.connect();
    for number in 0..BURST {
        let path = format!("/commands/T1/{number}");
        assert_acknowledged(&client.exchange(torrap.signed_to(&path, "abc")));
    }
    torrap.log.wait_for("its workspace is limited", 1);
    assert_acknowledged(&client.exchange(torrap.signed_to("/commands/T2/1", "abc")));
    // It is there before the burst is over, which takes a second for each that was refused.
    let is_elsewhere = |post: &&Post| post.path == "/commands/T2/1";
    torrap.log.wait_for(": answered", BURST);
    assert_eq!(torrap.slack.posts().iter().filter(is_elsewhere).count(), 1);
    torrap.log.wait_for(": answered", BURST + 1);
    let posts = torrap.settle();
    let refusals = posts.len() - BURST - 1;
    assert!((1..=10).contains(&refusals), "{refusals} refusals");
}
