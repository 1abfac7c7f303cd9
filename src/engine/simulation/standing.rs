//! Where each job stands, read from the lines that an operator would see at the end, and where it must stand.

use std::collections::BTreeMap;

use super::model::Model;
use crate::app::Bot;
use crate::time::Now;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Unkept,
    Thinking,
    Retrying,
    Ready,
    Held,
    Sending,
}

/// Each job by its number, with the attempts made, the one under way included.
pub(super) fn standing(bot: &Bot) -> BTreeMap<u32, (Standing, u8)> {
    let parse = |line: String| parse(&line).unwrap_or_else(|| panic!("of no known form: {line}"));
    bot.undelivered().map(parse).collect()
}

fn parse(line: &str) -> Option<(u32, (Standing, u8))> {
    let (number, rest) = line.strip_prefix("command ")?.split_once(':')?;
    let (state, rest) = rest.strip_prefix(" not answered, ")?.split_once(';')?;
    let attempts = rest.strip_suffix(" of 5 attempts made")?.trim_start();
    let state = match state {
        "not kept by the journal yet" => Standing::Unkept,
        "still thinking" => Standing::Thinking,
        "waiting for its next attempt" => Standing::Retrying,
        "waiting for a sender" => Standing::Ready,
        "waiting because Slack limits its workspace" => Standing::Held,
        "being sent" => Standing::Sending,
        _ => return None,
    };
    Some((number.parse().ok()?, (state, attempts.parse().ok()?)))
}

/// What is seen of the bot after a turn.
pub(super) struct Seen<'a> {
    pub(super) bot: &'a Bot,
    pub(super) now: Now,
    pub(super) standing: BTreeMap<u32, (Standing, u8)>,
    /// Whether due replies are sent, and there is room for one.
    pub(super) is_dispatching: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn new(bot: &'a Bot, now: Now, is_dispatching: bool) -> Self {
        Self {
            bot,
            now,
            standing: standing(bot),
            is_dispatching,
        }
    }
}

impl Model {
    /// For bot and model the same is pending, and the bot will wake up in time for it.
    pub(super) fn check(&self, seen: &Seen<'_>) {
        let (bot, now) = (seen.bot, seen.now);
        assert_eq!(bot.pending(), self.pending.len());
        assert_eq!(seen.standing.len(), self.pending.len());
        let next = bot.poll_timeout();
        let mut has_ready = false;
        for (number, pending) in &self.pending {
            let Some((state, attempts)) = seen.standing.get(number) else {
                panic!("command {number} was lost: {pending:?}");
            };
            let begun = pending.attempts + u8::from(pending.due.is_none());
            assert_eq!(*attempts, begun, "attempts of command {number}");
            assert_eq!(*state != Standing::Unkept, pending.is_kept);
            let Some(due) = pending.due else {
                assert_eq!(*state, Standing::Sending, "command {number}");
                continue;
            };
            let is_waiting = match state {
                Standing::Unkept => continue,
                Standing::Ready => {
                    has_ready = true;
                    assert!(due.least <= now.tick, "command {number} is early: {due:?}");
                    continue;
                }
                Standing::Held => !self.limited.is_empty(),
                Standing::Thinking => pending.attempts == 0 && pending.unsent == 0,
                Standing::Retrying => pending.attempts > 0 || pending.unsent > 0,
                Standing::Sending => false,
            };
            assert!(is_waiting, "command {number} is {state:?}: {pending:?}");
            let is_due = *state == Standing::Held && bot.has_delivery();
            let is_in_time = |next| *state == Standing::Held || next <= due.most;
            assert!(
                is_due || next.is_some_and(is_in_time),
                "no wake-up for {due:?}: {next:?}"
            );
        }
        assert!(bot.has_delivery() || !has_ready, "a delivery is held back");
        assert!(
            !bot.has_delivery() || has_ready || !self.limited.is_empty(),
            "nothing is due"
        );
    }

    /// All that is due is ready, and the bot wakes up for what is due later.
    pub(super) fn check_expiry(&mut self, seen: &Seen<'_>) {
        let now = seen.now.tick;
        let next = seen.bot.poll_timeout();
        assert!(
            next.is_none_or(|next| next > now),
            "a wake-up that comes to nothing"
        );
        self.expired_at = now;
        for (number, pending) in self.pending.iter().filter(|(_, pending)| pending.is_kept) {
            let is_due = pending.due.is_some_and(|due| due.most <= now);
            let (state, _) = seen.standing[number];
            assert!(
                !is_due || !matches!(state, Standing::Thinking | Standing::Retrying),
                "command {number} is due and {state:?}: {pending:?} at {now:?}"
            );
        }
    }
}
