//! The bot without its sockets: requests, time and outcomes in; responses and deliveries out.

mod command;
mod keeping;
mod owed;
pub mod refusals;
mod replies;

pub use owed::busy;
pub use replies::{Delivery, Report};

use log::{Level, info, log, log_enabled, warn};

use command::is_certificate_check;
use keeping::Keeping;

use crate::app::refusals::{Refusal, Refusals};
use crate::commands::Chosen;
use crate::config::Config;
use crate::http::{self, Request, Response, Status};
use crate::jobs::Jobs;
use crate::slack::invocation::Scratch;
use crate::slack::message::{Message, Visibility};
use crate::slack::response_url::Origin;
use crate::slack::signature::Verifier;
use crate::telemetry::health::{self, Condition};
use crate::telemetry::metrics::{self, Counters, Standing};
use crate::telemetry::tally::Tally;
use crate::time::{Now, Tick};

/// Lines for single commands and replies: more than people can send, and still a small part of the
/// time that a flood takes. Beyond so many of each there is one line a second.
const TRAFFIC_LINES_PER_PERIOD: u32 = 250;
const TRAFFIC_PERIOD_MS: u64 = 1_000;

/// Lines for single attempts that failed: in an outage each pending reply fails twice a minute.
const FAILURE_LINES_PER_PERIOD: u32 = 50;
const FAILURES_PERIOD_MS: u64 = 10_000;

/// The kinds of traffic.
const COMMANDS_ACCEPTED: usize = 0;
const REPLIES_DELIVERED: usize = 1;

/// The heart of torrap: verifies and acknowledges commands, and knows which replies are owed.
pub struct Bot {
    verifier: Verifier,
    origins: Vec<Origin>,
    /// The same as text, to be put before the path of a reply's URL.
    origin_texts: Vec<String>,
    delay_ms: u64,
    commands: Chosen,
    in_channel: bool,
    jobs: Jobs,
    refusals: Refusals,
    traffic: Tally<2>,
    failures: Tally<1>,
    counters: Counters,
    condition: Condition,
    scratch: Scratch,
    reply: String,
    /// What a store has to keep; none without one.
    keeping: Option<Keeping>,
}

impl Bot {
    /// A bot with these settings that owes nothing.
    #[must_use]
    pub fn new(config: &Config, now: Tick) -> Self {
        let secrets = config
            .signing_secrets
            .iter()
            .map(|secret| secret.as_bytes());
        Self {
            verifier: Verifier::new(secrets, config.tolerance_ms),
            origins: config.reply_origins.clone(),
            origin_texts: config.reply_origins.iter().map(Origin::to_string).collect(),
            delay_ms: config.delay_ms,
            commands: config.commands.clone(),
            in_channel: config.in_channel,
            jobs: Jobs::new(config.max_pending, now),
            refusals: Refusals::default(),
            traffic: Tally::new(TRAFFIC_PERIOD_MS, TRAFFIC_LINES_PER_PERIOD),
            failures: Tally::new(FAILURES_PERIOD_MS, FAILURE_LINES_PER_PERIOD),
            counters: Counters::default(),
            condition: Condition::default(),
            scratch: Scratch::default(),
            reply: String::new(),
            keeping: None,
        }
    }

    /// Answers a request. A response to a command says that its reply is owed from now on.
    pub fn handle_request(&mut self, request: &Request<'_>, now: Now) -> Response {
        match (request.method, request.path) {
            ("POST", "/slack") => self.slack(request, now),
            ("GET", "/slack") if is_certificate_check(request) => Response::empty(Status::Ok),
            (_, "/slack") => self.not_allowed(request, "POST", now),
            ("GET" | "HEAD", "/healthz") => health::alive(now),
            ("GET" | "HEAD", "/readyz") => health::ready(self.condition),
            (_, "/healthz" | "/readyz") => self.not_allowed(request, "GET, HEAD", now),
            ("OPTIONS", "*") => Response::allowing(Status::Ok, "GET, HEAD, POST, OPTIONS"),
            // A tunnel through us is a method that no resource of ours has.
            ("CONNECT", _) => self.not_allowed(request, "GET, HEAD, POST", now),
            _ => {
                self.refuse(Refusal::NotFound, request, now);
                Response::empty(Status::NotFound)
            }
        }
    }

