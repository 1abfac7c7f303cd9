//! The far side of a delivery: what it answers, and how long it asks to be left alone.

use std::time::{Duration, UNIX_EPOCH};

use super::Generator;
use crate::jobs::Outcome;
use crate::time::Now;

/// What a receiver answers, if anything.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Delivered,
    Unsent,
    Unknown,
    Limited(RetryAfter),
    Unavailable(u16, RetryAfter),
    Rejected(u16),
    /// 400, for what the message says.
    MessageFault,
}

impl Answer {
    /// Nothing more is to be sent.
    pub(super) const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Rejected(_))
    }

    /// Nothing was taken, and it does not count.
    pub(super) const fn is_unsent(self) -> bool {
        matches!(self, Self::Unsent | Self::Limited(_))
    }

    /// What the bot is told, and the wait in ms that the receiver asks for.
    pub(super) fn outcome(self, now: Now) -> (Outcome, u64) {
        let rejected = |status, is_about_message| Outcome::Rejected {
            status,
            is_about_message,
        };
        let outcome = match self {
            Self::Delivered => Outcome::Delivered,
            Self::Unsent => Outcome::Unsent,
            Self::Unknown => Outcome::Unknown,
            Self::Rejected(status) => rejected(status, false),
            Self::MessageFault => rejected(400, true),
            Self::Limited(field) => {
                let (retry_after, asked_ms) = field.write(now);
                return (Outcome::Limited { retry_after }, asked_ms);
            }
            Self::Unavailable(status, field) => {
                let (retry_after, asked_ms) = field.write(now);
                let outcome = Outcome::Unavailable {
                    status,
                    retry_after,
                };
                return (outcome, asked_ms);
            }
        };
        (outcome, 0)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum RetryAfter {
    Missing,
    Secs(u64),
    /// A date so many seconds from now.
    Date(i64),
    Garbage(&'static str),
}

impl RetryAfter {
    fn draw(generator: &mut Generator) -> Self {
        let secs = generator.pick(&[0, 1, 3, 30, 600, 1790, 1800, 100_000]);
        match generator.below(5) {
            0 => Self::Missing,
            1 => Self::Date(secs as i64),
            2 => Self::Date(-(secs as i64)),
            3 => Self::Garbage(generator.pick(&["", "soon", "-1", "1.5", "Mon, 99 Foo"])),
            _ => Self::Secs(secs),
        }
    }

    /// The field's value, and the wait in ms that it asks for.
    fn write(self, now: Now) -> (Option<String>, u64) {
        match self {
            Self::Missing => (None, 0),
            Self::Garbage(text) => (Some(text.to_owned()), 0),
            Self::Secs(secs) => (Some(format!(" {secs} ")), secs * 1000),
            Self::Date(offset) => {
                let secs = now.unix.secs().saturating_add_signed(offset);
                let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs));
                (Some(date), (secs * 1000).saturating_sub(now.unix.0))
            }
        }
    }
}

/// What it likes to answer.
pub(super) struct Receiver {
    delivered: u64,
    failing: u64,
    limited: u64,
    rejected: u64,
}

impl Receiver {
    /// It takes everything.
    pub(super) const GOOD: Self = Self {
        delivered: 1,
        failing: 0,
        limited: 0,
        rejected: 0,
    };

    pub(super) fn new(generator: &mut Generator) -> Self {
        Self {
            delivered: generator.pick(&[0, 2, 20]),
            failing: generator.pick(&[1, 5, 30]),
            limited: generator.pick(&[0, 0, 2, 20]),
            rejected: generator.pick(&[0, 1]),
        }
    }

    pub(super) fn draw(&self, generator: &mut Generator) -> Answer {
        let unavailable = generator.pick(&[408, 500, 503]);
        let retry_after = RetryAfter::draw(generator);
        generator.weighted(&[
            (self.delivered, Answer::Delivered),
            (self.failing, Answer::Unsent),
            (self.failing, Answer::Unknown),
            (
                2 * self.failing,
                Answer::Unavailable(unavailable, retry_after),
            ),
            (self.limited, Answer::Limited(retry_after)),
            (self.rejected, Answer::Rejected(404)),
            (self.rejected, Answer::MessageFault),
        ])
    }
}
