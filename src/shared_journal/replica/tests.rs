//! One replica or two on a model of Redis, each row of the tables of faults by itself.

mod errors;
mod faults;
mod jobs;
mod lapses;
mod losses;
mod values;

use super::super::model::Model;
use super::super::value::Head;
use super::super::{LIFETIME_MS, PostingGate, Sealer};
use super::*;
use crate::request_id::RequestId;
use crate::slab::Key;
use crate::store::{Batch, Outcome, PendingJob, Ticket};

pub(in crate::shared_journal) const LEASE_MS: u64 = 5_000;
/// What Redis's clock says at tick 0.
pub(in crate::shared_journal) const EPOCH: u64 = 1_800_000_000_000;
const SECRET: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";

/// What becomes of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shared_journal) enum Fate {
    Answered,
    /// Redis does not get it.
    Lost,
    /// Redis does as it says, and the answer is lost.
    AnswerLost,
    /// The replica gives up, and Redis gets it afterwards.
    Late,
}

/// A process of the fleet: a replica, what its loop would know, and what drives it.
pub(in crate::shared_journal) struct Process {
    pub(in crate::shared_journal) replica: Replica,
    pub(in crate::shared_journal) gate: PostingGate,
    pub(in crate::shared_journal) events: Vec<Event>,
    /// Where Redis sent the driver.
    pub(in crate::shared_journal) moved: Option<String>,
    /// What Redis gets afterwards.
    pub(in crate::shared_journal) late: Option<Vec<u8>>,
    /// Which one the next connection leads to.
    pub(in crate::shared_journal) server: String,
    next_key: u32,
    next_ticket: Ticket,
}

impl Process {
    /// The process of this number, which has a room of 256.
    pub(in crate::shared_journal) fn new(number: u64, wait: u32) -> Self {
        Self::with_secrets(number, wait, &[SECRET])
    }

    fn with_secrets(number: u64, wait: u32, secrets: &[&'static [u8]]) -> Self {
        let mut state = number << 32;
        let mut random: Random = Box::new(move |bytes| {
            for byte in bytes {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(number * 2 + 1);
                *byte = (state >> 56) as u8;
            }
        });
        let settings = Settings {
            fleet: "bots".to_owned(),
            wait,
            lease_ms: LEASE_MS,
        };
        let sealer = Sealer::new(secrets.iter().copied(), "bots", &mut random);
        let mut replica = Replica::new(settings, sealer, random);
        replica.set_room(256);
        Self {
            replica,
            gate: PostingGate::new(LEASE_MS),
            events: Vec::new(),
            moved: None,
            late: None,
            server: "1".to_owned(),
            next_key: 1,
            next_ticket: 1,
        }
    }

    /// One action; what becomes of an exchange is said here. `false`: nothing is to be done.
    pub(in crate::shared_journal) fn act(
        &mut self,
        model: Option<&mut Model>,
        fate: Fate,
        now: Tick,
    ) -> bool {
        let Some(action) = self.replica.poll_action(now) else {
            self.note_events();
            return false;
        };
        match (action, model) {
            (Action::Connect { .. }, Some(_)) => self.replica.handle_connected(&self.server, now),
            (Action::Exchange(exchange), Some(model)) => {
                assert!(exchange.deadline > now);
                if fate == Fate::Late {
                    self.late = Some(exchange.requests.clone());
                }
                let is_sent = !matches!(fate, Fate::Lost | Fate::Late);
                let replies = is_sent.then(|| model.exchange(&exchange.requests));
                match replies.filter(|_| fate == Fate::Answered) {
                    Some(replies) => {
                        assert_eq!(replies.len(), exchange.replies);
                        if let Next::Close { moved } = self.replica.handle_replies(replies, now) {
                            self.moved = moved;
                        }
                    }
                    None => self.replica.handle_failure("no answer", now),
                }
            }
            (_, None) => self.replica.handle_failure("no connection", now),
        }
        self.note_events();
        true
    }

    fn note_events(&mut self) {
        self.replica.check();
        if let Some(sent) = self.replica.last_ok() {
            self.gate.confirm(sent);
        }
        while let Some(event) = self.replica.poll_event() {
            self.events.push(event);
        }
    }

    /// All that is to be done at this moment, without a fault.
    fn settle(&mut self, model: &mut Model, now: Tick) {
        model.now = EPOCH + now.0;
        let mut actions = 0;
        while self.act(Some(model), Fate::Answered, now) {
            actions += 1;
            assert!(actions < 1_000, "it comes to rest");
        }
    }

    /// All that is to be done until then; Redis is away.
    fn run_alone(&mut self, from: Tick, until: Tick) {
        let mut now = from;
        while now <= until {
            while self.act(None, Fate::Lost, now) {}
            let next = self
                .replica
                .poll_timeout()
                .unwrap_or_else(|| until.after(1));
            now = next.max(now.after(1));
        }
    }

    /// The same with Redis.
    fn run(&mut self, model: &mut Model, from: Tick, until: Tick) {
        let mut now = from;
        while now <= until {
            self.settle(model, now);
            let next = self
                .replica
                .poll_timeout()
                .unwrap_or_else(|| until.after(1));
            now = next.max(now.after(1));
        }
    }

    pub(in crate::shared_journal) fn next_key(&mut self) -> Key {
        self.next_key += 1;
        Key::from_parts(self.next_key, self.next_key)
    }

    pub(in crate::shared_journal) fn submit(&mut self, batch: &mut Batch, now: Tick) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.replica.submit(batch, ticket, now);
        self.note_events();
        ticket
    }

