//! Requests to `/slack`: verified, and read as a command.

use log::{Level, debug, log_enabled};

use super::replies::ephemeral;
use crate::app::refusals::Refusal;
use crate::commands::{Chosen, LATE_MS};
use crate::config::Config;
use crate::http::{Repeated, Request, Response};
use crate::jobs::LIFETIME_MS;
use crate::request_id::RequestId;
use crate::slack::fields;
use crate::slack::invocation::{self, Invocation, Scratch, Sender};
use crate::slack::response_url::{Origin, ResponseUrl};
use crate::slack::signature::{self, Verified, Verifier};
use crate::time::{Now, Tick};

/// What a request asks for.
pub(super) enum Asked<'a, 'r> {
    /// Nothing: Slack checks the certificate of this address.
    CertificateCheck,
    /// How a command is used; the response says it.
    Usage(Response),
    /// A reply.
    Command(Command<'a, 'r>),
    /// Nothing that the bot can do, for this reason.
    Refused(Refusal),
}

/// A command that is to be answered with a reply.
pub(super) struct Command<'a, 'r> {
    /// Its position among all commands.
    pub(super) position: u8,
    /// Its built-in name.
    pub(super) name: &'static str,
    pub(super) text: &'a str,
    /// The fields that it wants kept.
    pub(super) fields: &'a str,
    /// Whether Slack's stamp is old.
    pub(super) is_late: bool,
    pub(super) response_url: ResponseUrl<'a>,
    pub(super) sender: Sender<'r>,
    /// When the `response_url` expires.
    pub(super) expires_at: Tick,
    /// What its repeats are known by.
    pub(super) request: RequestId,
}

/// Reads requests to `/slack`.
pub(super) struct CommandReader {
    verifier: Verifier,
    origins: Vec<Origin>,
    commands: Chosen,
    scratch: Scratch,
    fields: String,
}

impl CommandReader {
    pub(super) fn new(config: &Config) -> Self {
        let secrets = config.signing_secrets.iter();
        let secrets = secrets.map(|secret| secret.as_bytes());
        Self {
            verifier: Verifier::new(secrets, config.tolerance_ms),
            origins: config.reply_origins.clone(),
            commands: config.commands.clone(),
            scratch: Scratch::default(),
            fields: String::new(),
        }
    }

    /// Reads a POST to `/slack`.
    pub(super) fn read<'r>(&mut self, request: &Request<'r>, now: Now) -> Asked<'_, 'r> {
        let is_check = || invocation::is_certificate_check(request.content);
        let verified = match self.verify(request, now) {
            Ok(verified) => verified,
            Err(_) if is_check() => return Asked::CertificateCheck,
            Err(error) => return Asked::Refused(Refusal::Unverified(error)),
        };
        match self.invocation(request, verified, now) {
            Err(_) if is_check() => Asked::CertificateCheck,
            Err(refusal) => Asked::Refused(refusal),
            Ok(asked) => asked,
        }
    }

    fn verify<'a>(
        &self,
        request: &Request<'a>,
        now: Now,
    ) -> Result<Verified<'a>, signature::Error> {
        debug!("validating");
        let once = |field: Result<_, Repeated>| field.map_err(|_| signature::Error::Malformed);
        let timestamp = once(request.fields.unique(b"x-slack-request-timestamp"))?;
        let signature = once(request.fields.unique(b"x-slack-signature"))?;
        if let Some(timestamp) = timestamp.filter(|_| log_enabled!(Level::Debug)) {
            debug!("timestamp: {}", String::from_utf8_lossy(timestamp));
        }
        self.verifier
            .verify(timestamp, signature, request.content, now.unix)
    }

    /// Reads what a verified request asks for. A refusal is the request's own fault: 400.
    fn invocation<'r>(
        &mut self,
        request: &Request<'_>,
        verified: Verified<'r>,
        now: Now,
    ) -> Result<Asked<'_, 'r>, Refusal> {
        if !says_form(request) {
            return Err(Refusal::NotForm);
        }
        let invocation = Invocation::parse(verified, &self.origins, &mut self.scratch)
            .map_err(Refusal::Unusable)?;
        let Some(choice) = self.commands.find(invocation.command) else {
            return Ok(Asked::Usage(ephemeral(&self.commands.unknown())));
        };
        if choice.command().is_help(invocation.text) {
            return Ok(Asked::Usage(ephemeral(&choice.usage)));
        }
        let wanted = choice.command().fields;
        fields::keep(verified.content(), wanted, &mut self.fields);
        debug!("reversing a string seems hard...");
        Ok(Asked::Command(Command {
            position: choice.position,
            name: choice.command().name,
            text: invocation.text,
            fields: &self.fields,
            is_late: age_ms(verified, now) > LATE_MS,
            response_url: invocation.response_url,
            sender: Sender::of(verified),
            expires_at: expiry(verified, now),
            request: verified.request,
        }))
    }
}

/// When the `response_url` of a command expires, which counts from Slack's timestamp.
fn expiry(verified: Verified<'_>, now: Now) -> Tick {
    let left_ms = LIFETIME_MS.saturating_sub(age_ms(verified, now));
    now.tick.after(left_ms)
}

/// How old Slack's timestamp is.
fn age_ms(verified: Verified<'_>, now: Now) -> u64 {
    let stamped_ms = verified.timestamp_secs.saturating_mul(1000);
    now.unix.0.saturating_sub(stamped_ms)
}

/// `GET /slack?ssl_check=1`, the older form of Slack's certificate check.
pub(super) fn is_get_check(request: &Request<'_>) -> bool {
    request
        .query
        .is_some_and(|query| invocation::is_certificate_check(query.as_bytes()))
}

/// Whether Content-Type says that the content is a form, or is absent; parameters such as a charset are ignored.
fn says_form(request: &Request<'_>) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    match request.fields.unique(b"content-type") {
        Ok(Some(value)) => value
            .split_at_checked(FORM.len())
            .is_some_and(|(start, rest)| {
                (start == FORM || start.eq_ignore_ascii_case(FORM))
                    && matches!(rest, [] | [b';' | b' ' | b'\t', ..])
            }),
        Ok(None) => true,
        Err(_) => false,
    }
}
