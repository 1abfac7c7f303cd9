//! Up to when all is known that had arrived: no client's time is over while the kernel has not told what it sent.
//!
//! Between the moment in which a poll ends and the one in which the clock is read, and in any wait, the process may
//! have been stopped for a minute. So a time limit is not judged by the clock, but by the latest moment of which is
//! known what had arrived by then.

use crate::time::Tick;

/// What the polls have told.
#[derive(Debug)]
pub(crate) struct Watermark {
    /// All that had arrived by then has been told.
    until: Tick,
    /// When the last poll began.
    poll: Tick,
    /// When the first of the latest full polls began, and how many events they have told of.
    full_since: Tick,
    full_told: usize,
}

impl Watermark {
    pub(crate) const fn new(now: Tick) -> Self {
        Self {
            until: now,
            poll: now,
            full_since: now,
            full_told: 0,
        }
    }

    /// The moment of which all is known.
    pub(crate) const fn known_until(&self) -> Tick {
        self.until
    }

    /// A poll begins.
    pub(crate) const fn begin_poll(&mut self, now: Tick) {
        self.poll = now;
    }

    /// It has told of so many events of at most so many, when so many sockets could have had one. When it was full,
    /// there may be more: the kernel tells them in the order in which they came, so that they are known after as many
    /// as there are sockets.
    pub(crate) const fn end_poll(&mut self, told: usize, told_max: usize, sockets: usize) {
        if told < told_max {
            self.until = self.poll;
            self.full_told = 0;
            return;
        }
        if self.full_told == 0 {
            self.full_since = self.poll;
        }
        self.full_told += told;
        if self.full_told >= sockets {
            self.until = self.full_since;
            self.full_told = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(polls: &[(u64, usize)]) -> Tick {
        let mut watermark = Watermark::new(Tick(1));
        for (begin, told) in polls {
            watermark.begin_poll(Tick(*begin));
            watermark.end_poll(*told, 10, 25);
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
}
