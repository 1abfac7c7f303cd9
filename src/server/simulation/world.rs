//! All there is: the shell's parts, the kernel, the clients, the senders and the clocks.

use std::collections::{BTreeMap, BTreeSet};

use mio::Token;

use super::client::Client;
use super::habits::Habits;
use super::kept::Kept;
use super::network::{Network, Shared, SimulatedListener, SimulatedSocket};
use super::senders::Senders;
use super::{Generator, network};
use crate::bot::Bot;
use crate::config::{Config, Settings, SigningSecret};
use crate::http::Limits;
use crate::jobs::{ATTEMPTS_MAX, LIFETIME_MS};
use crate::server::admission::Admission;
use crate::server::listener::Listener;
use crate::server::sessions::Sessions;
use crate::server::socket::Readiness;
use crate::server::token::{Side, Source};
use crate::time::{Now, Tick, UnixTime};
use crate::trial::command;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(super) const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &[u8] = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

pub(super) struct World {
    pub(super) network: Shared,
    pub(super) now: Now,
    sessions: Sessions<SimulatedSocket>,
    admission: Admission<SimulatedListener>,
    bot: Bot,
    pub(super) kept: Option<Kept>,
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
    pub(super) fn new(seed: u64) -> Self {
        let mut generator = Generator::new(seed);
        let habits = Habits::draw(&mut generator);
        Self::with(seed, habits)
    }

