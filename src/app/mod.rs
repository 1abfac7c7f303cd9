//! The bot without its sockets: requests, time and outcomes in; responses and deliveries out.

mod activity_log;
mod command;
pub(crate) mod command_run;
mod commit_queue;
mod pending;
pub mod refusals;
mod replies;
mod runs;
mod stored;

pub use command_run::{CommandRun, RunReport, SenderEvent};
pub use replies::{Delivery, Report, busy};

use std::sync::Arc;

use log::{Level, debug, log, warn};

use self::activity_log::{Accepted, ActivityLog, Attempt};
use self::command::{Asked, CommandReader, is_get_check};
use self::pending::{Acceptance, Due, PendingReplies};
use self::refusals::Refusal;
use self::replies::{Composer, too_late};
use crate::config::Config;
use crate::http::{self, Hold, Request, Response, Status};
use crate::slab::Key;
use crate::telemetry::health::{self, Condition};
use crate::telemetry::metrics::{self, Counters, Standing};
use crate::time::{Now, Tick};

/// The scheme by which Slack signs; a 401 has to name one (RFC 9110 section 15.5.2).
const CHALLENGE: &str = "Slack-Signature version=\"v0\"";

/// What a person reads who opens the bot's address in a browser, to see whether the tunnel leads here.
fn note(program: &str) -> String {
    format!(
        "This is {program}, a Slack slash-command bot. It answers Slack's POST requests to /slack; a browser sends GET.\n"
    )
}

/// Expired replies that one [`Bot::poll_delivery`] abandons, at most.
const EXPIRED_PER_POLL_MAX: usize = 256;

/// Verifies and acknowledges commands, keeps their pending replies, and makes each when it is due.
pub struct Bot {
    reader: CommandReader,
    note: Arc<str>,
    delay_ms: u64,
    pending: PendingReplies,
    composer: Composer,
    log: ActivityLog,
    counters: Counters,
    condition: Condition,
}

impl Bot {
    /// A bot with these settings and no pending replies.
    #[must_use]
    pub fn new(config: &Config, now: Tick) -> Self {
        Self {
            reader: CommandReader::new(config),
            note: note(&config.program).into(),
            delay_ms: config.delay_ms,
            pending: PendingReplies::new(config, now),
            composer: Composer::new(config),
            log: ActivityLog::default(),
            counters: Counters::default(),
            condition: Condition::default(),
        }
    }

    /// Answers a request. A 200 to a command says that its reply is pending from now on.
    pub fn handle_request(&mut self, request: &Request<'_>, now: Now) -> Response {
        match (request.method, request.path) {
            ("POST", "/slack") => self.slack(request, now),
            ("GET", "/slack") if is_get_check(request) => Response::empty(Status::Ok),
            // HEAD as GET: the fields must be the same (RFC 9110 section 9.3.2).
            ("GET" | "HEAD", "/slack") => self.not_allowed(request, "POST", now).noting(&self.note),
            (_, "/slack") => self.not_allowed(request, "POST", now),
            ("GET" | "HEAD", "/") => self.not_found(request, now).noting(&self.note),
            ("GET" | "HEAD", "/healthz") => health::alive(now),
            ("GET" | "HEAD", "/readyz") => self.ready(),
            (_, "/healthz" | "/readyz") => self.not_allowed(request, "GET, HEAD", now),
            ("OPTIONS", "*") => Response::allowing(Status::Ok, "GET, HEAD, POST, OPTIONS"),
            // CONNECT asks for a tunnel (RFC 9110 section 9.3.6): a method that no resource here has.
            ("CONNECT", _) => self.not_allowed(request, "GET, HEAD, POST", now),
            _ => self.not_found(request, now),
        }
    }

    /// Answers a POST to `/slack`. Slack shows people an error for anything but a 200.
    fn slack(&mut self, request: &Request<'_>, now: Now) -> Response {
        debug!("slack");
        let response = match self.reader.read(request, now) {
            Asked::CertificateCheck => return Response::empty(Status::Ok),
            Asked::Refused(refusal) => {
                self.refuse(refusal, request, now);
                return match refusal {
                    Refusal::Unverified(_) => Response::challenging(CHALLENGE),
                    _ => Response::empty(Status::BadRequest),
                };
            }
            Asked::Usage(usage) => {
                self.counters.usages_shown += 1;
                usage
            }
            Asked::Command(asked) => {
                let (command, name, text_bytes) = (asked.position, asked.name, asked.text.len());
                let (due, sender) = (now.tick.not_before(self.delay_ms), asked.sender);
                match self.pending.accept(&asked, due, now.tick) {
                    Ok(Acceptance::Repeat(job, hold)) => self.acknowledge_again(job, hold, now),
                    Ok(Acceptance::New(job, hold)) => {
                        let accepted = Accepted {
                            number: job.generation(),
                            command: name,
                            text_bytes,
                            delay_ms: self.delay_ms,
                            sender,
                        };
                        self.acknowledge(command, hold, &accepted, now)
                    }
                    Err(refusal) => {
                        self.refuse(refusal, request, now);
                        match refusal {
                            Refusal::TooLate => too_late(),
                            _ => busy(),
                        }
                    }
                }
            }
        };
        Response {
            is_authenticated: true,
            ..response
        }
    }

    /// The acknowledgement of a command whose reply is pending from now on.
    fn acknowledge(
        &mut self,
        command: u8,
        hold: Option<Hold>,
        accepted: &Accepted<'_>,
        now: Now,
    ) -> Response {
        // With a store it is counted when it is kept.
        if hold.is_none() {
            self.counters.note_accepted(now.tick);
        }
        self.log.accepted(accepted, now);
        Response {
            hold,
            ..self.composer.acknowledgement(command)
        }
    }

