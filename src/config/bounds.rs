//! The least and the greatest values of settings.

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Longest delay before a reply, in milliseconds: a `response_url` lives for 30 minutes, and five
/// of them are left for attempts.
pub const DELAY_MS_MAX: u64 = 25 * 60 * 1000;
/// Least tolerance, in milliseconds: Slack's timestamps are whole seconds.
pub(super) const TOLERANCE_MS_MIN: u64 = 1000;
/// Greatest tolerance, in milliseconds.
pub(super) const TOLERANCE_MS_MAX: u64 = DAY_MS;
/// Most sender threads.
pub(super) const SENDERS_MAX: usize = 1024;
/// Most jobs accepted and not settled.
pub(super) const PENDING_MAX: usize = 10_000_000;
/// Most open client connections.
pub(super) const CONNECTIONS_MAX: usize = 1_000_000;
/// Longest drain time, in milliseconds.
pub(super) const DRAIN_MS_MAX: u64 = DAY_MS;
/// Most entries of a list.
pub const ENTRIES_MAX: usize = 16;
