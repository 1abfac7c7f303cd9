//! `torrap try`: the real server, one signed command and a stand-in for Slack, told step by step.
//!
//! Nothing is simulated but Slack: the command goes over TCP to the bot that `torrap serve` runs, and
//! the reply comes back over HTTP as it would go to hooks.slack.com. The tests use the same stand-in.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // it plays the part of the outside world

pub mod command;
pub mod remote;
mod running;
pub mod stand_in;

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::command::{ACKNOWLEDGEMENT_TIMEOUT, Response};
use self::running::Running;
use self::stand_in::{Answer, Post, SlackStandIn};
use crate::commands::{self, Choice, Command, Request};
use crate::config::{Config, SigningSecret};
use crate::platform;
use crate::slack::markup;
use crate::slack::message::{Message, Visibility};
use crate::slack::request;
use crate::slack::response_url::Origin;
use crate::telemetry::console::escaped;
use crate::telemetry::terminal::{Colour, Terminal};
use crate::time::{Seconds, millis};

/// The text of a command that is given none.
pub const TEXT: &str = "sdrawkcab si siht";

/// The path of the stand-in's `response_url`, in the form of Slack's own.
const PATH: &str = "/commands/T0001/1234567890/trial";

/// The least width of the column that says who does something.
const WHO_WIDTH: usize = 7;

/// How often the "thinking…" of a terminal moves.
const FRAME: Duration = Duration::from_millis(100);

/// Why a trial could not be carried out at all.
#[derive(Debug)]
pub enum Error {
    /// The server could not be set up.
    Server(platform::Error),
    /// What is told could not be written.
    Output(io::Error),
    /// The machine refused something else.
    Io(io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::Output(error) | Self::Io(error) => write!(f, "try: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<platform::Error> for Error {
    fn from(error: platform::Error) -> Self {
        Self::Server(error)
    }
}

/// Sends the first of the commands with this text, or [`TEXT`], through a real server and tells each step on `out`; on a terminal
/// the thinking moves. Returns whether the reply came back right.
///
/// # Errors
/// The trial itself could not be set up or told.
pub fn run(
    text: Option<&str>,
    mut config: Config,
    out: &mut dyn Write,
    terminal: Terminal,
) -> Result<bool, Error> {
    let text = text.unwrap_or(TEXT);
    let stand_in = SlackStandIn::start(|_| Answer::ok())?;
    let secret = random_secret();
    config.signing_secrets = vec![SigningSecret::new(&secret).map_err(io::Error::other)?];
    config.reply_origins = vec![Origin::parse(&stand_in.origin()).map_err(io::Error::other)?];
    config.proxy = None;
    let delay = Duration::from_millis(config.delay_ms);
    let running = Running::start(&config)?;
    let mut transcript = Transcript {
        start: Instant::now(),
        out,
        terminal,
        bot: &config.program,
        choice: choice(&config),
        in_channel: config.in_channel,
        reply_timeout: reply_timeout(&config),
    };
    let listens = format!("listens on http://{}/slack", running.address());
    transcript.tell_of_bot(&listens)?;
    let (sent, response) = transcript.command(text, &secret, &running, &stand_in)?;
    let right = match response.status {
        200 if commands::is_help(text) => transcript.usage(text, &response)?,
        200 if response.content == transcript.acknowledgement().as_bytes()
            && transcript.choice.command().is_blocking() =>
        {
            transcript.wait_for_run(delay)?;
            // It waits for what is pending, so that all messages are known then.
            let is_answered = running.stop()? == 0;
            return transcript.made(&stand_in, is_answered, config.drain_ms);
        }
        200 if response.content == transcript.acknowledgement().as_bytes() => {
            transcript.reply(text, &stand_in, sent, delay, true)?
        }
        200 => transcript.usage(text, &response)?,
        status => transcript.verdict(Err(format!("expected 200, got {status}")))?,
    };
    running.stop()?;
    Ok(right)
}

/// The command that is tried: the first of those that are answered.
fn choice(config: &Config) -> &Choice {
    let first = config.commands.iter().next();
    first.expect("settings choose one command at least")
}

/// How long a reply may take after the thinking: at once, or as long as a blocking command has before a stop leaves it.
fn reply_timeout(config: &Config) -> Duration {
    match choice(config).command().is_blocking() {
        true => Duration::from_millis(config.drain_ms),
        false => ACKNOWLEDGEMENT_TIMEOUT,
    }
}

/// What is told, line by line, each with its time since the start.
struct Transcript<'a> {
    start: Instant,
    out: &'a mut dyn Write,
    terminal: Terminal,
    /// What the bot is called.
    bot: &'a str,
    /// The command that is sent.
    choice: &'a Choice,
    /// Whether the bot shows replies to everyone in the conversation.
    in_channel: bool,
    /// How long a reply may take after the thinking.
    reply_timeout: Duration,
}

impl Transcript<'_> {
    /// The content that the acknowledgement must have.
    fn acknowledgement(&self) -> String {
        let command = self.choice.command();
        let content = command.acknowledgement_content(self.in_channel);
        String::from_utf8_lossy(&content).into_owned()
    }

