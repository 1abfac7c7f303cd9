//! What is counted, and the page that Prometheus reads.
//!
//! The loop's own thread counts into plain integers; nothing here locks, allocates or reads a clock until the page
//! is requested. Latencies come from the clock readings that a turn of the loop makes anyway.

mod exposition;
#[cfg(feature = "redis")]
mod fleet;
mod histogram;
mod page;

#[cfg(feature = "redis")]
pub use fleet::FleetCounters;
pub use histogram::Histogram;
pub use page::{Standing, render};

use crate::app::refusals::{Refusal, Withdrawal};
use crate::commands::RunEnd;
use crate::jobs::{Abandoned, Verdict};
use crate::time::Tick;

/// Bounds for what should take no time at all, and must not take Slack's 3 seconds, ms.
const ACKNOWLEDGEMENT_MS: [u64; 9] = [1, 2, 5, 10, 50, 100, 500, 1_000, 3_000];
/// Bounds for one attempt, which is cut off after 10 seconds, ms.
const ATTEMPT_MS: [u64; 10] = [5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000];
/// Bounds from a command to its reply, which is possible for 30 minutes, ms.
const REPLY_MS: [u64; 10] = [
    1_000, 2_000, 5_000, 6_000, 7_000, 10_000, 30_000, 60_000, 300_000, 1_800_000,
];
/// Bounds for a run of a blocking command, which is given up after somewhat less than 30 minutes, ms.
const RUN_MS: [u64; 10] = [
    10, 50, 100, 500, 1_000, 5_000, 10_000, 60_000, 300_000, 1_800_000,
];
/// Bounds for a sync to stable storage, ms.
const SYNC_MS: [u64; 9] = [1, 2, 5, 10, 25, 50, 100, 500, 3_000];

/// What the bot has counted since it was made.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Commands answered with 200 for which a reply is pending from then on.
    pub commands_accepted: u64,
    /// Requests that came once more while the reply to them was pending: answered with the same 200.
    pub commands_repeated: u64,
    /// Commands answered with the usage.
    pub usages_shown: u64,
    /// Requests refused, by [`Refusal::kind`].
    pub refused: [u64; Refusal::KINDS],
    /// Commands taken back before their acknowledgement, by [`Withdrawal`].
    pub withdrawn: [u64; Withdrawal::KINDS],
    /// Replies that the receiver took.
    pub replies_delivered: u64,
    /// Attempts that failed and were followed by another.
    pub attempts_retried: u64,
    /// Replies given up, by [`Abandoned::kind`].
    pub replies_abandoned: [u64; Abandoned::KINDS],
    /// Replies to commands that other processes of a fleet have accepted, pending here since.
    pub replies_adopted: u64,
    /// Those that the settings do not allow here.
    pub replies_declined: u64,
    /// Pending replies that were forgotten, since other processes of a fleet make them.
    pub replies_forgotten: u64,
    /// From the turn that read a command to its 200 being handed to the system.
    pub acknowledgement: Histogram<{ ACKNOWLEDGEMENT_MS.len() }>,
    /// One attempt at a reply, whatever came of it.
    pub attempt: Histogram<{ ATTEMPT_MS.len() }>,
    /// From Slack's stamp on a command to its reply being taken.
    pub reply: Histogram<{ REPLY_MS.len() }>,
    /// Runs of blocking commands, by [`RunEnd`]. One that was given up counts again when it ends.
    pub runs: [u64; RunEnd::KINDS],
    /// One run of a blocking command.
    pub run: Histogram<{ RUN_MS.len() }>,
    /// Commands accepted whose acknowledgement is not timed yet, and the turn they came in.
    untimed: u64,
    turn_began: Tick,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            commands_accepted: 0,
            commands_repeated: 0,
            usages_shown: 0,
            refused: [0; Refusal::KINDS],
            withdrawn: [0; Withdrawal::KINDS],
            replies_delivered: 0,
            attempts_retried: 0,
            replies_abandoned: [0; Abandoned::KINDS],
            replies_adopted: 0,
            replies_declined: 0,
            replies_forgotten: 0,
            acknowledgement: Histogram::new(ACKNOWLEDGEMENT_MS),
            attempt: Histogram::new(ATTEMPT_MS),
            reply: Histogram::new(REPLY_MS),
            runs: [0; RunEnd::KINDS],
            run: Histogram::new(RUN_MS),
            untimed: 0,
            turn_began: Tick(0),
        }
    }
}

