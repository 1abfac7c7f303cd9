//! `torrap try --to URL`: one signed command to a bot that runs already, through its public URL.

use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::command::ACKNOWLEDGEMENT_TIMEOUT;
use super::stand_in::{Answer, SlackStandIn};
use super::{Error, PATH, TEXT, Transcript, choice, reply_timeout};
use crate::commands;
use crate::config::{Config, DELAY_MS_MAX, millis_of_seconds};
use crate::delivery;
use crate::slack::request;
use crate::slack::response_url::Origin;
use crate::telemetry::terminal::Terminal;
use crate::time::{Seconds, millis};
use crate::tools::json;

/// The most that is read of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What came back.
struct Reached {
    status: u16,
    content: String,
    took_ms: u64,
}

/// Sends the first of the commands to the bot at `url`, `/slack` included, and tells each step and what a person in Slack
/// would have seen. The reply is waited for if the settings allow one to an address of this machine. Else a text that is
/// given is sent all the same, and without one the usage is asked for, which the acknowledgement holds.
///
/// # Errors
/// It could not be set up or told.
pub fn run(
    url: &str,
    text: Option<&str>,
    config: &Config,
    out: &mut dyn Write,
    terminal: Terminal,
) -> Result<bool, Error> {
    let mut trial = Trial {
        agent: delivery::client(config)?,
        url,
        config,
        transcript: Transcript {
            start: Instant::now(),
            out,
            terminal,
            bot: "bot",
            choice: choice(config),
            in_channel: config.in_channel,
            reply_timeout: reply_timeout(config),
        },
    };
    match local_stand_in(&config.reply_origins)? {
        Some((origin, stand_in)) => trial.with_reply(text.unwrap_or(TEXT), &origin, &stand_in),
        None => trial.without_reply(text),
    }
}

/// One command to a bot that runs already.
struct Trial<'a> {
    agent: ureq::Agent,
    url: &'a str,
    config: &'a Config,
    transcript: Transcript<'a>,
}

impl Trial<'_> {
    /// The reply comes to a stand-in for Slack on this machine.
    fn with_reply(
        &mut self,
        text: &str,
        origin: &str,
        stand_in: &SlackStandIn,
    ) -> Result<bool, Error> {
        let delay = self.delay();
        if delay.is_none() {
            let ms = self.config.delay_ms;
            let what = format!(
                "the bot's delay is not known, since its /readyz does not say it here: this waits for --delay ({} s)",
                Seconds { ms }
            );
            self.transcript.tell("note", &what)?;
        }
        let sent = Instant::now();
        let Some(content) = self.send(text, origin)? else {
            return Ok(false);
        };
        if !self.is_awaited(text, &content) {
            return self.said(text, &content);
        }
        let waited = delay.unwrap_or_else(|| Duration::from_millis(self.config.delay_ms));
        let verdict = self
            .transcript
            .reply(text, stand_in, sent, waited, delay.is_some());
        stand_in.wait_for_answers(ACKNOWLEDGEMENT_TIMEOUT);
        verdict
    }

    /// Only the acknowledgement can be looked at.
    fn without_reply(&mut self, text: Option<&str>) -> Result<bool, Error> {
        let origin = self.config.reply_origins.first().map(Origin::to_string);
        let origin = origin.unwrap_or_default();
        let what = match text {
            Some(_) => format!("the bot posts the reply to {origin}, which refuses it"),
            None => "without a TEXT this asks for help, which needs no reply".to_owned(),
        };
        self.transcript.tell(
            "note",
            &format!(
                "no --reply-origin leads to this machine: {what}; to see a reply here, give both torrap try and the \
                 bot --reply-origin http://127.0.0.1:9000"
            ),
        )?;
        let sent = text.unwrap_or("help");
        let Some(content) = self.send(sent, &origin)? else {
            return Ok(false);
        };
        if !self.is_awaited(sent, &content) {
            return self.said(sent, &content);
        }
        self.transcript.succeed(
            "that is the acknowledgement that Slack waits for; the reply was not looked at",
        )
    }

    /// Sends the command and tells what comes back; `None` if that is not what Slack expects, which is told, too.
    fn send(&mut self, text: &str, origin: &str) -> Result<Option<String>, Error> {
        let (url, transcript) = (self.url, &mut self.transcript);
        let name = &transcript.choice.name;
        transcript.tell("Slack", &format!("sends {name} {text} to {url}"))?;
        let content = request::form(name, text, &format!("{origin}{PATH}"));
        let reached = match post(&self.agent, url, self.config, content) {
            Ok(reached) => reached,
            Err(error) => {
                let shown = match error {
                    ureq::Error::Timeout(_) => "operation_timeout",
                    _ => "dispatch_failed",
                };
                transcript.verdict(Err(format!(
                    "{error}; Slack would have shown {shown}: look at the tunnel or proxy, its certificate, and the URL"
                )))?;
                return Ok(None);
            }
        };
        let (status, took_ms) = (reached.status, reached.took_ms);
        transcript.tell_of_bot(&format!("answers {status} after {took_ms} ms"))?;
        match fault(&reached, origin) {
            None => Ok(Some(reached.content)),
            Some(fault) => transcript.verdict(Err(fault)).map(|_| None),
        }
    }

    /// Whether this is the acknowledgement of a command that gets a reply. One that asks for the usage gets none.
    fn is_awaited(&self, text: &str, content: &str) -> bool {
        !commands::is_help(text) && content == self.transcript.acknowledgement()
    }

    /// The acknowledgement is the answer: right only where that is the usage.
    fn said(&mut self, text: &str, content: &str) -> Result<bool, Error> {
        self.transcript.tell_of_bot(&format!("says {content}"))?;
        if self.transcript.is_usage(text, content.as_bytes()) {
            return self.transcript.verdict(Ok(()));
        }
        let expected = self.transcript.expected_acknowledgement(text);
        let same = "has the bot the same --commands and --in-channel?";
        self.transcript.verdict(Err(format!("{expected}; {same}")))
    }

    /// The bot's "thinking" time, as its `/readyz` says it: a proxy may pass nothing on but `/slack`.
    fn delay(&self) -> Option<Duration> {
        let base = self.url.strip_suffix("/slack")?;
        let mut response = self.agent.get(format!("{base}/readyz")).call().ok()?;
        if response.status() != 200 {
            return None;
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let answer = body.read_to_vec().ok()?;
        let delay_ms = millis_of_seconds(json::number(&json::parse(&answer)?, "delay")?)?;
        (delay_ms <= DELAY_MS_MAX).then(|| Duration::from_millis(delay_ms))
    }
}

