//! kill -9 under load: whatever was acknowledged is answered by one of the next processes.
//!
//! A few kills; `TORRAP_KILLS=100` makes it a hundred.

use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use test_support::{Client, DEADLINE, Process, SECRET, Scratch, poll_for, signed};
use torrap::tools::trial::command;
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::TORRAP;

const KILLS: u64 = 4;
const CLIENTS: u64 = 4;
/// Commands in one go on one connection.
const PIPELINED: u64 = 8;

/// Which commands were acknowledged, by the number in their `response_url`.
type Acknowledged = Arc<Mutex<BTreeSet<u64>>>;

#[test]
fn whatever_was_acknowledged_is_answered() {
    let kills = std::env::var("TORRAP_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let directory = Scratch::new("kills");
    let slack = Arc::new(SlackStandIn::start(|_| Answer::ok()).unwrap());
    let (acknowledged, next) = (Acknowledged::default(), Arc::new(AtomicU64::new(0)));
    for life in 0..kills {
        let bot = start(&slack, &directory, "0.05");
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (stream, origin) = (Client::connect(bot.1).stream, slack.origin());
                let (acknowledged, next) = (acknowledged.clone(), next.clone());
                thread::spawn(move || send(stream, &origin, &acknowledged, &next))
            })
            .collect();
        // A moment that is another one in each life, told by how far the clients have come.
        let until = next.load(Ordering::SeqCst) + 20 + (life * 7919) % 700;
        poll_for("so many commands", || {
            // Some microseconds more in each life, so that kills come at every point of a turn.
            thread::park_timeout(Duration::from_micros(life * 337 % 1000));
            (next.load(Ordering::SeqCst) >= until).then_some(())
        });
        bot.0.signal("KILL");
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    let mut last = start(&slack, &directory, "0");
    let answered = poll_for("all replies", || {
        // Each look copies all posts, of which there may be many thousands.
        thread::park_timeout(Duration::from_millis(50));
        let answered: BTreeSet<u64> = slack
            .posts()
            .iter()
            .map(|post| number(&post.path))
            .collect();
        acknowledged.is_subset(&answered).then_some(answered)
    });
    assert_eq!(last.0.stop(), Some(0));
    eprintln!(
        "{kills} kills: {} of {} commands acknowledged, {} answered, {} posts",
        acknowledged.len(),
        next.load(Ordering::SeqCst),
        answered.len(),
        slack.posts().len()
    );
    assert!(acknowledged.len() as u64 > kills * 10);
}

fn start(slack: &SlackStandIn, directory: &Scratch, delay: &str) -> (Process, SocketAddr) {
    let mut command = TORRAP.serve(slack, |command| {
        command.args(["--delay", delay, "--journal", directory.path()]);
        command.env("LOG_LEVEL", "info");
    });
    let mut process = Process::start(&mut command);
    let address = process.read_address();
    (process, address)
}

/// Sends commands until the connection breaks.
fn send(stream: TcpStream, origin: &str, acknowledged: &Acknowledged, next: &AtomicU64) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut reading = BufReader::new(stream.try_clone().unwrap());
    let mut writing = stream;
    loop {
        let first = next.fetch_add(PIPELINED, Ordering::SeqCst);
        let numbers = first..first + PIPELINED;
        let request = |number| signed(SECRET, "olleh", &format!("{origin}/{number}"));
        let requests: Vec<u8> = numbers.clone().flat_map(request).collect();
        if writing.write_all(&requests).is_err() {
            return;
        }
        for number in numbers {
            let Ok(response) = command::receive(&mut reading) else {
                return;
            };
            assert_eq!((response.status, response.content.len()), (200, 0));
            acknowledged.lock().unwrap().insert(number);
        }
    }
}

fn number(path: &str) -> u64 {
    path.trim_start_matches('/').parse().unwrap()
}
