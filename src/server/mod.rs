//! The shell: the sockets, the clock and the sender threads of the running bot.
//!
//! One thread does all but the posting of replies. A turn of its loop is a list of phases; answers go
//! out last, so that whatever must be done before an acknowledgement has its place before that.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the rule's one purpose is to keep these here

mod admission;
mod agent;
mod clock;
mod directory;
mod error;
mod eviction;
mod journal;
mod listener;
mod resolver;
mod senders;
mod session;
mod sessions;
#[cfg(test)]
mod simulation;
mod socket;
mod token;
mod transport;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::{debug, info, warn};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Poll, Waker};

use self::admission::Admission;
use self::agent::Agents;
use self::clock::Clock;
pub use self::error::{Error, JournalError};
use self::journal::Keeper;
pub use self::journal::inspect as inspect_journal;
use self::listener::Listener;
use self::senders::Senders;
use self::sessions::Sessions;
use self::socket::Readiness;
use self::token::Source;
use crate::bot::{self, Bot};
use crate::config::Config;
use crate::time::{Now, Seconds, Tick};

/// Events taken from the kernel at once.
const EVENTS_PER_TURN: usize = 1024;
/// Entries of a wheel that are moved or expired in one turn: a wave of a hundred thousand due replies
/// must not hold up an acknowledgement.
const EXPIRIES_PER_TURN: usize = 4096;
/// Replies composed and handed to the senders in one turn.
const DISPATCHES_PER_TURN: usize = 256;
/// Descriptors kept for what is no client: streams, the poll, listeners, name look-ups.
const DESCRIPTORS_RESERVED: usize = 16;
/// And with a journal: its directory, its lock, the segment that is written, the next one.
const JOURNAL_DESCRIPTORS: usize = 4;
/// How long a stop waits for requests that are incomplete and for clients that do not read, ms: long
/// enough for whoever is honest, and a stranger's one byte must not hold up a restart.
const STOP_GRACE_MS: u64 = 3_000;
/// With a journal, how long a stop waits for those, and for what came of the attempts that have begun: an
/// attempt whose outcome is not known is made again.
const KEPT_DRAIN_MS: u64 = 500;

/// Asks a running server to stop, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    requested: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Stops the server: it accepts no more, answers what it owes, and returns from
    /// [`Server::run`].
    pub fn stop(&self) {
        self.requested.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            warn!("cannot wake the loop: {error}");
        }
    }
}

