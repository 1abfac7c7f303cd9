//! The report of a fleet's journal, from replies as a server gives them and from a real one.

use super::report::{Job, Report};
use super::{Query, inspect};
use crate::config::SigningSecret;
use crate::journal::{Entry, JournalTime};
use crate::platform::redis::tests::journal;
use crate::platform::redis::tests::server::Server;
use crate::redis::Reply;
use crate::request_id::RequestId;
use crate::shared_journal::{Head, Name, RedisTime, Sealer};

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.into())
}

fn report(grace: Reply, replicas: &[(&str, &str)]) -> Option<Report> {
    let time = Reply::Array(vec![bulk("1795777490"), bulk("123456")]);
    let replicas = replicas
        .iter()
        .flat_map(|(id, lease)| [bulk(id), bulk(lease)]);
    let replicas = Reply::Array(replicas.collect());
    let server = "Redis 7.0.15 at 10.0.0.1:6379".to_owned();
    Report::begin(server, &time, &grace, &Reply::Integer(2), &replicas)
}

/// Of Redis's time in the reports.
const NOW: u64 = 1_795_777_490_123;

fn head() -> Head {
    Head {
        hint: 0,
        takeovers: 0,
        expires: RedisTime(NOW + 1_700_000),
        due: RedisTime(NOW + 5_000),
        attempts: 0,
        is_relied_on: false,
    }
}

#[test]
fn replicas_leases_and_pending_jobs_are_counted() {
    let replicas = [
        ("1111111111111111", "1795777494323"),
        ("2222222222222222", "1795777483123"),
        ("3333333333333333", "0"),
        ("4444\u{1b}", "1"),
        ("parcel:5555", "1795777491123"),
        ("parcel:6666", "1795777490000"),
    ];
    let mut report = report(bulk("1795777493000"), &replicas).unwrap();
    let heads = [
        head(),
        Head {
            due: RedisTime(NOW),
            attempts: 2,
            takeovers: 1,
            expires: RedisTime(NOW + 1),
            ..head()
        },
        Head {
            expires: RedisTime(NOW),
            ..head()
        },
    ];
    for head in heads {
        report.count(0, &head.to_bytes());
    }
    report.count(1, b"garbage");
    let expected = "\
Redis 7.0.15 at 10.0.0.1:6379, time there: 2026-11-27T11:04:50Z
replicas: 4
  1111111111111111: lives, lease ends in 4.2 s, pending: 3
  2222222222222222: dead, lease ended 7 s ago, pending: 1
  3333333333333333: dead, and is being taken over, pending: 0
  4444\\u{1b}: has left, pending: 0
  parcel:5555: passed on, to be taken in 1 s, pending: 0
  parcel:6666: passed on, to be taken now, pending: 0
after an outage nothing is taken over for 2.8 s
pending: 2
  due now: 1
  with failed attempts: 1
  taken over from dead replicas: 1
expired and not answered: 1
unreadable, of no known format: 1
put aside: 2
oldest: expires 2026-11-27T11:04:50Z
next due: 2026-11-27T11:04:55Z
";
    assert_eq!(report.to_string(), expected);
}

#[test]
fn an_empty_journal_is_shown_as_one() {
    let shown = report(Reply::Null, &[]).unwrap().to_string();
    assert!(shown.contains("\nreplicas: 0\npending: 0\n"), "{shown}");
    assert!(shown.ends_with("\nput aside: 2\n"), "{shown}");
}

#[test]
fn replies_of_something_else_are_no_journal() {
    assert!(report(Reply::Null, &[("1", "x")]).is_none());
    let time = Reply::Array(vec![bulk("1")]);
    let empty = Reply::Array(Vec::new());
    let server = String::new();
    assert!(Report::begin(server, &time, &Reply::Null, &Reply::Integer(0), &empty).is_none());
}

const ENTRY: Entry<'static> = Entry {
    due: JournalTime(0),
    expires_at: JournalTime(0),
    attempts: 0,
    command: "/torrap",
    origin: "https://hooks.slack.com",
    path: "/commands/secret",
    text: "hunter2",
    fields: "",
    is_late: false,
    request: None,
};