/// What Slack would have shown instead of an answer, and what to do about it.
fn fault(reached: &Reached, origin: &str) -> Option<String> {
    let timeout_ms = millis(ACKNOWLEDGEMENT_TIMEOUT);
    let what = match reached.status {
        200 if reached.took_ms > timeout_ms => {
            return Some("too late: Slack would have shown operation_timeout".to_owned());
        }
        200 => return None,
        400 => format!("start the bot with a --reply-origin that has {origin}"),
        401 => "the bot has another signing secret, or one of the two clocks is wrong; its log says which"
            .to_owned(),
        404 => "there is no /slack there: look at the URL, and at what the tunnel leads to".to_owned(),
        500.. => {
            return Some(
                "Slack would have shown http_service_error: the tunnel or proxy does not reach the bot, or the \
                 bot is overloaded: look at whether it runs, and at its log"
                    .to_owned(),
            );
        }
        _ => "that is not what the bot answers: look at what the tunnel leads to".to_owned(),
    };
    Some(format!("Slack would have shown http_client_error: {what}"))
}

fn post(
    agent: &ureq::Agent,
    url: &str,
    config: &Config,
    content: String,
) -> Result<Reached, ureq::Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let secret = config.signing_secrets.first();
    let secret = secret.map(|secret| secret.as_bytes()).unwrap_or_default();
    let mut request = ureq::http::Request::post(url);
    for (name, value) in request::fields(secret, now, content.as_bytes()) {
        request = request.header(name, value);
    }
    let request = request.body(content)?;
    let begun = Instant::now();
    let mut response = agent.run(request)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    let content = body.lossy_utf8(true).read_to_string()?;
    Ok(Reached {
        status,
        content,
        took_ms: millis(begun.elapsed()),
    })
}

/// A stand-in on the first of the allowed origins that is an address of this machine.
fn local_stand_in(origins: &[Origin]) -> io::Result<Option<(String, SlackStandIn)>> {
    for origin in origins.iter().map(Origin::to_string) {
        let Some(host) = origin.strip_prefix("http://") else {
            continue;
        };
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.contains(']'));
        let address = if has_port {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        for address in address.to_socket_addrs().into_iter().flatten() {
            match TcpListener::bind(address) {
                Ok(listener) => {
                    let wrap = |socket| Ok(Box::new(socket) as Box<_>);
                    let stand_in = SlackStandIn::start_on(listener, |_| Answer::ok(), wrap)?;
                    return Ok(Some((origin, stand_in)));
                }
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {}
                Err(error) => {
                    let what = format!(
                        "cannot stand in for Slack at {origin} ({error}); give both torrap try and the bot another --reply-origin"
                    );
                    return Err(io::Error::new(error.kind(), what));
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_taken_is_told_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", taken.local_addr().unwrap());
        let error = local_stand_in(&[Origin::parse(&origin).unwrap()]).map(|_| ());
        let line = error.unwrap_err().to_string();
        let start = format!("cannot stand in for Slack at {origin} (");
        assert!(line.starts_with(&start), "{line}");
        assert!(line.ends_with("; give both torrap try and the bot another --reply-origin"));
    }
}
