//! The run of a blocking command, on its way to a sender thread and back.

use std::time::Duration;

use super::{Delivery, Report};
use crate::commands::run::{RunResult, run};
use crate::commands::{BlockingFn, Outlet, Request, RunEnd, SendError};
use crate::jobs::{MadeReply, Outcome};
use crate::slab::Key;
use crate::slack::message::Visibility;

/// A blocking command that is to be run, once.
pub struct CommandRun {
    /// The job that it is for.
    pub job: Key,
    /// How long it may take from when it was handed out, ms.
    pub time_left_ms: u64,
    /// What it does.
    pub(super) function: &'static BlockingFn,
    /// Its name in the settings.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) fields: String,
    pub(super) is_late: bool,
    /// Where its messages go, and in it the path of the `response_url`: a secret.
    pub(super) url: String,
    pub(super) path_start: usize,
    pub(super) visibility: Visibility,
    /// How many messages it may post before its reply.
    pub(super) messages_max: u8,
    /// Whether Slack limits the workspace, so that it may post none now.
    pub(super) is_limited: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct RunReport {
    /// The job that it was for.
    pub job: Key,
    /// What it has made.
    pub made: MadeReply,
    /// How it ended.
    pub end: RunEnd,
    /// Why it has failed, for the log.
    pub cause: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What a sender has done.
#[derive(Debug)]
pub enum SenderEvent {
    /// An attempt at posting a reply.
    Posted(Report),
    /// Messages of a run that goes on: so many in all that may have been taken.
    MessagesUsed(Key, u8),
    /// A run.
    Ran(RunReport),
    /// A run that could not begin, as an attempt that was not sent.
    NotRun(Report),
}

impl CommandRun {
    /// Runs the command, on the thread that calls this; it may panic or hang. `post` makes one attempt at posting a message;
    /// `None`: none may be made any more. `used` is told how many may have been taken, as soon as there is one more.
    #[must_use]
    pub fn perform(
        &self,
        post: &mut dyn FnMut(&Delivery) -> Option<Report>,
        used: &mut dyn FnMut(u8),
    ) -> RunReport {
        let request = Request::new(&self.name, &self.text)
            .with_fields(&self.fields)
            .with_path(&self.url[self.path_start..])
            .with_time_left(Duration::from_millis(self.time_left_ms))
            .with_lateness(self.is_late);
        let mut outlet = MessagePoster {
            run: self,
            post,
            used,
            uses: 0,
            limited: None,
        };
        let RunResult {
            message,
            end,
            cause,
        } = run(self.function, &request, &mut outlet, self.visibility);
        RunReport {
            job: self.job,
            made: MadeReply {
                message,
                uses: outlet.uses,
                limited: outlet.limited,
            },
            end,
            cause,
            took_ms: 0,
        }
    }
}

impl std::fmt::Debug for CommandRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("CommandRun");
        shown.field("job", &self.job).field("name", &self.name);
        shown.finish_non_exhaustive()
    }
}

/// Posts the messages of a run, and counts those that Slack may have taken.
struct MessagePoster<'a> {
    run: &'a CommandRun,
    post: &'a mut dyn FnMut(&Delivery) -> Option<Report>,
    used: &'a mut dyn FnMut(u8),
    uses: u8,
    /// The 429 that one of them was answered with: no further one is posted.
    limited: Option<Outcome>,
}

