//! One run of a blocking command, to its reply, its failure or its panic.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::command::{BlockingFn, InlineFn};
use super::messages::Outlet;
use super::{Command, Messages, Request, Run, SendError, Unusable, is_blank};
use crate::slack::cut::cut;
use crate::slack::message::{self, Message, Visibility};

/// What a person reads whose command has failed and does not say more.
const FAILED: &str = "Sorry, that did not work. My log says why.";
/// What a person reads whose command has not ended in time.
const OVERDUE: &str = "Sorry, your command took too long, and I have given it up.";

/// Most bytes of an error or of a panic's message that the log has.
const CAUSE_BYTES_MAX: usize = 500;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// With a reply.
    Replied,
    /// With a failure, of which the person is told.
    Failed,
    /// With a panic, of which the person is told.
    Panicked,
    /// It did not end in time, and the person was told so.
    Overdue,
}

impl RunEnd {
    /// How many there are.
    pub const KINDS: usize = 4;
    /// Their labels in a metric, in the order of the variants.
    pub const LABELS: [&'static str; Self::KINDS] = ["replied", "failed", "panicked", "overdue"];
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct RunResult {
    /// The message that is the reply.
    pub(crate) message: Vec<u8>,
    pub(crate) end: RunEnd,
    /// Why it has failed, for the log.
    pub(crate) cause: String,
}

/// Runs a blocking command.
pub(crate) fn run(
    run: &BlockingFn,
    request: &Request<'_>,
    outlet: &mut dyn Outlet,
    visibility: Visibility,
) -> RunResult {
    let mut messages = Messages::new(outlet, visibility);
    // A panic can leave only the command's own state half changed: of the bot it borrows the outlet alone.
    let result = catch_unwind(AssertUnwindSafe(|| run(request, &mut messages)));
    let (told, end, cause) = match result {
        Ok(Ok(reply)) => match reply.into_json(visibility) {
            Ok(message) => {
                return RunResult {
                    message,
                    end: RunEnd::Replied,
                    cause: String::new(),
                };
            }
            Err(unusable) => (ephemeral(FAILED), RunEnd::Failed, unusable.to_string()),
        },
        Ok(Err(failure)) => {
            let told = ephemeral(failure.told().unwrap_or(FAILED));
            (told, RunEnd::Failed, failure.cause().to_owned())
        }
        Err(payload) => (ephemeral(FAILED), RunEnd::Panicked, panic_message(payload)),
    };
    RunResult {
        message: told,
        end,
        cause: shortened(cause),
    }
}

/// Why an inline command has made no reply.
#[derive(Debug)]
pub(crate) struct InlineFailure {
    pub(crate) end: RunEnd,
    pub(crate) cause: String,
}

/// Runs an inline command. If it fails, the text is what the person reads instead: a mistake in one command must not end the
/// bot, which with a journal would meet the same job at each start, and a text that shows nothing would be refused by Slack.
pub(crate) fn run_inline(
    run: InlineFn,
    request: &Request<'_>,
    text: &mut String,
) -> Result<(), InlineFailure> {
    let result = catch_unwind(AssertUnwindSafe(|| run(request, text)));
    let (end, cause) = match result {
        Ok(()) if !is_blank(text) => return Ok(()),
        Ok(()) => (RunEnd::Failed, Unusable::Blank.to_string()),
        Err(payload) => (RunEnd::Panicked, shortened(panic_message(payload))),
    };
    text.clear();
    text.push_str(FAILED);
    Err(InlineFailure { end, cause })
}

/// What is posted in place of the reply of a run that did not end in time.
pub(crate) fn overdue() -> Vec<u8> {
    ephemeral(OVERDUE)
}

fn ephemeral(text: &str) -> Vec<u8> {
    message::ephemeral(&cut(text))
}

/// What a panic says. Its payload is a value of the command's, which may panic once more when it is dropped; that panic is
/// caught, too, so that it ends neither the thread nor the loop.
fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = panic_text(&*payload).to_owned();
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
    text
}

/// What the payload of a panic says.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it does not say why")
}

fn shortened(mut cause: String) -> String {
    if cause.len() > CAUSE_BYTES_MAX {
        let mut ends = (0..=CAUSE_BYTES_MAX).rev();
        let end = ends.find(|end| cause.is_char_boundary(*end)).unwrap_or(0);
        cause.truncate(end);
        cause.push('…');
    }
    cause
}

/// What a command would post, from [`Command::rehearse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// The messages, as JSON; the last one is the reply, or what a person reads in its place.
    pub messages: Vec<String>,
    /// Why the command failed, as the log would say it.
    pub failure: Option<String>,
}

