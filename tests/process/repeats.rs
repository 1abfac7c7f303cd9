//! One who has captured a request sends it again and again, and one whose proxy asks again: the command is carried out once.

use std::io::{Read, Write};
use std::thread;

use test_support::{Client, DEADLINE, Process, Scratch};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

const REPLAYS: usize = 100_000;
/// What the table of jobs has room for by default.
const ROOM: usize = 100_000;

/// As many replays as there is room for commands: other people's commands go on, and there is one post.
#[test]
fn replays_of_one_request_take_no_room_from_others_and_are_one_post() {
    let mut bot = TORRAP.start(|command| {
        command.args(["--delay", "600", "--drain", "0"]);
        command.env("LOG_LEVEL", "info");
    });
    let (request, mut client) = (bot.signed("olleh"), bot.connect());
    let length = client.exchange(&request).head.len();
    let mut writing = client.stream.try_clone().unwrap();
    let all = request.repeat(REPLAYS);
    let writer = thread::spawn(move || writing.write_all(&all).unwrap());
    let mut answers = vec![0; length * REPLAYS];
    for half in answers.chunks_mut(length * REPLAYS / 2) {
        client.stream.read_exact(half).unwrap();
        bot.command("rehto"); // it is not answered "busy"
    }
    writer.join().unwrap();
    let is_empty_200 = |answer: &[u8]| {
        answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"Content-Length: 0\r\n\r\n")
    };
    assert!(answers.chunks(length).all(is_empty_200));
    const { assert!(REPLAYS >= ROOM) };
    assert_eq!(bot.process.stop(), Some(1), "for the three that are left");
    let left = bot.process.messages();
    let left = left.iter().filter(|line| line.contains("not answered"));
    assert_eq!(left.count(), 3, "{:#?}", bot.process.log);
}

/// Also if the process was killed in between, and the next one has the command from its journal.
#[test]
fn a_command_that_comes_again_after_a_crash_is_one_command() {
    let directory = Scratch::new("repeats");
    let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
    let start = |delay: &str| {
        let mut process = Process::start(&mut TORRAP.serve(&slack, |command| {
            command.args(["--delay", delay, "--journal", directory.path()]);
        }));
        let address = process.read_address();
        (process, address)
    };
    let url = format!("{}/commands/T0001/1/secret-path", slack.origin());
    let request = test_support::signed(test_support::SECRET, "olleh", &url);
    let send = |address| Client::connect(address).exchange(&request);
    let (first, address) = start("5");
    assert_eq!(send(address).status, 200);
    first.signal("KILL");
    drop(first);
    let (mut second, address) = start("5");
    for _ in 0..3 {
        let answer = send(address);
        assert_eq!((answer.status, answer.content.len()), (200, 0));
    }
    assert_eq!(slack.wait_for(1, DEADLINE).len(), 1);
    second.read_until("answered");
    assert_eq!(second.stop(), Some(0));
    assert_eq!(slack.posts().len(), 1);
}
