//! The shell: every socket, thread, file and clock of the running bot.
//!
//! One thread does all but the posting of replies. A turn of its loop is a list of phases; answers go
//! out last, so that whatever must be done before an acknowledgement has its place before that.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the rule's one purpose is to keep these here

mod agent;
mod clock;
mod listener;
mod resolver;
mod senders;
mod session;
mod sessions;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io};

use log::{debug, info, warn};
use mio::{Events, Poll, Waker};

use self::clock::Clock;
use self::listener::{Accepted, Listener};
use self::senders::Senders;
use self::sessions::Sessions;
use self::token::Source;
use crate::bot::Bot;
use crate::config::Config;
use crate::http::Limits;
use crate::time::{Now, Tick};

/// Events taken from the kernel at once.
const EVENTS_PER_TURN: usize = 1024;
/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 256;
/// Entries of a wheel that are moved or expired in one turn: a wave of a hundred thousand due replies
/// must not hold up an acknowledgement.
const EXPIRIES_PER_TURN: usize = 4096;
/// Replies composed and handed to the senders in one turn.
const DISPATCHES_PER_TURN: usize = 256;
/// How long accepting pauses when descriptors run out, ms.
const ACCEPT_PAUSE_MS: u64 = 100;
/// Descriptors kept for what is no client: the log, the poll, name look-ups.
const DESCRIPTORS_RESERVED: usize = 64;

/// Why a server could not be set up.
#[derive(Debug)]
pub enum Error {
    /// A `--listen` name has no address.
    Resolve {
        /// As it was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// An address cannot be listened on.
    Listen {
        /// As it was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file of certificate authorities cannot be used.
    CaFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The proxy setting is no HTTP proxy.
    Proxy {
        /// The variable that names it.
        variable: &'static str,
    },
    /// The loop itself cannot be set up.
    Loop(io::Error),
}

impl Error {
    /// Whether it is the settings that are wrong, and not the state of the machine.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Resolve { .. } | Self::CaFile { .. } | Self::Proxy { .. }
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve { address, source } => {
                write!(
                    f,
                    "--listen {address}: cannot be resolved ({source}); give an address such as 127.0.0.1:8000"
                )
            }
            Self::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "--listen {address}: already in use; stop the other server or choose another port"
                )
            }
            Self::Listen { address, source } => {
                write!(
                    f,
                    "--listen {address}: cannot listen ({source}); choose another address or port"
                )
            }
            Self::CaFile { path, reason } => {
                write!(
                    f,
                    "--ca-file {}: {reason}; give a PEM file of certificate authorities",
                    path.display()
                )
            }
            Self::Proxy { variable } => {
                write!(
                    f,
                    "{variable}: not the URL of an HTTP proxy; give one such as http://proxy.example:3128, or unset it"
                )
            }
            Self::Loop(source) => write!(f, "cannot start the event loop: {source}"),
        }
    }
}

