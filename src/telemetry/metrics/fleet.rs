//! What Prometheus reads of a journal that a fleet shares.

use super::Counters;
use super::exposition::{Exposition, Row};
use crate::time::Seconds;

/// What the process knows of its fleet; the thread of the shared journal fills it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetCounters {
    /// Whether Redis answers, and takes what is written.
    pub is_up: bool,
    /// For how long the lease lasts, ms; 0: it is over, or nothing is known of it.
    pub lease_remaining_ms: u64,
    /// Processes with a lease, as Redis counted them last.
    pub processes: u64,
    /// Jobs that this process keeps in Redis, as Redis counted them last.
    pub pending: u64,
    /// Connections that were opened after the first one.
    pub reconnects: u64,
    /// What went wrong with Redis, by its kind.
    pub errors: Vec<(&'static str, u64)>,
    /// How often the fleet has taken this process for dead.
    pub fenced: u64,
    /// Jobs of dead processes that this one has moved to itself.
    pub taken_over: u64,
    /// Jobs that Redis had lost, and that it was given again.
    pub put_again: u64,
    /// Jobs of dead processes whose `response_url` had expired.
    pub expired: u64,
    /// Jobs that were put aside because they came from too many dead processes.
    pub poisoned: u64,
    /// Jobs that no secret of this process opens, or that are damaged.
    pub unreadable: u64,
    /// Batches that too few replicas of Redis have confirmed.
    pub wait_short: u64,
}

pub(super) fn render(fleet: &FleetCounters, counters: &Counters, page: &mut Exposition) {
    let f = fleet;
    let lease_remaining = Seconds {
        ms: f.lease_remaining_ms,
    };
    page.gauge(
        "torrap_journal_store_up",
        "Whether Redis answers, and takes what is written.",
        u8::from(f.is_up),
    );
    page.gauge(
        "torrap_journal_lease_remaining_seconds",
        "For how long the others do not take this process for dead; 0 if that is not known.",
        lease_remaining,
    );
    page.gauge(
        "torrap_journal_fleet_size",
        "Processes of the fleet with a lease: those that are alive.",
        f.processes,
    );
    page.gauge(
        "torrap_journal_jobs_kept",
        "Replies that Redis has for this process.",
        f.pending,
    );
    page.counters(
        "torrap_journal_errors_total",
        "What went wrong with Redis.",
        "kind",
        f.errors.iter().copied(),
    );
    page.each_counter(totals(f, counters));
}

const fn totals(f: &FleetCounters, c: &Counters) -> [Row<u64>; 11] {
    [
        (
            "torrap_journal_reconnects_total",
            "Connections to Redis that followed a broken one.",
            f.reconnects,
        ),
        (
            "torrap_journal_fenced_total",
            "How often the fleet has taken this process for dead.",
            f.fenced,
        ),
        (
            "torrap_journal_given_up_total",
            "Replies left to the fleet because it had taken this process for dead.",
            c.replies_forgotten,
        ),
        (
            "torrap_journal_taken_over_total",
            "Replies of dead processes that this one has taken over.",
            f.taken_over,
        ),
        (
            "torrap_journal_adopted_total",
            "Replies to commands that another process accepted, pending here since.",
            c.replies_adopted,
        ),
        (
            "torrap_journal_declined_total",
            "Replies of other processes that are not allowed here, and were left to others.",
            c.replies_declined,
        ),
        (
            "torrap_journal_put_again_total",
            "Replies that Redis had lost, and was given again.",
            f.put_again,
        ),
        (
            "torrap_journal_expired_total",
            "Replies of dead processes that were too late for anyone.",
            f.expired,
        ),
        (
            "torrap_journal_poisoned_total",
            "Replies put aside because every process that had them died.",
            f.poisoned,
        ),
        (
            "torrap_journal_unreadable_total",
            "Replies that are damaged and put aside, or left to others because this process cannot read them.",
            f.unreadable,
        ),
        (
            "torrap_journal_wait_short_total",
            "Batches that too few replicas of Redis have confirmed.",
            f.wait_short,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_stands_under_its_name() {
        let fleet = FleetCounters {
            is_up: true,
            lease_remaining_ms: 4_250,
            errors: vec![("loading", 2), ("timeout", 1)],
            fenced: 3,
            ..FleetCounters::default()
        };
        let counters = Counters {
            replies_forgotten: 5,
            ..Counters::default()
        };
        let mut page = Exposition::default();
        render(&fleet, &counters, &mut page);
        let text = page.into_text();
        for line in [
            "torrap_journal_store_up 1",
            "torrap_journal_lease_remaining_seconds 4.25",
            "torrap_journal_errors_total{kind=\"loading\"} 2",
            "torrap_journal_fenced_total 3",
            "torrap_journal_given_up_total 5",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
        }
    }
}
