//! The page that Prometheus reads.

use super::exposition::{Exposition, Row};
use super::{Counters, JournalCounters};
use crate::app::refusals::{Refusal, Withdrawal};
use crate::commands::RunEnd;
use crate::jobs::Abandoned;
use crate::time::{Seconds, UnixTime};

/// The figures of the page that [`Counters`] does not have: how things stand, and what others than the bot have counted.
#[derive(Clone, Debug, Default)]
pub struct Standing<'a> {
    /// When the server was set up.
    pub started_at: UnixTime,
    /// Whether `/readyz` answers 200.
    pub is_ready: bool,
    /// Client connections that are open.
    pub connections_open: usize,
    /// How many may be.
    pub connections_max: usize,
    /// Client connections accepted.
    pub connections_accepted: u64,
    /// Idle or stalled ones closed because others waited for a place or a descriptor.
    pub connections_evicted: u64,
    /// Ones closed as soon as accepted, since the system had no room to watch them.
    pub connections_dropped: u64,
    /// How often accepting paused for want of a place or a descriptor.
    pub accept_pauses: u64,
    /// Pending replies.
    pub jobs_pending: usize,
    /// How many may be.
    pub jobs_max: usize,
    /// Since Slack stamped the oldest command whose reply is pending, ms.
    pub oldest_pending_ms: u64,
    /// Sender threads that live.
    pub sender_threads: usize,
    /// How many may.
    pub sender_threads_max: usize,
    /// Those of them that run a blocking command.
    pub runs_outstanding: usize,
    /// How many may.
    pub runs_max: usize,
    /// Replies that a sender has, or will take next.
    pub deliveries_outstanding: usize,
    /// What the journal has counted, if there is one.
    pub journal: Option<&'a JournalCounters>,
    /// For how long a batch has been with the journal, ms.
    pub commit_age_ms: u64,
    /// Answers that wait for the journal.
    pub answers_held: usize,
    /// Bytes of the batch that is to follow.
    pub collected_bytes: usize,
    /// What is known of the fleet, if the journal is shared.
    #[cfg(feature = "redis")]
    pub fleet: Option<&'a super::FleetCounters>,
}

/// The page that Prometheus reads.
#[must_use]
pub fn render(counters: &Counters, standing: &Standing<'_>) -> String {
    let mut page = Exposition::default();
    render_standing(standing, &mut page);
    render_counters(counters, &mut page);
    if let Some(journal) = standing.journal {
        render_waits(standing, counters, &mut page);
        render_journal(journal, &mut page);
    }
    #[cfg(feature = "redis")]
    if let Some(fleet) = standing.fleet {
        super::fleet::render(fleet, counters, &mut page);
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
    let places = [
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
            "Commands accepted whose reply is pending.",
            s.jobs_pending,
        ),
        (
            "torrap_jobs_limit",
            "Commands that may be pending.",
            s.jobs_max,
        ),
    ];
    page.each_gauge(places);
    page.each_gauge(sender_rows(s));
    page.gauge(
        "torrap_oldest_pending_age_seconds",
        "Age of the oldest pending reply, from Slack's timestamp; 0 if none is pending.",
        Seconds {
            ms: s.oldest_pending_ms,
        },
    );
    render_connections(s, page);
}

/// Sender threads, and what they have.
const fn sender_rows(s: &Standing<'_>) -> [Row<usize>; 5] {
    [
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
            "torrap_runs_outstanding",
            "Blocking commands that are running, each on a sender thread.",
            s.runs_outstanding,
        ),
        (
            "torrap_runs_limit",
            "Blocking commands that may run at the same time.",
            s.runs_max,
        ),
        (
            "torrap_deliveries_outstanding",
            "Replies that a sender thread has, or will take next.",
            s.deliveries_outstanding,
        ),
    ]
}

/// Client connections: accepted, closed, refused.
fn render_connections(standing: &Standing<'_>, page: &mut Exposition) {
    let s = standing;
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
            "torrap_connections_dropped_total",
            "Client connections closed as soon as accepted, because the kernel had no memory to watch them.",
            s.connections_dropped,
        ),
        (
            "torrap_accept_pauses_total",
            "How often accepting paused for want of a place or a descriptor.",
            s.accept_pauses,
        ),
    ];
    page.each_counter(counters);
}

fn render_counters(counters: &Counters, page: &mut Exposition) {
    let c = counters;
    let totals = [
        (
            "torrap_commands_accepted_total",
            "Commands acknowledged whose reply was pending then.",
            c.commands_accepted,
        ),
        (
            "torrap_commands_repeated_total",
            "Commands that came once more while their reply was pending: acknowledged again, carried out once.",
            c.commands_repeated,
        ),
        (
            "torrap_usages_shown_total",
            "Commands answered with the usage.",
            c.usages_shown,
        ),
        (
            "torrap_replies_delivered_total",
            "Replies that the receiver accepted.",
            c.replies_delivered,
        ),
        (
            "torrap_attempts_retried_total",
            "Attempts at a reply that failed and are followed by another.",
            c.attempts_retried,
        ),
    ];
    page.each_counter(totals);
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
    page.counters(
        "torrap_runs_total",
        "Runs of blocking commands, and of inline ones that made no reply.",
        "outcome",
        RunEnd::LABELS.into_iter().zip(c.runs),
    );
    page.histogram(
        "torrap_run_duration_seconds",
        "One run of a blocking command, to its end.",
        &c.run,
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

/// What waits for the journal, and what has waited in vain.
fn render_waits(standing: &Standing<'_>, counters: &Counters, page: &mut Exposition) {
    page.gauge(
        "torrap_journal_commit_age_seconds",
        "Time since the batch that the journal is writing was given to it; 0 if there is none.",
        Seconds {
            ms: standing.commit_age_ms,
        },
    );
    page.gauge(
        "torrap_journal_collected_bytes",
        "Size of the batch that collects while the journal writes the one before.",
        standing.collected_bytes,
    );
    page.gauge(
        "torrap_answers_held",
        "Acknowledgements that wait for the journal.",
        standing.answers_held,
    );
    page.counters(
        "torrap_commands_withdrawn_total",
        "Commands answered with busy after they had waited for the journal.",
        "reason",
        Withdrawal::LABELS.into_iter().zip(counters.withdrawn),
    );
}

fn render_journal(journal: &JournalCounters, page: &mut Exposition) {
    let j = journal;
    let totals = [
        (
            "torrap_journal_commits_total",
            "Groups of records written.",
            j.commits,
        ),
        (
            "torrap_journal_syncs_total",
            "Syncs of the log to stable storage.",
            j.syncs,
        ),
        (
            "torrap_journal_written_bytes_total",
            "Bytes of records written.",
            j.bytes,
        ),
        (
            "torrap_journal_failures_total",
            "Writes or syncs of the journal that failed.",
            j.failures,
        ),
        (
            "torrap_journal_unreadable_segments_total",
            "Segments of the journal with pending replies that cannot be read again; they are kept aside.",
            j.unreadable_segments,
        ),
    ];
    page.each_counter(totals);
    page.histogram(
        "torrap_journal_sync_duration_seconds",
        "Writing and syncing one group of records.",
        &j.sync,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

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
            unreadable_segments: 2,
            ..JournalCounters::default()
        };
        let page = page(Some(&counters));
        assert!(page.contains("\ntorrap_journal_commits_total 3\n"));
        assert!(page.contains("\ntorrap_journal_unreadable_segments_total 2\n"));
    }
}
