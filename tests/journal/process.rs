//! The bot with its journal and without sockets or threads, one turn of its loop at a time.

use std::ops::Range;

use torrap::app::{Bot, Delivery, Report};
use torrap::config::{Config, Settings, SigningSecret};
use torrap::http::{Connection, Limits, Response, Staging};
use torrap::journal::{Error, Failure, Journal, Recovery, Sizes};
use torrap::slack::request;
use torrap::slack::response_url::Origin;
use torrap::store::PendingJob;
use torrap::time::{Now, Tick, UnixTime};

use crate::disk::FakeDisk;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub const ORIGIN: &str = "https://hooks.slack.com";

/// What one life of the process has in memory.
pub struct Process {
    pub bot: Bot,
    pub journal: Journal<FakeDisk>,
    /// What it has found at its start.
    pub found: Vec<Found>,
    staging: Staging,
    limits: Limits,
    /// The time of day at its start.
    start: u64,
    /// The connections of each call of `receive`, which has one for each request.
    clients: Vec<Vec<Client>>,
}

/// A connection, and what was sent on it.
struct Client {
    connection: Connection,
    wire: Vec<u8>,
}

impl Client {
    fn release(&mut self, answer: &Response, now: Now, limits: &Limits, staging: &mut Staging) {
        let start = staging.len();
        self.connection.release(answer, now.tick, limits, staging);
        self.wire.extend_from_slice(&staging.bytes()[start..]);
    }
}

/// A job that an earlier process has left.
pub struct Found {
    pub number: u32,
    pub path: String,
    pub attempts: u8,
}

/// What a client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Acknowledged,
    Busy,
    Other,
}

pub fn config(delay_ms: u64) -> Config {
    let secret = SigningSecret::new(SECRET).unwrap();
    let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    config.reply_origins = vec![Origin::parse(ORIGIN).unwrap()];
    config.delay_ms = delay_ms;
    // Tests send one command many times.
    config.allow_replays = true;
    config
}

/// A signed command, whose `response_url` tells it from others.
pub fn signed(number: u64, text: &str, unix_ms: u64) -> Vec<u8> {
    let content = request::form("/torrap", text, &format!("{ORIGIN}/commands/T1/{number}"));
    request::signed(SECRET.as_bytes(), unix_ms / 1000, content.as_bytes())
}

impl Process {
    /// Starts on what is on the disk; `unix` is the time of day.
    pub fn start(disk: &FakeDisk, config: &Config, unix: u64) -> Result<(Self, Recovery), Error> {
        Self::start_with(disk, Sizes::default(), config, unix)
    }

