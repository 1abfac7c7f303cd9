//! All there is: the shell's parts, the kernel, the clients, the senders and the clocks.

mod ending;

use std::collections::{BTreeMap, BTreeSet};

use mio::Token;

use super::Generator;
use super::client::Client;
use super::habits::Habits;
use super::kept::Kept;
use super::network::{Network, Shared, SimulatedListener, SimulatedSocket, Wire};
use super::senders::Senders;
use crate::app::Bot;
use crate::config::{Config, Settings, SigningSecret};
use crate::endpoint::admission::Admission;
use crate::endpoint::sessions::Sessions;
use crate::endpoint::socket::Readiness;
use crate::endpoint::token::{Side, Source};
use crate::engine::hearing::Hearing;
use crate::http::Limits;
use crate::platform::listener::Listener;
use crate::time::{Now, Tick, UnixTime};
use crate::tools::trial::command;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(crate) const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &[u8] = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

pub(crate) struct World {
    pub(crate) network: Shared,
    pub(crate) now: Now,
    pub(crate) hearing: Hearing,
    sessions: Sessions<SimulatedSocket>,
    admission: Admission<SimulatedListener>,
    bot: Bot,
    pub(crate) kept: Option<Kept>,
    config: Config,
    senders: Senders,
    clients: Vec<Client>,
    generator: Generator,
    habits: Habits,
    stopping: bool,
    /// When each command was complete at the earliest, and which were acknowledged.
    sent: BTreeMap<String, Tick>,
    acknowledged: BTreeSet<String>,
    /// Which were told that the bot is busy.
    turned_down: BTreeSet<String>,
    met: BTreeMap<&'static str, u64>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut generator = Generator::new(seed);
        let habits = Habits::draw(&mut generator);
        Self::with(seed, habits)
    }

    /// One in which nothing goes wrong, with so few places.
    pub(crate) fn with_places(places: usize) -> Self {
        let habits = Habits {
            places,
            ..Habits::calm()
        };
        Self::with(1, habits)
    }

    pub(crate) fn with(seed: u64, habits: Habits) -> Self {
        let mut generator = Generator::new(!seed);
        let now = Now {
            tick: Tick(generator.below(1 << 40)),
            unix: UnixTime(1_700_000_000_000),
        };
        let secret = SigningSecret::new(SECRET).unwrap();
        let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
        config.delay_ms = habits.delay_ms;
        config.tolerance_ms = 86_400_000;
        config.max_pending = generator.pick(&[3, 1_000]);
        let limits = Limits {
            requests_per_turn_max: generator.pick(&[1, 3, 64]),
            ..Limits::default()
        };
        let network = Network::new(Generator::new(generator.number()), habits.fault_percent);
        network.borrow_mut().descriptors_max = habits.descriptors;
        let listener = Listener::of(SimulatedListener(network.clone()));
        let mut bot = Bot::new(&config, now.tick);
        let chance = Generator::new(generator.number());
        let kept = habits
            .disk_fault_percent
            .map(|_| Kept::new(chance, habits.late_events, &mut bot, now));
        Self {
            sessions: Sessions::new(Side::Front, limits, habits.places, now.tick)
                .with_turns_max(habits.turns_max),
            admission: Admission::new("all places", vec![listener]),
            bot,
            kept,
            config,
            senders: Senders::default(),
            clients: Vec::new(),
            network,
            now,
            hearing: Hearing::new(now.tick),
            generator,
            habits,
            stopping: false,
            sent: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            turned_down: BTreeSet::new(),
            met: BTreeMap::new(),
        }
    }

    fn note(&mut self, what: &'static str, count: u64) {
        *self.met.entry(what).or_default() += count;
    }

    pub(crate) fn signed(&self, id: &str) -> Vec<u8> {
        let form = command::form("/torrap", id, "https://hooks.slack.com/commands/1");
        command::request(SECRET.as_bytes(), self.now.unix.secs(), form.as_bytes())
    }

    /// Somebody connects and sends this. Returns who.
    pub(crate) fn connect_with(&self, bytes: &[u8]) -> usize {
        let mut network = self.network.borrow_mut();
        let wire = network.connect(usize::MAX);
        network.deliver(wire, bytes);
        wire
    }

    pub(crate) fn assert_answered(&self, wire: usize) {
        let answer = self.network.borrow_mut().take(wire, 512);
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{answer:?}");
    }

    pub(crate) fn advance(&mut self, ms: u64) {
        self.now.tick = self.now.tick.after(ms);
        self.now.unix.0 += ms;
    }

    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.act();
            if self.generator.percent(60) {
                let all = !self.habits.late_events;
                self.turn(all);
            } else if self.generator.percent(5) {
                self.note("turns without a poll", 1);
                self.work(&[]);
            }
        }
    }

    fn act(&mut self) {
        let any = (!self.clients.is_empty()).then(|| self.generator.index(self.clients.len()));
        let Some(index) = any.filter(|_| self.generator.percent(85)) else {
            return self.connect();
        };
        match self.generator.below(100) {
            0..25 => self.compose(index),
            25..60 => self.carry(index),
            60..80 => self.read(index),
            80..84 => {
                let with_reset = self.generator.percent(50);
                self.note("resets", u64::from(with_reset));
                self.clients[index].has_ended = true;
                let wire = self.clients[index].wire;
                self.network.borrow_mut().end(wire, with_reset);
                if with_reset {
                    self.clients.swap_remove(index);
                }
            }
            84..96 => {
                let ms = self
                    .generator
                    .pick(&[1, 20, 99, 100, 700, 5_000, 31_000, 130_000]);
                self.advance(ms);
            }
            96 if self.generator.percent(3) => self.stop(),
            97 | 98 => self.change_disk(),
            _ => {}
        }
    }

    fn connect(&mut self) {
        if self.clients.len() < 12 && !self.stopping {
            let capacity = self.generator.pick(&[1, 100, 1_000, 100_000]);
            let reads = !self.generator.percent(self.habits.silent_percent);
            let wire = self.network.borrow_mut().connect(capacity);
            self.clients.push(Client::new(wire, reads));
        }
    }

    fn compose(&mut self, index: usize) {
        for _ in 0..self.generator.pick(&[1, 1, 2, 7]) {
            let id = format!("c{}c", self.sent.len() + 1);
            let signed = self.signed(&id);
            let client = &mut self.clients[index];
            match self.generator.below(10) {
                0..5 => {
                    self.sent.insert(id.clone(), Tick(u64::MAX));
                    client.compose(&signed, 200, Some(id), false);
                }
                5 | 6 => client.compose(GET, 200, None, false),
                7 => {
                    let forged = [&signed[..signed.len() - 1], b"x"].concat();
                    client.compose(&forged, 401, None, false);
                }
                8 => client.compose(LAST, 404, None, true),
                _ => client.compose(b"nonsense\r\n\r\n", 400, None, true),
            }
        }
    }

    fn carry(&mut self, index: usize) {
        if self.clients[index].has_ended {
            return;
        }
        let mut network = self.network.borrow_mut();
        for id in self.clients[index].carry(&mut network, &mut self.generator) {
            self.sent.insert(id, self.now.tick);
        }
    }

    fn read(&mut self, index: usize) {
        let is_in_time = !self.habits.is_crowded();
        let mut network = self.network.borrow_mut();
        let client = &mut self.clients[index];
        if client.reads {
            for (id, is_acknowledged) in client.read(&mut network, is_in_time) {
                if is_acknowledged {
                    let is_kept = |kept: &Kept| kept.disk.has_kept(&id);
                    assert!(self.kept.as_ref().is_none_or(is_kept), "{id} is not kept");
                    self.acknowledged.insert(id);
                } else {
                    self.turned_down.insert(id);
                }
            }
        }
    }

    /// The journal's disk goes bad, or is good again.
    fn change_disk(&mut self) {
        if let (Some(kept), Some(percent)) = (&self.kept, self.habits.disk_fault_percent) {
            kept.disk.fail(self.generator.pick(&[0, percent]));
        }
    }

    /// Whether what no sender has yet is left to the next process.
    const fn leaves_rest(&self) -> bool {
        self.kept.is_some() && self.stopping
    }

    fn stop(&mut self) {
        if !self.stopping {
            self.note("stops", 1);
            self.stopping = true;
            self.admission.leave();
            self.sessions.drain();
        }
    }

    /// Connections that the system had no room to watch.
    pub(crate) const fn dropped(&self) -> u64 {
        self.admission.counts().dropped
    }

    /// How many replies are pending.
    pub(crate) fn pending(&self) -> usize {
        self.bot.pending()
    }

    pub(crate) fn has_work(&self) -> bool {
        self.sessions.has_work()
            || self.admission.has_work(&self.sessions)
            || self.bot.has_delivery() && self.senders.room() > 0 && !self.leaves_rest()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        let deadlines = [
            self.sessions.poll_timeout(),
            self.bot.poll_timeout(),
            self.admission.poll_timeout(),
            self.senders.poll_timeout(),
            self.kept.as_ref().and_then(Kept::poll_timeout),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// A turn of the loop with all events there are, or some of them.
    pub(crate) fn turn(&mut self, all: bool) {
        let events = self.poll(all);
        self.work(&events);
    }

    /// What the kernel tells.
    pub(crate) fn poll(&mut self, all: bool) -> Vec<(Token, Readiness)> {
        self.hearing.begin_poll(self.now.tick);
        let events = self.network.borrow_mut().poll(all);
        if !self.network.borrow().has_untold() {
            self.hearing.end_poll(events.len(), usize::MAX, usize::MAX);
        }
        events
    }

    pub(crate) fn work(&mut self, events: &[(Token, Readiness)]) {
        self.sessions.begin_turn(self.now, self.hearing.until());
        for (token, readiness) in events {
            if let Source::Session(Side::Front, key) = Source::of(*token) {
                let is_stale = !self.sessions.contains(key);
                *self.met.entry("events for closed sessions").or_default() += u64::from(is_stale);
                self.sessions.note(key, *readiness);
            }
        }
        if std::mem::take(&mut self.network.borrow_mut().knocks) {
            self.admission.note(0);
        }
        if let Some(kept) = &mut self.kept {
            kept.take_stored(&mut self.sessions, &mut self.bot, self.now);
        }
        self.sessions.receive(&mut self.bot, self.now);
        while let Some(report) = self.senders.poll_report(self.now.tick) {
            self.bot.handle_outcome(&report, self.now);
        }
        self.sessions.expire(&mut self.bot, self.now, &mut 4096);
        self.bot.handle_timeout(self.now, &mut 4096);
        if let Some(kept) = &mut self.kept {
            kept.submit(&mut self.bot, self.now);
        }
        self.sessions.transmit();
        self.admission
            .accept(&mut self.sessions, &mut self.bot, &(), self.now);
        while self.senders.room() > 0 && !self.leaves_rest() {
            let Some(delivery) = self.bot.poll_delivery(self.now) else {
                break;
            };
            self.senders
                .take(&delivery, self.now.tick, &mut self.generator);
        }
        self.check();
    }

    fn check(&self) {
        self.sessions.check();
        let network = self.network.borrow();
        assert!(network.open <= self.habits.places + 1);
        assert!(!network.wires.iter().any(Wire::is_left_behind));
        drop(network);
        assert_eq!(self.bot.undelivered().count(), self.bot.pending());
        for (id, settled) in &self.senders.settled {
            let due = self.sent[id].after(self.habits.delay_ms);
            assert!(*settled >= due, "{id} is early");
        }
        let is_tried = |id: &&String| self.senders.tried.contains_key(*id);
        let wrong = self.turned_down.iter().find(is_tried);
        assert_eq!(wrong, None, "answered though the bot was busy");
        for id in self.senders.tried.keys() {
            let is_kept = |kept: &Kept| kept.disk.has_kept(id);
            assert!(self.kept.as_ref().is_none_or(is_kept), "{id} is not kept");
        }
    }
}
