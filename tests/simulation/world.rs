//! All there is: the bot, its clients, its senders and both clocks.

use test_support::SECRET;
use test_support::generator::Generator;
use torrap::Config;
use torrap::app::{Bot, Report};
use torrap::config::{Settings, SigningSecret};
use torrap::http::{Limits, Staging};
use torrap::jobs::Outcome;
use torrap::slab::Key;
use torrap::time::{Now, Tick, UnixTime};

use super::client::{Client, Turn};
use super::composer::Composer;
use super::model::Model;
use super::receiver::Receiver;
use super::requests::ORIGINS;

pub struct World {
    pub generator: Generator,
    pub now: Now,
    pub bot: Bot,
    pub model: Model,
    pub clients: Vec<Client>,
    pub receiver: Receiver,
    pub draining: bool,
    pub steps: u64,
    limits: Limits,
    staging: Staging,
    composer: Composer,
    traced: bool,
}

/// Small enough that the limits are met.
fn limits(generator: &mut Generator) -> Limits {
    Limits {
        head_bytes_max: 2048,
        target_bytes_max: 256,
        content_bytes_max: 4096,
        requests_per_turn_max: generator.pick(&[1, 2, 5, 64]),
        ..Limits::default()
    }
}

impl World {
    pub fn new(seed: u64, traced: bool) -> Self {
        let mut generator = Generator::new(seed);
        let now = Now {
            tick: Tick(generator.magnitude(1..=40)),
            unix: UnixTime(1_700_000_000_000 + generator.below(1 << 36)),
        };
        let secret = SigningSecret::new(SECRET).expect("a good secret");
        let mut config = Config::from_settings(&Settings::default(), vec![secret])
            .expect("the defaults are good");
        assert_eq!(config.reply_origins.len(), ORIGINS.len());
        config.delay_ms = generator.pick(&[0, 1, 63, 200, 5_000, 60_000, 1_500_000]);
        config.tolerance_ms = generator.pick(&[1_000, 60_000, 300_000, 3_600_000]);
        config.max_pending = generator.pick(&[1, 2, 5, 20, 70]);
        let tolerance_secs = config.tolerance_ms / 1000;
        let world = Self {
            now,
            bot: Bot::new(&config, now.tick),
            model: Model::new(
                config.delay_ms,
                tolerance_secs,
                config.max_pending,
                now.tick,
            ),
            clients: Vec::new(),
            receiver: Receiver::new(&mut generator),
            draining: false,
            steps: 0,
            limits: limits(&mut generator),
            staging: Staging::default(),
            composer: Composer::new(tolerance_secs, &mut generator),
            generator,
            traced,
        };
        world.trace(|| {
            let (delay, tolerance) = (config.delay_ms, config.tolerance_ms);
            format!(
                "delay {delay}, tolerance {tolerance}, at most {}",
                config.max_pending
            )
        });
        world
    }

    pub fn trace(&self, what: impl FnOnce() -> String) {
        if self.traced {
            let (tick, unix) = (self.now.tick.0, self.now.unix.0);
            eprintln!("{:>5} {tick:>13} {unix} {}", self.steps, what());
        }
    }

    pub fn connect(&mut self) {
        if !self.draining && self.clients.len() < 12 {
            self.trace(|| format!("client {} connects", self.clients.len()));
            self.clients.push(Client::new(self.now.tick, &self.limits));
        }
    }

    /// A client writes a request, or several; the network has yet to carry them.
    pub fn compose(&mut self) {
        let Some(index) = self.any_client() else {
            return self.connect();
        };
        let count = self.generator.pick(&[1, 1, 1, 3, 9]);
        for _ in 0..count {
            let sent = self
                .composer
                .compose(self.now.unix, &self.limits, &mut self.generator);
            self.clients[index].send(sent);
        }
        self.trace(|| format!("client {index} writes {count}"));
        if self.generator.percent(50) {
            let len = self.clients[index].outgoing();
            self.trace(|| format!("client {index} gets all {len} bytes through"));
            self.with_client(index, |client, turn| client.receive(len, turn));
        }
    }

    /// The network carries some of what a client has written.
    pub fn carry(&mut self) {
        let Some(index) = self.any_client() else {
            return self.connect();
        };
        let client = &self.clients[index];
        let (all, has_backlog) = (client.outgoing() as u64, client.has_backlog());
        let len = match self.generator.below(8) {
            0 => all.min(1),
            1 => all.min(self.generator.below(40)),
            2 | 3 => self.generator.below(all + 1),
            _ if has_backlog => 0,
            _ => all,
        };
        if len > 0 || has_backlog {
            self.trace(|| format!("client {index} gets {len} of {all} bytes through"));
            self.with_client(index, |client, turn| client.receive(len as usize, turn));
        }
    }

