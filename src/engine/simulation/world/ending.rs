//! The end of a run: everything comes to rest, is settled and given back.

use std::collections::BTreeSet;

use super::{Kept, SimulatedClock, World};
use crate::app::Bot;
use crate::engine::platform::Stop;
use crate::engine::simulation::Generator;
use crate::engine::simulation::client::Client;
use crate::engine::simulation::commands::number_in;
use crate::engine::simulation::network::Wire;
use crate::engine::simulation::tally::Tally;
use crate::time::Tick;

impl World {
    /// Lets everything come to rest: no client does anything new, and time stands still.
    fn rest(&mut self) {
        for _ in 0..10_000 {
            for index in 0..self.clients.len() {
                self.read(index);
            }
            let is_answered_next = self.is_durable() && self.store.with(Kept::hurry) == Some(true);
            let is_woken = self.network.borrow().has_events() || self.is_asked_to_stop();
            if !(is_answered_next || self.has_work() || is_woken) {
                return self.check_rest();
            }
            if self.engine.is_drained() {
                return;
            }
            self.turn(true);
        }
        panic!("it never comes to rest");
    }

    /// A client that has a place, reads its answers and has sent something complete has got the answer to it:
    /// no wake-up was lost.
    fn check_rest(&self) {
        let network = self.network.borrow();
        let is_kept = |wire: &Wire| wire.is_seated() && wire.is_over();
        assert!(!network.wires.iter().any(is_kept), "a FIN was not noticed");
        if self.is_stopping() {
            let is_open = |wire: &&Wire| wire.is_seated() && !wire.server_fin && !wire.is_admin;
            let open = network.wires.iter().filter(is_open).count();
            assert_eq!(
                open,
                self.engine.public().sessions.unfinished(),
                "an idle one outlives the stop"
            );
        }
        for client in self.clients.iter().filter(|client| client.reads) {
            let wire: &Wire = &network.wires[client.wire];
            if wire.is_seated() {
                let is_answered = client.unanswered() == 0 || wire.server_fin;
                assert!(is_answered, "a wake-up was lost");
            }
            // One that had to make room, or that did not read in time, may be gone.
            let may_go = !self.has_room() || wire.was_blocked;
            assert!(
                may_go || client.unanswered() == 0 || !wire.closed,
                "closed unanswered: {client:?} {wire:?}"
            );
        }
    }

    /// All clients go home, what is pending is settled or left, and everything is given back.
    pub(in super::super) fn finish(mut self) -> Tally {
        self.life.renew();
        self.trace(|| String::from("the clients go home"));
        self.disk.iter().for_each(|disk| disk.fail(0));
        if self.engine.is_drained() {
            return self.end();
        }
        self.rest();
        if self.generator.percent(50) {
            self.stop(Stop::Graceful);
        }
        for client in &mut self.clients {
            if !client.has_ended && self.generator.percent(50) {
                client.has_ended = true;
                self.network.borrow_mut().end(client.wire, false);
            }
        }
        for round in 0.. {
            self.rest();
            if self.engine.is_drained() || !self.sleep() {
                break;
            }
            self.turn(true);
            assert!(round < 20_000, "it never ends");
        }
        self.end()
    }

    /// Until the next deadline. Whether there is one.
    fn sleep(&mut self) -> bool {
        let Some(next) = self.poll_timeout() else {
            return false;
        };
        let of_the_bot = self.engine.bot().poll_timeout();
        let others = [
            self.engine.public().poll_timeout(),
            self.engine.drain.poll_timeout(),
            self.engine.admin().and_then(|admin| admin.poll_timeout()),
            self.engine.senders.report_at(),
            self.stored_at(),
        ];
        let others = others.into_iter().flatten().min();
        if of_the_bot == Some(next) && others.is_none_or(|others| next < others) {
            self.wakeups += 1;
        }
        self.advance(next.millis_since(self.clock.now().tick));
        true
    }

    fn end(mut self) -> Tally {
        let is_stopped = self.engine.is_drained();
        let is_asked = self.is_stopping();
        assert_eq!(is_stopped, is_asked, "a stop ends, and nothing else");
        if is_stopped {
            self.check_stopped();
        } else {
            self.check_all_given_back();
        }
        let (wakeups, schedules) = (self.wakeups, self.model.schedules);
        // Three cascades and an expiry for each timer, and a summary of refusals now and then.
        let most = 4 * schedules + self.requests;
        assert!(wakeups <= most, "{wakeups} wake-ups, {schedules} schedules");
        let is_durable = self.is_durable();
        let count = self.pending() as u64;
        let undelivered = self.engine.end();
        self.note_withdrawn();
        for index in 0..self.clients.len() {
            self.read(index);
        }
        let left = pending(self.engine.bot(), Tick(0));
        assert_eq!(undelivered, if is_durable { 0 } else { left.len() });
        if is_durable {
            self.check_next();
        }
        // One that a dead sender has may be too old by now.
        self.commands.check_end(&left);
        self.count(count)
    }

