//! What an attempt's outcome means for its job: settled, again later, or given up.
//!
//! Delivery is at least once. A time-out after the request was sent is ambiguous: the reply may or may
//! not have been posted. It is tried again, since a reply twice is better than none.

use std::time::UNIX_EPOCH;

use crate::time::{Now, Tick, UnixTime};

/// Slack takes at most five posts to a `response_url`, and nobody knows whether failed ones count
/// (docs.slack.dev/interactivity/handling-user-interaction).
pub const ATTEMPTS_MAX: u8 = 5;

/// A `response_url` serves for thirty minutes from the command (same page).
pub const LIFETIME_MS: u64 = 30 * 60 * 1000;

/// The wait before the second attempt; it doubles with each further one.
const BACKOFF_MS: u64 = 1000;

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx.
    Delivered,
    /// No connection: surely not posted.
    Unsent,
    /// Sent, and then a time-out or a reset: perhaps posted.
    Unknown,
    /// 408, 429 or 5xx, with the Retry-After field as received.
    Unavailable {
        /// The status.
        status: u16,
        /// The value of Retry-After.
        retry_after: Option<String>,
    },
    /// Any other status: it would be the same the next time.
    Rejected {
        /// The status.
        status: u16,
    },
}

/// Why a job was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// The receiver said no for good.
    Rejected(u16),
    /// The `response_url` would no longer serve.
    Expired,
    /// The receiver asks to wait until it no longer serves.
    WaitTooLong,
    /// The last attempt failed, too.
    AttemptsSpent,
}

impl Abandoned {
    /// How many kinds [`Self::kind`] tells apart.
    pub const KINDS: usize = 4;
    /// The kinds as labels of a metric, in the order of their numbers.
    pub const LABELS: [&'static str; Self::KINDS] =
        ["rejected", "expired", "wait_too_long", "attempts_spent"];

    /// The kind, as a number below [`Self::KINDS`].
    #[must_use]
    pub const fn kind(self) -> usize {
        match self {
            Self::Rejected(_) => 0,
            Self::Expired => 1,
            Self::WaitTooLong => 2,
            Self::AttemptsSpent => 3,
        }
    }
}

impl std::fmt::Display for Abandoned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(status) => write!(f, "refused with status {status}"),
            Self::Expired => f.write_str("its response_url has expired"),
            Self::WaitTooLong => {
                f.write_str("the receiver asks to wait beyond the life of its response_url")
            }
            Self::AttemptsSpent => write!(f, "all {ATTEMPTS_MAX} attempts failed"),
        }
    }
}

/// What becomes of a job after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is delivered.
    Settled,
    /// It is tried again, not before this tick.
    RetryAt(Tick),
    /// It is given up.
    Abandon(Abandoned),
}

/// Judges the outcome of a job's `attempts`-th attempt. `seed` tells jobs apart, so that those which
/// failed together do not come back together.
#[must_use]
pub(super) fn judge(
    outcome: &Outcome,
    attempts: u8,
    expires_at: Tick,
    seed: u64,
    now: Now,
) -> Verdict {
    let retry_after = match outcome {
        Outcome::Delivered => return Verdict::Settled,
        Outcome::Rejected { status } => return Verdict::Abandon(Abandoned::Rejected(*status)),
        Outcome::Unavailable { retry_after, .. } => retry_after.as_deref(),
        Outcome::Unsent | Outcome::Unknown => None,
    };
    if attempts >= ATTEMPTS_MAX {
        return Verdict::Abandon(Abandoned::AttemptsSpent);
    }
    let asked_ms = retry_after
        .and_then(|value| retry_after_ms(value, now.unix))
        .unwrap_or(0);
    // The time of day sets two processes apart that count their jobs alike.
    let backoff_ms = backoff_ms(attempts, seed ^ now.unix.0);
    let (asked, backed_off) = (now.tick.not_before(asked_ms), now.tick.after(backoff_ms));
    if asked.max(backed_off) < expires_at {
        Verdict::RetryAt(asked.max(backed_off))
    } else if asked >= expires_at {
        Verdict::Abandon(Abandoned::WaitTooLong)
    } else {
        Verdict::Abandon(Abandoned::Expired)
    }
}

/// 1 s, 2 s, 4 s, 8 s, each 20 % more or less.
fn backoff_ms(attempts: u8, seed: u64) -> u64 {
    let exponent = u32::from(attempts.saturating_sub(1).min(ATTEMPTS_MAX));
    let base = BACKOFF_MS << exponent;
    base * 4 / 5 + mix(seed ^ u64::from(attempts)) % (base * 2 / 5 + 1)
}

