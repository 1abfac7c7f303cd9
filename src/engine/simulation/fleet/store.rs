//! The store of a simulated replica: its thread, and the connection to Redis, which loses and delays.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::redis::SharedRedis;
use crate::engine::simulation::Generator;
use crate::engine::simulation::clock::SimulatedClock;
use crate::redis::Reply;
use crate::shared_journal::{Action, Next, PostingGate, Replica, Sealer, Settings};
use crate::store::{Batch, COLLECTED_BYTES_MAX, Event, OVERDUE_MS, Store, StoreState, Ticket};
use crate::time::Tick;

pub(super) const LEASE_MS: u64 = 5_000;

/// What the engine has, and what the world has a look at.
#[derive(Clone)]
pub(super) struct FleetStore(Rc<RefCell<Thread>>);

/// The thread with its connection.
pub(super) struct Thread {
    pub(super) replica: Replica,
    gate: PostingGate,
    gate_timeout: Option<Tick>,
    /// Whether replies may be posted in this turn.
    pub(super) may_post: bool,
    clock: SimulatedClock,
    redis: SharedRedis,
    generator: Generator,
    events: VecDeque<Event>,
    /// What the thread has not taken yet.
    waiting: Batch,
    ticket: Option<Ticket>,
    /// The batch that waits is the last one.
    is_last: bool,
    flight: Option<Flight>,
    /// The epoch of the connection, if there is one.
    epoch: Option<u64>,
    /// Until then nothing goes through.
    pub(super) cut_until: Tick,
    /// Of each hundred exchanges, so many go wrong.
    pub(super) fault_percent: u64,
    /// How many have.
    pub(super) faults: u64,
    waits_since: Option<Tick>,
    last: Ticket,
    pub(super) done: u64,
}

/// What is under way.
struct Flight {
    what: What,
    deadline: Tick,
    /// When the request arrives, if it has not yet; when the answer does, if it is to.
    arrives: Option<Tick>,
    answers: Option<Tick>,
    replies: Option<Vec<Reply>>,
}

enum What {
    Connect,
    Exchange(Vec<u8>),
}

impl Thread {
    /// The thread takes what there is, sends, and receives, as far as it is time for that.
    fn advance(&mut self, now: Tick) {
        for _ in 0..10_000 {
            if !self.step(now) {
                self.events
                    .extend(std::iter::from_fn(|| self.replica.poll_event()));
                return;
            }
        }
        panic!("the thread spins");
    }

    fn step(&mut self, now: Tick) -> bool {
        self.deliver(now);
        if let Some(flight) = self.flight.take() {
            return self.receive(flight, now);
        }
        if let Some(ticket) = self.ticket.take() {
            let mut batch = std::mem::take(&mut self.waiting);
            self.replica.submit(&mut batch, ticket, now);
        }
        if std::mem::take(&mut self.is_last) {
            self.replica.finish();
        }
        match self.replica.poll_action(now) {
            None => return false,
            Some(Action::Connect { deadline }) => self.send(What::Connect, deadline, now),
            Some(Action::Exchange(exchange)) => {
                let what = What::Exchange(exchange.requests);
                self.send(what, exchange.deadline, now);
            }
        }
        self.done += 1;
        true
    }

    /// What is sent arrives, also if its process is stopped meanwhile.
    pub(super) fn deliver(&mut self, now: Tick) {
        let Some(flight) = &mut self.flight else {
            return;
        };
        let mut redis = self.redis.borrow_mut();
        let is_broken = self.epoch != Some(redis.epoch) && matches!(flight.what, What::Exchange(_));
        if redis.is_down || is_broken || flight.arrives.is_none_or(|at| at > now) {
            return;
        }
        flight.arrives = None;
        flight.replies = Some(match &flight.what {
            What::Connect => Vec::new(),
            What::Exchange(requests) => redis.exchange(requests, now),
        });
    }

    /// What is under way is answered, fails, or goes on.
    fn receive(&mut self, mut flight: Flight, now: Tick) -> bool {
        let (is_down, epoch) = {
            let redis = self.redis.borrow();
            (redis.is_down, redis.epoch)
        };
        let is_exchange = matches!(flight.what, What::Exchange(_));
        let is_broken = is_down || is_exchange && self.epoch != Some(epoch);
        if now >= flight.deadline || is_broken {
            self.epoch = None;
            let cause = if is_broken {
                "the connection is broken"
            } else {
                "no answer in time"
            };
            if let (Some(at), What::Exchange(requests), false) =
                (flight.arrives, flight.what, is_broken)
            {
                self.redis.borrow_mut().delay(at, requests);
            }
            self.replica.handle_failure(cause, now);
        } else if flight.answers.is_some_and(|at| at <= now)
            && let Some(replies) = flight.replies.take()
        {
            if is_exchange {
                if let Next::Close { .. } = self.replica.handle_replies(replies, now) {
                    self.epoch = None;
                }
            } else {
                self.epoch = Some(epoch);
                // Each start and each failover begins an epoch.
                self.replica.handle_connected(&epoch.to_string(), now);
            }
        } else {
            self.flight = Some(flight);
            return false;
        }
        self.done += 1;
        true
    }

