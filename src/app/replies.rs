//! The messages that people see: replies, acknowledgements, and what is said in place of either.

use std::borrow::Cow;
use std::time::Duration;

use log::debug;

use super::pending::Post;
use crate::commands::run::{InlineFailure, run_inline};
use crate::commands::{Command, Request, Run};
use crate::config::Config;
use crate::http::{Content, Response, Status};
use crate::jobs::Outcome;
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

/// A command as the settings have it.
pub(super) struct Configured {
    pub(super) command: Command,
    /// Its name in the settings; its own if it is not chosen any more.
    pub(super) name: String,
    /// Who sees what it replies, if that does not say otherwise.
    pub(super) visibility: Visibility,
    /// The content of its acknowledgement; a copy takes no memory.
    acknowledgement: Content,
}

impl Configured {
    fn new(command: &Command, position: usize, config: &Config) -> Self {
        let mut choices = config.commands.iter();
        let choice = choices.find(|choice| usize::from(choice.position) == position);
        let content = command.acknowledgement_content(config.in_channel);
        Self {
            command: *command,
            name: choice
                .map_or(command.name, |choice| &choice.name)
                .to_owned(),
            visibility: command.visibility_of_replies(config.in_channel),
            acknowledgement: match content {
                Cow::Borrowed([]) => Content::Empty,
                Cow::Borrowed(json) => Content::Json(json.into()),
                Cow::Owned(json) => Content::SharedJson(json.into()),
            },
        }
    }
}

/// Makes replies.
pub(super) struct Composer {
    /// By position.
    commands: Vec<Configured>,
    /// A buffer for the text of a reply.
    text: String,
}

impl Composer {
    pub(super) fn new(config: &Config) -> Self {
        let all = config.commands.all().iter().enumerate();
        let commands = all.map(|(position, command)| Configured::new(command, position, config));
        Self {
            commands: commands.collect(),
            text: String::new(),
        }
    }

    /// The command at a position.
    pub(super) fn command(&self, position: u8) -> Option<&Configured> {
        self.commands.get(usize::from(position))
    }

    /// The JSON message that answers a job, and why it is no reply if its command has failed now.
    pub(super) fn compose(
        &mut self,
        post: &Post<'_>,
        now: Tick,
    ) -> (Vec<u8>, Option<InlineFailure>) {
        let Post { job, texts, .. } = *post;
        if let (Some(made), false) = (post.made, job.is_apology) {
            debug!("sending reply: {}", String::from_utf8_lossy(made));
            return (made.to_vec(), None);
        }
        let Self { commands, text } = self;
        let mut failure = None;
        text.clear();
        let visibility = match commands.get(usize::from(job.command)) {
            None => say(GONE, text),
            Some(_) if job.is_apology => say(APOLOGY, text),
            Some(configured) => {
                let Run::Inline(run) = configured.command.run else {
                    unreachable!("its run has made its reply");
                };
                let time_left = Duration::from_millis(job.expires_at.millis_since(now));
                let request = Request::new(&configured.name, texts.text)
                    .with_fields(texts.fields)
                    .with_path(texts.path)
                    .with_time_left(time_left)
                    .with_lateness(job.is_late);
                match run_inline(run, &request, text) {
                    Ok(()) => configured.visibility,
                    Err(failed) => {
                        failure = Some(failed);
                        Visibility::Ephemeral
                    }
                }
            }
        };
        debug!("sending reply: {text}");
        let mut body = Vec::with_capacity(text.len() + 16);
        Message { visibility, text }.append_json(&mut body);
        (body, failure)
    }

    /// The acknowledgement of a command.
    pub(super) fn acknowledgement(&self, position: u8) -> Response {
        let configured = self.command(position);
        Response {
            content: configured.map_or(Content::Empty, |configured| {
                configured.acknowledgement.clone()
            }),
            ..Response::empty(Status::Ok)
        }
    }
}

/// Says something in place of a reply, to the person who typed the command.
fn say(said: &str, text: &mut String) -> Visibility {
    text.push_str(said);
    Visibility::Ephemeral
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
