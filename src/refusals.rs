//! What was refused, and how much of it is worth a line in the log: anybody can send bad requests,
//! nobody may fill a disk with them.

use std::fmt;

use crate::slack::{invocation, signature};
use crate::tally::Tally;
use crate::time::Tick;
use crate::{http, jobs};

/// How long a period lasts, ms.
const PERIOD_MS: u64 = 10_000;

/// How many refusals of one period have a line of their own.
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
    /// So old, or so long to be thought about, that its `response_url` expires first: 200, and the person
    /// is asked to try again.
    TooLate,
    /// The table of jobs is full: 200, and the person is asked to try again.
    Busy,
    /// The journal cannot be written: 200, and the person is asked to try again.
    NotKept,
}

impl Refusal {
    /// How many kinds [`Self::kind`] tells apart.
    pub const KINDS: usize = 11;

    /// The kind, as a number below [`Self::KINDS`].
    #[must_use]
    pub const fn kind(self) -> usize {
        use signature::Error as E;
        match self {
            Self::NotFound => 0,
            Self::MethodNotAllowed => 1,
            Self::Unverified(E::MissingTimestamp | E::MissingSignature | E::Malformed) => 2,
            Self::Unverified(E::Stale { .. }) => 3,
            Self::Unverified(E::Mismatch) => 4,
            Self::NotForm => 5,
            Self::Unusable(_) => 6,
            Self::Http(_) => 7,
            Self::Busy => 8,
            Self::TooLate => 9,
            Self::NotKept => 10,
        }
    }

    const NAMES: [&'static str; Self::KINDS] = [
        "not found",
        "method not allowed",
        "not signed",
        "stale",
        "wrong signature",
        "not a form",
        "unusable form",
        "HTTP fault",
        "busy",
        "too late",
        "not kept",
    ];

    /// The kinds as labels of a metric, in the order of their numbers.
    pub fn labels() -> impl Iterator<Item = String> {
        let label = |name: &str| name.to_ascii_lowercase().replace(' ', "_");
        Self::NAMES.into_iter().map(label)
    }
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
            Self::TooLate => {
                f.write_str("200: too late, its response_url expires before the reply is due")
            }
            Self::Busy => {
                f.write_str("200: busy, as many jobs are pending as --max-pending allows")
            }
            Self::NotKept => f.write_str("200: busy, the journal cannot be written"),
        }
    }
}

/// The refusals of one period.
#[derive(Debug)]
pub struct Refusals(Tally<{ Refusal::KINDS }>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Tally::new(PERIOD_MS, LINES_PER_PERIOD))
    }
}

impl Refusals {
    /// Counts a refusal and tells whether it is worth a line of its own.
    pub const fn note(&mut self, refusal: Refusal, now: Tick) -> bool {
        self.0.note(refusal.kind(), now)
    }

    /// When [`Self::poll_summary`] has something to say; never while there was no flood.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.0.poll_timeout()
    }

    /// The sum of what had no line of its own, once its period is over.
    pub fn poll_summary(&mut self, now: Tick) -> Option<String> {
        self.0.poll_sums(now).map(summary)
    }

    /// The same before its period is over.
    pub fn take_summary(&mut self) -> Option<String> {
        self.0.take_sums().map(summary)
    }
}

fn summary(counts: [u64; Refusal::KINDS]) -> String {
    let total: u64 = counts.iter().sum();
    let kinds = counts
        .iter()
        .zip(Refusal::NAMES)
        .filter(|(count, _)| **count > 0);
    let kinds: Vec<String> = kinds
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    format!(
        "refused {total} more within {} s: {}",
        PERIOD_MS / 1000,
        kinds.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_summed_up_by_kind() {
        let mut refusals = Refusals::default();
        let written = (0..1000)
            .filter(|_| refusals.note(Refusal::NotFound, Tick(0)))
            .count();
        assert_eq!(written, 10);
        refusals.note(Refusal::Busy, Tick(0));
        let summary = refusals.poll_summary(Tick(10_000));
        assert_eq!(
            summary.as_deref(),
            Some("refused 991 more within 10 s: 990 not found, 1 busy")
        );
        assert_eq!(refusals.take_summary(), None);
        for _ in 0..11 {
            refusals.note(Refusal::NotFound, Tick(10_001));
        }
        let early = refusals.take_summary();
        assert_eq!(
            early.as_deref(),
            Some("refused 1 more within 10 s: 1 not found")
        );
    }
}