    fn send(&mut self, what: What, deadline: Tick, now: Tick) {
        let generator = &mut self.generator;
        let took = |generator: &mut Generator| generator.pick(&[0, 0, 0, 1, 5, 50]);
        let arrives = now.after(took(generator));
        let answers = arrives.after(took(generator));
        let (mut arrives, mut answers) = (Some(arrives), Some(answers));
        if self.cut_until > now {
            (arrives, answers) = (Some(self.cut_until), Some(self.cut_until));
        } else if generator.percent(self.fault_percent) {
            self.faults += 1;
            let late = now.after(generator.pick(&[700, 1_500, 4_000, 9_000]));
            (arrives, answers) = match generator.below(4) {
                0 => (None, None),
                1 => (arrives, None),
                2 => (arrives, Some(late)),
                _ => (Some(late), Some(late)),
            };
        }
        self.flight = Some(Flight {
            what,
            deadline,
            arrives,
            answers,
            replies: None,
        });
    }

    /// When there is something to do.
    pub(super) fn next_at(&self) -> Option<Tick> {
        match &self.flight {
            None => self.replica.poll_timeout(),
            Some(flight) => {
                let answers = flight.answers.filter(|_| flight.replies.is_some());
                let times = [Some(flight.deadline), flight.arrives, answers];
                times.into_iter().flatten().min()
            }
        }
    }

    /// The process is dead: what it has sent still arrives.
    pub(super) fn bury(&mut self) {
        if let Some(Flight {
            what: What::Exchange(requests),
            arrives: Some(at),
            ..
        }) = self.flight.take()
            && self.epoch == Some(self.redis.borrow().epoch)
        {
            self.redis.borrow_mut().delay(at, requests);
        }
    }
}

impl FleetStore {
    pub(super) fn new(
        clock: SimulatedClock,
        redis: SharedRedis,
        mut generator: Generator,
        wait: u32,
        secret: &[u8],
    ) -> Self {
        let mut chance = Generator::new(generator.number());
        let mut random = move |bytes: &mut [u8]| {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = chance.number() as u8);
        };
        let settings = Settings {
            fleet: "simulated".to_owned(),
            wait,
            lease_ms: LEASE_MS,
        };
        let sealer = Sealer::new([secret], &settings.fleet, &mut random);
        Self(Rc::new(RefCell::new(Thread {
            replica: Replica::new(settings, sealer, Box::new(random)),
            gate: PostingGate::new(LEASE_MS),
            gate_timeout: None,
            may_post: false,
            clock,
            redis,
            generator,
            events: VecDeque::new(),
            waiting: Batch::default(),
            ticket: None,
            is_last: false,
            flight: None,
            epoch: None,
            cut_until: Tick(0),
            fault_percent: 0,
            faults: 0,
            waits_since: None,
            last: 0,
            done: 0,
        })))
    }

    /// Has a look.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Thread) -> R) -> R {
        look(&mut self.0.borrow_mut())
    }

    /// Lets the thread do what it is time for. Whether it has something to tell the loop, or has changed something.
    pub(super) fn advance(&self, now: Tick) -> bool {
        self.with(|thread| {
            let before = thread.done;
            thread.advance(now);
            !thread.events.is_empty() || thread.done > before
        })
    }
}

impl Store for FleetStore {
    fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick) {
        self.with(|thread| {
            thread.waiting.append(batch);
            thread.ticket = Some(ticket);
            thread.waits_since.get_or_insert(now);
            thread.last = ticket;
            thread.done += 1;
        });
    }

    fn poll(&mut self, now: Tick) -> Option<Event> {
        self.with(|thread| {
            let sent = thread.replica.last_ok();
            sent.into_iter().for_each(|sent| thread.gate.confirm(sent));
            let event = thread.events.pop_front()?;
            if let Event::Kept(ticket) | Event::NotKept(ticket) = event {
                thread.waits_since = (ticket < thread.last).then_some(now);
            }
            thread.done += 1;
            Some(event)
        })
    }

    fn poll_timeout(&self) -> Option<Tick> {
        self.with(|thread| thread.gate_timeout)
    }

    fn is_accepting(&self, now: Tick) -> bool {
        self.with(|thread| {
            let age_ms = thread
                .waits_since
                .map_or(0, |since| now.millis_since(since));
            let is_in_time = age_ms < OVERDUE_MS && thread.waiting.bytes() <= COLLECTED_BYTES_MAX;
            is_in_time && thread.replica.is_accepting(now)
        })
    }

    fn may_post(&mut self, now: Tick) -> bool {
        self.with(|thread| {
            let may_post = thread.gate.may_post(now);
            thread.gate_timeout = thread.gate.poll_timeout().filter(|_| !may_post);
            thread.may_post = may_post;
            may_post
        })
    }

    fn set_room(&mut self, jobs: usize) {
        self.with(|thread| thread.replica.set_room(jobs));
    }

    fn begin_stop(&mut self) {
        self.with(|thread| thread.replica.begin_stop());
    }

    /// The loop waits for it, so that the clock does as well.
    fn finish(&mut self, batch: &mut Batch, ticket: Ticket) -> bool {
        const FINISH_MS: u64 = 400;
        let clock = self.with(|thread| thread.clock.clone());
        let end = clock.now().tick.after(FINISH_MS);
        self.with(|thread| {
            thread.waiting.append(batch);
            thread.ticket = Some(ticket);
            thread.is_last = true;
        });
        loop {
            let now = clock.now().tick;
            self.with(|thread| thread.advance(now));
            if self.with(|thread| thread.replica.is_finished() && thread.flight.is_none()) {
                return true;
            }
            let next = self.with(|thread| thread.next_at()).filter(|at| *at <= end);
            let Some(next) = next else {
                return false;
            };
            clock.advance(next.millis_since(now).max(1));
        }
    }

    fn state(&self, _: Tick) -> Option<StoreState> {
        None
    }
}
