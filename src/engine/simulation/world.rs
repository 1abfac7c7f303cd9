//! All there is: the engine, the kernel, the clients, the senders, the disk and the clocks.

mod acts;
mod answers;
mod ending;
mod processes;

use super::Generator;
use super::client::Client;
use super::clock::SimulatedClock;
use super::commands::{Commands, number_in};
use super::composer::Composer;
use super::disk::SimulatedDisk;
use super::habits::Habits;
use super::kept::{Kept, SimulatedStore};
use super::life::Life;
use super::model::Model;
use super::network::{Network, Shared, Wire};
use super::pace::{Pace, Progress};
use super::platform::{SimulatedSystem, Tells};
use super::requests::SECRET;
use super::senders::Step;
use super::standing::Seen;
use super::tally::Tally;
use super::work;
use crate::config::{Config, Settings, SigningSecret};
use crate::endpoint::source::Role;
use crate::engine::Engine;
use crate::engine::platform::{Senders, Stop};
use crate::http::Limits;
use crate::slab::Key;
use crate::slack::request;
use crate::telemetry::health::Condition;
use crate::time::{Now, Tick};

pub(crate) const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A turn of the loop, as what was answered in it depends on it.
#[derive(Clone, Copy)]
struct Turned {
    now: Now,
    /// A command may have been turned down: all that may be pending was, or the store took nothing.
    was_busy: bool,
}

pub(crate) struct World {
    pub(crate) network: Shared,
    pub(super) clock: SimulatedClock,
    pub(super) engine: Engine<SimulatedSystem>,
    pub(super) store: SimulatedStore,
    /// What the journal is on, if there is one.
    disk: Option<SimulatedDisk>,
    life: Life,
    config: Config,
    clients: Vec<Client>,
    generator: Generator,
    habits: Habits,
    composer: Composer,
    commands: Commands,
    model: Model,
    /// All turns of all processes.
    turns: Vec<Turned>,
    pace: Pace,
    /// By how much the clock on the wall was ever set forward, ms, and whether it was set at all.
    wall_ahead_ms: u64,
    is_wall_set: bool,
    /// When the engine has heard of a stop.
    stopped_at: Option<Tick>,
    /// Wake-ups for a deadline of the bot alone, and requests that it may sum up in a line of the log.
    wakeups: u64,
    requests: u64,
    tally: Tally,
    is_traced: bool,
}

fn config(habits: &Habits, generator: &mut Generator) -> Config {
    let secret = SigningSecret::new(SECRET).unwrap();
    let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    config.delay_ms = habits.delay_ms;
    if habits.is_followed {
        config.commands = work::chosen();
    }
    config.tolerance_ms = habits.tolerance_ms;
    config.drain_ms = generator.pick(&[0, 40_000, 86_400_000]);
    let limits = Limits {
        requests_per_turn_max: generator.pick(&[1, 3, 64]),
        ..Limits::default()
    };
    (config.max_pending, config.limits) = match habits.has_small_limits {
        false => (1_000, limits),
        true => {
            let limits = Limits {
                head_bytes_max: 2_048,
                target_bytes_max: 256,
                content_bytes_max: 4_096,
                ..limits
            };
            (generator.pick(&[1, 3, 20, 70, 1_000]), limits)
        }
    };
    config
}