    fn tell_of_bot(&mut self, what: &str) -> Result<(), Error> {
        self.tell(self.bot, what)
    }

    fn tell(&mut self, who: &str, what: &str) -> Result<(), Error> {
        self.tell_at(self.start.elapsed(), who, what)
    }

    /// Tells something on a line of its own: what has come from another machine could drive the terminal.
    fn tell_at(&mut self, after: Duration, who: &str, what: &str) -> Result<(), Error> {
        let (at, what) = (clock(after), escaped(what));
        let width = self.bot.len().max(WHO_WIDTH);
        let padded = format!("{who:<width$}");
        let who = match who {
            "ok" => self.terminal.paint(Colour::Green, &padded),
            "failed" => self.terminal.paint(Colour::Red, &padded),
            _ => padded,
        };
        // In one piece: the log may be written to the same terminal.
        self.write(&format!("{at} s  {who} {what}\n"))
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        let written = self.out.write_all(text.as_bytes());
        written
            .and_then(|()| self.out.flush())
            .map_err(Error::Output)
    }

    /// Slack's part: sends the command and looks at the acknowledgement.
    fn command(
        &mut self,
        text: &str,
        secret: &str,
        running: &Running,
        stand_in: &SlackStandIn,
    ) -> Result<(Instant, Response), Error> {
        let url = format!("{}{PATH}", stand_in.origin());
        let name = &self.choice.name;
        let content = request::form(name, text, &url);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let request = request::signed(secret.as_bytes(), now.as_secs(), content.as_bytes());
        let bytes = request.len();
        self.tell(
            "Slack",
            &format!("sends {name} {text}  ({bytes} bytes, signed)"),
        )?;
        let sent = Instant::now();
        let response = command::send(running.address(), &request)?;
        let took_us = sent.elapsed().as_micros();
        let bytes = response.content.len();
        let what = format!(
            "answers {} after {}.{:02} ms, {bytes} bytes of content",
            response.status,
            took_us / 1000,
            took_us % 1000 / 10
        );
        self.tell_of_bot(&what)?;
        Ok((sent, response))
    }

    /// Waits for the reply and compares it with what it should be. Whether it came too early is only
    /// known if the delay is surely the bot's.
    fn reply(
        &mut self,
        text: &str,
        stand_in: &SlackStandIn,
        sent: Instant,
        delay: Duration,
        is_sure: bool,
    ) -> Result<bool, Error> {
        let Some(post) = self.think(stand_in, sent, delay)? else {
            let ms = millis(self.reply_timeout);
            return self.verdict(Err(format!(
                "no reply within {} s after the thinking",
                Seconds { ms }
            )));
        };
        let content = String::from_utf8_lossy(&post.content).into_owned();
        self.tell_of_bot(&format!("posts {content} to the response_url"))?;
        if is_sure && post.at.duration_since(sent) < delay {
            return self.verdict(Err("the reply came too early".to_owned()));
        }
        let expected = self.expected(text).unwrap_or_else(|| content.clone());
        let is_right = content == expected && is_message(&post);
        self.verdict(match is_right {
            true => Ok(()),
            false => Err(format!("expected {expected} as application/json at {PATH}")),
        })
    }

    /// Says what a blocking command does while nothing is seen of it.
    fn wait_for_run(&mut self, delay: Duration) -> Result<(), Error> {
        let delay = Seconds { ms: millis(delay) };
        let what = format!("thinking… ({delay} s), then the command runs");
        self.tell_of_bot(&what)
    }

