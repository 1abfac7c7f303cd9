//! Refusals: why a request was not carried out, and how many of them have a line in the log. Any client can send bad
//! requests; they must neither fill a disk nor hide a line that an operator must see.

use std::fmt;

use log::Level;

use crate::slack::{invocation, signature};
use crate::telemetry::log_limiter::LogLimiter;
use crate::time::Tick;
use crate::{http, jobs};

/// How long a period lasts, ms.
const PERIOD_MS: u64 = 10_000;

/// How many refusals of each kind have a line of their own in one period.
const LINES_PER_PERIOD: u32 = 10;

/// The kinds that are warnings.
const STALE: usize = 3;
const BUSY: usize = 8;
const NOT_KEPT: usize = 10;

/// A request that was not carried out, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No route: 404.
    NotFound,
    /// A route, but not for this method: 405.
    MethodNotAllowed,
    /// The signature is missing or wrong: 401.
    Unverified(signature::Error),
    /// Verified, and neither a form nor said to be one: 400.
    NotForm,
    /// A form, and no invocation: 400.
    Unusable(invocation::Error),
    /// A fault in HTTP itself.
    Http(http::Error),
    /// Its `response_url` expires before its reply is due: 200, and the person is asked to try again.
    TooLate,
    /// The table of jobs is full: 200, and the person is asked to try again.
    Busy,
    /// The journal cannot be written: 200, and the person is asked to try again.
    NotKept,
}

impl Refusal {
    /// How many kinds [`Self::kind`] tells apart.
    pub const KINDS: usize = 14;

    /// The kind, as a number below [`Self::KINDS`].
    #[must_use]
    pub const fn kind(self) -> usize {
        use signature::Error as E;
        match self {
            Self::NotFound => 0,
            Self::MethodNotAllowed => 1,
            Self::Unverified(E::MissingTimestamp | E::MissingSignature | E::Malformed) => 2,
            Self::Unverified(E::Stale { .. }) => STALE,
            Self::Unverified(E::Mismatch) => 4,
            Self::NotForm => 5,
            Self::Unusable(_) => 6,
            Self::Http(http::Error::Tls) => 11,
            Self::Http(http::Error::Http2) => 12,
            Self::Http(http::Error::ProxyProtocol) => 13,
            Self::Http(_) => 7,
            Self::Busy => BUSY,
            Self::TooLate => 9,
            Self::NotKept => NOT_KEPT,
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
        "TLS hello",
        "HTTP2 preface",
        "PROXY protocol",
    ];

    /// The level of a kind. Only refusals of signed requests are warnings: their cause is on this machine, and no client
    /// without the secret can cause them.
    #[must_use]
    pub const fn level_of(kind: usize) -> Level {
        match kind {
            STALE | BUSY | NOT_KEPT => Level::Warn,
            _ => Level::Info,
        }
    }

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

/// Why a command was withdrawn that had been accepted and not acknowledged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// The store failed to keep it.
    NotKept,
    /// The store did not answer in time.
    HeldTooLong,
    /// A stop waits for the store no longer.
    Stop,
}

impl Withdrawal {
    /// How many there are.
    pub const KINDS: usize = 3;
    /// They as labels of a metric, in their order.
    pub const LABELS: [&'static str; Self::KINDS] = ["not_kept", "held_too_long", "stop"];
}

/// The refusals of one period.
#[derive(Debug)]
pub struct Refusals(LogLimiter<{ Refusal::KINDS }>);

impl Default for Refusals {
    fn default() -> Self {
        Self(LogLimiter::new(PERIOD_MS, LINES_PER_PERIOD))
    }
}

impl Refusals {
    /// Counts a refusal and tells the level of its line: the kind's own, or `debug` if the kind has had its
    /// lines for this period.
    pub const fn note(&mut self, refusal: Refusal, now: Tick) -> Level {
        let kind = refusal.kind();
        if self.0.note(kind, now) {
            Refusal::level_of(kind)
        } else {
            Level::Debug
        }
    }

