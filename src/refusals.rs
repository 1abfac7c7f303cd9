//! What was refused, and how much of it is worth a line in the log.
//!
//! The first few refusals of each period are written one by one; the rest of a flood is counted and
//! summed up in one line when the period ends. Anybody can send bad requests; nobody may fill a disk
//! with them.

use std::fmt;

use crate::slack::{invocation, signature};
use crate::time::Tick;
use crate::{http, jobs};

/// How long a period lasts, ms.
const PERIOD_MS: u64 = 10_000;

/// How many refusals of one period are written one by one.
const LINES_PER_PERIOD: u32 = 10;

/// A request that was not carried out, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No route: 404.
    NotFound,
    /// A route, but not for this method: 405.
    MethodNotAllowed,
    /// Not verified: 401.
    Unverified(signature::Error),
    /// Verified, and neither a form nor said to be one: 400.
    NotForm,
    /// A form, and no invocation: 400.
    Unusable(invocation::Error),
    /// A fault in HTTP itself.
    Http(http::Error),
    /// The table of jobs is full: 200, and the person is asked to try again.
    Busy,
}

/// How many kinds [`Refusal::kind`] tells apart.
const KINDS: usize = 7;

impl Refusal {
    const fn kind(self) -> usize {
        match self {
            Self::NotFound => 0,
            Self::MethodNotAllowed => 1,
            Self::Unverified(_) => 2,
            Self::NotForm => 3,
            Self::Unusable(_) => 4,
            Self::Http(_) => 5,
            Self::Busy => 6,
        }
    }

    const NAMES: [&'static str; KINDS] = [
        "not found",
        "method not allowed",
        "not verified",
        "not a form",
        "unusable form",
        "HTTP fault",
        "busy",
    ];
}

impl From<jobs::Full> for Refusal {
    fn from(_: jobs::Full) -> Self {
        Self::Busy
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("404: no such path"),
            Self::MethodNotAllowed => f.write_str("405: not a method of this path"),
            Self::Unverified(error) => write!(f, "401: {error}"),
            Self::NotForm => f.write_str("400: the content is not a form"),
            Self::Unusable(error) => write!(f, "400: {error}"),
            Self::Http(error) => write!(f, "{}: {error}", error.status().code()),
            Self::Busy => {
                f.write_str("200: busy, as many jobs are pending as --max-pending allows")
            }
        }
    }
}

/// The refusals of one period.
#[derive(Debug, Default)]
pub struct Refusals {
    period_start: Tick,
    lines: u32,
    unwritten: [u64; KINDS],
}

impl Refusals {
    /// Counts a refusal and tells whether it is worth a line of its own.
    pub fn note(&mut self, refusal: Refusal, now: Tick) -> bool {
        if self.unwritten == [0; KINDS] && now >= self.period_start.after(PERIOD_MS) {
            self.period_start = now;
            self.lines = 0;
        }
        let written = self.lines < LINES_PER_PERIOD;
        if written {
            self.lines += 1;
        } else {
            self.unwritten[refusal.kind()] += 1;
        }
        written
    }

    /// When [`Self::poll_summary`] has something to say; never while there was no flood.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        (self.unwritten != [0; KINDS]).then(|| self.period_start.after(PERIOD_MS))
    }

    /// The sum of what had no line of its own, once its period is over.
    pub fn poll_summary(&mut self, now: Tick) -> Option<String> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.period_start = now;
        self.lines = 0;
        self.take_summary()
    }

    /// The sum of what had no line of its own, although its period is not over.
    pub fn take_summary(&mut self) -> Option<String> {
        let counts = std::mem::take(&mut self.unwritten);
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        let kinds = counts
            .iter()
            .zip(Refusal::NAMES)
            .filter(|(count, _)| **count > 0);
        let kinds: Vec<String> = kinds
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        Some(format!(
            "refused {total} more within {} s: {}",
            PERIOD_MS / 1000,
            kinds.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_written_and_a_flood_is_summed_up_once() {
        let mut refusals = Refusals::default();
        let written = (0..1000)
            .filter(|_| refusals.note(Refusal::NotFound, Tick(50)))
            .count();
        assert_eq!(written, 10);
        refusals.note(Refusal::Busy, Tick(60));
        assert_eq!(refusals.poll_timeout(), Some(Tick(10_000)));
        assert_eq!(refusals.poll_summary(Tick(9_999)), None);
        let summary = refusals.poll_summary(Tick(10_000));
        assert_eq!(
            summary.as_deref(),
            Some("refused 991 more within 10 s: 990 not found, 1 busy")
        );
        assert_eq!(refusals.poll_timeout(), None, "no wake-up without a flood");
        assert_eq!(refusals.take_summary(), None);
        assert!(
            refusals.note(Refusal::NotFound, Tick(10_001)),
            "a new period has lines again"
        );
    }

    #[test]
    fn a_trickle_is_written_line_by_line_without_any_timer() {
        let mut refusals = Refusals::default();
        for i in 0..100 {
            assert!(refusals.note(Refusal::NotForm, Tick(i * 2_000)));
            assert_eq!(refusals.poll_timeout(), None);
        }
    }
}
