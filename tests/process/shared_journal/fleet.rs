//! A fleet under load: its processes, the clients, and what came of each command.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use test_support::{DEADLINE, Process, SECRET, poll_for, signed};
use torrap::tools::trial::command;
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use super::redis_server::RedisServer;
use super::relay::Relay;
use crate::TORRAP;

/// How many processes it has.
pub const PROCESSES: usize = 3;
/// Between two commands of one client.
const PAUSE: Duration = Duration::from_millis(10);
/// From a command to its reply, so that many are pending at any time.
const DELAY: &str = "1";
/// Short, so that a test need not wait for long.
pub const LEASE_MS: u64 = 1_000;

/// A fleet. Dropping it kills it.
pub struct Fleet {
    pub redis: RedisServer,
    pub relays: Vec<Relay>,
    pub processes: Vec<Process>,
    slack: SlackStandIn,
    query: String,
    clients: Vec<JoinHandle<()>>,
    load: Arc<Load>,
}

#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    /// The number of the next command.
    next: AtomicU64,
    /// How many each process has accepted.
    accepted: [AtomicU64; PROCESSES],
    /// What was acknowledged, and when.
    acknowledged: Mutex<Vec<(u64, Instant)>>,
    busy: AtomicU64,
}

/// What came of all commands; some of it is only printed.
#[derive(Debug)]
#[allow(dead_code)]
pub struct Tally {
    pub accepted: usize,
    pub busy: u64,
    /// Acknowledged and never posted.
    pub lost: usize,
    /// Posted more than once.
    pub twice: usize,
    /// The longest time from an acknowledgement to its reply.
    pub slowest: Duration,
}

impl Fleet {
    /// Processes that keep their journal in this Redis, each over a relay of its own, and a client for each.
    pub fn start(redis: RedisServer, query: &str) -> Self {
        let slack = SlackStandIn::start(|_| Answer::ok()).unwrap();
        let relays: Vec<_> = (0..PROCESSES)
            .map(|_| Relay::start(redis.address))
            .collect();
        let started = relays
            .iter()
            .map(|relay| process(&slack, relay.address, query));
        let (processes, addresses): (Vec<_>, Vec<_>) = started.unzip();
        let (load, origin) = (Arc::new(Load::default()), slack.origin());
        let clients = addresses.into_iter().enumerate().map(|(at, address)| {
            let (load, origin) = (load.clone(), origin.clone());
            thread::spawn(move || load.send(at, address, &origin))
        });
        let clients = clients.collect();
        let fleet = Self {
            redis,
            relays,
            processes,
            slack,
            query: query.to_owned(),
            clients,
            load,
        };
        fleet.wait_for_more(0..PROCESSES, 50);
        fleet
    }

    /// Starts a process in the place of each, to which no client sends.
    pub fn restart_processes(&mut self) {
        let relays = self.relays.iter();
        let started = relays.map(|relay| process(&self.slack, relay.address, &self.query).0);
        self.processes = started.collect();
    }

    /// Waits until each of these processes has accepted so many commands more.
    pub fn wait_for_more(&self, processes: impl IntoIterator<Item = usize>, count: u64) {
        let accepted = |at: usize| self.load.accepted[at].load(Ordering::SeqCst);
        let goals: Vec<_> = processes
            .into_iter()
            .map(|at| (at, accepted(at) + count))
            .collect();
        let is_reached = || goals.iter().all(|(at, goal)| accepted(*at) >= *goal);
        poll_for("more commands", || is_reached().then_some(()));
    }

    /// Ends the load, waits until all that was accepted is posted, as far as it will be, and counts.
    pub fn finish(mut self, name: &str) -> Tally {
        self.load.is_over.store(true, Ordering::SeqCst);
        for client in self.clients.drain(..) {
            client.join().unwrap();
        }
        let accepted = self.load.acknowledged.lock().unwrap().clone();
        let mut lost = usize::MAX;
        let mut waited = Duration::ZERO;
        let mut posts = BTreeMap::<u64, Vec<Instant>>::new();
        while lost > 0 && waited < DEADLINE {
            let pause = Duration::from_millis(100);
            thread::park_timeout(pause);
            waited += pause;
            posts.clear();
            for post in self.slack.posts() {
                let number: u64 = post.path.trim_start_matches('/').parse().unwrap();
                posts.entry(number).or_default().push(post.at);
            }
            lost = accepted
                .iter()
                .filter(|(number, _)| !posts.contains_key(number))
                .count();
        }
        let tally = Tally {
            accepted: accepted.len(),
            busy: self.load.busy.load(Ordering::SeqCst),
            lost,
            twice: posts.values().filter(|posts| posts.len() > 1).count(),
            slowest: accepted
                .iter()
                .filter_map(|(number, at)| Some(posts.get(number)?[0].duration_since(*at)))
                .max()
                .unwrap_or_default(),
        };
        eprintln!("{name}: {tally:?}");
        if tally.lost > 0 {
            for process in &mut self.processes {
                process.count_unread("");
                eprintln!("{:#?}", process.log);
            }
        }
        tally
    }
}

fn process(slack: &SlackStandIn, redis: SocketAddr, query: &str) -> (Process, SocketAddr) {
    let url = format!("redis://{redis}/0?fleet=test{query}");
    let mut command = TORRAP.serve(slack, |command| {
        command.args(["--delay", DELAY, "--journal", &url]);
        command.env("TORRAP_REDIS_LEASE_MS", LEASE_MS.to_string());
        command.env("LOG_LEVEL", "info");
    });
    let mut process = Process::start(&mut command);
    let address = process.read_address();
    (process, address)
}

impl Load {
    /// Sends commands to a process until the end, over as many connections as it takes.
    fn send(&self, at: usize, address: SocketAddr, origin: &str) {
        while !self.is_over.load(Ordering::SeqCst) {
            if let Ok(stream) = TcpStream::connect(address) {
                self.send_on(at, &stream, origin);
            }
            thread::park_timeout(PAUSE);
        }
    }

    fn send_on(&self, at: usize, mut stream: &TcpStream, origin: &str) {
        // A process that is stopped answers nothing, and may go on.
        stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        let mut reading = BufReader::new(stream.try_clone().unwrap());
        while !self.is_over.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let request = signed(SECRET, "olleh", &format!("{origin}/{number}"));
            if stream.write_all(&request).is_err() {
                return;
            }
            let Ok(response) = command::receive(&mut reading) else {
                return;
            };
            assert_eq!(response.status, 200);
            if response.content.is_empty() {
                let mut acknowledged = self.acknowledged.lock().unwrap();
                acknowledged.push((number, Instant::now()));
                drop(acknowledged);
                self.accepted[at].fetch_add(1, Ordering::SeqCst);
            } else {
                self.busy.fetch_add(1, Ordering::SeqCst);
            }
            thread::park_timeout(PAUSE);
        }
    }
}