    fn any_client(&mut self) -> Option<usize> {
        let count = self.clients.len();
        (count > 0).then(|| self.generator.index(count))
    }

    pub fn with_client<R>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Client, &mut Turn<'_>) -> R,
    ) -> R {
        let mut turn = Turn {
            now: self.now,
            limits: &self.limits,
            staging: &mut self.staging,
            bot: &mut self.bot,
            model: &mut self.model,
        };
        act(&mut self.clients[index], &mut turn)
    }

    pub fn leave(&mut self, half: bool) {
        let Some(index) = self.any_client() else {
            return;
        };
        self.trace(|| format!("client {index} leaves, half-closed: {half}"));
        if half {
            self.with_client(index, |client, turn| {
                let left = std::mem::replace(client, Client::new(turn.now.tick, turn.limits));
                left.half_close(turn);
            });
        }
        self.clients.swap_remove(index);
    }

    /// The bot has no room for what is incomplete.
    pub fn shed(&mut self) {
        if let Some(index) = self.any_client() {
            self.trace(|| format!("client {index} is shed"));
            self.with_client(index, Client::shed);
        }
    }

    /// Tells every connection the time, after those with a backlog had their turn.
    pub fn expire_clients(&mut self) {
        for index in (0..self.clients.len()).rev() {
            let is_over = self.with_client(index, |client, turn| {
                if client.has_backlog() {
                    client.receive(0, turn);
                }
                client.handle_timeout(turn)
            });
            if is_over {
                self.trace(|| format!("client {index} is over"));
                self.clients.swap_remove(index);
            }
        }
    }

    pub fn advance(&mut self, ms: u64) {
        self.now.tick = self.now.tick.after(ms);
        self.now.unix.0 += ms;
        self.trace(|| format!("{ms} ms pass"));
    }

    /// Somebody sets the clock on the wall.
    pub fn set_wall_clock(&mut self) {
        let ms = self.generator.magnitude(1..=38);
        let unix = self.now.unix.0;
        self.now.unix.0 = if self.generator.percent(50) {
            unix.saturating_sub(ms).max(1_000_000)
        } else {
            unix + ms
        };
        self.trace(|| String::from("the wall clock is set"));
    }

    pub fn expire(&mut self, mut budget: usize) {
        let given = budget;
        self.bot.handle_timeout(self.now, &mut budget);
        self.model.check_expiry(&self.bot, budget, self.now);
        if given - budget > 0 {
            self.trace(|| format!("{} of the wheel's entries move", given - budget));
        }
    }

    /// Hands due replies to the senders.
    pub fn dispatch(&mut self) {
        for _ in 0..self.receiver.room() {
            let delivery = self.bot.poll_delivery(self.now);
            self.model.take(delivery.as_ref(), &self.bot, self.now);
            let Some(delivery) = delivery else { break };
            self.trace(|| format!("command {} is sent", delivery.job.generation()));
            let (tick, generator) = (self.now.tick, &mut self.generator);
            if !self.receiver.take(delivery.job, tick, generator) {
                self.model.tally.note("senders that died");
            }
        }
    }

    /// Takes in a report, if one has come.
    pub fn collect(&mut self) -> bool {
        let report = self.receiver.poll_report(self.now, &mut self.generator);
        let Some((report, asked_ms)) = report else {
            return false;
        };
        self.report(&report, asked_ms);
        true
    }

    fn report(&mut self, report: &Report, asked_ms: u64) {
        let Report { job, outcome, .. } = report;
        self.trace(|| format!("command {}: {outcome:?}", job.generation()));
        self.bot.handle_outcome(report, self.now);
        self.model
            .settle(*job, outcome, asked_ms, &self.bot, self.now);
    }

    /// A report that nobody was asked for: a key of the past, of the future, or of another slot.
    pub fn misreport(&mut self) {
        let index = self.generator.below(4) as u32;
        let generation = self.generator.below(200) as u32;
        let job = Key::from_parts(index, generation);
        if self.receiver.has(job) || self.model.sending().any(|sending| sending == job) {
            return;
        }
        let report = Report {
            job,
            outcome: Outcome::Delivered,
            detail: String::new(),
            took_ms: 0,
        };
        self.report(&report, 0);
    }

    /// Compares the bot with its model; a long table not at every step.
    pub fn check(&self) {
        assert_eq!(self.bot.pending(), self.model.len());
        if self.model.len() < 8 || self.steps.is_multiple_of(8) {
            self.model.check(&self.bot, self.now);
        }
    }

    pub fn drain(&mut self) {
        self.trace(|| String::from("the bot is asked to stop"));
        self.model.tally.note("drains");
        self.draining = true;
        for client in &mut self.clients {
            client.drain(&self.limits);
        }
    }
}
