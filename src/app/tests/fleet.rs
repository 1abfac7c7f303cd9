//! A store that processes share: what is adopted, what another process has, and what is left to others.

use std::collections::BTreeSet;

use super::*;
use crate::store::{ADOPTED_AT_ONCE_MAX, Adopted, ForeignId, PendingJob};

const PENDING: PendingJob<'_> = PendingJob {
    command: "/torrap",
    origin: "https://hooks.slack.com",
    path: "/commands/9",
    text: "olleh",
    fields: "",
    is_late: false,
    attempts: 3,
    due: Tick(7),
    expires_at: Tick(1_000_000),
    request: None,
};

fn adopt(bot: &mut Bot, foreign: u64, job: &PendingJob<'_>, now: Now) {
    bot.adopt(&Adopted::new(ForeignId(foreign), job), now.tick);
}

/// What the store is told.
fn outcomes(bot: &mut Bot) -> Vec<Outcome> {
    let (_, batch) = bot.take_batch();
    let outcomes = batch.outcomes().to_vec();
    batch.clear();
    outcomes
}

/// A bot with a command that is kept, and its job.
fn kept() -> (Bot, Key) {
    let (mut bot, held) = taken(false, true);
    store(&mut bot, true, NOW);
    (bot, Key::from_u64(held.hold.unwrap().token))
}

#[test]
fn an_adopted_reply_is_posted_whatever_the_capacity_with_the_attempts_that_were_made() {
    let mut bot = kept().0;
    bot.pending = PendingReplies::new(&Config::default_with_capacity(0), NOW.tick);
    bot.begin_store(1);
    assert_eq!(bot.room(), 0);
    adopt(&mut bot, 4, &PENDING, later(10));
    let [Outcome::Adopted { foreign, job }] = outcomes(&mut bot)[..] else {
        panic!("the store is to know its key");
    };
    assert_eq!((foreign, bot.counters.replies_adopted), (ForeignId(4), 1));
    assert_eq!(bot.counters.commands_accepted, 1, "by another process");
    bot.handle_timeout(later(10), &mut 100);
    let delivery = bot.poll_delivery(later(10)).unwrap();
    assert_eq!(delivery.job, job);
    assert_eq!(bot.pending.jobs().get(job).unwrap().attempts_begun(), 4);
    let report = Report {
        job,
        outcome: crate::jobs::Outcome::Delivered,
        detail: String::new(),
        took_ms: 0,
    };
    bot.handle_outcome(&report, later(11));
    assert_eq!(outcomes(&mut bot), [Outcome::Settled { job }]);
}

/// A store may give any count: that of a shared journal stands in no seal.
#[test]
fn an_adopted_reply_has_one_attempt_left_whatever_its_count_says() {
    for attempts in [5, u8::MAX] {
        let (mut bot, _) = taken(false, false);
        let spent = PendingJob {
            attempts,
            ..PENDING
        };
        adopt(&mut bot, 4, &spent, NOW);
        bot.handle_timeout(later(7), &mut 100);
        let job = bot.poll_delivery(later(7)).unwrap().job;
        assert_eq!(bot.pending.jobs().get(job).unwrap().attempts_begun(), 5);
        let mut lines = bot.undelivered();
        assert!(lines.any(|line| line.ends_with("5 of 5 attempts made")));
    }
}

#[test]
fn an_adopted_reply_that_the_settings_do_not_allow_is_left_to_others() {
    let mut bot = kept().0;
    for (origin, path) in [("https://example.com", "/1"), (PENDING.origin, "/\r\n")] {
        let foreign = PendingJob {
            origin,
            path,
            ..PENDING
        };
        adopt(&mut bot, 4, &foreign, NOW);
        let foreign = ForeignId(4);
        assert_eq!(outcomes(&mut bot), [Outcome::Declined { foreign }]);
    }
    assert_eq!((bot.pending(), bot.counters.replies_declined), (1, 2));
    assert!(bot.poll_timeout().is_some(), "the log has their sum");
}

/// It is for the store to say which replies expire: to the bot, it is abandoned as any other, and settled.
#[test]
fn an_adopted_reply_that_has_expired_is_abandoned_and_settled() {
    let mut bot = kept().0;
    let now = later(PENDING.expires_at.0);
    adopt(&mut bot, 4, &PENDING, now);
    let [Outcome::Adopted { job, .. }] = outcomes(&mut bot)[..] else {
        panic!("it is pending here");
    };
    bot.handle_timeout(now, &mut 100);
    while bot.poll_delivery(now).is_some() {}
    assert!(outcomes(&mut bot).contains(&Outcome::Settled { job }));
}

#[test]
fn an_adopted_reply_to_a_request_that_is_pending_here_is_no_second_one() {
    let (mut bot, job) = kept();
    let request = bot.pending.jobs().request(job);
    assert!(request.is_some());
    let same = PendingJob { request, ..PENDING };
    adopt(&mut bot, 4, &same, NOW);
    let foreign = ForeignId(4);
    assert_eq!(outcomes(&mut bot), [Outcome::Adopted { foreign, job }]);
    assert_eq!(bot.pending(), 1);
}

