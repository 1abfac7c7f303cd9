//! All there is: the shell's parts, the kernel, the clients, the senders and the clocks.

mod ending;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Generator;
use super::client::Client;
use super::habits::Habits;
use super::kept::{Kept, SimulatedStore};
use super::network::{Network, Shared, SimulatedListener, Wire};
use super::platform::{SimulatedClock, SimulatedSystem, Tells};
use super::senders::SimulatedSenders;
use crate::app::Bot;
use crate::config::{Config, Settings, SigningSecret};
use crate::engine::platform::Stop;
use crate::engine::{Engine, Parts};
use crate::http::Limits;
use crate::time::Tick;
use crate::tools::trial::command;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(crate) const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &[u8] = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

pub(crate) struct World {
    pub(crate) network: Shared,
    pub(super) clock: SimulatedClock,
    pub(super) engine: Engine<SimulatedSystem>,
    pub(super) store: SimulatedStore,
    config: Config,
    clients: Vec<Client>,
    generator: Generator,
    habits: Habits,
    /// When each command was complete at the earliest, and which were acknowledged.
    pub(super) sent: BTreeMap<String, Tick>,
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
        let clock = SimulatedClock::new(Tick(generator.below(1 << 40)));
        let secret = SigningSecret::new(SECRET).unwrap();
        let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
        config.delay_ms = habits.delay_ms;
        config.tolerance_ms = 86_400_000;
        config.max_pending = generator.pick(&[3, 1_000]);
        config.limits = Limits {
            requests_per_turn_max: generator.pick(&[1, 3, 64]),
            ..Limits::default()
        };
        let network = Network::new(Generator::new(generator.number()), habits.fault_percent);
        network.borrow_mut().descriptors_max = habits.descriptors;
        let mut bot = Bot::new(&config, clock.now().tick);
        let chance = Generator::new(generator.number());
        let kept = habits.disk_fault_percent.map(|_| {
            let kept = Kept::new(chance, habits.late_events, &mut bot, clock.clone());
            Rc::new(RefCell::new(kept))
        });
        config.drain_ms = generator.pick(&[0, 40_000, 86_400_000]);
        let store = SimulatedStore(kept);
        let parts = Parts {
            platform: SimulatedSystem::new(clock.clone(), network.clone()),
            public: vec![SimulatedListener(network.clone())],
            admin: Vec::new(),
            registry: (),
            bot,
            store: store.clone(),
            senders: SimulatedSenders::new(Generator::new(generator.number())),
            connections_max: habits.places,
            turns_max: habits.turns_max,
        };
        Self {
            engine: Engine::new(parts, &config),
            store,
            config,
            clients: Vec::new(),
            network,
            clock,
            generator,
            habits,
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
        command::request(
            SECRET.as_bytes(),
            self.clock.now().unix.secs(),
            form.as_bytes(),
        )
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
        self.clock.advance(ms);
    }

    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.act();
            if self.generator.percent(60) {
                let all = !self.habits.late_events;
                self.turn(all);
            } else if self.generator.percent(5) {
                self.note("polls that told nothing", 1);
                self.turn_that_hears(Tells::Nothing);
            }
            if self.engine.is_drained() {
                break;
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
        if self.clients.len() < 12 && !self.is_stopping() {
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
            self.sent.insert(id, self.clock.now().tick);
        }
    }

    fn read(&mut self, index: usize) {
        let is_in_time = !self.habits.is_crowded();
        let mut network = self.network.borrow_mut();
        let client = &mut self.clients[index];
        if client.reads {
            for (id, is_acknowledged) in client.read(&mut network, is_in_time) {
                if is_acknowledged {
                    let is_kept = self.store.with(|kept| kept.disk.has_kept(&id));
                    assert_ne!(is_kept, Some(false), "{id} is not kept");
                    self.acknowledged.insert(id);
                } else {
                    self.turned_down.insert(id);
                }
            }
        }
    }

    /// The journal's disk goes bad, or is good again.
    fn change_disk(&mut self) {
        if let Some(percent) = self.habits.disk_fault_percent {
            let percent = self.generator.pick(&[0, percent]);
            self.store.with(|kept| kept.disk.fail(percent));
        }
    }

    const fn is_stopping(&self) -> bool {
        self.engine.platform.stop.is_some()
    }

    /// Whether the engine has yet to hear of a stop, for which it would be woken.
    const fn is_asked_to_stop(&self) -> bool {
        self.is_stopping() && !self.engine.drain.has_begun()
    }

    pub(super) fn stop(&mut self) {
        if !self.is_stopping() {
            self.note("stops", 1);
            self.engine.platform.stop = Some(Stop::Graceful);
        }
    }

    /// Connections that the system had no room to watch.
    pub(crate) fn dropped(&self) -> u64 {
        self.engine.public().counts().dropped
    }

    /// How many replies are pending.
    pub(crate) fn pending(&self) -> usize {
        self.engine.bot().pending()
    }

    pub(crate) fn has_work(&self) -> bool {
        self.engine.has_work()
    }

    /// When something happens, if no client does anything.
    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        let deadlines = [
            self.engine.deadline(),
            self.engine.senders.report_at(),
            self.store.with(|kept| kept.answer_at()).flatten(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// A turn of the loop with all events there are, or some of them.
    pub(crate) fn turn(&mut self, all: bool) {
        self.turn_that_hears(if all { Tells::All } else { Tells::Some });
    }

    pub(super) fn turn_that_hears(&mut self, tells: Tells) {
        self.engine.platform.tells = tells;
        self.engine.turn().unwrap();
        self.check();
    }

    /// A turn in which this happens between the poll and what is made of it.
    pub(super) fn interrupted_turn(&mut self, then: impl FnOnce() + 'static) {
        self.engine.platform.interruption = Some(Box::new(then));
        self.turn(true);
    }

    fn check(&self) {
        let (bot, senders) = (self.engine.bot(), &self.engine.senders);
        let network = self.network.borrow();
        assert!(network.open <= self.habits.places + 1);
        assert!(!network.wires.iter().any(Wire::is_left_behind));
        drop(network);
        assert_eq!(bot.undelivered().count(), bot.pending());
        for (id, settled) in &senders.settled {
            let due = self.sent[id].after(self.habits.delay_ms);
            assert!(*settled >= due, "{id} is early");
        }
        let is_tried = |id: &&String| senders.tried.contains_key(*id);
        let wrong = self.turned_down.iter().find(is_tried);
        assert_eq!(wrong, None, "answered though the bot was busy");
        for id in senders.tried.keys() {
            let is_kept = self.store.with(|kept| kept.disk.has_kept(id));
            assert_ne!(is_kept, Some(false), "{id} is not kept");
        }
    }
}