    pub(super) fn with(seed: u64, habits: Habits) -> Self {
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
            .map(|_| Kept::new(chance, network.clone(), &mut bot, now));
        Self {
            sessions: Sessions::new(Side::Front, limits, habits.places, now.tick),
            admission: Admission::new("all places", vec![listener]),
            bot,
            kept,
            config,
            senders: Senders::default(),
            clients: Vec::new(),
            network,
            now,
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

    pub(super) fn signed(&self, id: &str) -> Vec<u8> {
        let form = command::form("/torrap", id, "https://hooks.slack.com/commands/1");
        command::request(SECRET.as_bytes(), self.now.unix.secs(), form.as_bytes())
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.now.tick = self.now.tick.after(ms);
        self.now.unix.0 += ms;
    }

    pub(super) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.act();
            if self.generator.percent(60) {
                let all = !self.habits.late_events;
                self.turn(all);
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
        let is_in_time = !(self.habits.late_events || self.habits.is_crowded());
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
            let is_shared = self.generator.percent(50);
            self.admission.leave(is_shared, self.now.tick);
            self.sessions.drain();
        }
    }

    pub(super) fn has_work(&self) -> bool {
        self.sessions.has_work()
            || self.admission.has_work(&self.sessions)
            || self.bot.has_delivery() && self.senders.room() > 0 && !self.leaves_rest()
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
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
    pub(super) fn turn(&mut self, all: bool) {
        let events = self.network.borrow_mut().poll(all);
        self.work(&events);
    }

    pub(super) fn work(&mut self, events: &[(Token, Readiness)]) {
        self.sessions.begin_turn(self.now);
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
        self.admission
            .accept(&mut self.sessions, &mut self.bot, &(), self.now);
        self.sessions.receive(&mut self.bot, self.now);
        while let Some(report) = self.senders.poll_report(self.now.tick) {
            self.bot.handle_outcome(&report, self.now);
        }
        self.sessions.expire(&mut self.bot, self.now, &mut 4096);
        self.bot.handle_timeout(self.now, &mut 4096);
        if let Some(kept) = &mut self.kept {
            kept.commit(&mut self.sessions, &mut self.bot, self.now);
        }
        self.sessions.transmit();
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
        assert!(self.network.borrow().open <= self.habits.places + 1);
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

    /// Lets everything come to rest: nobody does anything new, and time stands still.
    fn rest(&mut self) {
        for _ in 0..10_000 {
            for index in 0..self.clients.len() {
                self.read(index);
            }
            if !(self.has_work() || self.network.borrow().has_events()) {
                return self.check_rest();
            }
            self.turn(true);
        }
        panic!("it never comes to rest");
    }

    /// Whoever has a place, reads its answers and has sent something complete has got the answer to it:
    /// no wake-up was lost.
    fn check_rest(&self) {
        let network = self.network.borrow();
        let is_kept = |wire: &network::Wire| wire.is_seated() && wire.is_over();
        assert!(!network.wires.iter().any(is_kept), "nobody noticed a FIN");
        if self.stopping {
            let is_open = |wire: &&network::Wire| wire.is_seated() && !wire.server_fin;
            let open = network.wires.iter().filter(is_open).count();
            assert_eq!(open, self.sessions.owed(), "an idle one outlives the stop");
        }
        for client in self.clients.iter().filter(|client| client.reads) {
            let wire: &network::Wire = &network.wires[client.wire];
            if wire.is_seated() {
                assert!(client.owed() == 0 || wire.server_fin, "a wake-up was lost");
            }
            // One that the bot has not heard of in time, or that did not read in time, may be gone.
            let may_go = self.habits.is_crowded()
                || self.habits.late_events
                || self.stopping
                || wire.was_blocked;
            assert!(
                may_go || client.owed() == 0 || !wire.closed,
                "closed unanswered: {client:?} {wire:?}"
            );
        }
    }

    /// All clients go home, what is owed is settled, and everything is given back.
    pub(super) fn finish(mut self) -> BTreeMap<&'static str, u64> {
        self.rest();
        if let Some(kept) = &self.kept {
            kept.disk.fail(0);
        }
        if self.generator.percent(50) {
            self.stop();
        }
        for client in &mut self.clients {
            if !client.has_ended && self.generator.percent(50) {
                client.has_ended = true;
                self.network.borrow_mut().end(client.wire, false);
            }
        }
        for round in 0.. {
            self.rest();
            let Some(next) = self.poll_timeout() else {
                break;
            };
            self.advance(next.millis_since(self.now.tick));
            self.turn(true);
            assert!(round < 10_000, "it never ends");
        }
        self.sessions.check_empty();
        let network = self.network.borrow();
        assert_eq!(network.open, 0, "a descriptor is left");
        let is_waiting = network.is_anyone_at_the_door();
        assert!(self.stopping || !is_waiting, "nobody opened");
        let is_turned_away = network.wires.iter().any(network::Wire::is_turned_away);
        assert!(self.stopping || !is_turned_away, "turned away at the door");
        drop(network);
        let lost = self.senders.lost.len();
        let left = self.bot.pending() - lost;
        assert!(
            left == 0 || self.leaves_rest(),
            "owed, but not with a dead sender"
        );
        let owed = self.restart();
        for id in &self.acknowledged {
            let is_settled =
                self.senders.settled.contains_key(id) || self.senders.lost.contains_key(id);
            let is_given_up = self.senders.tried.get(id) == Some(&ATTEMPTS_MAX)
                || self.now.tick >= self.sent[id].after(LIFETIME_MS / 2);
            assert!(
                is_settled || is_given_up || owed.contains(id),
                "{id} was acknowledged and is lost"
            );
        }
        let lost: Vec<_> = self.senders.lost.values().copied().collect();
        lost.into_iter().for_each(|how| self.note(how, 1));
        self.note("replies left to the next process", left as u64);
        let (accepted, settled) = (self.acknowledged.len(), self.senders.settled.len());
        self.note("accepted commands", accepted as u64);
        self.note("commands delivered", settled as u64);
        let exhausted = self.network.borrow().exhausted;
        self.note("descriptors ran out", exhausted);
        let answers = self.clients.iter().map(|client| client.answers).sum();
        self.note("answers", answers);
        let refused = |status| move |client: &&Client| client.refused == Some(status);
        let late = self.clients.iter().filter(refused(408)).count();
        let evicted = self.clients.iter().filter(refused(503)).count();
        self.note("refusals for want of time", late as u64);
        self.note("evictions", evicted as u64);
        self.met
    }

    /// What the next process owes, if there is a journal.
    fn restart(&mut self) -> BTreeSet<String> {
        let Some(mut kept) = self.kept.take() else {
            return BTreeSet::new();
        };
        let counts = kept.counts();
        self.note("commits", counts.writes);
        self.note("commits that failed", counts.failures);
        self.note("commands turned down", self.turned_down.len() as u64);
        kept.restart(&mut self.bot, &self.config, self.now)
    }
}