    /// Makes ready what is due, as far as the budget goes, and sums up what was refused.
    pub fn handle_timeout(&mut self, now: Now, budget: &mut usize) {
        self.jobs.handle_timeout(now.tick, budget);
        sum_up(
            self.refusals.poll_sums(now.tick),
            self.traffic.poll_sums(now.tick),
        );
        sum_up_failures(self.failures.poll_sums(now.tick));
    }

    /// Sums up before the end what had no line yet.
    pub fn handle_stop(&mut self) {
        sum_up(self.refusals.take_sums(), self.traffic.take_sums());
        sum_up_failures(self.failures.take_sums());
    }

    /// When [`Self::handle_timeout`] must be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let timeouts = [
            self.jobs.poll_timeout(),
            self.refusals.poll_timeout(),
            self.traffic.poll_timeout(),
            self.failures.poll_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Says on `/readyz` from now on whether the bot can keep its promises.
    pub const fn set_condition(&mut self, condition: Condition) {
        self.condition = condition;
    }

    /// What is said on `/readyz`.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// What has been counted, and for the shell to count on.
    pub const fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// The page that Prometheus reads, with what the shell knows of how things stand.
    #[must_use]
    pub fn metrics(&self, shell: Standing<'_>, now: Now) -> String {
        let standing = Standing {
            is_ready: self.condition == Condition::Ready,
            jobs_pending: self.jobs.len(),
            jobs_max: self.jobs.capacity(),
            oldest_pending_ms: self.jobs.oldest_age_ms(now.tick),
            ..shell
        };
        metrics::render(&self.counters, &standing)
    }

    /// Notes a fault that [`http::Connection`] has answered by itself.
    pub fn note_fault(&mut self, error: http::Error, now: Now) {
        let refusal = Refusal::Http(error);
        let level = self.note_refusal(refusal, now);
        log!(level, "refused with {refusal}");
    }

    fn refuse(&mut self, refusal: Refusal, request: &Request<'_>, now: Now) {
        let (method, path) = (request.method, request.path);
        let level = self.note_refusal(refusal, now);
        log!(level, "{method:.16} {path:.64}: refused with {refusal}");
    }

    /// Counts a refusal, and tells how much its line in the log matters.
    fn note_refusal(&mut self, refusal: Refusal, now: Now) -> Level {
        self.counters.refused[refusal.kind()] += 1;
        self.refusals.note(refusal, now.tick)
    }

    fn not_allowed(&mut self, request: &Request<'_>, methods: &'static str, now: Now) -> Response {
        self.refuse(Refusal::MethodNotAllowed, request, now);
        Response::allowing(Status::MethodNotAllowed, methods)
    }
}

/// Whether a command or a reply has a line of its own; at levels that do not write it, none has.
fn has_line(traffic: &mut Tally<2>, kind: usize, now: Now) -> bool {
    log_enabled!(Level::Info) && traffic.note(kind, now.tick)
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
        warn!("{count} more attempts failed within {period} s and are made again");
    }
}

/// A position in one of two short tables, as a job keeps it.
fn index(position: usize) -> u8 {
    u8::try_from(position).expect("a table of commands or origins has fewer than 256 rows")
}

/// A message for the eyes of the person who typed the command, in the acknowledgement itself.
fn ephemeral(text: &str) -> Response {
    let mut json = Vec::new();
    Message {
        visibility: Visibility::Ephemeral,
        text,
    }
    .append_json(&mut json);
    Response::json(json)
}

#[cfg(test)]
mod tests;