/// One process is dead, and its request comes to another one once more while that takes over its jobs.
#[test]
fn a_command_whose_reply_is_adopted_before_it_is_kept_is_acknowledged_once_more() {
    let (mut bot, held) = taken(true, true);
    let hold = held.hold.unwrap();
    let new = Key::from_u64(hold.token);
    let request = bot.pending.jobs().request(new);
    adopt(&mut bot, 4, &PendingJob { request, ..PENDING }, NOW);
    assert_eq!(bot.pending(), 2);
    let (ticket, batch) = bot.take_batch();
    batch.clear();
    bot.note_duplicate(new);
    bot.handle_stored(ticket, true, NOW);
    assert_ne!(bot.answer_held(hold, true), busy());
    bot.end_release();
    assert_eq!((bot.pending(), bot.counters.commands_accepted), (1, 0));
    let repeat = said_to(&mut bot, "olleh");
    assert_eq!(
        (repeat.hold, bot.pending()),
        (None, 1),
        "the adopted one is found"
    );
}

#[test]
fn a_command_that_another_process_has_is_acknowledged_as_by_that_and_has_no_reply_here() {
    for is_kept in [true, false] {
        let (mut bot, first) = taken(true, true);
        let repeat = said_to(&mut bot, "olleh");
        let holds = [first.hold.unwrap(), repeat.hold.unwrap()];
        let (ticket, batch) = bot.take_batch();
        batch.clear();
        bot.note_duplicate(Key::from_u64(holds[0].token));
        bot.handle_stored(ticket, is_kept, NOW);
        let answers = holds.map(|hold| bot.answer_held(hold, is_kept));
        bot.end_release();
        let content = if is_kept {
            first.content
        } else {
            busy().content
        };
        answers
            .iter()
            .for_each(|answer| assert_eq!(answer.content, content));
        let counts = [
            bot.counters.commands_accepted,
            bot.counters.commands_repeated,
        ];
        assert_eq!(counts, [0, 1 + u64::from(is_kept)]);
        assert_eq!((bot.pending(), bot.has_batch()), (0, false));
        bot.handle_timeout(later(100_000), &mut 100);
        assert!(bot.poll_delivery(later(100_000)).is_none());
    }
}

#[test]
fn a_command_that_was_held_for_too_long_and_is_pending_elsewhere_is_counted_once() {
    let (mut bot, held) = taken(false, true);
    let hold = held.hold.unwrap();
    let (ticket, batch) = bot.take_batch();
    batch.clear();
    assert_eq!(bot.withdraw_held(hold, NOW), busy());
    bot.note_duplicate(Key::from_u64(hold.token));
    bot.handle_stored(ticket, true, NOW);
    bot.end_release();
    assert_eq!(bot.counters.commands_repeated, 0);
    assert_eq!((bot.counters.withdrawn, bot.pending()), ([0, 1, 0], 0));
}

/// With a sender, ready, thinking: the fleet answers all of them. One that is not kept yet is this process's own.
#[test]
fn a_process_that_was_taken_for_dead_forgets_what_it_had_kept() {
    let (mut bot, sent) = kept();
    bot.handle_timeout(later(100_000), &mut 100);
    assert_eq!(bot.poll_delivery(later(100_000)).unwrap().job, sent);
    for text in ["ready", "thinking"] {
        let now = if text == "ready" {
            later(0)
        } else {
            later(100_000)
        };
        said_to(&mut bot, text);
        store(&mut bot, true, now);
        bot.handle_timeout(later(100_000), &mut 100);
    }
    let unkept = said_to(&mut bot, "new").hold.unwrap();
    assert_eq!((bot.pending(), bot.sending()), (4, 1));
    bot.forget_kept(&BTreeSet::new());
    assert_eq!((bot.pending(), bot.sending()), (1, 0));
    assert_eq!(bot.counters.replies_forgotten, 3);
    let report = Report {
        job: sent,
        outcome: crate::jobs::Outcome::Delivered,
        detail: String::new(),
        took_ms: 0,
    };
    bot.handle_outcome(&report, later(100_001));
    assert_eq!(bot.counters.replies_delivered, 0, "it counts elsewhere");
    assert_eq!(store(&mut bot, true, later(100_002)), (1, 0));
    assert_ne!(bot.answer_held(unkept, true), busy());
    assert!(
        said_to(&mut bot, "olleh").hold.is_some(),
        "no repeat of one that is forgotten"
    );
    bot.handle_timeout(later(300_000), &mut 100);
    let posted = std::iter::from_fn(|| bot.poll_delivery(later(300_000)));
    assert_eq!(posted.count(), 1, "the one that was not kept");
}

#[test]
fn there_is_room_for_a_limited_number_of_jobs_at_once() {
    let mut bot = kept().0;
    assert_eq!(bot.room(), ADOPTED_AT_ONCE_MAX);
    bot.pending = PendingReplies::new(&Config::default_with_capacity(3), NOW.tick);
    bot.begin_store(1);
    said_to(&mut bot, "olleh");
    assert_eq!(bot.room(), 2);
}

impl Config {
    fn default_with_capacity(max_pending: usize) -> Self {
        let config = Self::from_settings(&Settings::default(), Vec::new()).unwrap();
        Self {
            max_pending,
            ..config
        }
    }
}

#[test]
fn a_process_that_was_taken_for_dead_keeps_what_the_store_had_lost() {
    let (mut bot, lost) = kept();
    said_to(&mut bot, "with the others");
    store(&mut bot, true, NOW);
    assert_eq!(bot.pending(), 2);
    bot.forget_kept(&BTreeSet::from([lost]));
    assert_eq!((bot.pending(), bot.counters.replies_forgotten), (1, 1));
    bot.handle_timeout(later(100_000), &mut 100);
    assert_eq!(bot.poll_delivery(later(100_000)).unwrap().job, lost);
}
