//! The way to Redis: one connection after the other, and one exchange at a time on each.

use super::super::backoff::Backoff;
use super::super::pipeline::Step;
use crate::store::Ticket;
use crate::time::Tick;

/// A connection that has lasted so long is followed by the next one at once.
const STEADY_MS: u64 = 1_000;

/// The connection, and what is remembered of the last ones.
#[derive(Debug, Default)]
pub(super) struct Link {
    state: State,
    backoff: Backoff,
    /// Which server answered last: its run, and the history of its data.
    server: String,
}

#[derive(Debug)]
enum State {
    Down {
        retry_at: Tick,
    },
    Connecting,
    Up {
        since: Tick,
        /// Nothing is sent before.
        pause_until: Tick,
        in_flight: Option<InFlight>,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Down {
            retry_at: Tick::default(),
        }
    }
}

/// An exchange whose answers are to come.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) steps: Vec<Step>,
    pub(super) sent: Tick,
    /// The last batch that it puts.
    pub(super) through: Option<Ticket>,
}

impl InFlight {
    /// Whether it moves what may be long, as much of it as is thought to come in time.
    pub(super) fn has_parts(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| {
            matches!(
                step,
                Step::Fetch(_) | Step::PutAgain(_) | Step::Spare { .. }
            )
        })
    }
}

impl Link {
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether the driver has been told to do something, and has not told what came of it.
    pub(super) const fn is_awaited(&self) -> bool {
        match &self.state {
            State::Down { .. } => false,
            State::Connecting => true,
            State::Up { in_flight, .. } => in_flight.is_some(),
        }
    }

    /// When the next connection is to be opened, or what is due then may be sent; `None`: not before the driver answers.
    pub(super) fn ready_at(&self, due: Tick) -> Option<Tick> {
        match &self.state {
            State::Connecting
            | State::Up {
                in_flight: Some(_), ..
            } => None,
            State::Down { retry_at } => Some(*retry_at),
            State::Up { pause_until, .. } => Some(due.max(*pause_until)),
        }
    }

    pub(super) fn connect(&mut self) {
        self.state = State::Connecting;
    }

    /// A connection to this server is open. Whether its data may be other than those of the last one; empty: it does not say.
    pub(super) fn open(&mut self, server: &str, now: Tick) -> bool {
        self.state = State::Up {
            since: now,
            pause_until: now,
            in_flight: None,
        };
        let is_another = server.is_empty() || server != self.server;
        if is_another {
            server.clone_into(&mut self.server);
        }
        is_another
    }

    /// An exchange is sent.
    pub(super) fn send(&mut self, exchange: InFlight) {
        if let State::Up { in_flight, .. } = &mut self.state {
            *in_flight = Some(exchange);
        }
    }

    /// The exchange that is over, if there was one.
    pub(super) fn take_exchange(&mut self) -> Option<InFlight> {
        match &mut self.state {
            State::Up { in_flight, .. } => in_flight.take(),
            State::Down { .. } | State::Connecting => None,
        }
    }

    /// Nothing is sent for a while: between half of this and all of it.
    pub(super) fn pause(&mut self, now: Tick, ms: u64, random: u64) {
        if let State::Up { pause_until, .. } = &mut self.state {
            *pause_until = now.after(Backoff::jittered(ms, random));
        }
    }

    /// A renewal was answered. One that is closed each time soon after a renewal, over an answer that is too long, is no success.
    pub(super) const fn succeed(&mut self, now: Tick) {
        if let State::Up { since, .. } = self.state
            && now.millis_since(since) >= STEADY_MS
        {
            self.backoff.reset();
        }
    }

    /// The connection is of no use any more, or did not come about; `random` is any number. Whether there was one.
    pub(super) fn close(&mut self, now: Tick, random: u64) -> bool {
        let was_up = self.is_up();
        let retry_at = self.backoff.next(now, random);
        self.state = State::Down { retry_at };
        was_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(sent: Tick) -> InFlight {
        InFlight {
            steps: Vec::new(),
            sent,
            through: None,
        }
    }

    #[test]
    fn it_is_ready_when_it_may_be_opened_and_when_it_is_open_and_nothing_is_in_flight() {
        let mut link = Link::default();
        assert_eq!(link.ready_at(Tick(9)), Some(Tick(0)));
        link.connect();
        assert!(link.is_awaited() && !link.is_up());
        assert_eq!(link.ready_at(Tick(9)), None);
        link.open("1", Tick(5));
        assert!(link.is_up() && !link.is_awaited());
        let ready = [Tick(0), Tick(9)].map(|due| link.ready_at(due));
        assert_eq!(ready, [Some(Tick(5)), Some(Tick(9))]);
        link.send(exchange(Tick(9)));
        assert_eq!((link.ready_at(Tick(9)), link.is_awaited()), (None, true));
        assert!(link.take_exchange().is_some() && link.take_exchange().is_none());
        link.pause(Tick(10), 400, 0);
        assert_eq!(link.ready_at(Tick(9)), Some(Tick(410)));
    }

    #[test]
    fn what_is_in_flight_and_the_pause_end_with_the_connection() {
        let mut link = Link::default();
        link.open("1", Tick(0));
        link.send(exchange(Tick(0)));
        link.pause(Tick(0), 1_000, 0);
        assert!(link.close(Tick(1), 0));
        assert!(link.take_exchange().is_none());
        assert_eq!(link.ready_at(Tick(0)), Some(Tick(1)));
        link.open("1", Tick(2));
        assert_eq!(link.ready_at(Tick(0)), Some(Tick(2)));
    }

    #[test]
    fn only_a_connection_that_has_lasted_is_followed_by_the_next_one_at_once() {
        let mut link = Link::default();
        assert!(!link.close(Tick(0), 0));
        for (lasted, wait) in [(999, 50), (1_000, 0)] {
            let now = Tick(10_000).after(lasted);
            link.open("1", Tick(10_000));
            link.succeed(now);
            assert!(link.close(now, 0));
            assert_eq!(link.ready_at(Tick(0)), Some(now.after(wait)), "{lasted} ms");
        }
    }

    #[test]
    fn a_server_that_does_not_say_which_it_is_may_be_another_one() {
        let mut link = Link::default();
        let servers = ["", "1", "1", "2", "", "", "1", "1"];
        let are_others = servers.map(|server| link.open(server, Tick(0)));
        let expected = [true, true, false, true, true, true, true, false];
        assert_eq!(are_others, expected);
    }
}
