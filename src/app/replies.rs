//! The messages that people see: replies, acknowledgements, and what is said in place of either.

use std::borrow::Cow;
use std::time::Duration;

use log::{debug, error};

use crate::commands::run::run_inline;
use crate::commands::{Chosen, Command, Request, Run};
use crate::config::Config;
use crate::http::{Response, Status};
use crate::jobs::{Job, Outcome};
use crate::slab::Key;
use crate::slack::message::{self, Message, Visibility};
use crate::time::Tick;

/// What is posted when Slack refuses a reply because of its content. It has nothing of that reply in it, so that it is
/// not refused for the same reason.
const APOLOGY: &str = "Sorry, Slack did not accept my reply. It may have been too long.";

/// What is posted for a job whose command the program no longer has.
const GONE: &str = "Sorry, I was stopped before I could answer, and I no longer have that command.";

/// A reply that is to be posted, once.
#[derive(Debug)]
pub struct Delivery {
    /// The job that it is for.
    pub job: Key,
    /// Where it goes: a secret.
    pub url: String,
    /// The JSON message.
    pub body: Vec<u8>,
}

/// The outcome of a delivery.
#[derive(Debug)]
pub struct Report {
    /// The job that it was for.
    pub job: Key,
    /// Its outcome.
    pub outcome: Outcome,
    /// The outcome in words, for the log; without the URL's path.
    pub detail: String,
    /// How long the attempt took, in milliseconds.
    pub took_ms: u64,
}

/// Makes replies.
pub(super) struct Composer {
    /// Whether the replies of all commands are for the whole channel.
    in_channel: bool,
    /// The commands, and their names in the settings.
    commands: Chosen,
    /// The acknowledgements of all commands, by their positions; a copy takes no memory.
    acknowledgements: Vec<Response>,
    /// A buffer for the text of a reply.
    text: String,
}

impl Composer {
    pub(super) fn new(config: &Config) -> Self {
        let acknowledgement = |command: &Command| {
            let content = command.acknowledgement_content(config.in_channel);
            match content {
                Cow::Borrowed([]) => Response::empty(Status::Ok),
                Cow::Borrowed(json) => Response::json(json),
                Cow::Owned(json) => Response::shared_json(json.into()),
            }
        };
        Self {
            in_channel: config.in_channel,
            commands: config.commands.clone(),
            acknowledgements: config.commands.all().iter().map(acknowledgement).collect(),
            text: String::new(),
        }
    }

    /// The JSON message that answers a job; `made` is the reply that a run has made.
    pub(super) fn compose(
        &mut self,
        key: Key,
        job: &Job,
        made: Option<&[u8]>,
        now: Tick,
    ) -> Vec<u8> {
        self.text.clear();
        if let (Some(made), false) = (made, job.is_apology) {
            debug!("sending reply: {}", String::from_utf8_lossy(made));
            return made.to_vec();
        }
        let command = self.commands.all().get(job.command).copied();
        let visibility = match command.map(|command| command.run) {
            None => self.say(GONE),
            Some(_) if job.is_apology => self.say(APOLOGY),
            Some(Run::Inline(run)) => {
                let time_left = Duration::from_millis(job.expires_at.millis_since(now));
                let request = Request::new(name(&self.commands, job.command), job.text())
                    .with_fields(job.fields())
                    .with_path(job.path())
                    .with_time_left(time_left)
                    .with_lateness(job.is_late);
                match run_inline(run, &request, &mut self.text) {
                    Ok(()) => self.visibility(job.command),
                    Err(cause) => {
                        let number = key.generation();
                        error!("command {number}: its command panicked: {cause}");
                        Visibility::Ephemeral
                    }
                }
            }
            Some(Run::Blocking(_)) => unreachable!("its run has made its reply"),
        };
        debug!("sending reply: {}", self.text);
        let mut body = Vec::with_capacity(self.text.len() + 16);
        let text = &self.text;
        Message { visibility, text }.append_json(&mut body);
        body
    }

    /// Says something in place of a reply, to the person who typed the command.
    fn say(&mut self, text: &str) -> Visibility {
        self.text.push_str(text);
        Visibility::Ephemeral
    }

    /// What is at a position.
    pub(super) fn command(&self, position: u8) -> Option<&Command> {
        self.commands.all().get(position)
    }

    /// Who sees what a command replies, if that does not say otherwise.
    pub(super) fn visibility(&self, position: u8) -> Visibility {
        let command = self.command(position);
        let visibility = command.map(|command| command.visibility_of_replies(self.in_channel));
        visibility.unwrap_or_default()
    }

    /// The name of a command in the settings; its own if it is not chosen any more.
    pub(super) fn name(&self, position: u8) -> &str {
        name(&self.commands, position)
    }

    /// The acknowledgement of a command.
    pub(super) fn acknowledgement(&self, position: u8) -> Response {
        let acknowledgement = self.acknowledgements.get(usize::from(position));
        acknowledgement.map_or(Response::empty(Status::Ok), Response::clone)
    }
}

fn name(commands: &Chosen, position: u8) -> &str {
    if let Some(choice) = commands.iter().find(|choice| choice.position == position) {
        return &choice.name;
    }
    let command = commands.all().get(position);
    command.map_or("", |command| command.name)
}

/// The response to a command that cannot be accepted now.
#[must_use]
pub fn busy() -> Response {
    ephemeral("I am busy, please try again in a moment.")
}

/// The response to a command whose `response_url` would expire before its reply.
pub(super) fn too_late() -> Response {
    ephemeral("Your command took too long to reach me, please try again.")
}

/// A message that only the person who typed the command sees, in the acknowledgement itself.
pub(super) fn ephemeral(text: &str) -> Response {
    Response::json(message::ephemeral(text))
}