    /// The acknowledgement of a repeat: the same as that of the command whose reply is pending.
    fn acknowledge_again(&mut self, job: Key, hold: Option<Hold>, now: Now) -> Response {
        self.counters.commands_repeated += 1;
        self.log.repeated(job.generation(), now);
        Response {
            hold,
            ..self.acknowledgement_of(job)
        }
    }

    /// The acknowledgement of the command that has made this job; "busy" if it was withdrawn.
    fn acknowledgement_of(&self, job: Key) -> Response {
        let job = self.pending.jobs().get(job);
        job.map_or_else(busy, |job| self.composer.acknowledgement(job.command))
    }

    /// Makes ready what is due, as far as the budget goes, and logs the sums whose periods are over.
    pub fn handle_timeout(&mut self, now: Now, budget: &mut usize) {
        self.pending.handle_timeout(now.tick, budget);
        self.give_up_overdue(now, budget);
        self.log.handle_timeout(now.tick);
    }

    /// Logs the sums of what had no line yet, before the end.
    pub fn handle_stop(&mut self) {
        self.log.handle_stop();
    }

    /// When [`Self::handle_timeout`] must be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let timeouts = [self.pending.jobs().poll_timeout(), self.log.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// Whether [`Self::poll_delivery`] has something to give.
    #[must_use]
    pub fn has_delivery(&self) -> bool {
        self.pending.jobs().has_ready()
    }

    /// The next reply that is due: its attempt begins, and its outcome has to come to [`Self::handle_outcome`].
    pub fn poll_delivery(&mut self, now: Now) -> Option<Delivery> {
        // All that are due may have expired: abandoning them must not fill one turn of the loop.
        for _ in 0..EXPIRED_PER_POLL_MAX {
            match self.pending.poll_ready(now.tick)? {
                Due::Abandoned { key, reason } => {
                    self.counters.replies_abandoned[reason.kind()] += 1;
                    warn!("command {}: not answered, {reason}", key.generation());
                }
                Due::Post(post) => {
                    let (body, failure) = self.composer.compose(&post, now.tick);
                    if let Some(failure) = failure {
                        self.counters.runs[failure.end as usize] += 1;
                        self.log.inline_failed(post.key.generation(), &failure);
                    }
                    return Some(Delivery {
                        job: post.key,
                        body,
                        url: post.url,
                    });
                }
            }
        }
        None
    }

    /// Settles a job, schedules its next attempt or abandons it.
    pub fn handle_outcome(&mut self, report: &Report, now: Now) {
        let job = self.pending.jobs().get(report.job);
        let Some((age_ms, was_apology)) = job.map(|job| (job.age_ms(now.tick), job.is_apology))
        else {
            return;
        };
        let verdict = self
            .pending
            .handle_outcome(report.job, &report.outcome, now);
        let Some(verdict) = verdict else { return };
        self.counters.note_attempt(verdict, report.took_ms, age_ms);
        let attempt = Attempt {
            number: report.job.generation(),
            verdict,
            detail: &report.detail,
            was_apology,
        };
        self.log.attempted(&attempt, now);
    }

    /// How many replies are pending.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.jobs().len()
    }

    /// How many replies are with a sender.
    #[must_use]
    pub const fn sending(&self) -> usize {
        self.pending.jobs().sending()
    }

    /// One line for each reply that is pending.
    pub fn undelivered(&self) -> impl Iterator<Item = String> {
        self.pending.undelivered()
    }

    /// From now on `/readyz` says this.
    pub const fn set_condition(&mut self, condition: Condition) {
        self.condition = condition;
    }

    /// The answer of `/readyz`.
    pub fn ready(&self) -> Response {
        health::ready(self.condition, self.delay_ms)
    }

    /// What `/readyz` says.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// The counters, which the engine advances as well.
    pub const fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// The page that Prometheus reads, with the figures that the engine knows.
    #[must_use]
    pub fn metrics(&self, shell: Standing<'_>, now: Now) -> String {
        let standing = Standing {
            is_ready: self.condition == Condition::Ready,
            jobs_pending: self.pending.jobs().len(),
            jobs_max: self.pending.jobs().capacity(),
            oldest_pending_ms: self.pending.jobs().oldest_age_ms(now.tick),
            ..shell
        };
        metrics::render(&self.counters, &standing)
    }

    /// Counts and logs a fault that [`http::Connection`] has answered by itself.
    pub fn on_fault(&mut self, error: http::Error, now: Now) {
        let refusal = Refusal::Http(error);
        let level = self.note_refusal(refusal, now);
        log!(level, "refused with {refusal}");
    }

    fn refuse(&mut self, refusal: Refusal, request: &Request<'_>, now: Now) {
        let (method, path) = (request.method, request.path);
        let level = self.note_refusal(refusal, now);
        log!(level, "{method:.16} {path:.64}: refused with {refusal}");
    }

    /// Counts a refusal, and gives the level of its line in the log.
    fn note_refusal(&mut self, refusal: Refusal, now: Now) -> Level {
        self.counters.refused[refusal.kind()] += 1;
        self.log.note_refusal(refusal, now.tick)
    }

    fn not_found(&mut self, request: &Request<'_>, now: Now) -> Response {
        self.refuse(Refusal::NotFound, request, now);
        Response::empty(Status::NotFound)
    }

    fn not_allowed(&mut self, request: &Request<'_>, methods: &'static str, now: Now) -> Response {
        self.refuse(Refusal::MethodNotAllowed, request, now);
        Response::allowing(Status::MethodNotAllowed, methods)
    }
}

#[cfg(test)]
mod tests;
