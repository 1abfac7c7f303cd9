//! A command on its way in: verified, read, and answered with a promise or a reason.

use log::{Level, debug, info, log_enabled};

use super::keeping::Keeping;
use super::{Bot, COMMANDS_ACCEPTED, busy, ephemeral, has_line, index};
use crate::app::refusals::Refusal;
use crate::commands::{self, COMMANDS};
use crate::http::{Hold, Request, Response, Status};
use crate::jobs::{Jobs, LIFETIME_MS, NewJob};
use crate::slab::Key;
use crate::slack::invocation::{self, Invocation, Sender};
use crate::slack::signature::{self, Verified};
use crate::store::PendingJob;
use crate::time::{Now, Seconds, Tick};

/// The scheme by which Slack signs; a 401 has to name one (RFC 9110 section 15.5.2).
const CHALLENGE: &str = "Slack-Signature version=\"v0\"";

/// What was taken on, for the log and the acknowledgement.
struct Taken<'a> {
    command: u8,
    text_bytes: usize,
    sender: Sender<'a>,
}

impl Bot {
    /// Answers a POST to `/slack`. Slack shows people an error for anything but a 200.
    pub(super) fn slack(&mut self, request: &Request<'_>, now: Now) -> Response {
        debug!("slack");
        let verified = match self.verify(request, now) {
            Ok(verified) => verified,
            Err(_) if invocation::is_certificate_check(request.content) => {
                return Response::empty(Status::Ok);
            }
            Err(error) => {
                self.refuse(Refusal::Unverified(error), request, now);
                return Response::challenging(CHALLENGE);
            }
        };
        match self.invoke(request, verified, now) {
            Ok(response) => Response {
                is_authenticated: true,
                ..response
            },
            Err(_) if invocation::is_certificate_check(request.content) => {
                Response::empty(Status::Ok)
            }
            Err(refusal) => {
                self.refuse(refusal, request, now);
                Response::empty(Status::BadRequest)
            }
        }
    }

    fn verify<'a>(
        &self,
        request: &Request<'a>,
        now: Now,
    ) -> Result<Verified<'a>, signature::Error> {
        debug!("validating");
        let field = |name| {
            request
                .fields
                .unique(name)
                .map_err(|_| signature::Error::Malformed)
        };
        let timestamp = field(signature::TIMESTAMP_FIELD)?;
        let signature = field(signature::SIGNATURE_FIELD)?;
        if let Some(timestamp) = timestamp.filter(|_| log_enabled!(Level::Debug)) {
            debug!("timestamp: {}", String::from_utf8_lossy(timestamp));
        }
        self.verifier
            .verify(timestamp, signature, request.content, now.unix)
    }

    /// Carries out what a verified request asks for. A refusal is the request's own fault: 400.
    fn invoke(
        &mut self,
        request: &Request<'_>,
        verified: Verified<'_>,
        now: Now,
    ) -> Result<Response, Refusal> {
        if !says_form(request) {
            return Err(Refusal::NotForm);
        }
        let invocation = Invocation::parse(verified, &self.origins, &mut self.scratch)
            .map_err(Refusal::Unusable)?;
        let Some(choice) = self.commands.find(invocation.command) else {
            self.counters.usages_shown += 1;
            return Ok(ephemeral(&self.commands.unknown()));
        };
        if commands::is_help(invocation.text) {
            self.counters.usages_shown += 1;
            return Ok(ephemeral(&choice.usage));
        }
        debug!("reversing a string seems hard...");
        let (url, command) = (invocation.response_url, choice.position);
        let taken = Taken {
            command,
            text_bytes: invocation.text.len(),
            sender: Sender::of(verified),
        };
        let due = now.tick.not_before(self.delay_ms);
        let expires_at = expiry(verified, now);
        if due >= expires_at {
            self.refuse(Refusal::TooLate, request, now);
            return Ok(ephemeral(
                "Your command took too long to reach me, please try again.",
            ));
        }
        let new = NewJob {
            command,
            origin: index(url.origin),
            path: url.path,
            text: invocation.text,
            due,
            expires_at,
        };
        let origin = &self.origin_texts[url.origin];
        match take_on(&mut self.jobs, self.keeping.as_mut(), new, origin, now.tick) {
            Ok((job, hold)) => Ok(self.promise(job, hold, &taken, now)),
            Err(refusal) => {
                self.refuse(refusal, request, now);
                Ok(busy())
            }
        }
    }

    /// The acknowledgement of a command whose reply is owed from now on.
    fn promise(&mut self, job: Key, hold: Option<Hold>, taken: &Taken<'_>, now: Now) -> Response {
        debug!("thinking...");
        let command = &COMMANDS[usize::from(taken.command)];
        if hold.is_none() {
            self.counters.note_accepted(now.tick);
        }
        if has_line(&mut self.traffic, COMMANDS_ACCEPTED, now) {
            let (number, delay) = (job.generation(), Seconds { ms: self.delay_ms });
            let (name, bytes) = (command.name, taken.text_bytes);
            info!(
                "command {number}: {name}, {bytes} bytes of text, reply in {delay} s, from {}",
                taken.sender
            );
        }
        Response {
            hold,
            ..self.acknowledgement(taken.command)
        }
    }

    pub(super) fn acknowledgement(&self, command: u8) -> Response {
        let command = &COMMANDS[usize::from(command)];
        let visibility = command.visibility_of_replies(self.in_channel);
        match visibility.acknowledgement() {
            "" => Response::empty(Status::Ok),
            json => Response::json(json.as_bytes()),
        }
    }
}

/// Schedules a job, or has a store keep it first: then its acknowledgement is held.
fn take_on(
    jobs: &mut Jobs,
    keeping: Option<&mut Keeping>,
    new: NewJob<'_>,
    origin: &str,
    now: Tick,
) -> Result<(Key, Option<Hold>), Refusal> {
    let Some(keeping) = keeping else {
        return Ok((jobs.schedule(new)?, None));
    };
    if !keeping.is_accepting() {
        return Err(Refusal::NotKept);
    }
    let job = jobs.accept(new)?;
    let pending = PendingJob {
        command: COMMANDS[usize::from(new.command)].name,
        origin,
        path: new.path,
        text: new.text,
        attempts: 0,
        due: new.due,
        expires_at: new.expires_at,
    };
    Ok((job, Some(keeping.accept(job, &pending, now))))
}

/// When the `response_url` of a command stops serving: it counts from Slack's stamp.
fn expiry(verified: Verified<'_>, now: Now) -> Tick {
    let stamped_ms = verified.timestamp_secs.saturating_mul(1000);
    let age_ms = now.unix.0.saturating_sub(stamped_ms);
    now.tick.after(LIFETIME_MS.saturating_sub(age_ms))
}

/// `GET /slack?ssl_check=1`, the older form of Slack's certificate check.
pub(super) fn is_certificate_check(request: &Request<'_>) -> bool {
    request
        .query
        .is_some_and(|query| invocation::is_certificate_check(query.as_bytes()))
}

/// Whether the content is a form by its own account; parameters such as a charset do not matter.
fn says_form(request: &Request<'_>) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    match request.fields.unique("content-type") {
        Ok(Some(value)) => {
            let end = value
                .iter()
                .position(|b| matches!(b, b';' | b' ' | b'\t'))
                .unwrap_or(value.len());
            value[..end].eq_ignore_ascii_case(FORM)
        }
        Ok(None) => true,
        Err(_) => false,
    }
}