impl Counters {
    /// Counts a command whose 200 goes out at the end of the turn that began at `now`.
    pub const fn note_accepted(&mut self, now: Tick) {
        self.commands_accepted += 1;
        self.untimed += 1;
        self.turn_began = now;
    }

    /// Counts a command whose 200 has waited this long for the store.
    pub fn note_kept(&mut self, waited_ms: u64) {
        self.commands_accepted += 1;
        self.acknowledgement.observe(waited_ms);
    }

    /// Counts an attempt at a reply to a command that Slack stamped `age_ms` ago.
    pub fn note_attempt(&mut self, verdict: Verdict, took_ms: u64, age_ms: u64) {
        self.attempt.observe(took_ms);
        match verdict {
            Verdict::Settled => {
                self.replies_delivered += 1;
                self.reply.observe(age_ms);
            }
            Verdict::RetryAt(_) | Verdict::HeldUntil(_) | Verdict::Apologise => {
                self.attempts_retried += 1;
            }
            // The reply itself was not posted.
            Verdict::Apologised => self.replies_abandoned[Abandoned::REJECTED] += 1,
            Verdict::Abandon(reason) => self.replies_abandoned[reason.kind()] += 1,
        }
    }

    /// Counts a run that is over.
    pub fn note_run(&mut self, end: RunEnd, took_ms: u64) {
        self.runs[end as usize] += 1;
        self.run.observe(took_ms);
    }

    /// Whether [`Self::note_answered`] would have something to time.
    #[must_use]
    pub const fn has_untimed(&self) -> bool {
        self.untimed > 0
    }

    /// The answers of the turn before `now` have been handed to the system.
    pub fn note_answered(&mut self, now: Tick) {
        let untimed = std::mem::take(&mut self.untimed);
        if untimed > 0 {
            let took_ms = now.millis_since(self.turn_began);
            self.acknowledgement.observe_many(took_ms, untimed);
        }
    }
}

/// What a journal counts; the journal fills it in.
#[derive(Clone, Debug)]
pub struct JournalCounters {
    /// Groups of records written.
    pub commits: u64,
    /// Syncs of the log to stable storage.
    pub syncs: u64,
    /// Bytes of records written.
    pub bytes: u64,
    /// Writes or syncs that failed.
    pub failures: u64,
    /// Segments with records of pending replies that cannot be read again to be moved.
    pub unreadable_segments: u64,
    /// How long the write and the sync of a group took together.
    pub sync: Histogram<{ SYNC_MS.len() }>,
}

impl Default for JournalCounters {
    fn default() -> Self {
        Self {
            commits: 0,
            syncs: 0,
            bytes: 0,
            failures: 0,
            unreadable_segments: 0,
            sync: Histogram::new(SYNC_MS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_timed_once_from_its_turn_to_the_answers() {
        let mut counters = Counters::default();
        counters.note_answered(Tick(5));
        counters.note_accepted(Tick(10));
        counters.note_accepted(Tick(10));
        assert!(counters.has_untimed());
        counters.note_answered(Tick(14));
        counters.note_answered(Tick(900));
        let ack = &counters.acknowledgement;
        assert_eq!((ack.count(), ack.sum_ms()), (2, 8));
        assert!(!counters.has_untimed());
    }

    #[test]
    fn a_command_that_is_kept_was_accepted_and_timed() {
        let mut counters = Counters::default();
        counters.note_kept(7);
        counters.note_answered(Tick(900));
        let ack = &counters.acknowledgement;
        assert_eq!((ack.count(), ack.sum_ms()), (1, 7));
        assert_eq!(counters.commands_accepted, 1);
    }
}
