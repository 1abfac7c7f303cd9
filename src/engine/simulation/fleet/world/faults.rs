//! What goes wrong in a simulated fleet, and when that is over.

use super::World;
use crate::time::Tick;

/// How many processes there are at most.
const MEMBERS_MAX: usize = 4;
/// By so much the clock of Redis is set at most.
const SET_MS_MAX: u64 = 5 * 60_000;
/// What Redis says of all commands for a while; `None`: it is full, which counts for what needs memory.
const REFUSALS: [Option<&str>; 5] = [
    None,
    Some("LOADING x"),
    Some("READONLY x"),
    Some("MISCONF x"),
    Some("NOREPLICAS x"),
];

impl World {
    /// Something goes wrong.
    pub(super) fn trouble(&mut self) {
        self.has_fault = true;
        let ms = self
            .generator
            .pick(&[100, 900, 3_000, 6_000, 12_000, 20_000]);
        let until = self.clock.now().tick.after(ms);
        let what = match self.generator.percent(50) {
            true => self.trouble_process(until),
            false => self.trouble_redis(until),
        };
        self.tally.note(what);
        self.trace(|| format!("{what}, for {ms} ms"));
    }

    /// A process dies, stops, is cut off, or another one starts.
    fn trouble_process(&mut self, until: Tick) -> &'static str {
        let index = self.generator.index(self.members.len());
        let ends = self.habits.ends;
        match self.generator.below(6) {
            0 | 1 if ends => {
                self.bury(index);
                "kills"
            }
            2 | 3 => {
                self.members[index].frozen_until = Some(until);
                "stops and continues"
            }
            4 if ends && !self.members[index].is_stopping() => {
                self.members[index].stop();
                "stops"
            }
            5 if self.members.len() < MEMBERS_MAX => {
                self.start();
                "starts"
            }
            _ => {
                self.members[index]
                    .store
                    .with(|thread| thread.cut_until = until);
                "cuts"
            }
        }
    }

    /// Redis is away, refuses, lags, fails over, forgets, or has its clock set.
    fn trouble_redis(&mut self, until: Tick) -> &'static str {
        let may_forget = !self.habits.ends;
        match self.generator.below(6) {
            0 => {
                self.redis.borrow_mut().crash();
                self.down_until = Some(until);
                "Redis down"
            }
            1 => {
                let refusal = self.generator.pick(&REFUSALS);
                let mut redis = self.redis.borrow_mut();
                redis.master().refusal = refusal;
                redis.master().is_full = true;
                self.full_until = Some(until);
                "full"
            }
            // What a failover forgets was acknowledged, unless Redis has waited for the follower.
            2 if self.habits.wait > 0 || may_forget => {
                self.redis.borrow_mut().is_lagging = true;
                self.lagging_until = Some(until);
                "lags"
            }
            3 if self.down_until.is_none() => {
                self.redis.borrow_mut().fail_over();
                self.lagging_until = None;
                "failovers"
            }
            4 if self.habits.sets_clocks => {
                let by = self.generator.below(SET_MS_MAX).cast_signed();
                let by = if self.generator.percent(50) { by } else { -by };
                self.redis.borrow_mut().set_clock(by);
                "clocks set"
            }
            _ if may_forget => {
                self.redis.borrow_mut().empty();
                "flushes"
            }
            _ => "nothing",
        }
    }

    /// What has lasted long enough is over.
    pub(super) fn recover(&mut self, now: Tick) {
        let is_over = |until: &mut Option<Tick>| until.take_if(|until| *until <= now).is_some();
        let mut redis = self.redis.borrow_mut();
        if is_over(&mut self.down_until) {
            redis.restart();
        }
        if is_over(&mut self.full_until) {
            redis.master().is_full = false;
            redis.master().refusal = None;
        }
        if is_over(&mut self.lagging_until) {
            redis.is_lagging = false;
        }
    }

    /// All that is wrong is over, and a process is there that may post everything.
    pub(super) fn heal(&mut self) {
        let now = self.clock.now().tick;
        for until in [
            &mut self.down_until,
            &mut self.full_until,
            &mut self.lagging_until,
        ] {
            *until = until.map(|_| now);
        }
        for member in &mut self.members {
            member.frozen_until = member.frozen_until.map(|_| now);
            member.store.with(|thread| {
                thread.fault_percent = 0;
                thread.cut_until = Tick(0);
            });
        }
        self.habits.fault_percent = 0;
        // One that may post everything.
        self.habits.differs = false;
        self.configs[1] = self.configs[0].clone();
        self.start();
        self.settle();
    }
}
