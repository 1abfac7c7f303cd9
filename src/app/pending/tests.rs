//! Tests of what is restored and of what a store is told.

use super::*;
use crate::app::Bot;
use crate::config::Settings;
use crate::request_id::RequestId;

fn bot() -> Bot {
    let mut config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
    config.reply_origins = vec![Origin::parse("https://hooks.slack.com").unwrap()];
    config.max_pending = 1;
    let mut bot = Bot::new(&config, Tick(0));
    bot.begin_store(1);
    bot
}

impl PendingReplies {
    fn name(&self, job: &Job) -> &'static str {
        self.commands
            .get(job.command)
            .map_or("", |command| command.name)
    }
}

impl Bot {
    /// All jobs that are pending, as a store would be told; when they are due is not known here.
    pub(crate) fn pending_jobs(&self) -> impl Iterator<Item = (Key, PendingJob<'_>)> {
        self.pending.jobs.iter().map(|(key, job)| {
            let pending = PendingJob {
                command: self.pending.name(job),
                origin: &self.pending.origins[usize::from(job.origin)],
                path: job.path(),
                text: job.text(),
                fields: job.texts().fields,
                is_late: job.is_late,
                attempts: job.tries.attempts,
                due: PENDING.due,
                expires_at: job.expires_at,
                request: self.pending.jobs.request(key),
            };
            (key, pending)
        })
    }
}

const PENDING: PendingJob<'_> = PendingJob {
    command: "/torrap",
    origin: "https://hooks.slack.com",
    path: "/commands/1",
    text: "olleh",
    fields: "\u{2}\u{2}U1",
    is_late: true,
    attempts: 3,
    due: Tick(7),
    expires_at: Tick(1000),
    request: Some(RequestId(77)),
};

#[test]
fn a_restored_job_is_pending_as_before_and_keeps_its_number() {
    let mut bot = bot();
    let key = bot.restore((5 << 32) | 42, &PENDING, Tick(0)).unwrap();
    assert_eq!(key.generation(), 42);
    assert!(bot.pending_jobs().eq([(key, PENDING)]));
    assert!(
        bot.restore(43, &PENDING, Tick(0)).is_some(),
        "capacity is for new ones"
    );
    bot.handle_timeout(at(7), &mut 100);
    let delivery = bot.poll_delivery(at(7)).unwrap();
    assert_eq!(delivery.url, "https://hooks.slack.com/commands/1");
    assert_eq!(delivery.body, br#"{"text": "hello"}"#);
    let (_, in_flight) = bot.pending_jobs().next().unwrap();
    assert_eq!(in_flight.attempts, 3, "its outcome is not known");
    assert_eq!(bot.sending(), 1);
}

#[test]
fn a_reply_that_the_settings_no_longer_allow_is_not_pending() {
    let mut bot = bot();
    for (origin, path) in [("https://example.com", "/1"), (PENDING.origin, "/\r\n")] {
        assert_eq!(
            bot.restore(
                1,
                &PendingJob {
                    origin,
                    path,
                    ..PENDING
                },
                Tick(0)
            ),
            None
        );
    }
    assert_eq!(bot.pending(), 0);
}

/// Another command would do what the person has not asked for.
#[test]
fn a_job_whose_command_is_gone_tells_the_person() {
    let mut bot = bot();
    let pending = PendingJob {
        command: "/gone",
        ..PENDING
    };
    bot.restore(1, &pending, Tick(0)).unwrap();
    bot.handle_timeout(at(7), &mut 100);
    let body = bot.poll_delivery(at(7)).unwrap().body;
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.starts_with(r#"{"response_type": "ephemeral", "text": "Sorry, I was stopped"#),
        "{body}"
    );
}

/// The settings choose `/torrap` alone; the journal holds what an earlier process was to answer.
#[test]
fn a_command_that_is_not_chosen_any_more_is_answered_as_itself() {
    let mut bot = bot();
    let pending = PendingJob {
        command: "/shout",
        ..PENDING
    };
    let key = bot.restore(1, &pending, Tick(0)).unwrap();
    assert!(bot.pending_jobs().eq([(key, pending)]));
    bot.handle_timeout(at(7), &mut 100);
    assert_eq!(
        bot.poll_delivery(at(7)).unwrap().body,
        br#"{"response_type": "in_channel", "text": "OLLEH"}"#
    );
}

fn at(ms: u64) -> Now {
    Now {
        tick: Tick(ms),
        unix: crate::time::UnixTime(ms),
    }
}