/// Neither its text nor the path of its `response_url`, however much is known of it.
#[test]
fn the_line_of_a_job_has_no_secret() {
    let report = report(Reply::Null, &[]).unwrap();
    let start = "replica 11: due 2026-11-27T11:04:55Z, in 5 s, expires 2026-11-27T11:33:10Z, attempts made: 0, taken over: 0";
    assert_eq!(
        report.job("replica 11", Some(head()), Job::Opened(ENTRY)),
        format!("{start}, /torrap to https://hooks.slack.com, 7 bytes of text")
    );
    assert_eq!(report.job("replica 11", Some(head()), Job::Sealed), start);
    assert_eq!(
        report.job("replica 11", Some(head()), Job::Unopened),
        format!("{start}, sealed with another signing secret, or damaged")
    );
    assert_eq!(
        report.job("replica 11", None, Job::Sealed),
        "replica 11: unreadable, of no known format"
    );
    let mut late = head();
    late.due = RedisTime(NOW);
    assert!(
        report
            .job("1", Some(late), Job::Sealed)
            .contains("Z, now, expires")
    );
    late.expires = RedisTime(NOW);
    assert!(
        report
            .job("1", Some(late), Job::Sealed)
            .contains("Z, expired, expires")
    );
}

fn secret(text: &str) -> SigningSecret {
    SigningSecret::new(text).unwrap()
}

/// What is printed of `{a}`'s journal on a server.
fn shown(server: &Server, signing_secrets: Vec<SigningSecret>, jobs: bool) -> String {
    let url = format!("{}?fleet=a", server.url());
    let query = Query {
        journal: journal(&url, None),
        ca_file: None,
        signing_secrets,
        jobs,
    };
    let mut printed = String::new();
    let mut print = |text: &str| {
        printed.push_str(text);
        true
    };
    inspect(&query, &mut print).unwrap();
    printed
}

/// More jobs than a page has, of which one is sealed with another secret and one is no value at all.
#[test]
fn a_real_journal_is_read_page_by_page() {
    const JOBS: u64 = 2_500;
    let Some(server) = Server::start(&[]) else {
        return;
    };
    server.run("ZADD {a}:replicas 9999999999999 1111111111111111 1 2222222222222222");
    let key = b"{a}:jobs:1111111111111111";
    let good = secret("8f742231b10e8888abcd99feedface85");
    let fleet =
        |secret: &SigningSecret| Sealer::new([secret.as_bytes()], "a", &mut |bytes| bytes.fill(7));
    let (mut own, mut other) = (fleet(&good), fleet(&secret("another")));
    let far = Head {
        due: RedisTime(9_000_000_000_000),
        expires: RedisTime(9_000_000_000_001),
        ..head()
    };
    let mut names = Vec::new();
    for number in 1..=JOBS {
        let name = Name::of_request(RequestId(number));
        let sealer = if number == 1 { &mut other } else { &mut own };
        let value = sealer.seal(&name, &ENTRY, &far);
        names.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    }
    names.push((b"12345678".to_vec(), b"no value".to_vec()));
    for names in names.chunks(500) {
        let pairs = names
            .iter()
            .flat_map(|(name, value)| [name.as_slice(), value]);
        let parts: Vec<_> = [b"HSET".as_slice(), key].into_iter().chain(pairs).collect();
        server.run_parts(&parts);
    }

    let report = shown(&server, vec![good.clone()], false);
    assert!(
        report.starts_with("Redis ") || report.starts_with("Valkey "),
        "{report}"
    );
    for line in [
        "replicas: 2",
        &format!("pending: {JOBS}"),
        "  due now: 0",
        "unreadable, of no known format: 1",
        "put aside: 0",
        "  2222222222222222: has left, pending: 0",
    ] {
        assert!(report.lines().any(|it| it == line), "{line}: {report}");
    }
    assert!(
        report.contains(&format!(", pending: {}\n", JOBS + 1)),
        "{report}"
    );

    let jobs = shown(&server, vec![secret("wrong"), good.clone()], true);
    let count = |end: &str| jobs.lines().filter(|line| line.ends_with(end)).count() as u64;
    assert_eq!(
        count(", /torrap to https://hooks.slack.com, 7 bytes of text"),
        JOBS - 1
    );
    assert_eq!(count(", sealed with another signing secret, or damaged"), 1);
    assert_eq!(count(": unreadable, of no known format"), 1);
    assert!(!jobs.contains("hunter2") && !jobs.contains("/commands/secret"));

    let jobs = shown(&server, Vec::new(), true);
    assert!(
        jobs.contains("\ncommands are sealed: set SLACK_SIGNING_SECRET"),
        "{report}"
    );
    assert_eq!(jobs.matches("attempts made: 0").count() as u64, JOBS);

    // A reader that goes away is asked for nothing more.
    let mut lines = 0;
    let mut print = |_: &str| {
        lines += 1;
        lines < 5
    };
    let query = Query {
        journal: journal(&format!("{}?fleet=a", server.url()), None),
        ca_file: None,
        signing_secrets: vec![good],
        jobs: true,
    };
    inspect(&query, &mut print).unwrap();
    assert_eq!(lines, 5);
}

