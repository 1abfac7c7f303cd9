//! What is owed: told to a journal change by change, told by it to a bot that begins anew, and told at
//! the end to whoever asks.

use log::{debug, log, warn};

use super::{Bot, ephemeral, index};
use crate::commands::{self, COMMANDS};
use crate::http::Response;
use crate::jobs::{ATTEMPTS_MAX, NewJob, State, Tries, Verdict};
use crate::refusals::Refusal;
use crate::slab::Key;
use crate::slack::response_url::is_path;
use crate::time::{Now, Tick};

/// Something that has become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is owed from now on, if the journal can keep it.
    Accepted {
        /// Which one.
        job: Key,
        /// When the thinking is over.
        due: Tick,
    },
    /// An attempt that may have reached the receiver has failed, and there is to be another. Of others a
    /// journal is not told: in an outage that would be a record for each job every half a minute.
    Failed {
        /// Which one.
        job: Key,
        /// When the next attempt is due.
        due: Tick,
    },
    /// It is delivered or given up.
    Settled {
        /// Which one.
        job: Key,
    },
}

/// A job as another process would have to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed<'a> {
    /// The command's name.
    pub command: &'a str,
    /// The origin of its `response_url`.
    pub origin: &'a str,
    /// Path and query of its `response_url`: a secret.
    pub path: &'a str,
    /// The text as Slack delivered it.
    pub text: &'a str,
    /// Attempts made whose outcome is known.
    pub attempts: u8,
    /// When its next attempt is due; of one that is given out, any time.
    pub due: Tick,
    /// When its `response_url` stops serving.
    pub expires_at: Tick,
}

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

    /// From now on changes are noted for a journal, and a response that promises a reply says so.
    pub fn keep_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// Gives out what has changed since the last time, in that order; `emptied` is used for the next.
    pub fn take_changes(&mut self, emptied: Vec<Change>) -> Vec<Change> {
        match &mut self.changes {
            Some(changes) => std::mem::replace(changes, emptied),
            None => emptied,
        }
    }

    /// Whether [`Self::take_changes`] has something to give.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.changes
            .as_ref()
            .is_some_and(|changes| !changes.is_empty())
    }

    pub(super) fn note_change(&mut self, change: Change) {
        if let Some(changes) = &mut self.changes {
            changes.push(change);
        }
    }

    pub(super) fn note_verdict(&mut self, job: Key, verdict: Verdict) {
        match verdict {
            Verdict::RetryAt(due) if self.is_counted(job) => {
                self.note_change(Change::Failed { job, due });
            }
            Verdict::RetryAt(_) | Verdict::HeldUntil(_) => {}
            Verdict::Apologise => self.note_change(Change::Failed { job, due: Tick(0) }),
            Verdict::Settled | Verdict::Apologised | Verdict::Abandon(_) => {
                self.note_change(Change::Settled { job });
            }
        }
    }

    /// Whether a job's latest attempt was one of those that are counted.
    fn is_counted(&self, job: Key) -> bool {
        self.jobs.get(job).is_some_and(|job| job.tries.unsent == 0)
    }

    /// The job in a slot, which has the index of its key. Its `due` is not known here.
    #[must_use]
    pub fn owed(&self, slot: u32, due: Tick) -> Option<(Key, Owed<'_>)> {
        let (key, job) = self.jobs.at(slot)?;
        let owed = Owed {
            command: COMMANDS[usize::from(job.command)].name,
            origin: &self.origin_texts[usize::from(job.origin)],
            path: job.path(),
            text: job.text(),
            attempts: job.tries.attempts,
            due,
            expires_at: job.expires_at,
        };
        Some((key, owed))
    }

    /// How many replies are with a sender.
    #[must_use]
    pub const fn sending(&self) -> usize {
        self.jobs.sending()
    }

    /// Takes back a job that the journal could not keep. Its acknowledgement has not gone out, and
    /// [`busy`] goes out in its place.
    pub fn withdraw(&mut self, job: Key, now: Now) {
        self.jobs.withdraw(job);
        self.counters.note_withdrawn();
        let (refusal, number) = (Refusal::NotKept, job.generation());
        let level = self.note_refusal(refusal, now);
        log!(level, "command {number}: refused with {refusal}");
    }

    /// Takes on a job that an earlier process has acknowledged, whatever the capacity. `None`, and a
    /// line in the log, if the settings no longer allow its reply.
    pub fn restore(&mut self, number: u64, owed: &Owed<'_>) -> Option<Key> {
        let origin = self
            .origin_texts
            .iter()
            .position(|origin| origin == owed.origin);
        let Some(origin) = origin.filter(|_| is_path(owed.path)) else {
            warn!(
                "command {number}: not answered, its response_url is of an origin that is not allowed"
            );
            return None;
        };
        let job = NewJob {
            command: index(commands::position(owed.command)),
            origin: index(origin),
            path: owed.path,
            text: owed.text,
            due: owed.due,
            expires_at: owed.expires_at,
        };
        let key = self.jobs.restore(job, owed.attempts, number as u32)?;
        debug!("command {number}: owed since before the start");
        Some(key)
    }

    /// Jobs are numbered from here on.
    pub const fn number_from(&mut self, next: u64) {
        self.jobs.number_from(next as u32);
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
    use crate::config::{Config, Settings};
    use crate::slack::response_url::Origin;

    fn bot() -> Bot {
        let mut config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        config.reply_origins = vec![Origin::parse("https://hooks.slack.com").unwrap()];
        config.max_pending = 1;
        let mut bot = Bot::new(&config, Tick(0));
        bot.keep_changes();
        bot
    }

    const OWED: Owed<'_> = Owed {
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
        let key = bot.restore((5 << 32) | 42, &OWED).unwrap();
        assert_eq!(key.generation(), 42);
        assert_eq!(bot.owed(key.index(), Tick(7)), Some((key, OWED)));
        assert!(bot.restore(43, &OWED).is_some(), "capacity is for new ones");
        bot.handle_timeout(at(7), &mut 100);
        let delivery = bot.poll_delivery(at(7)).unwrap();
        assert_eq!(delivery.url, "https://hooks.slack.com/commands/1");
        assert_eq!(delivery.body, br#"{"text": "hello"}"#);
        let in_flight = bot.owed(key.index(), Tick(7)).unwrap().1;
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
                    &Owed {
                        origin,
                        path,
                        ..OWED
                    }
                ),
                None
            );
        }
        assert_eq!(bot.pending(), 0);
    }

    #[test]
    fn a_command_that_is_gone_is_answered_by_the_first() {
        let mut bot = bot();
        let key = bot
            .restore(
                1,
                &Owed {
                    command: "/gone",
                    ..OWED
                },
            )
            .unwrap();
        assert_eq!(
            bot.owed(key.index(), Tick(0)).unwrap().1.command,
            COMMANDS[0].name
        );
    }

    /// The settings choose `/torrap` alone; the journal holds what an earlier process was to answer.
    #[test]
    fn a_command_that_is_not_chosen_any_more_is_answered_as_itself() {
        let mut bot = bot();
        let owed = Owed {
            command: "/shout",
            ..OWED
        };
        let key = bot.restore(1, &owed).unwrap();
        assert_eq!(bot.owed(key.index(), Tick(7)), Some((key, owed)));
        bot.handle_timeout(at(7), &mut 100);
        assert_eq!(
            bot.poll_delivery(at(7)).unwrap().body,
            br#"{"response_type": "in_channel", "text": "OLLEH"}"#
        );
    }

    #[test]
    fn what_is_withdrawn_is_neither_owed_nor_in_the_way() {
        let mut bot = bot();
        let gone = bot
            .restore(
                1,
                &Owed {
                    due: Tick(0),
                    ..OWED
                },
            )
            .unwrap();
        let stays = bot
            .restore(
                2,
                &Owed {
                    due: Tick(0),
                    ..OWED
                },
            )
            .unwrap();
        bot.handle_timeout(at(0), &mut 100);
        bot.withdraw(gone, at(0));
        assert_eq!(bot.pending(), 1);
        assert_eq!(bot.poll_delivery(at(0)).unwrap().job, stays);
        assert!(bot.poll_delivery(at(0)).is_none());
    }

    /// It was counted as accepted in the same turn, before anybody could ask.
    #[test]
    fn what_is_withdrawn_counts_as_refused() {
        let mut bot = bot();
        let job = bot.restore(1, &OWED).unwrap();
        bot.counters.note_accepted(Tick(0));
        bot.withdraw(job, at(0));
        assert_eq!(bot.counters.refused[Refusal::NotKept.kind()], 1);
        assert_eq!(bot.counters.commands_accepted, 0);
        assert!(
            !bot.counters.has_untimed(),
            "\"busy\" is no acknowledgement"
        );
    }

    fn at(ms: u64) -> Now {
        Now {
            tick: Tick(ms),
            unix: crate::time::UnixTime(ms),
        }
    }
}