impl std::error::Error for Error {}

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
    listeners: Vec<Listener>,
    sessions: Sessions,
    bot: Bot,
    senders: Senders,
    clock: Clock,
    stopper: Stopper,
    drain_ms: u64,
    /// When a graceful stop gives up waiting, once one has begun.
    drain_until: Option<Tick>,
    /// When accepting goes on after descriptors ran out.
    accept_paused_until: Option<Tick>,
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
        let agent = agent::build(config)?;
        let listeners = Listener::bind_all(&config.listen, poll.registry())?;
        let max_connections = admissible(config.max_connections, config.senders);
        Ok(Self {
            listeners,
            sessions: Sessions::new(Limits::default(), max_connections, now),
            bot: Bot::new(config, now),
            senders: Senders::new(agent, config.senders, stopper.waker.clone()),
            clock,
            poll,
            stopper,
            drain_ms: config.drain_ms,
            drain_until: None,
            accept_paused_until: None,
        })
    }

    /// The addresses that the server listens on, with the ports that the system chose.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(Listener::local_addr).collect()
    }

    /// What stops this server.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until it is stopped and owes nothing, or the drain time is over. Returns how many
    /// replies are left undelivered; each has a line in the log.
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
            self.accept(now);
            self.sessions.receive(&mut self.bot, now);
            self.collect();
            self.expire(now);
            self.sessions.transmit();
            self.dispatch(now);
        }
        self.senders.stop();
        for line in self.bot.undelivered() {
            warn!("{line}");
        }
        Ok(self.bot.pending())
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
        let accepting = self.accept_paused_until.is_none() && !self.sessions.is_full();
        let has_work = self.sessions.has_work()
            || (accepting && self.listeners.iter().any(|listener| listener.ready))
            || (self.bot.has_delivery() && self.senders.room() > 0);
        if has_work {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.sessions.poll_timeout(),
            self.bot.poll_timeout(),
            self.drain_until,
            self.accept_paused_until,
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
                Source::Listener(index) => {
                    if let Some(listener) = self.listeners.get_mut(index) {
                        listener.ready = true;
                    }
                }
                Source::Session(key) => self.sessions.note(key, event),
            }
        }
        if self.drain_until.is_none() && self.stopper.requested.load(Ordering::Acquire) {
            self.begin_drain(now);
        }
    }

    fn begin_drain(&mut self, now: Now) {
        debug!("received cancellation signal");
        let pending = self.bot.pending();
        info!(
            "stopping; {pending} replies pending, waiting up to {} s",
            self.drain_ms / 1000
        );
        self.drain_until = Some(now.tick.after(self.drain_ms));
        self.listeners.clear();
        self.sessions.drain();
        debug!("stopped slackbot");
    }

    fn is_drained(&self) -> bool {
        let Some(until) = self.drain_until else {
            return false;
        };
        let is_settled = self.bot.pending() == 0 && self.sessions.owed() == 0;
        is_settled || self.clock.now().tick >= until
    }

    /// Takes in waiting connections. When all places are taken the others wait in the kernel.
    fn accept(&mut self, now: Now) {
        if self
            .accept_paused_until
            .is_some_and(|until| now.tick < until)
        {
            return;
        }
        self.accept_paused_until = None;
        for listener in &mut self.listeners {
            let mut budget = ACCEPTS_PER_TURN;
            while listener.ready && budget > 0 && !self.sessions.is_full() {
                budget -= 1;
                match listener.accept() {
                    Accepted::Stream(stream) => {
                        self.sessions.admit(stream, self.poll.registry(), now.tick)
                    }
                    Accepted::Empty => {}
                    Accepted::Exhausted(error) => {
                        warn!(
                            "cannot accept connections: {error}; trying again in {ACCEPT_PAUSE_MS} ms"
                        );
                        self.accept_paused_until = Some(now.tick.after(ACCEPT_PAUSE_MS));
                        return;
                    }
                }
            }
        }
    }

    /// Takes in what came of the senders' attempts.
    fn collect(&mut self) {
        while let Some(report) = self.senders.poll_report() {
            // It may be younger than this turn, and a wait that counts from it must not be shorter.
            self.bot.handle_outcome(&report, self.clock.now());
        }
    }

    fn expire(&mut self, now: Now) {
        let mut budget = EXPIRIES_PER_TURN;
        self.sessions.expire(&mut self.bot, now, &mut budget);
        let mut budget = EXPIRIES_PER_TURN;
        self.bot.handle_timeout(now, &mut budget);
    }

    /// Hands due replies to the senders, as many as they have room for.
    fn dispatch(&mut self, now: Now) {
        for _ in 0..self.senders.room().min(DISPATCHES_PER_TURN) {
            let Some(delivery) = self.bot.poll_delivery(now) else {
                break;
            };
            self.senders.enqueue(delivery);
        }
        self.senders.submit();
    }
}

/// How many connections the descriptor limit admits, after it was raised as far as it may be.
fn admissible(max_connections: usize, senders: usize) -> usize {
    let wanted = max_connections + senders + DESCRIPTORS_RESERVED;
    let Ok((soft, hard)) = rlimit::getrlimit(rlimit::Resource::NOFILE) else {
        return max_connections;
    };
    let target = hard.min(wanted as u64).max(soft);
    let raised =
        soft >= target || rlimit::setrlimit(rlimit::Resource::NOFILE, target, hard).is_ok();
    let limit = usize::try_from(if raised { target } else { soft }).unwrap_or(usize::MAX);
    if limit >= wanted {
        return max_connections;
    }
    let admitted = limit.saturating_sub(senders + DESCRIPTORS_RESERVED).max(1);
    warn!(
        "--max-connections {max_connections} lowered to {admitted}: \
         the limit of open files is {limit}; raise it with ulimit -n or LimitNOFILE"
    );
    admitted
}
