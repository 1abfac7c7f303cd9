//! What is counted, and how Prometheus is told.
//!
//! The loop's own thread counts into plain integers; nothing here locks, allocates or reads a clock
//! before somebody asks for the page. Latencies come from the clock readings that a turn of the loop
//! makes anyway.

mod exposition;
mod histogram;

pub use exposition::MEDIA_TYPE;
pub use histogram::Histogram;

use exposition::Exposition;

use crate::jobs::{Abandoned, Verdict};
use crate::refusals::Refusal;
use crate::time::{Seconds, Tick, UnixTime};

/// Bounds for what should take no time at all, and must not take Slack's 3 seconds, ms.
const ACKNOWLEDGEMENT_MS: [u64; 9] = [1, 2, 5, 10, 50, 100, 500, 1_000, 3_000];
/// Bounds for one attempt, which is cut off after 10 seconds, ms.
const ATTEMPT_MS: [u64; 10] = [5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000];
/// Bounds from a command to its reply, which is possible for 30 minutes, ms.
const REPLY_MS: [u64; 10] = [
    1_000, 2_000, 5_000, 6_000, 7_000, 10_000, 30_000, 60_000, 300_000, 1_800_000,
];
/// Bounds for a sync to stable storage, ms.
const SYNC_MS: [u64; 9] = [1, 2, 5, 10, 25, 50, 100, 500, 3_000];

/// What the bot has counted since it was made.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Commands answered with 200 whose reply was owed from then on.
    pub commands_accepted: u64,
    /// Commands answered with the usage.
    pub usages_shown: u64,
    /// Requests refused, by [`Refusal::kind`].
    pub refused: [u64; Refusal::KINDS],
    /// Replies that the receiver took.
    pub replies_delivered: u64,
    /// Attempts that failed and were followed by another.
    pub attempts_retried: u64,
    /// Replies given up, by [`Abandoned::kind`].
    pub replies_abandoned: [u64; Abandoned::KINDS],
    /// From the turn that read a command to its 200 being handed to the system.
    pub acknowledgement: Histogram<{ ACKNOWLEDGEMENT_MS.len() }>,
    /// One attempt at a reply, whatever came of it.
    pub attempt: Histogram<{ ATTEMPT_MS.len() }>,
    /// From Slack's stamp on a command to its reply being taken.
    pub reply: Histogram<{ REPLY_MS.len() }>,
    /// Commands accepted whose acknowledgement is not timed yet, and the turn they came in.
    untimed: u64,
    turn_began: Tick,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            commands_accepted: 0,
            usages_shown: 0,
            refused: [0; Refusal::KINDS],
            replies_delivered: 0,
            attempts_retried: 0,
            replies_abandoned: [0; Abandoned::KINDS],
            acknowledgement: Histogram::new(ACKNOWLEDGEMENT_MS),
            attempt: Histogram::new(ATTEMPT_MS),
            reply: Histogram::new(REPLY_MS),
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

    /// Counts an attempt at a reply to a command that Slack stamped `age_ms` ago.
    pub fn note_attempt(&mut self, verdict: Verdict, took_ms: u64, age_ms: u64) {
        self.attempt.observe(took_ms);
        match verdict {
            Verdict::Settled => {
                self.replies_delivered += 1;
                self.reply.observe(age_ms);
            }
            Verdict::RetryAt(_) => self.attempts_retried += 1,
            Verdict::Abandon(reason) => self.replies_abandoned[reason.kind()] += 1,
        }
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
    /// Groups of records that reached stable storage.
    pub commits: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Writes or syncs that failed.
    pub failures: u64,
    /// How long a write and its sync took together.
    pub commit: Histogram<{ SYNC_MS.len() }>,
}

impl Default for JournalCounters {
    fn default() -> Self {
        Self {
            commits: 0,
            bytes: 0,
            failures: 0,
            commit: Histogram::new(SYNC_MS),
        }
    }
}

/// What the shell adds to the bot's own counts: how things stand, and what it has counted itself.
#[derive(Clone, Debug, Default)]
pub struct Standing<'a> {
    /// When the server was set up.
    pub started_at: UnixTime,
    /// Whether `/readyz` says so.
    pub is_ready: bool,
    /// Client connections that are open, and how many may be.
    pub connections_open: usize,
    /// The same.
    pub connections_max: usize,
    /// Client connections accepted.
    pub connections_accepted: u64,
    /// Idle or stalled ones closed because others waited for a place or a descriptor.
    pub connections_evicted: u64,
    /// How often accepting paused for want of a place or a descriptor.
    pub accept_pauses: u64,
    /// Replies that are owed, and how many may be.
    pub jobs_pending: usize,
    /// The same.
    pub jobs_max: usize,
    /// Since Slack stamped the oldest command whose reply is owed, ms.
    pub oldest_pending_ms: u64,
    /// Sender threads that live, and how many may.
    pub sender_threads: usize,
    /// The same.
    pub sender_threads_max: usize,
    /// Replies that a sender has, or will take next.
    pub deliveries_outstanding: usize,
    /// What the journal has counted, if there is one.
    pub journal: Option<&'a JournalCounters>,
}

