//! A pending reply: what is kept of a command until its reply is settled.

use super::pacing::Workspace;
use super::payload::{Payload, Texts};
use super::{LIFETIME_MS, Tries};
use crate::request_id::RequestId;
use crate::time::Tick;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Accepted, and not kept by the store yet: it must not be answered before.
    Unkept,
    /// In the wheel, until it is due for the first time or again.
    Scheduled,
    /// Due, and waiting for a sender.
    Ready,
    /// With a sender that runs its command.
    Running,
    /// Due, and waiting for its turn since its workspace is limited.
    Held,
    /// With a sender.
    Sending,
}

/// A pending reply.
#[derive(Debug)]
pub struct Job {
    pub(super) payload: Payload,
    /// Which of the commands.
    pub command: u8,
    /// Which of the allowed origins.
    pub origin: u8,
    /// Attempts whose outcome is known.
    pub tries: Tries,
    /// Whether an apology is posted in the place of its reply, which was refused.
    pub is_apology: bool,
    /// Whether Slack's stamp was old when the command came.
    pub is_late: bool,
    /// Whether its command has yet to run on a sender.
    pub(super) needs_run: bool,
    /// Where it stands.
    pub state: State,
    /// When the `response_url` stops serving. It never changes: the ages count on that.
    pub expires_at: Tick,
}

const _: () = assert!(
    size_of::<Job>() == 128,
    "with its slot and its timer 168 bytes, with the id of its request 184"
);

/// What is needed to make a job.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// Which of the commands makes the reply.
    pub command: u8,
    /// Which of the allowed origins the reply goes to.
    pub origin: u8,
    /// Path and query of the `response_url`: a secret.
    pub path: &'a str,
    /// The text as Slack delivered it.
    pub text: &'a str,
    /// The fields that its command wants kept.
    pub fields: &'a str,
    /// Whether Slack's stamp was old when the command came.
    pub is_late: bool,
    /// Whether its command runs on a sender, before there is a reply.
    pub needs_run: bool,
    /// When the thinking is over.
    pub due: Tick,
    /// When the `response_url` stops serving.
    pub expires_at: Tick,
    /// The request that has made it; `None` if others like it make further jobs.
    pub request: Option<RequestId>,
}

impl Job {
    /// Path and query of the `response_url`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.payload.path()
    }

    /// The text as Slack delivered it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.texts().text
    }

    /// All that it carries.
    #[must_use]
    pub fn texts(&self) -> Texts<'_> {
        self.payload.texts()
    }

    /// Whether its command has yet to run, or is running.
    #[must_use]
    pub const fn needs_run(&self) -> bool {
        self.needs_run
    }

    /// Attempts that may have reached the receiver, with the one that is being made.
    #[must_use]
    pub fn attempts_begun(&self) -> u8 {
        self.tries.attempts + u8::from(self.state == State::Sending)
    }

    pub(super) fn workspace(&self) -> Workspace {
        Workspace::of(self.origin, self.path())
    }

    /// Milliseconds since Slack stamped the command, from when its `response_url` expires.
    #[must_use]
    pub const fn age_ms(&self, now: Tick) -> u64 {
        now.after(LIFETIME_MS).millis_since(self.expires_at)
    }
}
