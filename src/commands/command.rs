//! What a command is.

use std::borrow::Cow;
use std::fmt;

use super::{Failure, Field, Messages, Rehearsal, Reply, Request};
use crate::slack::message::{self, Visibility};

/// A slash command. [The first page](crate) has a whole bot with two; this one tells everyone in the channel who has typed it:
///
/// ```
/// use torrap::commands::{Command, Field, Request, Visibility};
///
/// const HAND: Command = Command::inline("/hand", |request, reply| {
///     reply.push_str(&format!("<@{}> raises a hand.", request.user_id()));
/// })
/// .description("Raise a hand")
/// .hint("")
/// .usage("Type `/hand`.")
/// .runs_without_text()
/// .keeps(&[Field::UserId])
/// .visibility(Visibility::InChannel);
///
/// let said = HAND.rehearse(&Request::new("/hand", "").with(Field::UserId, "U1"));
/// assert_eq!(said.messages, [r#"{"response_type": "in_channel", "text": "<@U1> raises a hand."}"#]);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Command {
    /// Its name, with the slash.
    pub name: &'static str,
    /// What it does, as Slack shows it while a person types.
    pub description: &'static str,
    /// What may follow its name, as Slack shows it likewise.
    pub hint: &'static str,
    /// The answer to a person who asks how to use it, in Slack's markup.
    pub usage: &'static str,
    /// Whether it also runs without a text.
    pub runs_without_text: bool,
    /// Who sees its replies, unless `--in-channel` shows all replies to everyone in the conversation.
    pub visibility: Visibility,
    /// What Slack shows at once.
    pub acknowledgement: Acknowledgement,
    /// The fields of Slack's request that are kept for it until it runs.
    pub fields: &'static [Field],
    /// What it does.
    pub run: Run,
    /// Whether its reply depends on its text alone, so that a trial can tell a right one.
    pub(crate) is_deterministic: bool,
}

/// Appends the reply, in Slack's markup.
pub type InlineFn = fn(&Request<'_>, &mut String);

/// Makes the reply, and may post up to four messages before it.
pub type BlockingFn =
    dyn Fn(&Request<'_>, &mut Messages<'_>) -> Result<Reply, Failure> + Sync + 'static;

/// What a command does, and where.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Run {
    /// Makes the reply on the loop's thread, when the delay is over. The loop does nothing else meanwhile, so the function must
    /// take microseconds and wait for nothing.
    ///
    /// It is called again for each further attempt at posting its reply, so it must have no side effects; a reply with random
    /// parts may differ then. After a panic, or if nothing of the text is visible, the person gets a message and the log a line.
    Inline(InlineFn),
    /// Makes the reply on a thread of the pool that posts replies, and may wait, for other systems for example. The loop and
    /// other replies go on.
    ///
    /// It runs **at least once**: once in a process, even if its reply has to be posted again; but with a journal a process
    /// that starts after a crash or a stop runs it again if it was not answered. [`Request::id`] is the same then.
    ///
    /// Put what it needs for the life of the process, an HTTP client for example, into a `static`
    /// ([`LazyLock`](std::sync::LazyLock)).
    ///
    /// After a panic or an error the person gets a message and the log a line. A run that has not ended 35 seconds before the
    /// thirty minutes of the `response_url` are over is given up: the person is told so, and the run holds its thread until it
    /// ends.
    Blocking(&'static BlockingFn),
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline(_) => "Inline",
            Self::Blocking(_) => "Blocking",
        })
    }
}

/// What Slack shows when a command is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acknowledgement {
    /// Nothing, or like [`Typed`](Self::Typed) if the replies are for everyone in the conversation.
    #[default]
    Default,
    /// To everyone in the conversation, the command as it was typed and the person who typed it.
    Typed,
    /// A text in Slack's markup, to that person alone.
    Text(&'static str),
}

impl Command {
    /// A command that runs in the event loop: see [`Run::Inline`].
    #[must_use]
    pub const fn inline(name: &'static str, run: InlineFn) -> Self {
        Self::new(name, Run::Inline(run))
    }

    /// A command that may wait: see [`Run::Blocking`].
    #[must_use]
    pub const fn blocking(name: &'static str, run: &'static BlockingFn) -> Self {
        Self::new(name, Run::Blocking(run))
    }

    const fn new(name: &'static str, run: Run) -> Self {
        Self {
            name,
            description: name,
            hint: "[text]",
            usage: name,
            runs_without_text: false,
            visibility: Visibility::Default,
            acknowledgement: Acknowledgement::Default,
            fields: &[],
            run,
            is_deterministic: false,
        }
    }

    /// The same, marked as one whose reply depends on its text alone.
    pub(super) const fn deterministic(mut self) -> Self {
        self.is_deterministic = true;
        self
    }

    /// The same with another description, which Slack shows while a person types: at most 2,000 characters.
    #[must_use]
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The same with another hint at what may follow the name: at most 1,000 characters.
    #[must_use]
    pub const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// The same with another answer to a person who asks how to use it. It must contain the command's name, which is replaced by
    /// the name that `--commands` gives the command.
    #[must_use]
    pub const fn usage(mut self, usage: &'static str) -> Self {
        self.usage = usage;
        self
    }

    /// The same, but it also runs without a text. Otherwise that is answered with the usage, as `help` always is.
    #[must_use]
    pub const fn runs_without_text(mut self) -> Self {
        self.runs_without_text = true;
        self
    }

    /// Whether this text asks for the usage.
    pub(crate) fn is_help(&self, text: &str) -> bool {
        super::is_help(text) && !(self.runs_without_text && super::is_blank(text))
    }

    /// The same with another visibility of its replies.
    #[must_use]
    pub const fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// The same with another acknowledgement.
    #[must_use]
    pub const fn acknowledgement(mut self, acknowledgement: Acknowledgement) -> Self {
        self.acknowledgement = acknowledgement;
        self
    }

    /// The same with these fields in its [`Request`]. Each takes memory for every pending reply.
    #[must_use]
    pub const fn keeps(mut self, fields: &'static [Field]) -> Self {
        self.fields = fields;
        self
    }

    /// Whether it runs on a thread of the pool.
    #[must_use]
    pub const fn is_blocking(&self) -> bool {
        matches!(self.run, Run::Blocking(_))
    }

    /// Who sees a reply. `in_channel` is the setting `--in-channel`.
    #[must_use]
    pub const fn visibility_of_replies(&self, in_channel: bool) -> Visibility {
        if in_channel {
            Visibility::InChannel
        } else {
            self.visibility
        }
    }

    /// The content of its acknowledgement: JSON, unless it is empty.
    pub(crate) fn acknowledgement_content(&self, in_channel: bool) -> Cow<'static, [u8]> {
        let visibility = match self.acknowledgement {
            Acknowledgement::Default => self.visibility_of_replies(in_channel),
            Acknowledgement::Typed => Visibility::InChannel,
            Acknowledgement::Text(text) => return message::ephemeral(text).into(),
        };
        visibility.acknowledgement().as_bytes().into()
    }

    /// Runs it without Slack, for tests, and returns what would be posted.
    #[must_use]
    pub fn rehearse(&self, request: &Request<'_>) -> Rehearsal {
        Rehearsal::of(self, request)
    }
}