/// SplitMix64's finaliser: neighbouring seeds give unrelated numbers.
const fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The wait that a Retry-After field asks for (RFC 9110 section 10.2.3), in seconds or as a date.
fn retry_after_ms(value: &str, now: UnixTime) -> Option<u64> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(
            value
                .parse::<u64>()
                .unwrap_or(u64::MAX)
                .saturating_mul(1000),
        );
    }
    let date = httpdate::parse_http_date(value)
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    Some((date.as_secs().saturating_mul(1000)).saturating_sub(now.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now {
        tick: Tick(1_000_000),
        unix: UnixTime(784_111_777_000),
    };
    const NEVER: Tick = Tick(u64::MAX);

    fn unavailable(retry_after: &str) -> Outcome {
        Outcome::Unavailable {
            status: 429,
            retry_after: Some(retry_after.to_owned()),
        }
    }

    fn wait_ms(outcome: &Outcome, attempts: u8, seed: u64) -> u64 {
        match judge(outcome, attempts, NEVER, seed, NOW) {
            Verdict::RetryAt(at) => at.millis_since(NOW.tick),
            verdict => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn some_outcomes_are_final() {
        assert_eq!(
            judge(&Outcome::Delivered, 5, Tick(0), 0, NOW),
            Verdict::Settled
        );
        let rejected = judge(&Outcome::Rejected { status: 404 }, 1, NEVER, 0, NOW);
        assert_eq!(rejected, Verdict::Abandon(Abandoned::Rejected(404)));
    }

    #[test]
    fn the_wait_doubles_within_its_jitter_and_differs_between_jobs() {
        for (attempts, base) in [(1, 1000), (2, 2000), (3, 4000), (4, 8000)] {
            let waits: Vec<u64> = (0..1000)
                .map(|seed| wait_ms(&Outcome::Unsent, attempts, seed))
                .collect();
            let (least, most) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
            assert!(
                least >= base * 4 / 5 && most <= base * 6 / 5,
                "{attempts}: {least} to {most}"
            );
            assert!(
                most - least > base / 3,
                "the whole span is used: {least} to {most}"
            );
        }
    }

    #[test]
    fn five_attempts_and_no_more() {
        for outcome in [Outcome::Unsent, Outcome::Unknown, unavailable("1")] {
            assert!(matches!(
                judge(&outcome, 4, NEVER, 0, NOW),
                Verdict::RetryAt(_)
            ));
            let fifth = judge(&outcome, 5, NEVER, 0, NOW);
            assert_eq!(fifth, Verdict::Abandon(Abandoned::AttemptsSpent));
        }
    }

    #[test]
    fn retry_after_is_a_lower_bound() {
        assert_eq!(wait_ms(&unavailable("30"), 1, 0), 30_001);
        assert_eq!(wait_ms(&unavailable(" 30\t"), 1, 0), 30_001);
        assert_eq!(
            wait_ms(&unavailable("Sun, 06 Nov 1994 08:50:37 GMT"), 1, 0),
            60_001
        );
        for none in [
            "0",
            "",
            "-5",
            "soon",
            "1.5",
            "Sun, 06 Nov 1994 08:00:00 GMT",
            "Thu, 01 Jan 1900 00:00:00 GMT",
        ] {
            assert!(
                (800..=1200).contains(&wait_ms(&unavailable(none), 1, 7)),
                "{none:?}"
            );
        }
    }

    #[test]
    fn nothing_is_tried_after_its_expiry() {
        let expiring = |outcome: &Outcome, at: u64| judge(outcome, 1, NOW.tick.after(at), 0, NOW);
        assert_eq!(
            expiring(&Outcome::Unsent, 500),
            Verdict::Abandon(Abandoned::Expired)
        );
        assert_eq!(
            expiring(&unavailable("60"), 60_001),
            Verdict::Abandon(Abandoned::WaitTooLong)
        );
        assert!(matches!(
            expiring(&unavailable("60"), 60_002),
            Verdict::RetryAt(_)
        ));
        let overflow = judge(&unavailable("99999999999999999999999"), 1, NEVER, 0, NOW);
        assert_eq!(overflow, Verdict::Abandon(Abandoned::WaitTooLong));
    }
}
