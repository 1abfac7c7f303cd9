//! What an attempt's outcome means for its job: settled, again later, or given up.
//!
//! Delivery is at least once. A time-out after the request was sent is ambiguous: the reply may or may
//! not have been posted. It is tried again, since a reply twice is better than none.
//!
//! Only an attempt that may have reached the receiver is one of the five that Slack allows. One that was
//! surely not sent, or was refused with 429, costs nothing and is made again until the `response_url` expires.

use std::time::UNIX_EPOCH;

use crate::time::{Now, Tick, UnixTime};

/// Slack takes at most five posts to a `response_url`, and does not say whether failed posts count
/// (docs.slack.dev/interactivity/handling-user-interaction).
pub const ATTEMPTS_MAX: u8 = 5;

/// A `response_url` serves for thirty minutes from the command (same page).
pub const LIFETIME_MS: u64 = 30 * 60 * 1000;

/// The wait before the second attempt; it doubles with each further one.
const BACKOFF_MS: u64 = 1000;
/// The longest wait after attempts that were surely not sent: when a network is back, so are the replies.
const BACKOFF_MS_MAX: u64 = 30_000;

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx.
    Delivered,
    /// No part of the request was sent: no name, no connection, no TLS, no thread, no descriptor.
    Unsent,
    /// Sent, and then a time-out or a reset: perhaps posted.
    Unknown,
    /// 429: surely not posted. With the Retry-After field as received.
    Limited {
        /// The value of Retry-After.
        retry_after: Option<String>,
    },
    /// 408 or 5xx, with the Retry-After field as received.
    Unavailable {
        /// The status.
        status: u16,
        /// The value of Retry-After.
        retry_after: Option<String>,
    },
    /// Any other status, or a 200 that says no: it would be the same the next time.
    Rejected {
        /// The status.
        status: u16,
        /// Whether another message would have been taken.
        is_about_message: bool,
    },
}

impl Outcome {
    /// The wait that the answer asks for, in milliseconds.
    pub(super) fn asked_ms(&self, now: UnixTime) -> u64 {
        match self {
            Self::Limited { retry_after } | Self::Unavailable { retry_after, .. } => retry_after
                .as_deref()
                .and_then(|value| retry_after_ms(value, now))
                .unwrap_or(0),
            _ => 0,
        }
    }
}

/// How often a job was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Attempts that may have reached the receiver: at most [`ATTEMPTS_MAX`].
    pub attempts: u8,
    /// Further ones in a row that surely were not posted.
    pub unsent: u8,
}

impl Tries {
    /// Counts an attempt whose outcome is known.
    pub(super) const fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Unsent | Outcome::Limited { .. } => {
                self.unsent = self.unsent.saturating_add(1)
            }
            _ => {
                self.attempts = self.attempts.saturating_add(1);
                self.unsent = 0;
            }
        }
    }
}

/// Why a job was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// The receiver refused it for good.
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

    /// The kind of [`Self::Rejected`].
    pub const REJECTED: usize = 0;

    /// The kind, as a number below [`Self::KINDS`].
    #[must_use]
    pub const fn kind(self) -> usize {
        match self {
            Self::Rejected(_) => Self::REJECTED,
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
    /// It is held, since its workspace is limited, and tried again not before this tick.
    HeldUntil(Tick),
    /// Its message was refused for what it is; an apology is posted in its place, once.
    Apologise,
    /// The apology is delivered: that is the end of it.
    Apologised,
    /// It is given up.
    Abandon(Abandoned),
}

/// A job as far as it matters for the verdict; `tries` count the attempt that is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) tries: Tries,
    pub(super) is_apology: bool,
    pub(super) expires_at: Tick,
    /// Tells jobs apart, so that those which failed together do not come back together.
    pub(super) seed: u64,
}

/// Judges the outcome of a job's latest attempt.
#[must_use]
pub(super) fn judge(outcome: &Outcome, case: &Case, now: Now) -> Verdict {
    let Case {
        tries, expires_at, ..
    } = *case;
    let seed = seed(case.seed, now);
    let asked_ms = outcome.asked_ms(now.unix);
    let wait_ms = match outcome {
        Outcome::Delivered if case.is_apology => return Verdict::Apologised,
        Outcome::Delivered => return Verdict::Settled,
        Outcome::Rejected {
            is_about_message: true,
            ..
        } if !case.is_apology && tries.attempts < ATTEMPTS_MAX && now.tick < expires_at => {
            return Verdict::Apologise;
        }
        Outcome::Rejected { status, .. } => {
            return Verdict::Abandon(Abandoned::Rejected(*status));
        }
        Outcome::Limited { .. } => limited_wait_ms(asked_ms, tries.unsent.saturating_sub(1), seed),
        Outcome::Unsent => backoff_ms(tries.unsent, seed),
        Outcome::Unavailable { .. } | Outcome::Unknown if tries.attempts >= ATTEMPTS_MAX => {
            return Verdict::Abandon(Abandoned::AttemptsSpent);
        }
        Outcome::Unavailable { .. } | Outcome::Unknown => backoff_ms(tries.attempts, seed),
    };
    let asked = now.tick.not_before(asked_ms);
    let at = asked.max(now.tick.after(wait_ms));
    if at < expires_at {
        Verdict::RetryAt(at)
    } else if asked >= expires_at {
        Verdict::Abandon(Abandoned::WaitTooLong)
    } else {
        Verdict::Abandon(Abandoned::Expired)
    }
}

/// The time of day sets two processes apart that count their jobs alike.
pub(super) const fn seed(seed: u64, now: Now) -> u64 {
    seed ^ now.unix.0
}

/// 1 s, 2 s, 4 s … 30 s, each 20 % more or less, and none longer than the longest.
fn backoff_ms(tries: u8, seed: u64) -> u64 {
    let exponent = u32::from(tries.saturating_sub(1).min(BACKOFF_DOUBLINGS_MAX));
    let base = (BACKOFF_MS << exponent).min(BACKOFF_MS_MAX);
    let (least, most) = (base * 4 / 5, (base * 6 / 5).min(BACKOFF_MS_MAX));
    least + mix(seed ^ u64::from(tries)) % (most - least + 1)
}

/// Beyond so many the longest wait is reached.
const BACKOFF_DOUBLINGS_MAX: u8 = 5;

/// How long nothing is sent to a workspace that has refused so many in a row before: as long as it asks for, and
/// no less than a second or so; and a jitter that doubles with each refusal, so that a fleet's processes
/// that were refused together do not come back together.
pub(super) fn limited_wait_ms(asked_ms: u64, refusals: u8, seed: u64) -> u64 {
    let asked_ms = asked_ms.saturating_add(1).min(LIFETIME_MS);
    let exponent = u32::from(refusals.min(LIMITED_DOUBLINGS_MAX));
    let jitter = (BACKOFF_MS * 2 / 5) << exponent;
    asked_ms.max(BACKOFF_MS * 4 / 5) + mix(seed ^ u64::from(refusals)) % (jitter + 1)
}

/// The jitter has grown to 25.6 s then.
const LIMITED_DOUBLINGS_MAX: u8 = 6;

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
mod tests;
