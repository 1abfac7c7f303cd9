//! All there is: the processes, their clients, Redis, the clock, and what goes wrong.

mod faults;

use std::collections::BTreeMap;

use super::member::{Member, Seen, Start};
use super::redis::{Redis, SharedRedis};
use crate::config::{Config, Settings, SigningSecret};
use crate::engine::simulation::Generator;
use crate::engine::simulation::clock::SimulatedClock;
use crate::engine::simulation::requests::SECRET;
use crate::engine::simulation::tally::Tally;
use crate::engine::simulation::work::{self, Plan};
use crate::slack::request;
use crate::slack::response_url::Origin;
use crate::time::Tick;

/// After the last fault, all that is pending is posted within this time: leases run out, commands take half an hour, and clocks
/// that were set back hold up what a dead process had.
const SETTLED_MS: u64 = 40 * 60_000;

/// What a seed likes to happen.
#[derive(Clone, Copy, Debug)]
struct Habits {
    /// How many replicas of Redis must have a command.
    wait: u32,
    /// Of each hundred exchanges, so many are lost or late.
    fault_percent: u64,
    /// Of each hundred steps, so many are something that goes wrong.
    trouble_percent: u64,
    /// Processes die and leave. Otherwise Redis may forget: if both come together, replies are lost.
    ends: bool,
    sets_clocks: bool,
    /// Some processes may post to fewer origins.
    differs: bool,
    /// Some commands run on a sender.
    runs: bool,
}

/// A command, and what became of it.
#[derive(Clone, Default)]
struct Command {
    request: Vec<u8>,
    is_acknowledged: bool,
    was_busy: bool,
    posts: u64,
    /// How often it was sent again. One that comes when the reply was posted has another one.
    copies: u64,
    /// A process with the narrow settings refuses it.
    is_wide: bool,
}

pub(super) struct World {
    generator: Generator,
    habits: Habits,
    clock: SimulatedClock,
    redis: SharedRedis,
    members: Vec<Member>,
    configs: [Config; 2],
    commands: BTreeMap<u64, Command>,
    /// Until then Redis is in this state.
    down_until: Option<Tick>,
    full_until: Option<Tick>,
    lagging_until: Option<Tick>,
    /// Whether anything has gone wrong.
    has_fault: bool,
    tally: Tally,
    is_traced: bool,
}

fn config(generator: &mut Generator, is_narrow: bool) -> Config {
    let secret = SigningSecret::new(SECRET).unwrap();
    let mut config = Config::from_settings(&Settings::default(), vec![secret]).unwrap();
    config.delay_ms = generator.pick(&[0, 200, 5_000, 30_000]);
    config.tolerance_ms = 86_400_000;
    config.commands = work::chosen();
    config.max_pending = generator.pick(&[5, 50, 1_000]);
    let origins = ["https://hooks.slack.com", "https://hooks.slack-gov.com"];
    let origins = &origins[..if is_narrow { 1 } else { 2 }];
    config.reply_origins = origins
        .iter()
        .map(|origin| Origin::parse(origin).unwrap())
        .collect();
    config
}

