//! What happens between two turns: clients, disks, clocks, stops.

use super::{Role, Tells, World};
use crate::engine::platform::Stop;
use crate::engine::simulation::client::Client;
use crate::engine::simulation::composer::Composer;
use crate::engine::simulation::requests::What;

/// Clients at the public address, and at the one for metrics.
const CLIENTS_MAX: usize = 12;
const WATCHERS_MAX: usize = 3;

impl World {
    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.act();
            if self.generator.percent(60) {
                let all = !self.habits.late_events;
                self.turn(all);
            } else if self.generator.percent(5) {
                self.tally.note("polls that told nothing");
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
            25..57 => self.carry(index),
            57..77 => self.read(index),
            77..80 => self.leave(index),
            80..88 => {
                let ms = self
                    .generator
                    .pick(&[1, 20, 99, 100, 700, 5_000, 31_000, 130_000]);
                self.advance(ms);
            }
            88..93 => self.advance_to_the_tick(),
            93 if self.generator.percent(3) => self.stop(Stop::Graceful),
            93 if self.generator.percent(1) || self.is_stopping() => self.stop(Stop::AtOnce),
            94 | 95 => self.change_disk(),
            96 => self.watch(),
            _ => self.act_rarely(),
        }
    }

    fn act_rarely(&mut self) {
        let chance = self.generator.below(100);
        if chance < 20 * self.habits.wall_percent {
            self.set_wall_clock();
        } else if chance >= 100 - 20 * self.habits.crash_percent {
            self.crash();
        }
    }

    fn connect(&mut self) {
        if self.clients.len() < CLIENTS_MAX && !self.is_stopping() {
            let capacity = self.generator.pick(&[1, 100, 1_000, 100_000]);
            let reads = !self.generator.percent(self.habits.silent_percent);
            let wire = self.network.borrow_mut().connect(capacity);
            self.trace(|| format!("client {} connects", self.clients.len()));
            let now = self.clock.now().tick;
            self.clients.push(Client::new(wire, reads, now));
        }
    }

    /// A client of the address for metrics connects, which stays open during a stop.
    fn watch(&mut self) {
        let is_admin = |client: &&Client| self.network.borrow().wires[client.wire].is_admin;
        let watchers = self.clients.iter().filter(is_admin).count();
        if self.habits.has_admin && watchers < WATCHERS_MAX {
            let mut network = self.network.borrow_mut();
            let wire = network.connect_to(Role::Admin, 100_000);
            let now = self.clock.now().tick;
            self.clients.push(Client::new(wire, true, now));
        }
    }

    fn compose(&mut self, index: usize) {
        let wire = self.clients[index].wire;
        let is_admin = self.network.borrow().wires[wire].is_admin;
        for _ in 0..self.generator.pick(&[1, 1, 2, 7]) {
            if !self.clients[index].may_ask() {
                return;
            }
            let generator = &mut self.generator;
            let sent = if is_admin {
                Composer::compose_for_admin(generator)
            } else {
                let unix = self.clock.now().unix;
                self.composer.compose(unix, &self.config.limits, generator)
            };
            if let What::Command {
                id,
                signed_at,
                text,
                url,
                is_work,
            } = &sent.what
            {
                let is_repeat = self.commands.add(*id, text, url, *signed_at, *is_work);
                self.tally.add("repeats", u64::from(is_repeat));
            }
            self.requests += 1;
            self.trace(|| format!("client {index} writes {:?}", sent.what));
            self.clients[index].compose(sent);
        }
    }

    fn carry(&mut self, index: usize) {
        if self.clients[index].has_ended {
            return;
        }
        let (turn, now) = (self.turns.len(), self.clock.now().tick);
        let mut network = self.network.borrow_mut();
        let client = &mut self.clients[index];
        for id in client.carry(&mut network, &mut self.generator, turn, now) {
            self.commands.get_mut(id).is_complete = true;
        }
    }

    fn leave(&mut self, index: usize) {
        let with_reset = self.generator.percent(50);
        self.tally.add("resets", u64::from(with_reset));
        self.trace(|| format!("client {index} leaves, with a reset: {with_reset}"));
        let client = &mut self.clients[index];
        client.has_ended = true;
        self.network.borrow_mut().end(client.wire, with_reset);
        if with_reset {
            self.clients.swap_remove(index);
        }
    }

    /// The journal's disk goes bad, or is good again.
    fn change_disk(&mut self) {
        if let (Some(disk), Some(percent)) = (&self.disk, self.habits.disk_fault_percent) {
            disk.fail(self.generator.pick(&[0, percent]));
        }
    }

    pub(in super::super) fn stop(&mut self, stop: Stop) {
        let asked = &mut self.engine.platform.stop;
        if *asked != Some(Stop::AtOnce) && *asked != Some(stop) {
            *asked = Some(stop);
            self.tally.note(match stop {
                Stop::Graceful => "stops",
                Stop::AtOnce => "stops at once",
            });
            self.trace(|| format!("the process is asked to stop: {stop:?}"));
        }
    }

    /// To the moment when something is due, or to the one before it.
    fn advance_to_the_tick(&mut self) {
        let now = self.clock.now().tick;
        let Some(at) = self.poll_timeout().filter(|at| *at > now) else {
            return;
        };
        let early = self.generator.below(3) / 2;
        self.advance(at.millis_since(now) - early);
    }
}
