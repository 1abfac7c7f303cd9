//! The shell: the sockets, the clock and the sender threads of the running bot.
//!
//! One thread does all but the posting of replies. A turn of its loop is a list of phases; answers go
//! out last, so that whatever must be done before an acknowledgement has its place before that.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the rule's one purpose is to keep these here

mod drain;
mod hearing;
mod journal;
#[cfg(test)]
mod simulation;
pub(crate) mod watch;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use log::warn;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Poll, Waker};

use self::hearing::Hearing;
use self::journal::Claim;
use self::watch::{View, Watch};
use crate::app::Bot;
use crate::config::Config;
use crate::delivery::agent::Agents;
use crate::delivery::senders::Senders;
use crate::endpoint::admission::Admission;
use crate::endpoint::sessions::Sessions;
use crate::endpoint::socket::Readiness;
use crate::endpoint::token::{Side, Source};
use crate::platform::clock::Clock;
use crate::platform::doors::Doors;
use crate::platform::{Error, Inherited, Stopper, Supervisor};
use crate::store::{NoStore, Store};
use crate::time::{Now, Tick, UnixTime};

/// Events taken from the kernel at once.
const EVENTS_PER_TURN: usize = 1024;
/// Entries of a wheel that are moved or expired in one turn: a wave of a hundred thousand due replies
/// must not hold up an acknowledgement.
const EXPIRIES_PER_TURN: usize = 4096;
/// Replies composed and handed to the senders in one turn.
const DISPATCHES_PER_TURN: usize = 256;

/// The bot with its sockets.
pub struct Server {
    poll: Poll,
    admission: Admission<TcpListener>,
    sessions: Sessions<TcpStream>,
    bot: Bot,
    senders: Senders,
    /// The door of those who watch, if there is one.
    watch: Option<Watch>,
    started_at: UnixTime,
    supervisor: Supervisor,
    store: Box<dyn Store + Send>,
    /// Whether the store has said that the process may leave what it keeps.
    is_leavable: bool,
    clock: Clock,
    hearing: Hearing,
    stopper: Stopper,
    drain_ms: u64,
    /// When a graceful stop gives up waiting for replies, once one has begun.
    drain_until: Option<Tick>,
    /// When it gives up waiting for clients; none once it has.
    grace_until: Option<Tick>,
}

