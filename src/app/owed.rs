//! What is owed: restored from a store at the start, and told at the end to whoever asks.

use log::{debug, warn};

use super::{Bot, ephemeral, index};
use crate::commands;
use crate::http::Response;
use crate::jobs::{ATTEMPTS_MAX, LIFETIME_MS, NewJob, State, Tries, Verdict};
use crate::slab::Key;
use crate::slack::response_url::is_path;
use crate::store::{Outcome, PendingJob};
use crate::time::Tick;

impl Bot {
    /// How many replies are owed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.jobs.len()
    }

    /// One line for each reply that is owed.
    pub fn undelivered(&self) -> impl Iterator<Item = String> {
        self.jobs.iter().map(|(key, job)| {
            let state = match job.state {
                State::Unkept => "not kept by the journal yet",
                State::Scheduled if job.tries == Tries::default() => "still thinking",
                State::Scheduled => "waiting for its next attempt",
                State::Ready => "waiting for a sender",
                State::Held => "waiting since its workspace is limited",
                State::Sending => "being sent",
            };
            let (number, attempts) = (key.generation(), job.attempts_begun());
            format!("command {number}: not answered, {state}; {attempts} of {ATTEMPTS_MAX} attempts made")
        })
    }

    pub(super) fn note_verdict(&mut self, job: Key, verdict: Verdict) {
        let tries = self.jobs.get(job).map(|job| job.tries);
        let due = match verdict {
            // An attempt that was not sent does not count.
            Verdict::RetryAt(due) if tries.is_some_and(|tries| tries.unsent == 0) => due,
            Verdict::RetryAt(_) | Verdict::HeldUntil(_) => return,
            Verdict::Apologise => Tick(0),
            Verdict::Settled | Verdict::Apologised | Verdict::Abandon(_) => {
                return self.note_outcome(Outcome::Settled { job });
            }
        };
        let attempts = tries.map_or(0, |tries| tries.attempts);
        self.note_outcome(Outcome::Attempted { job, attempts, due });
    }

    /// How many replies are with a sender.
    #[must_use]
    pub const fn sending(&self) -> usize {
        self.jobs.sending()
    }

    /// Takes on a job that an earlier process has acknowledged, whatever the capacity. `None`, and a
    /// line in the log, if the settings no longer allow its reply.
    pub fn restore(&mut self, number: u64, pending: &PendingJob<'_>, now: Tick) -> Option<Key> {
        let origin = self
            .origin_texts
            .iter()
            .position(|origin| origin == pending.origin);
        let Some(origin) = origin.filter(|_| is_path(pending.path)) else {
            warn!(
                "command {number}: not answered, its response_url is of an origin that is not allowed"
            );
            return None;
        };
        // No job waits for longer than it lives, whatever a store has read.
        let latest = now.after(LIFETIME_MS);
        let job = NewJob {
            command: index(commands::position(pending.command)),
            origin: index(origin),
            path: pending.path,
            text: pending.text,
            due: pending.due.min(latest),
            expires_at: pending.expires_at.min(latest),
        };
        let key = self.jobs.restore(job, pending.attempts, number as u32)?;
        debug!("command {number}: owed since before the start");
        Some(key)
    }
}

/// What is answered to a command that cannot be taken on now.
#[must_use]
pub fn busy() -> Response {
    ephemeral("I am busy, please try again in a moment.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::COMMANDS;
    use crate::config::{Config, Settings};
    use crate::slack::response_url::Origin;
    use crate::time::Now;

    fn bot() -> Bot {
        let mut config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        config.reply_origins = vec![Origin::parse("https://hooks.slack.com").unwrap()];
        config.max_pending = 1;
        let mut bot = Bot::new(&config, Tick(0));
        bot.begin_store(1);
        bot
    }

    impl Bot {
        /// All jobs that are pending, as a store would be told; when they are due is not known here.
        pub(crate) fn pending_jobs(&self) -> impl Iterator<Item = (Key, PendingJob<'_>)> {
            self.jobs.iter().map(|(key, job)| {
                let pending = PendingJob {
                    command: COMMANDS[usize::from(job.command)].name,
                    origin: &self.origin_texts[usize::from(job.origin)],
                    path: job.path(),
                    text: job.text(),
                    attempts: job.tries.attempts,
                    due: OWED.due,
                    expires_at: job.expires_at,
                };
                (key, pending)
            })
        }
    }

    const OWED: PendingJob<'_> = PendingJob {
        command: "/torrap",
        origin: "https://hooks.slack.com",
        path: "/commands/1",
        text: "olleh",
        attempts: 3,
        due: Tick(7),
        expires_at: Tick(1000),
    };

    #[test]
    fn a_restored_job_is_owed_as_before_and_keeps_its_number() {
        let mut bot = bot();
        let key = bot.restore((5 << 32) | 42, &OWED, Tick(0)).unwrap();
        assert_eq!(key.generation(), 42);
        assert!(bot.pending_jobs().eq([(key, OWED)]));
        assert!(
            bot.restore(43, &OWED, Tick(0)).is_some(),
            "capacity is for new ones"
        );
        bot.handle_timeout(at(7), &mut 100);
        let delivery = bot.poll_delivery(at(7)).unwrap();
        assert_eq!(delivery.url, "https://hooks.slack.com/commands/1");
        assert_eq!(delivery.body, br#"{"text": "hello"}"#);
        let (_, in_flight) = bot.pending_jobs().next().unwrap();
        assert_eq!(in_flight.attempts, 3, "its outcome is not known");
        assert_eq!(bot.sending(), 1);
    }

    #[test]
    fn a_reply_that_the_settings_no_longer_allow_is_not_owed() {
        let mut bot = bot();
        for (origin, path) in [("https://example.com", "/1"), (OWED.origin, "/\r\n")] {
            assert_eq!(
                bot.restore(
                    1,
                    &PendingJob {
                        origin,
                        path,
                        ..OWED
                    },
                    Tick(0)
                ),
                None
            );
        }
        assert_eq!(bot.pending(), 0);
    }

    #[test]
    fn a_command_that_is_gone_is_answered_by_the_first() {
        let mut bot = bot();
        bot.restore(
            1,
            &PendingJob {
                command: "/gone",
                ..OWED
            },
            Tick(0),
        )
        .unwrap();
        let (_, job) = bot.pending_jobs().next().unwrap();
        assert_eq!(job.command, COMMANDS[0].name);
    }

    /// The settings choose `/torrap` alone; the journal holds what an earlier process was to answer.
    #[test]
    fn a_command_that_is_not_chosen_any_more_is_answered_as_itself() {
        let mut bot = bot();
        let owed = PendingJob {
            command: "/shout",
            ..OWED
        };
        let key = bot.restore(1, &owed, Tick(0)).unwrap();
        assert!(bot.pending_jobs().eq([(key, owed)]));
        bot.handle_timeout(at(7), &mut 100);
        assert_eq!(
            bot.poll_delivery(at(7)).unwrap().body,
            br#"{"response_type": "in_channel", "text": "OLLEH"}"#
        );
    }

    fn at(ms: u64) -> Now {
        Now {
            tick: Tick(ms),
            unix: crate::time::UnixTime(ms),
        }
    }
}
