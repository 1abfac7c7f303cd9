//! The far side of a delivery: senders that take their time, and what comes of their attempts.

use std::time::{Duration, UNIX_EPOCH};

use test_support::generator::Generator;
use torrap::app::Report;
use torrap::jobs::Outcome;
use torrap::slab::Key;
use torrap::time::{Now, Tick};

/// What a receiver answers, if anything.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Delivered,
    Unsent,
    Unknown,
    Limited(RetryAfter),
    Unavailable(u16, RetryAfter),
    Rejected(u16),
    /// 400, for what the message says.
    MessageFault,
}

#[derive(Clone, Copy, Debug)]
enum RetryAfter {
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

/// An attempt that somebody makes.
struct Attempt {
    job: Key,
    answer: Answer,
    ends_at: Tick,
    /// A report that comes a second time keeps no sender busy.
    is_copy: bool,
}

/// What each seed likes to happen.
pub struct Receiver {
    attempts: Vec<Attempt>,
    slots: usize,
    delivered: u64,
    failing: u64,
    limited: u64,
    rejected: u64,
    lost_percent: u64,
    copied_percent: u64,
    pub lost: u64,
}

impl Receiver {
    pub fn new(generator: &mut Generator) -> Self {
        Self {
            attempts: Vec::new(),
            slots: generator.pick(&[1, 2, 8, 64]),
            delivered: generator.pick(&[0, 2, 20]),
            failing: generator.pick(&[1, 5, 30]),
            limited: generator.pick(&[0, 0, 2, 20]),
            rejected: generator.pick(&[0, 1]),
            lost_percent: generator.pick(&[0, 0, 1, 10]),
            copied_percent: generator.pick(&[0, 0, 5, 30]),
            lost: 0,
        }
    }

    /// How many more deliveries the senders take.
    pub fn room(&self) -> usize {
        let busy = self.attempts.iter().filter(|attempt| !attempt.is_copy);
        self.slots.saturating_sub(busy.count())
    }

    /// A sender begins an attempt, unless it dies of it.
    pub fn take(&mut self, job: Key, now: Tick, generator: &mut Generator) -> bool {
        if generator.percent(self.lost_percent) {
            self.lost += 1;
            return false;
        }
        let took_ms = generator.pick(&[0, 1, 70, 900, 10_000]);
        let mut add = |is_copy, ends_at| {
            self.attempts.push(Attempt {
                job,
                answer: Answer::Unsent,
                ends_at,
                is_copy,
            });
        };
        add(false, now.after(took_ms));
        if generator.percent(self.copied_percent) {
            add(true, now.after(took_ms + generator.pick(&[0, 500, 60_000])));
        }
        let answer = self.draw(generator);
        for attempt in self
            .attempts
            .iter_mut()
            .filter(|attempt| attempt.job == job)
        {
            attempt.answer = answer;
        }
        true
    }

    fn draw(&self, generator: &mut Generator) -> Answer {
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

    /// When the next attempt ends.
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.attempts.iter().map(|attempt| attempt.ends_at).min()
    }

    /// A report of one of the attempts that have ended, in any order, and the wait in ms that it asks
    /// for.
    pub fn poll_report(&mut self, now: Now, generator: &mut Generator) -> Option<(Report, u64)> {
        let ended = self.attempts.iter().enumerate();
        let ended = ended.filter(|(_, attempt)| attempt.ends_at <= now.tick);
        let ended: Vec<usize> = ended.map(|(index, _)| index).collect();
        if ended.is_empty() {
            return None;
        }
        let attempt = self.attempts.swap_remove(generator.pick(&ended));
        let mut asked_ms = 0;
        let outcome = match attempt.answer {
            Answer::Delivered => Outcome::Delivered,
            Answer::Unsent => Outcome::Unsent,
            Answer::Unknown => Outcome::Unknown,
            Answer::Rejected(status) => Outcome::Rejected {
                status,
                is_about_message: false,
            },
            Answer::MessageFault => Outcome::Rejected {
                status: 400,
                is_about_message: true,
            },
            Answer::Limited(field) => {
                let (retry_after, ms) = field.write(now);
                asked_ms = ms;
                Outcome::Limited { retry_after }
            }
            Answer::Unavailable(status, field) => {
                let (retry_after, ms) = field.write(now);
                asked_ms = ms;
                Outcome::Unavailable {
                    status,
                    retry_after,
                }
            }
        };
        let report = Report {
            job: attempt.job,
            outcome,
            detail: String::new(),
            took_ms: 0,
        };
        Some((report, asked_ms))
    }

    /// Whether somebody will yet report on the job.
    pub fn has(&self, job: Key) -> bool {
        self.attempts.iter().any(|attempt| attempt.job == job)
    }
}