    /// What a blocking command has made. It is not run a second time to know what is right: that is what was posted.
    fn made(
        &mut self,
        stand_in: &SlackStandIn,
        is_answered: bool,
        drain_ms: u64,
    ) -> Result<bool, Error> {
        let posts = stand_in.posts();
        for post in &posts {
            let content = String::from_utf8_lossy(&post.content);
            let after = post.at.duration_since(self.start);
            let what = format!("posts {content} to the response_url");
            self.tell_at(after, self.bot, &what)?;
        }
        let limit = Seconds { ms: drain_ms };
        self.verdict(match is_answered {
            // What was posted are messages before the reply.
            false => Err(format!(
                "no reply within {limit} s; a command that takes longer needs a longer --drain"
            )),
            true if posts.iter().all(is_message) => Ok(()),
            true => Err(format!("expected all of it as application/json at {PATH}")),
        })
    }

    /// Lets the time of thinking pass, on a terminal to be seen.
    fn think(
        &mut self,
        stand_in: &SlackStandIn,
        sent: Instant,
        delay: Duration,
    ) -> Result<Option<Post>, Error> {
        let told = format!("thinking… ({} s)", Seconds { ms: millis(delay) });
        if !self.terminal.can_write_over {
            self.tell_of_bot(&told)?;
            return Ok(stand_in
                .wait_for(1, delay + self.reply_timeout)
                .into_iter()
                .next());
        }
        let deadline = sent + delay + self.reply_timeout;
        let frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
        for frame in frames.iter().cycle() {
            if let Some(post) = stand_in.wait_for(1, FRAME).into_iter().next() {
                self.write("\r\x1b[K")?;
                self.tell_of_bot(&told)?;
                return Ok(Some(post));
            }
            if Instant::now() >= deadline {
                break;
            }
            let (at, width) = (clock(self.start.elapsed()), self.bot.len().max(WHO_WIDTH));
            self.write(&format!("\r{at} s  {:<width$} {frame} thinking…", self.bot))?;
        }
        self.write("\n")?;
        Ok(None)
    }

    /// The text asked for the usage: the acknowledgement itself is the answer.
    fn usage(&mut self, text: &str, response: &Response) -> Result<bool, Error> {
        let content = String::from_utf8_lossy(&response.content).into_owned();
        self.tell_of_bot(&format!("says {content}"))?;
        if self.is_usage(text, &response.content) {
            return self.verdict(Ok(()));
        }
        self.verdict(Err(self.expected_acknowledgement(text)))
    }

    /// What is said of another acknowledgement.
    fn expected_acknowledgement(&self, text: &str) -> String {
        match &*self.acknowledgement() {
            _ if commands::is_help(text) => format!("expected {}", self.usage_json()),
            "" => "expected an empty acknowledgement".to_owned(),
            json => format!("expected {json}"),
        }
    }

    /// Whether the text asks for the usage and this is it.
    fn is_usage(&self, text: &str, content: &[u8]) -> bool {
        commands::is_help(text) && content == self.usage_json().as_bytes()
    }

    fn usage_json(&self) -> String {
        let mut usage = Vec::new();
        let (visibility, text) = (Visibility::Ephemeral, &*self.choice.usage);
        Message { visibility, text }.append_json(&mut usage);
        String::from_utf8_lossy(&usage).into_owned()
    }

    /// The reply that a text must get, where it is known. Others than torrap's own commands may roll dice, count, or ask
    /// another system: they are not run a second time.
    fn expected(&self, text: &str) -> Option<String> {
        let command = self.choice.command();
        let mut delivered = String::new();
        markup::encode_into(text, &mut delivered);
        let command = Command {
            visibility: command.visibility_of_replies(self.in_channel),
            ..*command
        };
        let rehearse = || command.rehearse(&Request::new(&self.choice.name, &delivered));
        command
            .is_deterministic
            .then(|| rehearse().messages.concat())
    }

    fn verdict(&mut self, verdict: Result<(), String>) -> Result<bool, Error> {
        match &verdict {
            Ok(()) => return self.succeed("that is what Slack would have shown"),
            Err(why) => self.tell("failed", why)?,
        }
        Ok(false)
    }

    fn succeed(&mut self, what: &str) -> Result<bool, Error> {
        self.tell("ok", what)?;
        Ok(true)
    }
}

/// Whether it is one as Slack takes them.
fn is_message(post: &Post) -> bool {
    post.path == PATH && post.content_type == "application/json"
}

/// A time since the start, as seconds and milliseconds of the same width every time.
fn clock(after: Duration) -> String {
    let ms = millis(after);
    format!("{:3}.{:03}", ms / 1000, ms % 1000)
}

/// A signing secret in the form of Slack's: 32 hexadecimal digits, from the system's randomness.
fn random_secret() -> String {
    let word = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", word(), word())
}