impl Outlet for MessagePoster<'_> {
    fn left(&self) -> u8 {
        self.run.messages_max.saturating_sub(self.uses)
    }

    fn post(&mut self, body: Vec<u8>) -> Result<(), SendError> {
        if self.run.is_limited || self.limited.is_some() {
            return Err(SendError::Limited);
        }
        let delivery = Delivery {
            job: self.run.job,
            url: self.run.url.clone(),
            body,
        };
        let Some(report) = (self.post)(&delivery) else {
            return Err(SendError::Over);
        };
        match report.outcome {
            Outcome::Limited { .. } => {
                self.limited = Some(report.outcome);
                return Err(SendError::Limited);
            }
            Outcome::Unsent => {}
            _ => {
                self.uses += 1;
                (self.used)(self.uses);
            }
        }
        match report.outcome {
            Outcome::Delivered => Ok(()),
            _ => Err(SendError::Failed(report.detail)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::commands::{Failure, Field, Messages, Reply};
    use crate::slack::fields::keep;

    pub(crate) fn command_run(function: &'static BlockingFn) -> CommandRun {
        let mut fields = String::new();
        keep(b"user_id=U1", &[Field::UserId], &mut fields);
        CommandRun {
            job: Key::from_parts(1, 2),
            time_left_ms: 60_000,
            function,
            name: "/work".to_owned(),
            text: "abc".to_owned(),
            fields,
            is_late: true,
            url: "https://hooks.slack.com/commands/T1/2/x".to_owned(),
            path_start: "https://hooks.slack.com".len(),
            visibility: Visibility::Default,
            messages_max: 3,
            is_limited: false,
        }
    }

    /// Performs a run whose messages have these outcomes, and gives what was posted as well.
    fn perform(run: &CommandRun, outcomes: &[Outcome]) -> (RunReport, Vec<String>) {
        let (mut outcomes, mut posted) = (outcomes.iter().cloned(), Vec::new());
        let mut used_in_all = 0;
        let mut post = |delivery: &Delivery| {
            assert_eq!((delivery.job, &delivery.url), (run.job, &run.url));
            posted.push(String::from_utf8(delivery.body.clone()).unwrap());
            Some(Report {
                job: delivery.job,
                outcome: outcomes.next()?,
                detail: "detail".to_owned(),
                took_ms: 0,
            })
        };
        let report = run.perform(&mut post, &mut |uses| used_in_all = uses);
        assert_eq!(used_in_all, report.made.uses, "told while it runs");
        (report, posted)
    }

    fn say(request: &Request<'_>, messages: &mut Messages<'_>) -> Result<Reply, Failure> {
        let sent = (0..5).map(|number| messages.send(number.to_string()));
        let sent: Vec<_> = sent.map(|result| result.err()).collect();
        assert!(request.is_late() && request.time_left() == Duration::from_secs(60));
        assert_ne!(request.id(), Request::new("", "").id());
        Ok(format!("{} {} {sent:?}", request.user_id(), request.text()).into())
    }

    #[test]
    fn messages_count_if_they_may_have_been_taken() {
        let run = command_run(&say);
        let unknown = Outcome::Unknown;
        let outcomes = [
            Outcome::Delivered,
            Outcome::Unsent,
            unknown,
            Outcome::Delivered,
        ];
        let (report, posted) = perform(&run, &outcomes);
        assert_eq!((report.end, report.made.uses), (RunEnd::Replied, 3));
        assert_eq!(posted.len(), 4);
        let reply = String::from_utf8(report.made.message).unwrap();
        assert!(reply.contains("U1 abc"), "{reply}");
        assert!(reply.contains("None, Some(Spent)]"), "{reply}");
        assert_eq!(report.made.limited, None);
    }

    #[test]
    fn a_429_and_a_limit_end_the_messages_and_not_the_run() {
        let limited = Outcome::Limited { retry_after: None };
        let run = command_run(&say);
        let (report, posted) = perform(&run, &[Outcome::Delivered, limited.clone()]);
        assert_eq!((report.made.uses, posted.len()), (1, 2));
        assert_eq!(report.made.limited, Some(limited));
        let run = CommandRun {
            is_limited: true,
            ..command_run(&say)
        };
        let (report, posted) = perform(&run, &[]);
        assert_eq!((report.end, posted.len()), (RunEnd::Replied, 0));
        assert_eq!(report.made.limited, None, "it has met none itself");
    }

    #[test]
    fn nothing_is_posted_after_the_end() {
        let run = command_run(&|_, messages| match messages.send("a") {
            Err(SendError::Over) => Ok("b".into()),
            other => Err(Failure::new(format!("{other:?}"))),
        });
        let report = run.perform(&mut |_| None, &mut |_| {});
        assert_eq!((report.end, report.made.uses), (RunEnd::Replied, 0));
    }
}