impl World {
    pub(super) fn new(seed: u64, is_traced: bool) -> Self {
        let mut generator = Generator::new(!seed);
        let ends = generator.percent(60);
        let habits = Habits {
            wait: generator.pick(&[0, 0, 1]),
            fault_percent: generator.pick(&[0, 0, 2, 15]),
            trouble_percent: generator.pick(&[0, 3, 10]),
            ends,
            sets_clocks: generator.percent(25),
            // Not drawn without ends, so that each seed stays the run that it was.
            differs: match ends {
                true => generator.percent(60),
                false => seed % 5 == 3,
            },
            runs: generator.percent(25),
        };
        let clock = SimulatedClock::new(Tick(generator.below(1 << 40)));
        let narrow = config(&mut generator, habits.differs);
        let configs = [config(&mut generator, false), narrow];
        let mut world = Self {
            redis: Redis::new(),
            has_fault: habits.fault_percent > 0,
            generator,
            habits,
            clock,
            members: Vec::new(),
            configs,
            commands: BTreeMap::new(),
            down_until: None,
            full_until: None,
            lagging_until: None,
            tally: Tally::default(),
            is_traced,
        };
        world.trace(|| format!("{habits:?}"));
        world.start();
        world.start();
        world
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            eprintln!("{:>13} {}", self.clock.now().tick.0, what());
        }
    }

    fn start(&mut self) {
        // The first one may post everything, so that each reply finds one that may.
        let which = usize::from(!self.members.is_empty() && self.generator.percent(50));
        let start = Start {
            is_narrow: which == 1 && self.habits.differs,
            config: &self.configs[which],
            clock: &self.clock,
            redis: &self.redis,
            wait: self.habits.wait,
            fault_percent: self.habits.fault_percent,
        };
        self.members
            .push(Member::start(&start, &mut self.generator));
        self.trace(|| format!("a process starts, of {}", self.members.len()));
    }

    pub(super) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            if self.generator.percent(self.habits.trouble_percent) {
                self.trouble();
            } else if self.generator.percent(40) {
                self.send();
            } else if self.generator.percent(5) {
                let ms = self.generator.pick(&[1_000, 3_000, 9_000]);
                self.pass(self.clock.now().tick.after(ms));
            } else {
                self.wait();
            }
            self.settle();
        }
    }

    /// A client sends a command, or one that was sent before.
    fn send(&mut self) {
        if self.members.is_empty() {
            return;
        }
        let is_copy = !self.commands.is_empty() && self.generator.percent(15);
        let id = match is_copy {
            true => self.generator.below(self.commands.len() as u64),
            false => self.commands.len() as u64,
        };
        let secs = self.clock.now().unix.secs();
        let is_work = self.habits.runs && id % 3 == 1;
        let is_wide = self.habits.differs && id.is_multiple_of(2);
        let origin = if is_wide { "slack-gov" } else { "slack" };
        let command = self.commands.entry(id).or_insert_with(|| {
            let url = format!("https://hooks.{origin}.com/commands/T0001/{id}/x");
            let form = match is_work {
                true => request::form(work::NAME, &Plan::draw(id, &mut self.generator), &url),
                false => request::form("/torrap", &format!("c{id}"), &url),
            };
            Command {
                request: request::signed(SECRET.as_bytes(), secs, form.as_bytes()),
                is_wide,
                ..Command::default()
            }
        });
        let index = self.generator.index(self.members.len());
        let member = &mut self.members[index];
        if member.is_stopping() || command.is_wide && member.is_narrow {
            return;
        }
        command.copies += u64::from(is_copy);
        self.tally.add("copies", u64::from(is_copy));
        member.send(id, &command.request);
    }

    /// Time passes.
    fn wait(&mut self) {
        let now = self.clock.now().tick;
        let next = self.next_at().map_or(100, |at| at.millis_since(now));
        let ms = match self.generator.percent(70) {
            true => next,
            false => next.min(self.generator.pick(&[1, 20, 300])),
        };
        self.clock.advance(ms.max(1));
    }

    /// Much time passes, event by event.
    fn pass(&mut self, until: Tick) {
        while self.clock.now().tick < until {
            let now = self.clock.now().tick;
            let next = self.next_at().map_or(until, |at| at.min(until));
            self.clock.advance(next.millis_since(now).max(1));
            self.settle();
        }
    }

    fn next_at(&self) -> Option<Tick> {
        let members = self.members.iter().filter_map(Member::next_at);
        let others = [
            self.down_until,
            self.full_until,
            self.lagging_until,
            self.redis.borrow().late_at(),
        ];
        members.chain(others.into_iter().flatten()).min()
    }

    /// What there is to do at this moment is done, in any order.
    fn settle(&mut self) {
        let now = self.clock.now().tick;
        self.recover(now);
        for _ in 0..2 {
            let late = self.redis.borrow_mut().receive_late(now);
            self.tally.add("late requests", late as u64);
            let mut index = 0;
            while index < self.members.len() {
                let mut seen = Vec::new();
                let member = &mut self.members[index];
                if member.frozen_until.is_some_and(|until| until <= now) {
                    member.frozen_until = None;
                }
                member.settle(&mut seen);
                let has_ended =
                    member.is_stopping() && !member.is_frozen() && member.end_if_drained(&mut seen);
                self.follow(seen);
                if has_ended {
                    self.bury(index);
                } else {
                    index += 1;
                }
            }
        }
    }

    fn follow(&mut self, seen: Vec<Seen>) {
        for seen in seen {
            match seen {
                Seen::Run => self.tally.note("runs"),
                Seen::Posted(id) => {
                    let command = self.commands.get_mut(&id).expect("it was sent");
                    command.posts += 1;
                    if self.is_traced {
                        eprintln!("{:>13} {id} is posted", self.clock.now().tick.0);
                    }
                }
                Seen::Answered { id, is_busy } => {
                    let command = self.commands.get_mut(&id).expect("it was sent");
                    let what = if is_busy { "busy" } else { "accepted" };
                    self.tally.note(what);
                    if !is_busy && command.is_acknowledged && command.posts == 0 {
                        self.tally.note("copies acknowledged by another process");
                    }
                    command.is_acknowledged |= !is_busy;
                    command.was_busy |= is_busy;
                    self.trace(|| format!("{id} is {what}"));
                }
            }
        }
    }

    /// A process is gone.
    fn bury(&mut self, index: usize) {
        let mut member = self.members.remove(index);
        member.store.with(|thread| thread.bury());
        self.trace(|| format!("a process ends, and leaves {}", member.pending()));
        self.note_end(&mut member);
        if self.members.is_empty() {
            self.start();
        }
    }

    fn note_end(&mut self, member: &mut Member) {
        let faults = member.store.with(|thread| thread.faults);
        self.tally.add("lost and late answers", faults);
        member.note(&mut self.tally);
    }

    /// Nothing goes wrong any more: all that was acknowledged is posted, and nothing is left.
    pub(super) fn finish(mut self) -> Tally {
        self.heal();
        let end = self.clock.now().tick.after(SETTLED_MS);
        while self.is_anything_left() && self.clock.now().tick < end {
            let now = self.clock.now().tick;
            let next = self.next_at().map_or(1_000, |at| at.millis_since(now));
            self.clock.advance(next.clamp(1, 1_000));
            self.settle();
        }
        self.trace(|| "the end".to_owned());
        let left = self.members.iter().map(Member::pending).sum::<usize>();
        assert_eq!(left, 0, "pending");
        for (id, command) in &self.commands {
            let posts = command.posts;
            assert!(posts > 0 || !command.is_acknowledged, "{id} is lost");
            let is_in_vain = command.was_busy && !command.is_acknowledged && posts > 0;
            assert!(
                !is_in_vain || self.has_fault,
                "{id} was not accepted, and is posted"
            );
            let is_too_often = posts > 1 + command.copies;
            assert!(
                !is_too_often || self.has_fault,
                "{id} is posted {posts} times"
            );
            self.tally.add("posted", posts);
            self.tally.add("posted twice", u64::from(is_too_often));
            self.tally.add("posted though busy", u64::from(is_in_vain));
        }
        self.tally
            .add("seeds without a fault", u64::from(!self.has_fault));
        for mut member in std::mem::take(&mut self.members) {
            self.note_end(&mut member);
        }
        self.tally
    }

    /// Whether a process or Redis has something to post.
    fn is_anything_left(&self) -> bool {
        let is_unposted = |command: &Command| command.is_acknowledged && command.posts == 0;
        self.members.iter().any(|member| member.pending() > 0)
            || self.commands.values().any(is_unposted)
    }
}