/// The page that Prometheus reads.
#[must_use]
pub fn render(counters: &Counters, standing: &Standing<'_>) -> String {
    let mut page = Exposition::default();
    render_standing(standing, &mut page);
    render_counters(counters, &mut page);
    if let Some(journal) = standing.journal {
        render_journal(journal, &mut page);
    }
    page.into_text()
}

fn render_standing(standing: &Standing<'_>, page: &mut Exposition) {
    let s = standing;
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
    page.info("torrap_build_info", "Which torrap this is.", version);
    page.gauge(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        Seconds { ms: s.started_at.0 },
    );
    page.gauge(
        "torrap_ready",
        "Whether /readyz answers 200.",
        u8::from(s.is_ready),
    );
    let gauges = [
        (
            "torrap_connections_open",
            "Client connections that are open.",
            s.connections_open,
        ),
        (
            "torrap_connections_limit",
            "Client connections that may be open.",
            s.connections_max,
        ),
        (
            "torrap_jobs_pending",
            "Commands accepted whose reply is still owed.",
            s.jobs_pending,
        ),
        (
            "torrap_jobs_limit",
            "Commands that may be pending.",
            s.jobs_max,
        ),
        (
            "torrap_sender_threads",
            "Threads that post replies.",
            s.sender_threads,
        ),
        (
            "torrap_sender_threads_limit",
            "Threads that may post replies.",
            s.sender_threads_max,
        ),
        (
            "torrap_deliveries_outstanding",
            "Replies that a sender thread has, or will take next.",
            s.deliveries_outstanding,
        ),
    ];
    for (name, help, value) in gauges {
        page.gauge(name, help, value);
    }
    page.gauge(
        "torrap_oldest_pending_age_seconds",
        "Since Slack stamped the oldest command whose reply is owed, 0 if none is.",
        Seconds {
            ms: s.oldest_pending_ms,
        },
    );
    let counters = [
        (
            "torrap_connections_accepted_total",
            "Client connections accepted.",
            s.connections_accepted,
        ),
        (
            "torrap_connections_evicted_total",
            "Idle or stalled client connections closed because others waited for a place or a descriptor.",
            s.connections_evicted,
        ),
        (
            "torrap_accept_pauses_total",
            "How often accepting paused for want of a place or a descriptor.",
            s.accept_pauses,
        ),
    ];
    for (name, help, value) in counters {
        page.counter(name, help, value);
    }
}

fn render_counters(counters: &Counters, page: &mut Exposition) {
    let c = counters;
    let totals = [
        (
            "torrap_commands_accepted_total",
            "Commands acknowledged whose reply was owed from then on.",
            c.commands_accepted,
        ),
        (
            "torrap_usages_shown_total",
            "Commands answered with the usage.",
            c.usages_shown,
        ),
        (
            "torrap_replies_delivered_total",
            "Replies that the receiver took.",
            c.replies_delivered,
        ),
        (
            "torrap_attempts_retried_total",
            "Attempts at a reply that failed and are followed by another.",
            c.attempts_retried,
        ),
    ];
    for (name, help, value) in totals {
        page.counter(name, help, value);
    }
    page.counters(
        "torrap_requests_refused_total",
        "Requests that were not carried out.",
        "reason",
        Refusal::labels().zip(c.refused),
    );
    page.counters(
        "torrap_replies_abandoned_total",
        "Replies that were given up.",
        "reason",
        Abandoned::LABELS.into_iter().zip(c.replies_abandoned),
    );
    page.histogram(
        "torrap_acknowledgement_duration_seconds",
        "From the turn of the loop that read a command to its 200 being handed to the system.",
        &c.acknowledgement,
    );
    page.histogram(
        "torrap_attempt_duration_seconds",
        "One attempt at posting a reply, whatever came of it.",
        &c.attempt,
    );
    page.histogram(
        "torrap_reply_latency_seconds",
        "From Slack's stamp on a command, in whole seconds, to its reply being taken.",
        &c.reply,
    );
}

fn render_journal(journal: &JournalCounters, page: &mut Exposition) {
    let j = journal;
    let totals = [
        (
            "torrap_journal_commits_total",
            "Groups of records made durable.",
            j.commits,
        ),
        (
            "torrap_journal_written_bytes_total",
            "Bytes of records made durable.",
            j.bytes,
        ),
        (
            "torrap_journal_failures_total",
            "Writes or syncs of the journal that failed.",
            j.failures,
        ),
    ];
    for (name, help, value) in totals {
        page.counter(name, help, value);
    }
    page.histogram(
        "torrap_journal_commit_duration_seconds",
        "Writing and syncing one group of records.",
        &j.commit,
    );
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
    fn the_journals_counts_are_there_if_there_is_one() {
        let page = |journal| {
            let standing = Standing {
                journal,
                ..Standing::default()
            };
            render(&Counters::default(), &standing)
        };
        assert!(!page(None).contains("journal"));
        let counters = JournalCounters {
            commits: 3,
            ..JournalCounters::default()
        };
        assert!(page(Some(&counters)).contains("\ntorrap_journal_commits_total 3\n"));
    }
}