    /// A stop that was not to be at once has waited for what it does not leave to the next process.
    fn check_stopped(&self) {
        let awaited = match self.is_durable() {
            true => self.engine.bot().sending(),
            false => self.pending(),
        };
        let drain_ms = match self.is_durable() {
            true => self.config.drain_ms.min(500),
            false => self.config.drain_ms,
        };
        let since = self.stopped_at.expect("the engine has heard of it");
        let is_over = self.clock.now().tick >= since.not_before(drain_ms);
        let is_at_once = self.engine.platform.stop == Some(Stop::AtOnce);
        assert!(
            awaited == 0 || is_over || is_at_once,
            "{awaited} not awaited"
        );
    }

    fn check_all_given_back(&self) {
        self.engine.public().sessions.check_empty();
        let network = self.network.borrow();
        assert_eq!(network.open, 0, "a descriptor is left");
        assert!(!network.has_backlog(), "no one has opened");
        let is_refused_at_once = |wire: &Wire| wire.is_refused_at_once() && !wire.is_reset();
        let is_refused_at_once = network.wires.iter().any(is_refused_at_once);
        assert!(!is_refused_at_once, "closed without a session");
        let lost = self.engine.senders.lost;
        let pending = self.pending() as u64;
        assert!(pending <= lost, "pending, but not with a dead sender");
        assert_eq!(self.pending(), self.engine.bot().sending());
    }

    /// The engine takes back at its end what is held then.
    fn note_withdrawn(&mut self) {
        let left = pending(self.engine.bot(), Tick(0));
        for (number, pending) in &self.model.pending {
            if !left.contains(&pending.id) {
                self.commands.of_mut(pending.id, *number).is_withdrawn = true;
            }
        }
    }

    /// The next process has what this one has left, and nothing else.
    pub(in super::super) fn check_next(&mut self) {
        let now = self.clock.now().tick;
        let left = pending(self.engine.bot(), now);
        let disk = self.disk.clone().expect("there is a journal");
        let mut next = Bot::new(&self.config, now);
        let clock = SimulatedClock::clone(&self.clock);
        let (_, recovery) = Kept::open(disk, None::<Generator>, &mut next, clock);
        // A write that failed half-way, and could not be undone, may have left something.
        let may_be_torn =
            self.habits.disk_fault_percent > Some(0) || self.tally.count("crashes") > 0;
        assert!(recovery.torn_bytes == 0 || may_be_torn);
        if !self.is_wall_set {
            assert_eq!(pending(&next, now), left);
        }
        self.tally
            .add("replies left to the next process", left.len() as u64);
    }

    /// What was met.
    fn count(mut self, left: u64) -> Tally {
        let mut tally = std::mem::take(&mut self.tally);
        tally.add_all(&self.model.tally);
        tally.add("replies pending at the end", left);
        tally.add("senders that died", self.engine.senders.lost);
        let delivered = self.commands.iter();
        let delivered = delivered.filter(|(_, command)| command.is_delivered());
        tally.add("commands delivered", delivered.count() as u64);
        let turned_down = self.commands.iter();
        let turned_down = turned_down.filter(|(_, command)| command.is_turned_down);
        tally.add("commands turned down", turned_down.count() as u64);
        let run_again = self.commands.iter();
        let run_again = run_again.filter(|(_, command)| command.was_run_again());
        tally.add("commands run again", run_again.count() as u64);
        if let Some(counts) = self.store.with(|kept| kept.counts()) {
            tally.add("commits", counts.writes);
            tally.add("commits that failed", counts.failures);
        }
        let network = self.network.borrow();
        tally.add("descriptors ran out", network.exhausted);
        tally.add("events for closed sessions", network.stale);
        tally.add("wake-ups of the bot alone", self.wakeups);
        tally.add("turns that came to nothing", u64::from(self.pace.most));
        let answers = self.clients.iter().map(|client| client.answers);
        tally.add("answers", answers.sum());
        let refused = |status| move |client: &&Client| client.refused == Some(status);
        let late = self.clients.iter().filter(refused(408)).count();
        let evicted = self.clients.iter().filter(refused(503)).count();
        tally.add("refusals for want of time", late as u64);
        tally.add("evictions", evicted as u64);
        drop(network);
        tally
    }
}

/// The commands that are pending in this bot and expire later than this.
fn pending(bot: &Bot, now: Tick) -> BTreeSet<u64> {
    let jobs = bot.pending_jobs().map(|(_, job)| job);
    let jobs = jobs.filter(|job| job.expires_at > now);
    jobs.map(|job| number_in(job.path)).collect()
}
