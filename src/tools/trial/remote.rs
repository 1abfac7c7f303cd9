//! `torrap try --to URL`: one signed command to a bot that runs already, through its public URL.

use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, ToSocketAddrs};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::command::ACKNOWLEDGEMENT_TIMEOUT;
use super::stand_in::{Answer, SlackStandIn};
use super::{Error, PATH, Transcript, choice};
use crate::commands;
use crate::config::Config;
use crate::delivery;
use crate::slack::request;
use crate::slack::response_url::Origin;
use crate::telemetry::terminal::Terminal;
use crate::time::millis;

/// The most that is read of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What came back.
struct Reached {
    status: u16,
    content: String,
    took_ms: u64,
}

/// Sends a command to the bot at `url`, `/slack` included, and tells each step and what a person in
/// Slack would have seen. The reply is waited for if the settings allow one to an address of this
/// machine; else the command asks for the usage, which the acknowledgement holds.
///
/// # Errors
/// It could not be set up or told.
pub fn run(
    url: &str,
    text: &str,
    config: &Config,
    out: &mut dyn Write,
    terminal: Terminal,
) -> Result<bool, Error> {
    let agent = delivery::client(config)?;
    let mut transcript = Transcript {
        start: Instant::now(),
        out,
        terminal,
        choice: choice(config),
        in_channel: config.in_channel,
    };
    let local = local_stand_in(&config.reply_origins)?;
    let (text, origin) = match &local {
        Some((origin, _)) => (text, (*origin).clone()),
        None => {
            transcript.tell(
                "note",
                "no --reply-origin leads to this machine, so this sends help and looks at the acknowledgement only; \
                 to see a reply as well, give both torrap try and the bot --reply-origin http://127.0.0.1:9000",
            )?;
            let first = config.reply_origins.first();
            ("help", first.map(Origin::to_string).unwrap_or_default())
        }
    };
    let name = &choice(config).name;
    transcript.tell("Slack", &format!("sends {name} {text} to {url}"))?;
    let content = request::form(name, text, &format!("{origin}{PATH}"));
    let sent = Instant::now();
    let reached = match post(&agent, url, config, content) {
        Ok(reached) => reached,
        Err(error) => {
            let shown = match error {
                ureq::Error::Timeout(_) => "operation_timeout",
                _ => "dispatch_failed",
            };
            return Ok(transcript.verdict(Err(format!(
                "{error}; Slack would have shown {shown}: look at the tunnel or proxy, its certificate, and the URL"
            )))?);
        }
    };
    let (status, took_ms) = (reached.status, reached.took_ms);
    transcript.tell("bot", &format!("answers {status} after {took_ms} ms"))?;
    if let Some(fault) = fault(&reached, &origin) {
        return Ok(transcript.verdict(Err(fault))?);
    }
    match local {
        Some((_, stand_in)) if reached.content == transcript.acknowledgement() => {
            let delay = std::time::Duration::from_millis(config.delay_ms);
            Ok(transcript.reply(text, &stand_in, sent, delay, false)?)
        }
        _ => {
            transcript.tell("bot", &format!("says {}", reached.content))?;
            let is_usage = commands::is_help(text) && !reached.content.is_empty();
            let verdict = is_usage.then_some(());
            Ok(transcript.verdict(verdict.ok_or_else(|| {
                "that is all that Slack would have shown, to the person alone".to_owned()
            }))?)
        }
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
                    let what = format!("cannot stand in for Slack at {origin}: {error}");
                    return Err(io::Error::new(error.kind(), what));
                }
            }
        }
    }
    Ok(None)
}
