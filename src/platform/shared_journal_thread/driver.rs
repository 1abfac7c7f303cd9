//! A replica with its connection to Redis: what it says is done, and what comes of that is told to it.

use std::time::Instant;

use log::{debug, warn};

use crate::platform::clock::Clock;
use crate::platform::redis::{ConnectError, Connection, Connector};
use crate::redis::Address;
use crate::shared_journal::{Action, Exchange, Next, Replica, Trouble};
use crate::telemetry::metrics::{FleetCounters, JournalCounters};
use crate::time::{Tick, millis};

/// A replica and its connection: does what it says, one action after the other.
pub(crate) struct Driver {
    pub(super) replica: Replica,
    connector: Connector,
    connection: Option<Connection>,
    /// The node that the last connection has named.
    moved: Option<Address>,
    /// What has come of the first attempt at a connection, which the start has made.
    first: Option<Result<Connection, ConnectError>>,
    pub(super) clock: Clock,
    /// Connections that were opened.
    pub(super) opened: u64,
    pub(super) counters: JournalCounters,
    /// What is wrong with the server, if anything is.
    unfit: Option<String>,
}

impl Driver {
    pub(crate) fn new(
        replica: Replica,
        connector: Connector,
        first: Result<Connection, ConnectError>,
        clock: Clock,
    ) -> Self {
        Self {
            replica,
            connector,
            connection: None,
            moved: None,
            first: Some(first),
            clock,
            opened: 0,
            counters: JournalCounters::default(),
            unfit: None,
        }
    }

    /// Joins the fleet, as far as that comes to something by then. Gives what is in the way.
    pub(crate) fn join(&mut self, deadline: Instant) -> Option<&Trouble> {
        while !self.replica.is_accepting(self.clock.now().tick)
            && self.replica.trouble().is_none()
            && Instant::now() < deadline
            && self.act()
        {}
        self.replica.trouble()
    }

    /// What there is to do now. `false`: nothing.
    pub(super) fn act(&mut self) -> bool {
        let now = self.clock.now().tick;
        match self.replica.poll_action(now) {
            Some(Action::Connect { deadline }) => self.connect(deadline),
            Some(Action::Exchange(exchange)) => self.exchange(&exchange),
            None => return false,
        }
        true
    }

    fn connect(&mut self, deadline: Tick) {
        self.connection = None;
        let moved = self.moved.take();
        let connected = self.first.take();
        match connected.unwrap_or_else(|| {
            let deadline = self.clock.instant(deadline);
            self.connector.connect(moved, deadline)
        }) {
            Ok(connection) => {
                self.note_unfit(&connection);
                self.opened += 1;
                let now = self.clock.now().tick;
                let server = &connection.info().identity;
                self.replica.handle_connected(server, now);
                self.connection = Some(connection);
            }
            Err(error) => {
                let why = format!("Redis at {error}");
                match error.refusal() {
                    Some(kind) => {
                        debug!("journal: {why}");
                        let now = self.clock.now().tick;
                        self.replica.handle_refusal(&why, kind, now);
                    }
                    None => self.fail(&why),
                }
            }
        }
    }

    /// There is no connection any more, and this is why.
    fn fail(&mut self, cause: &str) {
        debug!("journal: {cause}");
        self.connection = None;
        self.replica.handle_failure(cause, self.clock.now().tick);
    }

    /// Warns of a server at which no start would be possible: a failover may have led to another one. What it has is better
    /// than nothing.
    fn note_unfit(&mut self, connection: &Connection) {
        let unfit = connection.info().unfit();
        if let Some(reason) = unfit.as_ref().filter(|_| unfit != self.unfit) {
            warn!("journal: {}: {reason}", connection.address());
        }
        self.unfit = unfit;
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let Some(connection) = &mut self.connection else {
            return self.fail("Redis has closed the connection");
        };
        let deadline = self.clock.instant(exchange.deadline);
        let begun = Instant::now();
        let replies = connection.exchange(&exchange.requests, exchange.replies, deadline);
        let now = self.clock.now().tick;
        match replies {
            Ok(replies) => {
                self.counters.sync.observe(millis(begun.elapsed()));
                self.counters.commits += 1;
                self.counters.syncs += 1;
                self.counters.bytes += exchange.requests.len() as u64;
                if let Next::Close { moved } = self.replica.handle_replies(replies, now) {
                    let from = &connection.address().host;
                    self.moved = moved.and_then(|node| Address::moved(&node, from));
                    self.connection = None;
                }
            }
            Err(error) => {
                let cause = format!("Redis at {}: {error}", connection.address());
                self.counters.failures += 1;
                self.fail(&cause);
            }
        }
    }

    /// What is known of the fleet now.
    pub(super) fn fleet(&self) -> FleetCounters {
        let now = self.clock.now().tick;
        FleetCounters {
            reconnects: self.opened.saturating_sub(1),
            ..self.replica.counters(now)
        }
    }
}