impl World {
    pub(crate) fn new(seed: u64, is_traced: bool) -> Self {
        let mut generator = Generator::new(seed);
        let habits = Habits::draw(&mut generator);
        let world = Self {
            is_traced,
            ..Self::with(seed, habits)
        };
        world.trace(|| format!("{:?}", world.habits));
        world
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
        let config = config(&habits, &mut generator);
        let network = Network::new(Generator::new(generator.number()), habits.fault_percent);
        network.borrow_mut().descriptors_max = habits.descriptors;
        let life = network.borrow().life.clone();
        let disk = habits.disk_fault_percent.map(|_| {
            let chance = Generator::new(generator.number());
            SimulatedDisk::new(chance, life.clone())
        });
        let tolerance_secs = config.tolerance_ms / 1000;
        let started = processes::Start {
            config: &config,
            habits: &habits,
            clock: &clock,
            network: &network,
            disk: disk.as_ref(),
            life: &life,
        };
        let (engine, store, _) = started.engine(&mut generator);
        let now = clock.now().tick;
        Self {
            engine,
            store,
            disk,
            life,
            clients: Vec::new(),
            composer: Composer::new(tolerance_secs, &mut generator),
            commands: Commands::default(),
            model: Model::new(config.delay_ms, tolerance_secs, config.max_pending, now),
            config,
            network,
            clock,
            generator,
            habits,
            turns: Vec::new(),
            pace: Pace::default(),
            wall_ahead_ms: 0,
            is_wall_set: false,
            stopped_at: None,
            wakeups: 0,
            requests: 0,
            tally: Tally::default(),
            is_traced: false,
        }
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            let Now { tick, unix } = self.clock.now();
            eprintln!(
                "{:>5} {:>13} {} {}",
                self.turns.len(),
                tick.0,
                unix.0,
                what()
            );
        }
    }

    pub(crate) fn signed(&self, id: &str) -> Vec<u8> {
        let number = id.trim_matches(|c: char| !c.is_ascii_digit());
        let url = format!("https://hooks.slack.com/commands/T0001/{number}/x");
        let form = request::form("/torrap", id, &url);
        request::signed(
            SECRET.as_bytes(),
            self.clock.now().unix.secs(),
            form.as_bytes(),
        )
    }

    /// A client connects and sends this. Returns its wire.
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

    const fn is_stopping(&self) -> bool {
        self.engine.platform.stop.is_some()
    }

    /// Whether what is pending outlives the process.
    const fn is_durable(&self) -> bool {
        self.engine.drain.is_durable()
    }

    /// Whether the engine has yet to hear of a stop, for which it would be woken.
    const fn is_asked_to_stop(&self) -> bool {
        self.is_stopping() && !self.engine.drain.has_begun()
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
            self.stored_at(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// When the store has something to tell, as long as it is asked.
    fn stored_at(&self) -> Option<Tick> {
        let answer_at = self.store.with(|kept| kept.answer_at()).flatten();
        answer_at.filter(|_| self.is_durable())
    }

    /// A turn of the loop with all events there are, or some of them.
    pub(crate) fn turn(&mut self, all: bool) {
        self.turn_that_hears(if all { Tells::All } else { Tells::Some });
    }

    pub(super) fn turn_that_hears(&mut self, tells: Tells) {
        self.engine.platform.tells = tells;
        let is_full = self.pending() >= self.config.max_pending;
        let pending = self.pending();
        self.engine.turn().unwrap();
        if self.life.is_over() {
            return self.bury(true);
        }
        let now = self.clock.now();
        if self.engine.drain.has_begun() && self.stopped_at.is_none() {
            self.stopped_at = Some(now.tick);
            let is_gone = self.disk.is_some() && !self.is_durable();
            self.tally
                .add("directories gone at a stop", u64::from(is_gone));
            let count = if is_gone { self.pending() as u64 } else { 0 };
            self.tally
                .add("replies pending when the directory was gone", count);
        }
        let is_at_once = self.engine.platform.stop == Some(Stop::AtOnce);
        assert!(!is_at_once || self.engine.is_drained(), "it goes on");
        self.check_network();
        self.check_pace(tells);
        if self.habits.is_followed {
            self.turns.push(Turned {
                now,
                was_busy: is_full || self.may_turn_down(pending),
            });
            self.follow(now);
        }
    }

    /// Whether commands may have been turned down in a turn before which so many replies were pending.
    fn may_turn_down(&self, before: usize) -> bool {
        let is_new = |number: &&u32| !self.model.pending.contains_key(number);
        let jobs = self.engine.bot().pending_jobs();
        let numbers: Vec<u32> = jobs.map(|(key, _)| key.generation()).collect();
        let accepted = numbers.iter().filter(is_new).count();
        before + accepted >= self.config.max_pending
            || self.is_durable() && self.engine.bot().condition() != Condition::Ready
    }

    fn follow(&mut self, now: Now) {
        let steps = std::mem::take(&mut self.engine.senders.steps);
        // A sender that has died had its place until then.
        let is_lost = |step: &&Step| matches!(step, Step::Taken(_, None));
        let lost = steps.iter().filter(is_lost).count();
        let leaves_pending = self.engine.drain.leaves_pending();
        let is_taken = |step: &Step| matches!(step, Step::Taken(..) | Step::RunTaken(_));
        let is_taken = steps.iter().any(is_taken);
        assert!(
            !(leaves_pending && is_taken),
            "posted, and left to the next"
        );
        let is_dispatching = self.engine.senders.room() > lost && !leaves_pending;
        let is_running = self.engine.senders.run_room() > 0 && !leaves_pending;
        self.commands.turn = self.turns.len() - 1;
        let seen = Seen::new(self.engine.bot(), now, is_dispatching, is_running);
        self.model.follow(&seen, &steps, &mut self.commands);
        if !self.is_durable() {
            let waits = self.model.pending.values().any(|pending| !pending.is_kept);
            return assert!(!waits, "it waits for a store that is gone");
        }
        for step in steps {
            match step {
                Step::Taken(delivery, _) => {
                    let id = number_in(&delivery.url);
                    // One that a start has found may have been written alone.
                    if !self.commands.of(id, delivery.job.generation()).is_found {
                        self.assert_kept(id);
                    }
                }
                Step::MessagesUsed(job, uses) => self.assert_told(job, uses),
                _ => {}
            }
        }
    }

    /// The store hears of a message while its run goes on, which may outlive the process.
    fn assert_told(&mut self, job: Key, uses: u8) {
        let Some(attempts) = self.model.uses(job, uses) else {
            return;
        };
        let is_told = self.store.with(|kept| kept.was_told(job, attempts));
        assert_ne!(is_told, Some(false), "{job:?}: {attempts} posts");
        self.tally.note("messages that the store was told of");
    }

    /// A command that is acknowledged or answered would survive a power cut.
    fn assert_kept(&self, id: u64) {
        let is_kept = self.disk.as_ref().is_none_or(|disk| disk.has_kept(id));
        assert!(is_kept, "{id} is not kept");
    }

    /// A turn in which this happens between the poll and what is made of it.
    pub(super) fn interrupted_turn(&mut self, then: impl FnOnce() + 'static) {
        self.engine.platform.interruption = Some(Box::new(then));
        self.turn(true);
    }

    fn check_network(&self) {
        let network = self.network.borrow();
        assert!(network.open - network.open_admin <= self.habits.places + 1);
        assert!(!network.wires.iter().any(Wire::is_left_behind));
        let bot = self.engine.bot();
        assert_eq!(bot.undelivered().count(), bot.pending());
    }

    /// When a poll has told what there is, the loop sleeps before it turns in vain.
    fn check_pace(&mut self, tells: Tells) {
        let is_told = tells != Tells::Nothing && !self.network.borrow().has_untold();
        let slept_ms = self.engine.platform.timeout_ms.filter(|_| is_told);
        let progress = Progress {
            done: [
                self.network.borrow().done,
                self.engine.senders.done,
                self.store.with(|kept| kept.done).unwrap_or(0),
            ],
            pending: self.pending(),
            deadline: self.engine.deadline(),
        };
        self.pace.note(slept_ms, progress);
    }

    /// Whether it has room for all that clients may want: nothing is given up that is still waited for.
    const fn has_room(&self) -> bool {
        !self.habits.is_crowded() && !self.is_stopping()
    }
}
