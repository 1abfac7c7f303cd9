//! A process that lives and whose loop hangs, here in a command of one's own.

use std::process::Command as Program;
use std::sync::OnceLock;

use test_support::{Client, Gate, Process, SECRET, Torrap, poll_for, signed};
use torrap::commands::{Chosen, Command, Commands, Request};
use torrap::config::{JournalPlace, SharedJournal};
use torrap::redis::{RedisUrl, Reply};
use torrap::tools::trial::stand_in::{Answer, Post};

use super::redis_server::{RedisServer, is_installed};
use crate::TORRAP;

const LEASE_MS: u64 = 500;

/// Opens when the test has seen enough.
static GATE: OnceLock<Gate> = OnceLock::new();

const HANGS: Command = Command::inline("/torrap", |request: &Request<'_>, reply: &mut String| {
    if request.text() == "hang" {
        GATE.get_or_init(Gate::default).wait();
    }
    reply.push_str("late");
})
.usage("/torrap");

/// Its lease says that its loop turns, and not that a thread of it does: the others post what it has pending.
#[test]
fn a_process_whose_loop_hangs_loses_its_lease_and_learns_it() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start("hung", &[]);
    let url = format!("redis://{}/0?fleet=test", redis.address);
    let journal = SharedJournal {
        url: RedisUrl::parse(&url).unwrap(),
        password: None,
        lease_ms: LEASE_MS,
    };
    let hung = Torrap::with(
        |_| Answer::ok(),
        |config| {
            let mut commands = Chosen::of(Commands::new(&[HANGS]).unwrap());
            commands.add("/torrap").unwrap();
            config.commands = commands;
            config.delay_ms = 700;
            config.journal = Some(JournalPlace::Shared(Box::new(journal)));
        },
    );
    let mut other = Process::start(&mut TORRAP.serve(&hung.slack, |command: &mut Program| {
        command.args(["--journal", &url]);
        command.env("TORRAP_REDIS_LEASE_MS", LEASE_MS.to_string());
        command.env("LOG_LEVEL", "info");
    }));
    other.read_address();
    let send = |text: &str, path: &str| {
        let request = signed(SECRET, text, &format!("{}/{path}", hung.slack.origin()));
        let answer = Client::connect(hung.address).exchange(&request);
        assert_eq!((answer.status, answer.content.len()), (200, 0), "{text}");
    };
    send("hang", "hang");
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    send("olleh", "pending");
    other.read_until("took over");
    let is_it = |post: &Post| post.path == "/pending";
    let post = poll_for("the reply that was pending", || {
        hung.slack.posts().into_iter().find(is_it)
    });
    assert_eq!(post.content, br#"{"text": "hello"}"#, "of the other one");
    GATE.get_or_init(Gate::default).open();
    poll_for("two processes with a lease", || {
        let living = redis.run("ZCOUNT {test}:replicas 2 inf");
        (living == Reply::Integer(2)).then_some(())
    });
    assert_eq!(hung.stop(), 0);
}
