//! Blocking commands: handed out to be run, and what comes of it taken in.

use super::{Bot, CommandRun, RunReport, SenderEvent};
use crate::commands::{Run, RunEnd};
use crate::jobs::State;
use crate::slab::Key;
use crate::time::Now;

impl Bot {
    /// Whether [`Self::poll_run`] may have something to give.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.pending.jobs().has_run()
    }

    /// The next blocking command that is due: its run begins, and what comes of it has to come to [`Self::handle_sender_event`].
    pub fn poll_run(&mut self, now: Now) -> Option<CommandRun> {
        let due = self.pending.poll_run()?;
        let job = due.job;
        let configured = self.composer.command(job.command);
        let run = configured.map(|configured| (configured, configured.command.run));
        let Some((configured, Run::Blocking(function))) = run else {
            unreachable!("only the job of a blocking command needs a run");
        };
        Some(CommandRun {
            job: due.key,
            time_left_ms: job.run_deadline().millis_since(now.tick),
            function,
            name: configured.name.clone(),
            text: due.texts.text.to_owned(),
            fields: due.texts.fields.to_owned(),
            is_late: job.is_late,
            visibility: configured.visibility,
            messages_max: job.messages_max(),
            is_limited: due.is_limited,
            url: due.url,
            path_start: due.path_start,
        })
    }

    /// Takes in what a sender has done.
    pub fn handle_sender_event(&mut self, event: SenderEvent, now: Now) {
        match event {
            SenderEvent::Posted(report) => self.handle_outcome(&report, now),
            // One that was given up meanwhile may be with a sender again, with the message that says so.
            SenderEvent::NotRun(report) if self.is_running(report.job) => {
                self.handle_outcome(&report, now);
            }
            SenderEvent::NotRun(_) => {}
            SenderEvent::MessagesUsed(job, uses) => self.pending.note_uses(job, uses, now.tick),
            SenderEvent::Ran(report) => self.handle_run(report, now),
        }
    }

    fn is_running(&self, job: Key) -> bool {
        let job = self.pending.jobs().get(job);
        job.is_some_and(|job| job.state == State::Running)
    }

    /// Makes the reply of a run that is over ready to be posted.
    fn handle_run(&mut self, report: RunReport, now: Now) {
        let RunReport {
            job,
            made,
            end,
            cause,
            took_ms,
        } = report;
        self.counters.note_run(end, took_ms);
        let is_awaited = self.pending.end_run(job, made, now);
        self.log
            .ran(job.generation(), end, &cause, took_ms, is_awaited);
    }

    /// Gives up the runs that are not over in time, and tells the people.
    pub(super) fn give_up_overdue(&mut self, now: Now, budget: &mut usize) {
        while let Some(left) = budget.checked_sub(1)
            && let Some(job) = self.pending.give_up_overdue(now.tick)
        {
            *budget = left;
            self.counters.runs[RunEnd::Overdue as usize] += 1;
            self.log.overdue(job.generation());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Report;
    use crate::commands::{Chosen, Command, Commands, Field, REVERSE};
    use crate::config::{Config, Settings};
    use crate::jobs::{LIFETIME_MS, Outcome, RUN_MARGIN_MS};
    use crate::store::{self, PendingJob};
    use crate::time::{Tick, UnixTime};

    const COMMAND: Command = Command::blocking("/work", &|request, messages| {
        for _ in 0..2 {
            messages.send("wait")?;
        }
        let (user, is_late) = (request.user_id(), request.is_late());
        Ok(format!(
            "{} {user} {is_late} {:?}",
            request.text(),
            request.time_left()
        )
        .into())
    })
    .usage("/work")
    .keeps(&[Field::UserId]);

    const PENDING: PendingJob<'_> = PendingJob {
        command: "/work",
        origin: "https://hooks.slack.com",
        path: "/commands/T1/1/x",
        text: "abc",
        request: None,
        fields: "\u{2}\u{2}U1",
        is_late: true,
        attempts: 1,
        due: Tick(7),
        expires_at: Tick(LIFETIME_MS),
    };

    fn at(ms: u64) -> Now {
        Now {
            tick: Tick(ms),
            unix: UnixTime(ms),
        }
    }

    /// A bot with a store and this job, which is due.
    fn bot() -> Bot {
        let mut config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        config.commands = Chosen::of(Commands::new(&[REVERSE, COMMAND]).unwrap());
        let mut bot = Bot::new(&config, Tick(0));
        bot.begin_store(1);
        bot.restore(5, &PENDING, Tick(0)).unwrap();
        bot.handle_timeout(at(7), &mut 100);
        bot
    }

    fn deliver(delivery: &crate::app::Delivery, outcome: Outcome) -> Report {
        Report {
            job: delivery.job,
            outcome,
            detail: String::new(),
            took_ms: 0,
        }
    }

    #[test]
    fn a_run_has_what_the_journal_kept_and_the_store_is_told_of_its_messages() {
        let mut bot = bot();
        assert!(!bot.has_delivery() && bot.has_run());
        let run = bot.poll_run(at(7)).unwrap();
        assert!(bot.poll_run(at(7)).is_none());
        let mut posted = Vec::new();
        let mut used = Vec::new();
        let mut post = |delivery: &crate::app::Delivery| {
            posted.push((delivery.url.clone(), delivery.body.clone()));
            Some(deliver(delivery, Outcome::Delivered))
        };
        let report = run.perform(&mut post, &mut |uses| used.push(uses));
        let url = "https://hooks.slack.com/commands/T1/1/x".to_owned();
        assert_eq!(
            posted,
            vec![(url.clone(), br#"{"text": "wait"}"#.to_vec()); 2]
        );
        let job = report.job;
        // While it runs: a process that dies meanwhile leaves the rest of Slack's five posts to the next one.
        for uses in used {
            bot.handle_sender_event(SenderEvent::MessagesUsed(job, uses), at(800));
        }
        let attempted = |attempts, due_ms| store::Outcome::Attempted {
            job,
            attempts,
            due: Tick(due_ms),
        };
        let mut noted = vec![attempted(2, 800), attempted(3, 800)];
        assert_eq!(bot.take_batch().1.outcomes(), noted);
        bot.handle_sender_event(SenderEvent::Ran(report), at(900));
        noted.push(attempted(3, 900));
        assert_eq!(bot.take_batch().1.outcomes(), noted);
        let delivery = bot.poll_delivery(at(900)).unwrap();
        assert_eq!((&delivery.url, bot.counters.runs), (&url, [1, 0, 0, 0]));
        let left_s = (LIFETIME_MS - RUN_MARGIN_MS - 7) as f64 / 1000.0;
        let reply = format!(r#"{{"text": "abc U1 true {left_s:?}s"}}"#);
        assert_eq!(String::from_utf8(delivery.body.clone()).unwrap(), reply);
        bot.handle_sender_event(
            SenderEvent::Posted(deliver(&delivery, Outcome::Delivered)),
            at(901),
        );
        assert_eq!((bot.pending(), bot.counters.replies_delivered), (0, 1));
    }

    #[test]
    fn a_person_is_told_of_a_run_that_does_not_end() {
        for has_begun in [true, false] {
            let mut bot = bot();
            let run = has_begun.then(|| bot.poll_run(at(7)).unwrap());
            let deadline = LIFETIME_MS - RUN_MARGIN_MS;
            assert_eq!(bot.poll_timeout(), Some(Tick(deadline)));
            bot.handle_timeout(at(deadline), &mut 0);
            assert!(!bot.has_delivery(), "there is no budget");
            bot.handle_timeout(at(deadline), &mut 100);
            assert_eq!(bot.counters.runs, [0, 0, 0, 1]);
            let delivery = bot.poll_delivery(at(deadline)).unwrap();
            let body = String::from_utf8(delivery.body).unwrap();
            assert!(
                body.contains("ephemeral") && body.contains("took too long"),
                "{body}"
            );
            if let Some(run) = run {
                let report = run.perform(&mut |_| None, &mut |_| {});
                bot.handle_sender_event(SenderEvent::Ran(report), at(deadline + 1));
            }
            assert!(!bot.has_delivery() && bot.poll_run(at(deadline)).is_none());
            assert_eq!(bot.sending(), 1, "that message alone");
        }
    }

    #[test]
    fn a_run_without_a_thread_begins_later() {
        let mut bot = bot();
        let run = bot.poll_run(at(7)).unwrap();
        let report = Report {
            job: run.job,
            outcome: Outcome::Unsent,
            detail: "no sender thread".to_owned(),
            took_ms: 0,
        };
        bot.handle_sender_event(SenderEvent::NotRun(report), at(8));
        assert!(!bot.has_run() && bot.sending() == 0);
        bot.handle_timeout(at(2_000), &mut 100);
        assert_eq!(bot.poll_run(at(2_000)).unwrap().job, run.job);
    }

    #[test]
    fn a_run_that_found_no_thread_says_nothing_of_the_message_that_gives_it_up() {
        let mut bot = bot();
        let run = bot.poll_run(at(7)).unwrap();
        let deadline = LIFETIME_MS - RUN_MARGIN_MS;
        bot.handle_timeout(at(deadline), &mut 100);
        let delivery = bot.poll_delivery(at(deadline)).unwrap();
        assert_eq!(delivery.job, run.job);
        let report = deliver(&delivery, Outcome::Unsent);
        bot.handle_sender_event(SenderEvent::NotRun(report), at(deadline));
        assert_eq!(bot.sending(), 1, "its outcome is to come");
    }
}