impl Server {
    /// Listens on all addresses, so that connections wait in the kernel until [`Self::run`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn bind(config: &Config) -> Result<Self, Error> {
        Self::bind_or_inherit(config, Inherited::default())
    }

    /// The same with sockets that were passed to the process, which take the place of addresses.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn bind_or_inherit(config: &Config, inherited: Inherited) -> Result<Self, Error> {
        let clock = Clock::start();
        let Now { tick: now, unix } = clock.now();
        let poll = Poll::new().map_err(Error::Loop)?;
        let waker = Waker::new(poll.registry(), Source::Waker.token()).map_err(Error::Loop)?;
        let stopper = Stopper::new(waker);
        let agents = Agents::new(config)?;
        let has_passed_sockets = !inherited.is_empty();
        let mut notices = Vec::new();
        let doors = Doors::bind(config, inherited, &mut notices)?;
        notices.iter().for_each(|notice| warn!("{notice}"));
        let (max_connections, senders) = doors.admissible(config);
        let claim = |path| Claim::make(path, has_passed_sockets);
        let claim = config.journal.as_deref().map(claim).transpose()?;
        // Nobody is let in before there is somebody who will serve him.
        let doors = doors.open(poll.registry())?;
        let limits = &config.limits;
        let mut bot = Bot::new(config, now);
        let mut store: Box<dyn Store + Send> = Box::new(NoStore);
        if let Some(claim) = claim {
            store = Box::new(claim.open(&mut bot, clock, stopper.waker())?);
        }
        Ok(Self {
            admission: Admission::new("all of --max-connections", doors.front),
            sessions: Sessions::new(Side::Front, limits.clone(), max_connections, now),
            bot,
            store,
            is_leavable: false,
            senders: Senders::new(agents, senders, stopper.waker()),
            watch: Watch::open(doors.watch, limits, now),
            supervisor: Supervisor::default(),
            started_at: unix,
            clock,
            hearing: Hearing::new(now),
            poll,
            stopper,
            drain_ms: config.drain_ms,
            drain_until: None,
            grace_until: None,
        })
    }

    /// Tells this service manager from now on how things go.
    pub fn supervise(&mut self, supervisor: Supervisor) {
        self.supervisor = supervisor;
    }

    /// The addresses that the server listens on, with the ports that the system chose.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.admission.local_addrs()
    }

    /// The addresses that serve `/metrics`, with the ports that the system chose.
    ///
    /// # Errors
    /// As the system says.
    pub fn metrics_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        let watch = self.watch.as_ref();
        watch.map_or_else(|| Ok(Vec::new()), Watch::local_addrs)
    }

    /// What stops this server.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until it is stopped and owes nothing, or the drain time is over. Returns how many
    /// replies are left undelivered: see [`Self::undelivered`].
    ///
    /// # Errors
    /// The poll itself failed: nothing can be served any more.
    pub fn run(&mut self) -> io::Result<usize> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        self.supervisor.tell_ready(self.clock.now().tick);
        while !self.is_drained() {
            self.turn(&mut events)?;
        }
        self.end_held();
        self.senders.stop();
        self.bot.handle_stop();
        Ok(self.leave_rest())
    }

    /// One turn of the loop, with the wait before it.
    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        self.wait(events)?;
        let now = self.clock.now();
        // Without a sleep in between, the last turn ends where this one begins.
        self.bot.counters_mut().note_answered(now.tick);
        self.note(events, now.tick);
        self.sessions.begin_turn(now, self.hearing.until());
        self.take_stored(now);
        self.sessions.receive(&mut self.bot, now);
        self.collect();
        self.expire(now);
        self.submit(now);
        self.sessions.transmit();
        self.admission
            .accept(&mut self.sessions, &mut self.bot, self.poll.registry(), now);
        self.dispatch(now);
        self.show(now);
        Ok(())
    }

    /// One line for each reply that [`Self::run`] left undelivered. There may be more of them than a
    /// log takes at once: they are for the caller to log at its pace.
    pub fn undelivered(&self) -> impl Iterator<Item = String> {
        self.bot.undelivered()
    }

    /// Sleeps until readiness, a deadline or the waker; not at all while work is left.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        loop {
            let timeout = if self.has_work() {
                Some(Duration::ZERO)
            } else {
                self.sleep()
            };
            match self.poll.poll(events, timeout) {
                // A process that was stopped goes on here: what has arrived in the meantime comes first.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn has_work(&self) -> bool {
        self.sessions.has_work()
            || self.admission.has_work(&self.sessions)
            || (self.bot.has_delivery() && self.senders.room() > 0 && !self.leaves_rest())
            || self.watch.as_ref().is_some_and(Watch::has_work)
    }

    /// How long to sleep: until the next deadline, if there is one.
    fn sleep(&mut self) -> Option<Duration> {
        let deadlines = [
            self.sessions.poll_timeout(),
            self.bot.poll_timeout(),
            self.drain_until,
            self.grace_until,
            self.admission.poll_timeout(),
            self.watch.as_ref().and_then(Watch::poll_timeout),
            self.supervisor.poll_timeout(),
            self.senders.poll_timeout(),
            self.store.poll_timeout(),
        ];
        let next = deadlines.into_iter().flatten().min();
        if next.is_none() && !self.bot.counters_mut().has_untimed() {
            return None;
        }
        let now = self.clock.now().tick;
        self.hearing.begin_poll(now);
        self.bot.counters_mut().note_answered(now);
        next.map(|next| Duration::from_millis(next.millis_since(now)))
    }

    fn note(&mut self, events: &Events, now: Tick) {
        let mut told = 0;
        for event in events {
            told += 1;
            match Source::of(event.token()) {
                Source::Waker => {}
                Source::Listener(Side::Front, index) => self.admission.note(index),
                Source::Session(Side::Front, key) => self.sessions.note(key, Readiness::of(event)),
                Source::Listener(Side::Watch, index) => {
                    self.watch.iter_mut().for_each(|w| w.note_listener(index));
                }
                Source::Session(Side::Watch, key) => {
                    self.watch
                        .iter_mut()
                        .for_each(|w| w.note_session(key, Readiness::of(event)));
                }
            }
        }
        // As many as have events at all, and more.
        let sockets = self.sessions.len() + EVENTS_PER_TURN;
        self.hearing.end_poll(told, events.capacity(), sockets);
        self.hearing.begin_poll(now);
        if self.drain_until.is_none() && self.stopper.is_requested() {
            self.begin_drain();
        }
        if self.stopper.is_at_once() {
            self.end_drain();
        }
    }

    /// Takes in what came of the senders' attempts.
    fn collect(&mut self) {
        self.senders.collect();
        while let Some(report) = self.senders.poll_report() {
            // It may be younger than this turn, and a wait that counts from it must not be shorter.
            self.bot.handle_outcome(&report, self.clock.now());
        }
    }

    fn expire(&mut self, now: Now) {
        let known = self.hearing.until();
        if self.grace_until.is_some_and(|until| known >= until) {
            self.grace_until = None;
        }
        let mut budget = EXPIRIES_PER_TURN;
        self.sessions.expire(&mut self.bot, now, &mut budget);
        let mut budget = EXPIRIES_PER_TURN;
        self.bot.handle_timeout(now, &mut budget);
    }

    /// Hands due replies to the senders, as many as they have room for; during a stop with a journal, none.
    fn dispatch(&mut self, now: Now) {
        let room = match self.leaves_rest() {
            true => 0,
            false => self.senders.room().min(DISPATCHES_PER_TURN),
        };
        for _ in 0..room {
            let Some(delivery) = self.bot.poll_delivery(now) else {
                break;
            };
            self.senders.enqueue(delivery);
        }
        // In every turn: what it is to do at its deadline must not depend on anything else, or the loop would
        // not sleep from that deadline on.
        self.senders.submit(now.tick);
    }

    /// Serves those who watch, last of all: what they see is how the turn has left things.
    fn show(&mut self, now: Now) {
        self.supervisor.handle_timeout(now.tick);
        let Some(watch) = &mut self.watch else {
            return;
        };
        let mut view = View {
            bot: &self.bot,
            front: &self.sessions,
            door: &self.admission,
            senders: &self.senders,
            journal: self
                .store
                .standing(now.tick)
                .map(|standing| standing.counters),
            started_at: self.started_at,
        };
        watch.turn(&mut view, self.poll.registry(), now, self.hearing.until());
    }
}

#[cfg(test)]
mod tests;
