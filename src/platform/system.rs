//! The system as an engine sees it: mio's poll, the clock, the service manager, and the requests to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Poll, Waker};

use super::clock::Clock;
use super::sd_notify::SdNotify;
use super::sockets::readiness;
use super::stopper::Stopper;
use super::token;
use crate::delivery::senders::Pool;
use crate::endpoint::socket::Readiness;
use crate::endpoint::source::Source;
use crate::engine::platform::{Platform, Polled, Stop};
use crate::store::Store;
use crate::time::{Now, Tick};

/// Events taken from the kernel at once.
const EVENTS_PER_TURN: usize = 1024;

pub(crate) struct System {
    poll: Poll,
    events: Events,
    clock: Clock,
    sd_notify: SdNotify,
    stopper: Stopper,
}

impl System {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), token::of(Source::Waker))?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            clock: Clock::start(),
            sd_notify: SdNotify::default(),
            stopper: Stopper::new(waker),
        })
    }

    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Where sockets are registered.
    pub(crate) fn registry(&self) -> io::Result<Arc<mio::Registry>> {
        self.poll.registry().try_clone().map(Arc::new)
    }

    pub(crate) const fn stopper(&self) -> &Stopper {
        &self.stopper
    }

    pub(crate) fn notify(&mut self, sd_notify: SdNotify) {
        self.sd_notify = sd_notify;
    }
}

impl Platform for System {
    type Listener = TcpListener;
    type Store = dyn Store + Send;
    type Senders = Pool;

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn poll(&mut self, timeout_ms: Option<u64>) -> io::Result<Polled> {
        let mut timeout = timeout_ms.map(Duration::from_millis);
        loop {
            match self.poll.poll(&mut self.events, timeout) {
                // A signal, or the process was stopped and continued: polls again, so that what arrived meanwhile is
                // known, and without a wait, since part of the time-out is over.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    timeout = Some(Duration::ZERO);
                }
                result => break result?,
            }
        }
        Ok(Polled {
            events: self.events.iter().count(),
            events_max: self.events.capacity(),
        })
    }

    fn events(&self) -> impl Iterator<Item = (Source, Readiness)> {
        let events = self.events.iter();
        events.map(|event| (token::source(event.token()), readiness(event)))
    }

    fn stop(&self) -> Option<Stop> {
        self.stopper.requested()
    }

    fn notify_ready(&mut self, now: Tick) {
        self.sd_notify.notify_ready(now);
    }

    fn notify_stopping(&mut self, pending: usize, timeout_ms: u64) {
        let now = self.clock.now().tick;
        self.sd_notify.notify_stopping(pending, timeout_ms, now);
    }

    fn notify_watchdog(&mut self, now: Tick) {
        self.sd_notify.handle_timeout(now);
    }

    fn watchdog_timeout(&self) -> Option<Tick> {
        self.sd_notify.poll_timeout()
    }
}
