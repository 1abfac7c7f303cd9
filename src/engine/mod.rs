//! The loop: what a turn does, in which order, and until when it sleeps.
//!
//! The same engine runs on the system and on a simulated one; a [`Platform`] is all that it needs of either.

mod admin;
mod drain;
mod ending;
#[cfg(any(test, debug_assertions))]
mod invariants;
pub(crate) mod platform;
mod service;
#[cfg(test)]
pub(crate) mod simulation;
mod watermark;

use std::{io, iter};

use log::{debug, info, warn};

use self::admin::AdminState;
pub(crate) use self::admin::CONNECTIONS_MAX as ADMIN_CONNECTIONS_MAX;
use self::drain::Drain;
use self::platform::{Platform, Polled, Senders, Stop};
use self::watermark::Watermark;
use crate::app::Bot;
use crate::config::Config;
use crate::endpoint::socket::{Listener, Socket};
use crate::endpoint::source::Role;
use crate::endpoint::{Endpoint, Settings, Turn};
use crate::store::{Event, Store, Ticket};
use crate::telemetry::health::Condition;
use crate::time::{Now, Seconds, Tick, UnixTime};

/// Entries of a wheel that are moved or expired in one turn: a wave of a hundred thousand due replies
/// must not hold up an acknowledgement.
const EXPIRIES_PER_TURN: usize = 4096;
/// Replies composed and handed to the senders in one turn.
const DISPATCHES_PER_TURN: usize = 256;

/// Where a platform registers its sockets.
type Registry<P> = <<<P as Platform>::Listener as Listener>::Socket as Socket>::Registry;

/// The bot, its addresses, its store and its senders.
pub(crate) struct Engine<P: Platform> {
    pub(crate) platform: P,
    public: Endpoint<P::Listener>,
    /// The admin address, if there is one.
    admin: Option<Endpoint<P::Listener>>,
    bot: Bot,
    store: Box<P::Store>,
    senders: P::Senders,
    watermark: Watermark,
    drain: Drain,
    started_at: UnixTime,
    /// Whether the store lets replies be posted in this turn, and how many jobs it was told to adopt.
    may_post: bool,
    room: usize,
}

/// What an engine is made of.
pub(crate) struct Parts<P: Platform> {
    pub(crate) platform: P,
    pub(crate) public: Vec<P::Listener>,
    pub(crate) admin: Vec<P::Listener>,
    pub(crate) registry: Registry<P>,
    pub(crate) bot: Bot,
    pub(crate) store: Box<P::Store>,
    pub(crate) senders: P::Senders,
    /// How many connections the public address may have, and how many of them have their turn in one turn of the loop.
    pub(crate) connections_max: usize,
    pub(crate) turns_max: usize,
}

impl<P: Platform> Engine<P>
where
    Registry<P>: Clone,
{
    pub(crate) fn new(parts: Parts<P>, config: &Config) -> Self {
        let Now { tick: now, unix } = parts.platform.now();
        let settings = Settings {
            role: Role::Public,
            places: "all of --max-connections",
            capacity: parts.connections_max,
            limits: config.limits.clone(),
            turns_max: parts.turns_max,
        };
        let admin = (!parts.admin.is_empty()).then(|| {
            let settings = admin::settings(config.limits.clone());
            Endpoint::new(settings, parts.admin, parts.registry.clone(), now)
        });
        Self {
            public: Endpoint::new(settings, parts.public, parts.registry, now),
            admin,
            drain: Drain::new(config.drain_ms, parts.store.is_durable()),
            platform: parts.platform,
            bot: parts.bot,
            store: parts.store,
            senders: parts.senders,
            watermark: Watermark::new(now),
            started_at: unix,
            may_post: true,
            room: 0,
        }
    }
}

impl<P: Platform> Engine<P> {
    pub(crate) const fn public(&self) -> &Endpoint<P::Listener> {
        &self.public
    }

    pub(crate) const fn admin(&self) -> Option<&Endpoint<P::Listener>> {
        self.admin.as_ref()
    }

    pub(crate) const fn bot(&self) -> &Bot {
        &self.bot
    }

    /// Serves until it is stopped and nothing is pending, or the drain time is over. Returns how many
    /// replies are left undelivered.
    ///
    /// # Errors
    /// The poll itself failed: nothing can be served any more.
    pub(crate) fn run(&mut self) -> io::Result<usize> {
        let now = self.platform.now().tick;
        self.platform.notify_ready(now);
        while !self.is_drained() {
            self.turn()?;
        }
        Ok(self.end())
    }