/// What killed the processes that had it may be seen from the command and the receiver.
#[test]
fn what_is_put_aside_is_listed() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let good = secret("8f742231b10e8888abcd99feedface85");
    let mut sealer = Sealer::new([good.as_bytes()], "a", &mut |bytes| bytes.fill(7));
    let late = Head {
        due: RedisTime(1_000),
        expires: RedisTime(2_000),
        takeovers: 8,
        ..head()
    };
    let put = |whose: &str, name: &Name, value: &[u8]| {
        let field = [whose.as_bytes(), b":", name.as_bytes()].concat();
        server.run_parts(&[b"HSET", b"{a}:aside", &field, value]);
    };
    // A name is any bytes, colons as well.
    let names = [
        Name::of_request(RequestId(u64::from_le_bytes([b':'; 8]))),
        Name::numbered([b':'; 8], 1),
    ];
    for name in &names {
        let value = sealer.seal(name, &ENTRY, &late);
        put("parcel:1111111111111111", name, value.as_bytes());
        put("2222222222222222", name, value.as_bytes());
    }
    put("3333333333333333", &names[0], b"no value");
    server.run_parts(&[b"HSET", b"{a}:aside", b"\x1b", b"no value"]);
    let jobs = shown(&server, vec![good], true);
    let lines = |line: &str| jobs.lines().filter(|it| *it == line).count();
    for replica in ["parcel:1111111111111111", "2222222222222222"] {
        let line = format!(
            "put aside, of replica {replica}: due 1970-01-01T00:00:01Z, expired, expires 1970-01-01T00:00:02Z, attempts made: 0, \
             taken over: 8, /torrap to https://hooks.slack.com, 7 bytes of text"
        );
        assert_eq!(lines(&line), 2, "{jobs}");
    }
    let line = "put aside, of replica 3333333333333333: unreadable, of no known format";
    assert_eq!(lines(line), 1, "{jobs}");
    assert_eq!(
        lines("put aside: unreadable, of no known format"),
        1,
        "{jobs}"
    );
    assert_eq!(lines("put aside: 6"), 1, "{jobs}");
}

#[test]
fn what_keeps_a_journal_from_being_read_is_told() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let told = |url: &str| {
        let query = Query {
            journal: journal(url, None),
            ca_file: None,
            signing_secrets: Vec::new(),
            jobs: false,
        };
        let error = inspect(&query, &mut |_| true).unwrap_err();
        (error.to_string(), error.is_usage())
    };
    server.run("SET {b}:aside x");
    let (line, is_usage) = told(&format!("{}?fleet=b", server.url()));
    assert!(!is_usage && line.contains("WRONGTYPE"), "{line}");
    let (line, is_usage) = told(&format!("{}/99", server.url()));
    let start = format!(
        "--journal redis://{at}/99?fleet=torrap: {at}: it refuses SELECT",
        at = server.at
    );
    assert!(is_usage && line.starts_with(&start), "{line}");
}