/// The bot with its sockets.
pub struct Server {
    poll: Poll,
    admission: Admission<TcpListener>,
    sessions: Sessions<TcpStream>,
    bot: Bot,
    senders: Senders,
    journal: Option<Keeper>,
    clock: Clock,
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
        let clock = Clock::start();
        let now = clock.now().tick;
        let poll = Poll::new().map_err(Error::Loop)?;
        let waker = Waker::new(poll.registry(), Source::Waker.token()).map_err(Error::Loop)?;
        let stopper = Stopper {
            requested: Arc::default(),
            waker: Arc::new(waker),
        };
        let (max_connections, senders) = admissible(config);
        let agents = Agents::new(config)?;
        let listeners = Listener::bind_all(&config.listen, poll.registry())?;
        let mut bot = Bot::new(config, now);
        let keep = |path| Keeper::open(path, &mut bot, clock.now());
        let journal = config.journal.as_deref().map(keep).transpose()?;
        Ok(Self {
            admission: Admission::new(listeners),
            sessions: Sessions::new(config.limits.clone(), max_connections, now),
            bot,
            journal,
            senders: Senders::new(agents, senders, stopper.waker.clone()),
            clock,
            poll,
            stopper,
            drain_ms: config.drain_ms,
            drain_until: None,
            grace_until: None,
        })
    }

    /// The addresses that the server listens on, with the ports that the system chose.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.admission.local_addrs()
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
        while !self.is_drained() {
            self.wait(&mut events)?;
            let now = self.clock.now();
            self.sessions.begin_turn(now);
            self.note(&events, now);
            self.admission
                .accept(&mut self.sessions, &mut self.bot, self.poll.registry(), now);
            self.sessions.receive(&mut self.bot, now);
            self.collect();
            self.expire(now);
            self.commit(now);
            self.sessions.transmit();
            self.dispatch(now);
        }
        self.senders.stop();
        self.bot.handle_stop();
        let pending = self.bot.pending();
        let Some(journal) = &mut self.journal else {
            return Ok(pending);
        };
        journal.finish(&mut self.bot, self.clock.now());
        info!("replies left to the next start: {pending}");
        Ok(0)
    }

    /// One line for each reply that [`Self::run`] left undelivered. There may be more of them than a
    /// log takes at once: they are for the caller to log at its pace.
    pub fn undelivered(&self) -> impl Iterator<Item = String> {
        self.bot.undelivered()
    }

    /// Sleeps until readiness, a deadline or the waker; not at all while work is left.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = self.poll_timeout();
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let has_work = self.sessions.has_work()
            || self.admission.has_work(&self.sessions)
            || (self.bot.has_delivery() && self.senders.room() > 0 && !self.leaves_rest());
        if has_work {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.sessions.poll_timeout(),
            self.bot.poll_timeout(),
            self.drain_until,
            self.grace_until,
            self.admission.poll_timeout(),
            self.journal.as_ref().and_then(Keeper::poll_timeout),
            self.senders.poll_timeout(),
        ];
        let next = deadlines.into_iter().flatten().min()?;
        Some(Duration::from_millis(
            next.millis_since(self.clock.now().tick),
        ))
    }

    fn note(&mut self, events: &Events, now: Now) {
        for event in events {
            match Source::of(event.token()) {
                Source::Waker => {}
                Source::Listener(index) => self.admission.note(index),
                Source::Session(key) => self.sessions.note(key, Readiness::of(event)),
            }
        }
        if self.drain_until.is_none() && self.stopper.requested.load(Ordering::Acquire) {
            self.begin_drain(now);
        }
    }

    fn begin_drain(&mut self, now: Now) {
        debug!("received cancellation signal");
        let pending = self.bot.pending();
        // What a journal keeps need not be waited for.
        let (drain_ms, grace_ms) = match self.journal {
            Some(_) => (KEPT_DRAIN_MS.min(self.drain_ms), KEPT_DRAIN_MS),
            None => (self.drain_ms, STOP_GRACE_MS),
        };
        let patience = Seconds { ms: drain_ms };
        info!("stopping; replies pending: {pending}, waiting up to {patience} s");
        // The turn may have begun a while ago.
        let begin = self.clock.now().tick;
        self.drain_until = Some(begin.not_before(drain_ms));
        self.grace_until = Some(begin.not_before(grace_ms));
        self.admission
            .close(&mut self.sessions, &mut self.bot, self.poll.registry(), now);
        self.sessions.drain();
        debug!("stopped slackbot");
    }

    fn is_drained(&self) -> bool {
        let Some(until) = self.drain_until else {
            return false;
        };
        let owed = match self.journal {
            Some(_) => self.bot.sending(),
            None => self.bot.pending(),
        };
        let is_settled = owed == 0 && !self.sessions.has_work();
        let are_clients_served = self.grace_until.is_none() || self.sessions.owed() == 0;
        is_settled && are_clients_served || self.clock.now().tick >= until
    }

    /// Whether it is stopping, and what no sender has yet is left to the next start.
    const fn leaves_rest(&self) -> bool {
        self.journal.is_some() && self.drain_until.is_some()
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
        if self.grace_until.is_some_and(|until| now.tick >= until) {
            self.grace_until = None;
        }
        let mut budget = EXPIRIES_PER_TURN;
        self.sessions.expire(&mut self.bot, now, &mut budget);
        let mut budget = EXPIRIES_PER_TURN;
        self.bot.handle_timeout(now, &mut budget);
    }

    /// Makes durable what the turn has accepted, before it is acknowledged. What else is to be answered
    /// does not wait for the disk.
    fn commit(&mut self, now: Now) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if self.sessions.has_promises() {
            self.sessions.transmit_free();
        }
        if !journal.commit(&mut self.bot, now) {
            self.sessions.break_promises(&bot::busy());
        }
    }

    /// Hands due replies to the senders, as many as they have room for.
    fn dispatch(&mut self, now: Now) {
        if self.leaves_rest() {
            return;
        }
        for _ in 0..self.senders.room().min(DISPATCHES_PER_TURN) {
            let Some(delivery) = self.bot.poll_delivery(now) else {
                break;
            };
            self.senders.enqueue(delivery);
        }
        self.senders.submit(now.tick);
    }
}

/// How many connections and sender threads the descriptor limit admits, after it was raised as far as
/// it may be. Senders get at most half: however slow the receivers, commands are still acknowledged.
fn admissible(config: &Config) -> (usize, usize) {
    let (max_connections, senders) = (config.max_connections, config.senders);
    let reserved = match config.journal {
        Some(_) => DESCRIPTORS_RESERVED + JOURNAL_DESCRIPTORS,
        None => DESCRIPTORS_RESERVED,
    };
    let wanted = max_connections + senders + reserved;
    let Ok((soft, hard)) = rlimit::getrlimit(rlimit::Resource::NOFILE) else {
        return (max_connections, senders);
    };
    let target = hard.min(wanted as u64).max(soft);
    let raised =
        soft >= target || rlimit::setrlimit(rlimit::Resource::NOFILE, target, hard).is_ok();
    let limit = usize::try_from(if raised { target } else { soft }).unwrap_or(usize::MAX);
    if limit >= wanted {
        return (max_connections, senders);
    }
    let free = limit.saturating_sub(reserved);
    let admitted_senders = senders.min(free / 2).max(1);
    let admitted = max_connections
        .min(free.saturating_sub(admitted_senders))
        .max(1);
    warn!(
        "--max-connections {max_connections} lowered to {admitted} and --senders {senders} to {admitted_senders}: \
         the limit of open files is {limit}; raise it with ulimit -n or LimitNOFILE"
    );
    (admitted, admitted_senders)
}
