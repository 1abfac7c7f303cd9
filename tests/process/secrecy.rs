//! What never reaches the log: secrets at any level, and text that could drive a terminal.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use test_support::{Bot, SECRET, SECRET_PATH, signed};
use torrap::slack::request::{self, sign};
use torrap::tools::trial::stand_in::{Answer, Post};

use crate::TORRAP;

/// Characters that move the cursor, end a line or turn the direction of what follows.
const HOSTILE: &str =
    "a\n2026-01-01T00:00:00.000Z ERROR [torrap] forged\r\u{1b}[2J\u{9b}\u{202e}\u{2066}b";

fn everything(command: &mut Command) {
    command.env("LOG_LEVEL", "trace");
}

/// Repeats the path of the `response_url` and hostile text.
fn tactless(status: u16) -> impl Fn(&Post) -> Answer + Send + Sync + 'static {
    move |post| Answer::status(status, "", &format!("no {} {HOSTILE}", post.path))
}

/// Commands good and bad, until the bot has told all about them.
fn provoke(bot: &mut Bot) -> Vec<String> {
    let origin = bot.slack.origin();
    let foreign = format!("https://example.com{SECRET_PATH}");
    let good = signed(SECRET, HOSTILE, &format!("{origin}{SECRET_PATH}"));
    let forged = signed("another secret", HOSTILE, &format!("{origin}{SECRET_PATH}"));
    let old = request::signed(
        SECRET.as_bytes(),
        1_600_000_000,
        b"token=gIkuvaNzQIHg97ATvDxqgjtO",
    );
    let statuses = [
        (good.clone(), 200),
        (forged.clone(), 401),
        (old.clone(), 401),
        (signed(SECRET, HOSTILE, &foreign), 400),
        (signed(SECRET, HOSTILE, SECRET_PATH), 400),
        (
            request::signed(
                SECRET.as_bytes(),
                timestamp(&good),
                b"token=gIkuvaNzQIHg97ATvDxqgjtO",
            ),
            400,
        ),
        (
            b"GET /n\xe2\x80\xae\xe2\x81\xa6 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            404,
        ),
        (
            b"POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX-Slack-Signature: v0=00\r\n\
           X-Slack-Request-Timestamp: 1\xe2\x80\xae\xff\xc2\x9b\r\n\r\n"
                .to_vec(),
            401,
        ),
        (b"GET /\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 400),
        (b"\x1b[2J\n\x9b".to_vec(), 400),
    ];
    let mut signatures = Vec::new();
    for (request, status) in statuses {
        let answer = bot.connect().exchange(&request);
        let shown = String::from_utf8_lossy(&request).into_owned();
        // How a path that is not ASCII is refused is no matter here.
        assert!(
            answer.status == status || (status == 404 && answer.status == 400),
            "{shown}"
        );
        signatures.extend(signature_of(&shown));
    }
    assert_eq!(signatures.len(), 6);
    // What the server computes for a forged request is as good as a key to it.
    let (_, content) = split(&forged);
    let computed = sign(SECRET.as_bytes(), timestamp(&forged), content);
    signatures.push(computed.trim_start_matches("v0=").to_owned());
    signatures
}

/// The signature in hexadecimal digits, if it is whole.
fn signature_of(request: &str) -> Option<String> {
    let (_, rest) = request.split_once("X-Slack-Signature: v0=")?;
    let signature = rest.lines().next()?;
    (signature.len() == 64).then(|| signature.to_owned())
}

fn split(request: &[u8]) -> (&str, &[u8]) {
    let end = request
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    (
        std::str::from_utf8(&request[..end]).unwrap(),
        &request[end..],
    )
}

fn timestamp(request: &[u8]) -> u64 {
    let (head, _) = split(request);
    let value = head.split("Request-Timestamp: ").nth(1).unwrap();
    value.lines().next().unwrap().parse().unwrap()
}

fn assert_discreet(log: &[String], signatures: &[String]) {
    let secrets = [
        SECRET,
        "gIkuvaNzQIHg97ATvDxqgjtO",
        SECRET_PATH,
        "secret-path",
    ];
    for line in log {
        for secret in secrets
            .into_iter()
            .chain(signatures.iter().map(String::as_str))
        {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
        let unsafe_char = |c: char| {
            c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
        };
        assert!(!line.contains(unsafe_char), "{line:?}");
        assert!(
            line.split(' ')
                .next()
                .is_some_and(|time| time.ends_with('Z')),
            "{line}"
        );
        assert!(
            !line.starts_with("2026-01-01T00:00:00.000Z ERROR"),
            "{line}"
        );
    }
}

#[test]
fn no_secret_and_no_raw_text_is_in_the_log_when_replies_arrive() {
    let mut bot = TORRAP.start(everything);
    let signatures = provoke(&mut bot);
    bot.process.read_until("answered");
    assert_eq!(bot.process.stop(), Some(0));
    let log = &bot.process.log;
    assert_discreet(log, &signatures);
    let has = |part: &str| {
        assert!(
            log.iter().any(|line| line.contains(part)),
            "{part} {log:#?}"
        )
    };
    has(r"\u{1b}");
    has(r"\u{202e}");
    has("401: ");
    has("400: ");
}

#[test]
fn nor_when_the_receiver_repeats_what_it_was_sent() {
    for status in [404, 503] {
        let mut bot = TORRAP.answered_with(tactless(status), |command| {
            everything(command);
            command.args(["--drain", "0"]);
        });
        let signatures = provoke(&mut bot);
        let line = bot.process.read_until(&format!("status {status}: no /…"));
        assert!(line.contains("WARN"), "{line}");
        bot.process.stop();
        assert_discreet(&bot.process.log, &signatures);
    }
}

#[test]
fn nor_when_there_is_no_receiver() {
    // Bound, so that no other process gets the port, and not listening.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    let dead = socket.local_addr().unwrap().as_socket().unwrap();
    let mut bot = TORRAP.start(|command| {
        everything(command);
        command.args(["--drain", "0", "--reply-origin", &format!("http://{dead}")]);
    });
    let url = format!("http://{dead}{SECRET_PATH}");
    assert_eq!(
        bot.connect().exchange(signed(SECRET, "olleh", &url)).status,
        200
    );
    bot.process.read_until("attempt failed");
    assert_eq!(bot.process.stop(), Some(1));
    assert_discreet(&bot.process.log, &[]);
}

/// What is in the memory that a process can write to.
#[cfg(target_os = "linux")]
fn writable_memory(pid: u32) -> Vec<u8> {
    use std::io::{Read, Seek, SeekFrom};
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut content = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let range = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [range.0, range.1].map(|at| u64::from_str_radix(at, 16).unwrap());
        memory.seek(SeekFrom::Start(start)).unwrap();
        // What the kernel keeps to itself cannot be read.
        let _ = (&memory).take(end - start).read_to_end(&mut content);
    }
    content
}

#[cfg(target_os = "linux")]
#[test]
fn a_secret_from_a_file_is_not_kept_in_memory_as_text() {
    let path = format!("{}/wiped-secret", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, format!(" \"{SECRET}\"\n")).unwrap();
    let has_secret = |change: &dyn Fn(&mut Command)| {
        let mut bot = TORRAP.start(change);
        bot.command("olleh");
        bot.posts(1);
        let memory = writable_memory(bot.process.pid());
        assert_eq!(bot.process.stop(), Some(0));
        memory
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes())
    };
    let by_file = |command: &mut Command| {
        command.env_remove("SLACK_SIGNING_SECRET");
        command.env("SLACK_SIGNING_SECRET_FILE", &path);
    };
    assert!(!has_secret(&by_file));
    assert!(
        has_secret(&|_| {}),
        "the environment cannot be wiped; else this test sees nothing"
    );
}
