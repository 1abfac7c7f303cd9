//! The messages that people see: replies, acknowledgements, and what is said in place of either.

use log::debug;

use crate::commands::Commands;
use crate::config::Config;
use crate::http::{Response, Status};
use crate::jobs::{Job, Outcome};
use crate::slab::Key;
use crate::slack::message::{Message, Visibility};

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
    commands: Commands,
    /// Whether the replies of all commands are for the whole channel.
    in_channel: bool,
    /// A buffer for the text of a reply.
    text: String,
}

impl Composer {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            commands: config.commands.all().clone(),
            in_channel: config.in_channel,
            text: String::new(),
        }
    }

    /// The JSON message that answers a job.
    pub(super) fn compose(&mut self, job: &Job) -> Vec<u8> {
        self.text.clear();
        let visibility = match self.commands.get(job.command) {
            Some(command) if !job.is_apology => {
                (command.run)(job.text(), &mut self.text);
                command.visibility_of_replies(self.in_channel)
            }
            Some(_) => self.say(APOLOGY),
            None => self.say(GONE),
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

    /// The acknowledgement of a command.
    pub(super) fn acknowledgement(&self, position: u8) -> Response {
        let command = self.commands.get(position);
        let visibility = command.map(|command| command.visibility_of_replies(self.in_channel));
        match visibility.unwrap_or_default().acknowledgement() {
            "" => Response::empty(Status::Ok),
            json => Response::json(json.as_bytes()),
        }
    }
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
    let mut json = Vec::new();
    Message {
        visibility: Visibility::Ephemeral,
        text,
    }
    .append_json(&mut json);
    Response::json(json)
}