    /// Submits the jobs of these requests as one batch.
    fn accept(&mut self, requests: &[u64], now: Tick) -> (Vec<Key>, Ticket) {
        let mut batch = Batch::default();
        let keys: Vec<_> = requests.iter().map(|_| self.next_key()).collect();
        for (key, request) in keys.iter().zip(requests) {
            batch.accept(*key, &pending(*request, &request.to_string(), now));
        }
        let ticket = self.submit(&mut batch, now);
        (keys, ticket)
    }

    fn tell(&mut self, outcomes: &[Outcome], now: Tick) {
        let mut batch = Batch::default();
        outcomes.iter().for_each(|outcome| batch.add(*outcome));
        self.submit(&mut batch, now);
    }

    /// The jobs that the loop is told of, which it takes.
    fn adopt_all(&mut self, now: Tick) -> Vec<String> {
        let mut texts = Vec::new();
        let mut outcomes = Vec::new();
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Adopted(adopted) => {
                    texts.push(adopted.job().text.to_owned());
                    let (foreign, job) = (adopted.foreign, self.next_key());
                    outcomes.push(Outcome::Adopted { foreign, job });
                }
                other => self.events.push(other),
            }
        }
        self.tell(&outcomes, now);
        texts.sort();
        texts
    }

    fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

pub(in crate::shared_journal) fn pending(request: u64, text: &str, now: Tick) -> PendingJob<'_> {
    PendingJob {
        command: "/torrap",
        origin: "https://hooks.slack.com",
        path: "/commands/T1/secret",
        text,
        fields: "",
        is_late: false,
        attempts: 0,
        due: now.after(1_000),
        expires_at: now.after(LIFETIME_MS),
        request: (request > 0).then_some(RequestId(request)),
    }
}

/// A model that a process has joined, and the process.
fn joined() -> (Model, Process) {
    let (mut model, mut process) = (Model::default(), Process::new(1, 0));
    process.settle(&mut model, Tick(0));
    // The fleet was silent before: nothing is taken over in its first lease.
    process.run(&mut model, Tick(1), Tick(2 * LEASE_MS));
    assert_eq!(process.take_events(), []);
    (model, process)
}

/// Where tests begin.
const START: Tick = Tick(2 * LEASE_MS);

/// All jobs in Redis, hash by hash.
fn stored(model: &Model) -> Vec<usize> {
    let hashes = model.keyspace.hashes.iter();
    let jobs = hashes.filter(|(key, _)| key.starts_with(b"{bots}:jobs:"));
    jobs.map(|(_, hash)| hash.len()).collect()
}
