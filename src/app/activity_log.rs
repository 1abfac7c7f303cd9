//! What the bot logs of requests, commands and replies: one line for each, and beyond a limit one line with their sum.

use log::{Level, debug, error, info, log, log_enabled, warn};

use super::refusals::{Refusal, Refusals};
use crate::commands::RunEnd;
use crate::commands::run::InlineFailure;
use crate::jobs::{Abandoned, Verdict};
use crate::slack::invocation::Sender;
use crate::telemetry::log_limiter::LogLimiter;
use crate::time::{Now, Seconds, Tick};

/// Lines for single commands and for single replies in one period: more than people can send, and a small part of the
/// time that a flood takes. Beyond that, one line a period has their sum.
const TRAFFIC_LINES_PER_PERIOD: u32 = 250;
const TRAFFIC_PERIOD_MS: u64 = 1_000;

/// Lines for single attempts that failed: in an outage each pending reply fails twice a minute.
const FAILURE_LINES_PER_PERIOD: u32 = 50;
const FAILURES_PERIOD_MS: u64 = 10_000;

/// A repeat has a line at `debug` alone, since one who has a signed request can send it very often; their sum has one.
const REPEATS_PERIOD_MS: u64 = 10_000;

/// Replies of other processes that are not allowed here have one line a period, with their sum.
const DECLINED_PERIOD_MS: u64 = 10_000;

/// The kinds of traffic.
const COMMANDS_ACCEPTED: usize = 0;
const REPLIES_DELIVERED: usize = 1;

/// The limits on lines, and the sums of what had none.
pub(super) struct ActivityLog {
    refusals: Refusals,
    traffic: LogLimiter<2>,
    failures: LogLimiter<1>,
    repeats: LogLimiter<1>,
    declined: LogLimiter<1>,
}

impl Default for ActivityLog {
    fn default() -> Self {
        Self {
            refusals: Refusals::default(),
            traffic: LogLimiter::new(TRAFFIC_PERIOD_MS, TRAFFIC_LINES_PER_PERIOD),
            failures: LogLimiter::new(FAILURES_PERIOD_MS, FAILURE_LINES_PER_PERIOD),
            repeats: LogLimiter::new(REPEATS_PERIOD_MS, 0),
            declined: LogLimiter::new(DECLINED_PERIOD_MS, 0),
        }
    }
}

impl ActivityLog {
    /// Counts a refusal, and gives the level of its line.
    pub(super) const fn note_refusal(&mut self, refusal: Refusal, now: Tick) -> Level {
        self.refusals.note(refusal, now)
    }

    /// A command was accepted.
    pub(super) fn accepted(&mut self, accepted: &Accepted<'_>, now: Now) {
        debug!("thinking...");
        if self.has_line(COMMANDS_ACCEPTED, now) {
            let Accepted {
                number,
                command,
                text_bytes,
                sender,
                delay_ms,
            } = *accepted;
            let delay = Seconds { ms: delay_ms };
            info!(
                "command {number}: {command}, {text_bytes} bytes of text, reply in {delay} s, from {sender}"
            );
        }
    }

    /// A request came once more while the reply to it is pending.
    pub(super) fn repeated(&mut self, number: u32, now: Now) {
        self.repeats.note(0, now.tick);
        debug!("command {number}: came once more, its reply is pending already");
    }

    /// A reply of another process is not allowed here.
    pub(super) fn declined(&mut self, now: Tick) {
        self.declined.note(0, now);
    }

    /// An attempt at a reply has this outcome.
    pub(super) fn attempted(&mut self, attempt: &Attempt<'_>, now: Now) {
        let Attempt {
            number,
            verdict,
            detail,
            was_apology,
        } = *attempt;
        match verdict {
            Verdict::Settled => {
                debug!("successfully sent reply");
                if self.has_line(REPLIES_DELIVERED, now) {
                    info!("command {number}: answered");
                }
            }
            Verdict::RetryAt(at) | Verdict::HeldUntil(at) if self.failures.note(0, now.tick) => {
                let wait = Seconds {
                    ms: at.millis_since(now.tick),
                };
                if matches!(verdict, Verdict::HeldUntil(_)) {
                    warn!(
                        "command {number}: attempt failed ({detail}), its workspace is limited, next in {wait} s at the earliest"
                    );
                } else {
                    warn!("command {number}: attempt failed ({detail}), next in {wait} s");
                }
            }
            Verdict::RetryAt(_) | Verdict::HeldUntil(_) => {}
            Verdict::Apologise => {
                warn!("command {number}: not answered, {detail}; an apology follows");
            }
            Verdict::Apologised => info!("command {number}: the apology was posted"),
            Verdict::Abandon(_) if was_apology => {
                warn!("command {number}: the apology was not posted either, {detail}");
            }
            Verdict::Abandon(Abandoned::Rejected(_)) => {
                warn!("command {number}: not answered, {detail}");
            }
            Verdict::Abandon(reason) => {
                warn!("command {number}: not answered, {reason}; last attempt: {detail}");
            }
        }
    }