impl Rehearsal {
    pub(super) fn of(command: &Command, request: &Request<'_>) -> Self {
        let mut posted = Posted(Vec::new());
        let ran = match command.run {
            Run::Blocking(function) => run(function, request, &mut posted, command.visibility),
            Run::Inline(function) => {
                let mut text = String::new();
                let result = run_inline(function, request, &mut text);
                let (visibility, end, cause) = match result {
                    Ok(()) => (command.visibility, RunEnd::Replied, String::new()),
                    Err(failure) => (Visibility::Ephemeral, failure.end, failure.cause),
                };
                let (mut message, text) = (Vec::new(), &*text);
                Message { visibility, text }.append_json(&mut message);
                RunResult {
                    message,
                    end,
                    cause,
                }
            }
        };
        posted.0.push(ran.message);
        let messages = posted.0.into_iter();
        let text = |json: Vec<u8>| String::from_utf8_lossy(&json).into_owned();
        Self {
            messages: messages.map(text).collect(),
            failure: (ran.end != RunEnd::Replied).then_some(ran.cause),
        }
    }
}

/// Collects messages in place of posting them.
struct Posted(Vec<Vec<u8>>);

impl Outlet for Posted {
    fn left(&self) -> u8 {
        4_u8.saturating_sub(u8::try_from(self.0.len()).unwrap_or(u8::MAX))
    }

    fn post(&mut self, json: Vec<u8>) -> Result<(), SendError> {
        self.0.push(json);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{Failure, Reply};

    fn rehearse(run: &'static BlockingFn) -> Rehearsal {
        let command = Command::blocking("/work", run).visibility(Visibility::InChannel);
        command.rehearse(&Request::new("/work", "abc"))
    }

    const TOLD: &str =
        r#"{"response_type": "ephemeral", "text": "Sorry, that did not work. My log says why."}"#;

    #[test]
    fn messages_come_before_the_reply_and_there_are_four_at_most() {
        let said = rehearse(&|request, messages| {
            let sent = (0..6).map(|number| messages.send(number.to_string()));
            assert_eq!(sent.filter(Result::is_ok).count(), 4);
            assert_eq!(messages.send("x"), Err(SendError::Spent));
            Ok(request.text().into())
        });
        assert_eq!(said.failure, None);
        assert_eq!(said.messages.len(), 5);
        assert!(said.messages[4].contains("abc"), "{said:?}");
    }

    /// It panics when it is dropped, and so does what that panic carries.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new(Self));
        }
    }

    #[test]
    fn a_panic_may_carry_a_value_that_panics_once_more() {
        let inline = Command::inline("/work", |_, _| std::panic::resume_unwind(Box::new(Bomb)));
        for said in [
            rehearse(&|_, _| std::panic::resume_unwind(Box::new(Bomb))),
            inline.rehearse(&Request::new("/work", "abc")),
        ] {
            assert_eq!(said.messages, [TOLD]);
            assert_eq!(said.failure.as_deref(), Some("it does not say why"));
        }
    }

    #[test]
    #[allow(clippy::panic)] // that is what it is about
    fn a_panic_an_error_and_a_useless_reply_are_told_to_the_person_alone() {
        let failed = |run: &'static BlockingFn, cause: &str| {
            let said = rehearse(run);
            assert_eq!(said.messages, [TOLD]);
            assert_eq!(said.failure.as_deref(), Some(cause));
        };
        failed(&|_, _| panic!("at {}", 7), "at 7");
        failed(&|_, _| panic!("here"), "here");
        let inline = Command::inline("/work", |_, _| panic!("there"));
        let said = inline.rehearse(&Request::new("/work", "abc"));
        assert_eq!(said.messages, [TOLD]);
        assert_eq!(said.failure.as_deref(), Some("there"));
        failed(
            &|_, _| std::panic::resume_unwind(Box::new(1)),
            "it does not say why",
        );
        failed(
            &|_, _| Err(Failure::from(SendError::Over)),
            &SendError::Over.to_string(),
        );
        let blank = "nothing would be seen of the message's text";
        failed(&|_, _| Ok(Reply::text("")), blank);
        let inline = Command::inline("/work", |_, reply| reply.push_str(" \u{200b}"));
        let said = inline.rehearse(&Request::new("/work", "abc"));
        assert_eq!(said.messages, [TOLD]);
        assert_eq!(said.failure.as_deref(), Some(blank));
        let said =
            rehearse(
                &|_, _| Err(Failure::new("No &lt;such&gt; build.").because("x".repeat(9_000))),
            );
        assert!(said.messages[0].contains(r#""ephemeral", "text": "No &lt;such&gt; build.""#));
        assert_eq!(said.failure.unwrap().len(), CAUSE_BYTES_MAX + "…".len());
    }
}
