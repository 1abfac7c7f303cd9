//! The system that a simulated engine runs on.

use std::io;

use super::clock::SimulatedClock;
use super::network::{Shared, SimulatedListener};
use super::senders::SimulatedSenders;
use crate::endpoint::socket::Readiness;
use crate::endpoint::source::{Role, Source};
use crate::engine::platform::{Platform, Polled, Stop};
use crate::store::Store;
use crate::time::Now;

/// What happens once between a poll and what is made of it.
type Interruption = Box<dyn FnOnce()>;

pub(super) struct SimulatedSystem {
    pub(super) clock: SimulatedClock,
    network: Shared,
    events: Vec<(Source, Readiness)>,
    /// Whether a poll tells all events that there are, some, or none.
    pub(super) tells: Tells,
    pub(super) interruption: Option<Interruption>,
    pub(super) stop: Option<Stop>,
    /// For how long the engine would have slept.
    pub(super) timeout_ms: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    All,
    Some,
    Nothing,
}

impl SimulatedSystem {
    pub(super) const fn new(clock: SimulatedClock, network: Shared) -> Self {
        Self {
            clock,
            network,
            events: Vec::new(),
            tells: Tells::All,
            interruption: None,
            stop: None,
            timeout_ms: None,
        }
    }
}

impl Platform for SimulatedSystem {
    type Listener = SimulatedListener;
    type Store = dyn Store;
    type Senders = SimulatedSenders;

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn poll(&mut self, timeout_ms: Option<u64>) -> io::Result<Polled> {
        self.timeout_ms = timeout_ms;
        let mut network = self.network.borrow_mut();
        let events;
        (self.events, events) = match self.tells {
            Tells::Nothing => (Vec::new(), 0),
            tells => network.poll(tells == Tells::All),
        };
        if self.tells != Tells::Nothing {
            let arrivals =
                [Role::Public, Role::Admin].map(|side| (side, network.take_arrivals(side)));
            let arrived = arrivals.into_iter().filter(|(_, arrivals)| *arrivals);
            let waits = Readiness {
                readable: true,
                writable: false,
                closed: false,
            };
            let arrivals = arrived.map(|(side, _)| (Source::Listener(side, 0), waits));
            self.events.extend(arrivals);
        }
        let has_untold = network.has_untold() || self.tells == Tells::Nothing;
        drop(network);
        self.interruption.take().into_iter().for_each(|then| then());
        Ok(Polled {
            events,
            events_max: if has_untold { events } else { events + 1 },
        })
    }

    fn events(&self) -> impl Iterator<Item = (Source, Readiness)> {
        self.events.iter().copied()
    }

    fn stop(&self) -> Option<Stop> {
        self.stop
    }
}