    /// An inline command has made no reply.
    pub(super) fn inline_failed(&self, number: u32, failure: &InlineFailure) {
        let cause = &failure.cause;
        match failure.end {
            RunEnd::Panicked => error!("command {number}: its command panicked: {cause}"),
            _ => warn!("command {number}: its command failed: {cause}"),
        }
    }

    /// A run is over. It is not awaited if it was given up before.
    pub(super) fn ran(
        &self,
        number: u32,
        end: RunEnd,
        cause: &str,
        took_ms: u64,
        is_awaited: bool,
    ) {
        let took = Seconds { ms: took_ms };
        match end {
            _ if !is_awaited => {
                warn!(
                    "command {number}: its command ended after {took} s, and was given up before"
                );
            }
            RunEnd::Replied => debug!("command {number}: its command took {took} s"),
            RunEnd::Panicked => {
                error!("command {number}: its command panicked after {took} s: {cause}");
            }
            RunEnd::Failed | RunEnd::Overdue => {
                warn!("command {number}: its command failed after {took} s: {cause}");
            }
        }
    }

    /// A run was given up.
    pub(super) fn overdue(&self, number: u32) {
        warn!("command {number}: its command did not end in time; the person is told so");
    }

    /// Logs the sums whose periods are over.
    pub(super) fn handle_timeout(&mut self, now: Tick) {
        sum_up(self.refusals.poll_sums(now), self.traffic.poll_sums(now));
        sum_up_failures(self.failures.poll_sums(now));
        sum_up_repeats(self.repeats.poll_sums(now));
        sum_up_declined(self.declined.poll_sums(now));
    }

    /// Logs the sums before the end of their periods.
    pub(super) fn handle_stop(&mut self) {
        sum_up(self.refusals.take_sums(), self.traffic.take_sums());
        sum_up_failures(self.failures.take_sums());
        sum_up_repeats(self.repeats.take_sums());
        sum_up_declined(self.declined.take_sums());
    }

    /// When [`Self::handle_timeout`] must be called next.
    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        let timeouts = [
            self.refusals.poll_timeout(),
            self.traffic.poll_timeout(),
            self.failures.poll_timeout(),
            self.repeats.poll_timeout(),
            self.declined.poll_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Whether a command or a reply has a line of its own; at levels that do not write it, none has.
    fn has_line(&mut self, kind: usize, now: Now) -> bool {
        log_enabled!(Level::Info) && self.traffic.note(kind, now.tick)
    }
}

/// A command that was accepted.
pub(super) struct Accepted<'a> {
    pub(super) number: u32,
    /// Its built-in name.
    pub(super) command: &'a str,
    pub(super) text_bytes: usize,
    pub(super) delay_ms: u64,
    pub(super) sender: Sender<'a>,
}

/// What came of an attempt at a reply.
pub(super) struct Attempt<'a> {
    pub(super) number: u32,
    pub(super) verdict: Verdict,
    /// The receiver's answer or the failure, for the log.
    pub(super) detail: &'a str,
    /// Whether it was an attempt at an apology.
    pub(super) was_apology: bool,
}

fn sum_up(refused: impl Iterator<Item = (Level, String)>, traffic: Option<[u64; 2]>) {
    for (level, sum) in refused {
        log!(level, "{sum}");
    }
    if let Some([accepted, delivered]) = traffic {
        info!("accepted {accepted} more commands and answered {delivered} more within a second");
    }
}

fn sum_up_failures(failures: Option<[u64; 1]>) {
    if let Some([count]) = failures {
        let period = FAILURES_PERIOD_MS / 1000;
        warn!("{count} more attempts failed within {period} s and will be retried");
    }
}

fn sum_up_repeats(repeats: Option<[u64; 1]>) {
    if let Some([count]) = repeats {
        let period = REPEATS_PERIOD_MS / 1000;
        info!(
            "{count} requests within {period} s came once more while their replies were pending: acknowledged again, carried out once"
        );
    }
}

fn sum_up_declined(declined: Option<[u64; 1]>) {
    if let Some([count]) = declined {
        warn!(
            "journal: {count} replies that the fleet has pending are left to others: the origins of their response_urls are not allowed here"
        );
    }
}