    /// The same for a log of other sizes.
    pub fn start_with(
        disk: &FakeDisk,
        sizes: Sizes,
        config: &Config,
        unix: u64,
    ) -> Result<(Self, Recovery), Error> {
        let now = Now {
            tick: Tick(0),
            unix: UnixTime(unix),
        };
        let mut bot = Bot::new(config, now.tick);
        let mut found = Vec::new();
        let restore = |number, job: &PendingJob<'_>| {
            let key = bot.restore(number, job, now.tick)?;
            found.push(Found {
                number: key.generation(),
                path: job.path.to_owned(),
                attempts: job.attempts,
            });
            Some(key)
        };
        let (journal, recovery) = Journal::open_with(disk.clone(), sizes, now, restore)?;
        bot.begin_store(journal.next_job());
        let process = Self {
            bot,
            journal,
            found,
            staging: Staging::default(),
            limits: Limits::default(),
            start: unix,
            clients: Vec::new(),
        };
        Ok((process, recovery))
    }

    /// The reading of both clocks after so many ms; `unix` need not go with them.
    pub fn now(&self, elapsed: u64, unix: u64) -> Now {
        Now {
            tick: Tick(elapsed),
            unix: UnixTime(unix),
        }
    }

    /// The same if the clock was not set.
    pub fn at(&self, unix: u64) -> Now {
        self.now(unix - self.start, unix)
    }

    pub fn begin(&mut self, now: Now) {
        self.staging.begin(now.unix);
        self.clients.clear();
    }

    /// What connections have sent, one request each.
    pub fn receive(&mut self, requests: Vec<Vec<u8>>, now: Now) {
        let clients = requests
            .into_iter()
            .map(|request| self.receive_one(request, now));
        let clients = clients.collect();
        self.clients.push(clients);
    }

    fn receive_one(&mut self, mut request: Vec<u8>, now: Now) -> Client {
        let mut connection = Connection::new(now.tick, &self.limits);
        let start = self.staging.len();
        let bot = &mut self.bot;
        let handler = |request: &torrap::http::Request<'_>| bot.handle_request(request, now);
        connection.receive(
            &mut request,
            now.tick,
            &self.limits,
            &mut self.staging,
            handler,
        );
        let wire = self.staging.bytes()[start..].to_vec();
        Client { connection, wire }
    }

    pub fn settle(&mut self, report: &Report, now: Now) {
        self.bot.handle_outcome(report, now);
    }

    /// Makes ready what is due, and commits.
    pub fn commit(&mut self, now: Now) -> bool {
        self.commit_late(now, || false)
    }

    /// The same on a disk so slow that some commands are answered "busy" before they are kept.
    pub fn commit_late(&mut self, now: Now, mut is_late: impl FnMut() -> bool) -> bool {
        self.bot.handle_timeout(now, &mut 10_000);
        let (ticket, batch) = self.bot.take_batch();
        let is_kept = self.journal.commit(batch, now).is_ok();
        batch.clear();
        for client in self.clients.iter_mut().flatten() {
            if let Some(hold) = client.connection.hold().filter(|_| is_late()) {
                let answer = self.bot.withdraw_held(hold, now);
                client.release(&answer, now, &self.limits, &mut self.staging);
            }
        }
        self.bot.handle_stored(ticket, is_kept, now);
        for client in self.clients.iter_mut().flatten() {
            let Some(hold) = client.connection.hold() else {
                continue;
            };
            let answer = self.bot.answer_held(hold, is_kept);
            client.release(&answer, now, &self.limits, &mut self.staging);
        }
        is_kept
    }

    /// Makes the last outcomes durable.
    pub fn finish(&mut self, now: Now) -> Result<(), Failure> {
        let (_, batch) = self.bot.take_batch();
        let result = self.journal.finish(batch, now);
        batch.clear();
        result
    }

    /// What the connections got, in the order of their calls of `receive`.
    pub fn transmit(&mut self) -> Vec<Vec<Answer>> {
        let answers = |clients: &Vec<Client>| {
            let answers = clients.iter().flat_map(|client| read(&client.wire));
            answers.collect()
        };
        self.clients.iter().map(answers).collect()
    }

    pub fn dispatch(&mut self, now: Now) -> Option<Delivery> {
        self.bot.poll_delivery(now)
    }

    /// A whole turn in which these commands come.
    pub fn turn(&mut self, numbers: Range<u64>, unix: u64) -> Vec<Answer> {
        let now = self.at(unix);
        self.begin(now);
        let requests = numbers.map(|number| signed(number, "olleh", unix));
        self.receive(requests.collect(), now);
        self.commit(now);
        self.transmit().remove(0)
    }

    /// A whole turn in which everything that is due is delivered; how many that were.
    pub fn deliver(&mut self, unix: u64) -> usize {
        let now = self.at(unix);
        self.bot.handle_timeout(now, &mut 10_000_000);
        let mut delivered = 0;
        while let Some(delivery) = self.dispatch(now) {
            let report = report(delivery.job, torrap::jobs::Outcome::Delivered);
            self.settle(&report, now);
            delivered += 1;
        }
        self.commit(now);
        delivered
    }
}

pub fn report(job: torrap::slab::Key, outcome: torrap::jobs::Outcome) -> Report {
    Report {
        job,
        outcome,
        detail: String::new(),
        took_ms: 0,
    }
}

fn read(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let (_, length) = head.split_once("Content-Length: ").unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        let content = std::str::from_utf8(&bytes[end..end + length]).unwrap();
        answers.push(match (head.starts_with("HTTP/1.1 200 "), content) {
            (true, "") => Answer::Acknowledged,
            (true, content) if content.contains("I am busy") => Answer::Busy,
            _ => Answer::Other,
        });
        bytes = &bytes[end + length..];
    }
    answers
}