    /// When [`Self::poll_sums`] must be called next; `None` while every refusal had its line.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.0.poll_timeout()
    }

    /// The sums of what had no line of its own, once its period is over: one for each level.
    pub fn poll_sums(&mut self, now: Tick) -> impl Iterator<Item = (Level, String)> + use<> {
        sums(self.0.poll_sums(now))
    }

    /// The same before its period is over.
    pub fn take_sums(&mut self) -> impl Iterator<Item = (Level, String)> + use<> {
        sums(self.0.take_sums())
    }
}

/// One line for each level, so that a log that shows the lines of a kind shows their sum as well.
fn sums(counts: Option<[u64; Refusal::KINDS]>) -> impl Iterator<Item = (Level, String)> {
    let sum = |counts: [u64; Refusal::KINDS], level| {
        let kinds = counts.into_iter().zip(Refusal::NAMES).enumerate();
        let kinds = kinds.filter(|(kind, _)| Refusal::level_of(*kind) == level);
        let kinds = kinds.filter(|(_, (count, _))| *count > 0);
        let (total, names) =
            kinds.fold((0, String::new()), |(total, names), (_, (count, name))| {
                let comma = if names.is_empty() { "" } else { ", " };
                (total + count, format!("{names}{comma}{count} {name}"))
            });
        let seconds = PERIOD_MS / 1000;
        (total > 0).then(|| format!("refused {total} more within {seconds} s: {names}"))
    };
    let levels = [Level::Warn, Level::Info].into_iter();
    counts.into_iter().flat_map(move |counts| {
        let levels = levels.clone();
        levels.filter_map(move |level| Some((level, sum(counts, level)?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::signature::Error::Stale;

    fn flood(refusals: &mut Refusals, refusal: Refusal, count: usize) -> Vec<Level> {
        (0..count)
            .map(|_| refusals.note(refusal, Tick(0)))
            .collect()
    }

    #[test]
    fn a_flood_is_summed_up_by_kind() {
        let mut refusals = Refusals::default();
        let levels = flood(&mut refusals, Refusal::NotFound, 1000);
        assert_eq!(levels[..10], [Level::Info; 10]);
        assert_eq!(levels[10..], [Level::Debug; 990]);
        flood(&mut refusals, Refusal::NotForm, 11);
        let sum = "refused 991 more within 10 s: 990 not found, 1 not a form";
        let sums: Vec<_> = refusals.poll_sums(Tick(10_000)).collect();
        assert_eq!(sums, [(Level::Info, sum.to_owned())]);
        assert_eq!(refusals.take_sums().next(), None);
        flood(&mut refusals, Refusal::NotFound, 11);
        let sum = "refused 1 more within 10 s: 1 not found";
        let early: Vec<_> = refusals.take_sums().collect();
        assert_eq!(early, [(Level::Info, sum.to_owned())]);
    }

    #[test]
    fn a_flood_of_one_kind_takes_no_line_from_another() {
        let mut refusals = Refusals::default();
        for refusal in [
            Refusal::NotFound,
            Refusal::Unverified(signature::Error::Mismatch),
        ] {
            flood(&mut refusals, refusal, 1000);
        }
        let stale = Refusal::Unverified(Stale { skew_secs: 312 });
        for warning in [stale, Refusal::Busy, Refusal::NotKept] {
            assert_eq!(flood(&mut refusals, warning, 1), [Level::Warn], "{warning}");
        }
    }

    #[test]
    fn a_sum_has_the_level_of_its_lines() {
        let mut refusals = Refusals::default();
        for refusal in [Refusal::NotFound, Refusal::Busy, Refusal::NotKept] {
            flood(&mut refusals, refusal, 12);
        }
        let sums: Vec<_> = refusals.poll_sums(Tick(10_000)).collect();
        let expected = [
            (
                Level::Warn,
                "refused 4 more within 10 s: 2 busy, 2 not kept",
            ),
            (Level::Info, "refused 2 more within 10 s: 2 not found"),
        ];
        assert_eq!(sums, expected.map(|(level, sum)| (level, sum.to_owned())));
    }
}
