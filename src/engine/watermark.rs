//! The watermark of input: the latest moment by which all that had arrived is known.
//!
//! The process may be stopped for a minute at any point, for example between the end of a poll and the next reading of
//! the clock. So a time limit is not judged by the clock but by the watermark: no client's time is over while the
//! kernel may hold input that the client sent in time.

use crate::time::Tick;

/// What the polls have established.
#[derive(Debug)]
pub(super) struct Watermark {
    /// The events of all that had arrived by then have been taken.
    until: Tick,
    /// When the last poll began.
    poll: Tick,
    /// When the first of the latest full polls began, and how many sockets could have an event then.
    full_since: Tick,
    full_sockets: usize,
    /// How many events these polls have returned.
    full_events: usize,
}

impl Watermark {
    pub(super) const fn new(now: Tick) -> Self {
        Self {
            until: now,
            poll: now,
            full_since: now,
            full_sockets: 0,
            full_events: 0,
        }
    }

    /// All that had arrived by this moment is known.
    pub(super) const fn known_until(&self) -> Tick {
        self.until
    }

    /// A poll begins.
    pub(super) const fn begin_poll(&mut self, now: Tick) {
        self.poll = now;
    }

    /// The poll has returned `events` events of at most `events_max`, while `sockets` sockets could have one. After a full
    /// poll there may be more events. The kernel returns them in the order in which they came, so that all of them are
    /// known after as many events as there were sockets at the first of the full polls. Events of sockets that were closed
    /// since then count as well: they came before those that are still to be known.
    pub(super) const fn end_poll(&mut self, events: usize, events_max: usize, sockets: usize) {
        if events < events_max {
            self.until = self.poll;
            self.full_events = 0;
            return;
        }
        if self.full_events == 0 {
            self.full_since = self.poll;
            self.full_sockets = sockets;
        }
        self.full_events += events;
        if self.full_events >= self.full_sockets {
            self.until = self.full_since;
            self.full_events = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(polls: &[(u64, usize)]) -> Tick {
        let mut watermark = Watermark::new(Tick(1));
        for (begin, events) in polls {
            watermark.begin_poll(Tick(*begin));
            watermark.end_poll(*events, 10, 25);
        }
        watermark.known_until()
    }

    #[test]
    fn what_had_arrived_when_a_poll_began_is_known_after_it() {
        assert_eq!(after(&[]), Tick(1));
        assert_eq!(after(&[(5, 0), (7, 9)]), Tick(7));
    }

    #[test]
    fn there_may_be_more_behind_a_full_poll() {
        assert_eq!(after(&[(5, 3), (7, 10)]), Tick(5));
        assert_eq!(after(&[(5, 3), (7, 10), (8, 10)]), Tick(5));
        assert_eq!(after(&[(5, 3), (7, 10), (8, 10), (9, 10)]), Tick(7));
        assert_eq!(after(&[(7, 10), (8, 10), (9, 10), (11, 10)]), Tick(7));
        assert_eq!(after(&[(7, 10), (8, 0)]), Tick(8));
        // What is known stays known.
        assert_eq!(after(&[(5, 10), (6, 0), (7, 10), (8, 10)]), Tick(6));
    }

    /// Each poll returns the FIN of ten sockets, which are closed; the last three sockets have sent something.
    #[test]
    fn events_of_sockets_that_are_closed_meanwhile_stand_in_front_of_others() {
        let mut watermark = Watermark::new(Tick(1));
        for sockets in [33, 23, 13] {
            watermark.begin_poll(Tick(7));
            watermark.end_poll(10, 10, sockets);
            assert_eq!(watermark.known_until(), Tick(1), "{sockets} are left");
        }
        watermark.begin_poll(Tick(8));
        watermark.end_poll(3, 10, 3);
        assert_eq!(watermark.known_until(), Tick(8));
    }
}
