//! What an engine needs of its platform: the system in a running bot, a simulated one in tests.

use std::io;

use crate::app::{CommandRun, Delivery, SenderEvent};
use crate::endpoint::socket::{Listener, Readiness};
use crate::endpoint::source::Source;
use crate::store::Store;
use crate::time::{Now, Tick};

/// Sockets and their readiness, the clock, a store and senders.
pub(crate) trait Platform {
    type Listener: Listener;
    type Store: Store + ?Sized;
    type Senders: Senders;

    /// Both clocks.
    fn now(&self) -> Now;

    /// Sleeps until readiness, a wake-up from another thread, or the end of the time-out, if there is one.
    ///
    /// # Errors
    /// Nothing can be served any more.
    fn poll(&mut self, timeout_ms: Option<u64>) -> io::Result<Polled>;

    /// The events of the last poll.
    fn events(&self) -> impl Iterator<Item = (Source, Readiness)>;

    /// Whether the bot was asked to stop.
    fn stop(&self) -> Option<Stop>;

    /// Tells the service manager that the bot takes commands.
    fn notify_ready(&mut self, _now: Tick) {}

    /// Tells the service manager that the bot stops, and how long that may take.
    fn notify_stopping(&mut self, _pending: usize, _timeout_ms: u64) {}

    /// Tells the service manager's watchdog that the loop turns, and the service manager what it had no room for, if that is due.
    fn notify_watchdog(&mut self, _now: Tick) {}

    /// When [`Self::notify_watchdog`] is due.
    fn watchdog_timeout(&self) -> Option<Tick> {
        None
    }
}

/// How many events a poll has returned, and how many it could have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polled {
    pub(crate) events: usize,
    pub(crate) events_max: usize,
}

/// How the bot was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// After all pending replies are posted, or left to the next start.
    Graceful,
    /// Without waiting for anything.
    AtOnce,
}

/// What posts replies, each once, and runs blocking commands. None of its calls waits.
pub(crate) trait Senders {
    /// How many more deliveries it takes.
    fn room(&self) -> usize;

    /// Takes a delivery of this turn.
    fn enqueue(&mut self, delivery: Delivery);

    /// How many more blocking commands it takes: no more than run at the same time.
    fn run_room(&self) -> usize;

    /// Takes a blocking command of this turn.
    fn enqueue_run(&mut self, run: CommandRun);

    /// Hands over the deliveries and the commands of this turn.
    fn submit(&mut self, now: Tick);

    /// What came of one of them, until `None`.
    fn poll_report(&mut self, now: Tick) -> Option<SenderEvent>;

    /// When [`Self::submit`] must be called next, with or without deliveries.
    fn poll_timeout(&self) -> Option<Tick>;

    /// Deliveries without a report yet.
    fn outstanding(&self) -> usize;

    /// How many threads there are, and how many there may be.
    fn threads(&self) -> (usize, usize);

    /// How many blocking commands run, and how many may.
    fn runs(&self) -> (usize, usize);

    /// Interrupts the attempts under way.
    fn stop(&mut self);
}