    /// One turn of the loop, with the wait before it.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        let now = self.platform.now();
        self.begin(now);
        self.take_stored(now);
        self.receive(now);
        self.collect(now);
        self.expire(now);
        self.submit(now);
        self.public.sessions.transmit();
        self.accept(now);
        self.dispatch(now);
        self.serve_admin(now);
        #[cfg(any(test, debug_assertions))]
        self.check(now);
        Ok(())
    }

    /// Sleeps until readiness, a deadline or the waker; not at all while work is left.
    fn wait(&mut self) -> io::Result<()> {
        let timeout_ms = if self.has_work() {
            Some(0)
        } else {
            self.sleep_ms()
        };
        let Polled { events, events_max } = self.platform.poll(timeout_ms)?;
        let admin = self.admin.as_ref().map_or(0, Endpoint::sockets);
        // The waker is one more.
        let sockets = self.public.sockets() + admin + 1;
        self.watermark.end_poll(events, events_max, sockets);
        Ok(())
    }

    fn has_work(&self) -> bool {
        let is_dispatching = self.bot.has_delivery() && self.senders.room() > 0
            || self.bot.has_run() && self.senders.run_room() > 0;
        self.public.has_work()
            || (is_dispatching && self.may_dispatch())
            || self.admin.as_ref().is_some_and(Endpoint::has_work)
    }

    /// Whether replies and blocking commands may be handed to the senders. When a shared store does not let them, it has a
    /// deadline or wakes the loop.
    const fn may_dispatch(&self) -> bool {
        self.may_post && !self.drain.leaves_pending()
    }

    /// How long to sleep: until the next deadline, if there is one.
    fn sleep_ms(&mut self) -> Option<u64> {
        let next = self.deadline();
        if next.is_none() && !self.bot.counters_mut().has_untimed() {
            return None;
        }
        let now = self.platform.now().tick;
        self.watermark.begin_poll(now);
        self.bot.counters_mut().note_answered(now);
        next.map(|next| next.millis_since(now))
    }

    fn deadline(&self) -> Option<Tick> {
        let deadlines = [
            self.public.poll_timeout(),
            self.bot.poll_timeout(),
            self.drain.poll_timeout(),
            self.admin.as_ref().and_then(Endpoint::poll_timeout),
            self.platform.watchdog_timeout(),
            self.senders.poll_timeout(),
            self.store_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Takes note of the poll's events, and of a request to stop.
    fn begin(&mut self, now: Now) {
        // Without a sleep in between, the last turn ends where this one begins.
        self.bot.counters_mut().note_answered(now.tick);
        for (source, readiness) in self.platform.events() {
            match (source.role(), &mut self.admin) {
                (Some(Role::Public), _) => self.public.on_ready(source, readiness),
                (Some(Role::Admin), Some(admin)) => admin.on_ready(source, readiness),
                (Some(Role::Admin) | None, _) => {}
            }
        }
        self.watermark.begin_poll(now.tick);
        let stop = self.platform.stop();
        if stop.is_some() && !self.drain.has_begun() {
            self.begin_drain();
        }
        if stop == Some(Stop::AtOnce) {
            self.end_drain();
        }
        self.public
            .sessions
            .begin_turn(now, self.watermark.known_until());
    }

    /// Takes in the store's events, and releases the answers that waited for its batches.
    fn take_stored(&mut self, now: Now) {
        if !self.drain.is_durable() {
            return;
        }
        while let Some(event) = self.store.poll(now.tick) {
            match event {
                Event::Kept(ticket) => self.release(ticket, true, now),
                Event::NotKept(ticket) => self.release(ticket, false, now),
                Event::Recoverable => self.drain.set_recoverable(),
                Event::GivenUp => return self.give_up_store(),
                Event::Adopted(adopted) => self.bot.adopt(&adopted, now.tick),
                Event::Duplicate(job) => self.bot.note_duplicate(job),
                Event::Fenced(lost) => self.bot.forget_kept(&lost),
            }
        }
        self.may_post = self.store.may_post(now.tick);
        self.tell_room();
        let is_accepting = self.store.is_accepting(now.tick);
        self.bot.set_accepting(is_accepting);
        if !self.drain.has_begun() {
            self.bot.set_condition(match is_accepting {
                true => Condition::Ready,
                false => Condition::JournalFailing,
            });
        }
    }

    /// Tells the store how many jobs may be adopted, if that has changed. During a stop, none.
    fn tell_room(&mut self) {
        let room = match self.drain.has_begun() {
            true => 0,
            false => self.bot.room(),
        };
        if room != self.room {
            self.room = room;
            self.store.set_room(room);
        }
    }

    /// Answers the commands that wait for this ticket or for one before it.
    fn release(&mut self, ticket: Ticket, is_kept: bool, now: Now) {
        self.bot.handle_stored(ticket, is_kept, now);
        let service = &mut self.bot;
        self.public
            .release(ticket, is_kept, &mut Turn { now, service });
        self.bot.end_release();
    }

    /// Reads once from each connection that is ready, and answers its complete requests.
    fn receive(&mut self, now: Now) {
        let service = &mut self.bot;
        self.public.sessions.receive(&mut Turn { now, service });
    }

    /// Takes in the senders' reports.
    fn collect(&mut self, now: Now) {
        while let Some(done) = self.senders.poll_report(now.tick) {
            // A fresh clock reading: the attempt may have ended after this turn began, and a backoff counts from its end.
            self.bot.handle_sender_event(done, self.platform.now());
        }
    }

    /// Ends connections that have lasted too long, and makes due jobs ready.
    fn expire(&mut self, now: Now) {
        self.drain.expire(self.watermark.known_until());
        let mut budget = EXPIRIES_PER_TURN;
        let service = &mut self.bot;
        let mut turn = Turn { now, service };
        self.public.sessions.expire(&mut turn, &mut budget);
        let mut budget = EXPIRIES_PER_TURN;
        self.bot.handle_timeout(now, &mut budget);
    }

    /// Submits the batch that has collected to the store.
    fn submit(&mut self, now: Now) {
        if self.bot.has_batch() {
            let (ticket, batch) = self.bot.take_batch();
            self.store.submit(batch, ticket, now.tick);
        }
    }

    /// Accepts the connections that wait: after `transmit`, so that no connection is evicted whose answer is not written.
    fn accept(&mut self, now: Now) {
        let service = &mut self.bot;
        self.public.accept(&mut Turn { now, service });
    }

    /// Hands due replies and blocking commands to the senders, as many as they have room for; during a stop with a store,
    /// or while that does not let them be posted, none.
    fn dispatch(&mut self, now: Now) {
        if self.may_dispatch() {
            let room = self.senders.room().min(DISPATCHES_PER_TURN);
            for delivery in iter::from_fn(|| self.bot.poll_delivery(now)).take(room) {
                self.senders.enqueue(delivery);
            }
            let room = self.senders.run_room();
            for run in iter::from_fn(|| self.bot.poll_run(now)).take(room) {
                self.senders.enqueue_run(run);
            }
        }
        // Replies that were too late are settled above: the store has their outcomes before the loop sleeps.
        self.submit(now);
        // In every turn: if it depended on anything but its deadline, the deadline could stay in the past and the loop
        // would spin.
        self.senders.submit(now.tick);
    }

    /// Serves the admin address, last of all: its pages show the state after the turn.
    fn serve_admin(&mut self, now: Now) {
        self.platform.notify_watchdog(now.tick);
        let Some(admin) = &mut self.admin else {
            return;
        };
        let mut state = AdminState::<'_, P> {
            bot: &self.bot,
            public: &self.public,
            senders: &self.senders,
            store: &*self.store,
            started_at: self.started_at,
        };
        let service = &mut state;
        admin.serve(&mut Turn { now, service }, self.watermark.known_until());
    }

    fn begin_drain(&mut self) {
        debug!("received cancellation signal");
        let pending = self.bot.pending();
        self.store.begin_stop();
        // The turn may have begun a while ago.
        let drain_ms = self.drain.begin(self.platform.now().tick);
        let limit = Seconds { ms: drain_ms };
        info!("stopping; replies pending: {pending}, waiting up to {limit} s");
        self.platform.notify_stopping(pending, drain_ms);
        self.public.drain();
        self.bot.set_condition(Condition::Draining);
        debug!("stopped slackbot");
    }

    /// The store keeps nothing any more: pending replies are posted before the end, as without a store.
    fn give_up_store(&mut self) {
        let loss = match self.store.is_shared() {
            true => "Redis has lost what is pending and does not take it again",
            false => "its directory is gone and the next start would find nothing",
        };
        warn!("journal: {loss}; pending replies are posted before the end");
        self.may_post = true;
        let now = self.platform.now();
        let drain_ms = self.drain.give_up_store();
        self.bot.end_store(now.tick);
        self.release(Ticket::MAX, true, now);
        if self.platform.stop() != Some(Stop::AtOnce) {
            self.drain.extend(now.tick);
            self.platform.notify_stopping(self.bot.pending(), drain_ms);
        }
    }

    /// The second stop: the drain ends at once.
    fn end_drain(&mut self) {
        let pending = self.bot.pending();
        info!("stopping at once; replies pending: {pending}");
        // With this turn, which has read what had arrived until then.
        self.drain.end(self.watermark.known_until());
    }
}

#[cfg(test)]
mod tests;
