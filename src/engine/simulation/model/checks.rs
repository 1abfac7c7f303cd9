//! Where each job must stand, and until when the bot must wake up for it.

use super::Model;
use crate::engine::simulation::standing::{Seen, Standing};

impl Model {
    /// For bot and model the same is pending, and the bot will wake up in time for it.
    pub(in super::super) fn check(&self, seen: &Seen<'_>) {
        let (bot, now) = (seen.bot, seen.now);
        assert_eq!(bot.pending(), self.pending.len());
        assert_eq!(seen.standing.len(), self.pending.len());
        let next = bot.poll_timeout();
        let mut has_ready = false;
        for (number, pending) in &self.pending {
            let Some((state, attempts)) = seen.standing.get(number) else {
                panic!("command {number} was lost: {pending:?}");
            };
            let is_sending = pending.due.is_none() && !pending.is_running();
            let begun = pending.attempts + u8::from(is_sending);
            assert_eq!(*attempts, begun, "attempts of command {number}");
            assert_eq!(*state != Standing::Unkept, pending.is_kept);
            let Some(due) = pending.due else {
                let expected = match is_sending {
                    true => Standing::Sending,
                    false => Standing::Running,
                };
                assert_eq!(*state, expected, "command {number}");
                let deadline = pending.run_deadline();
                let is_watched = is_sending || next.is_some_and(|next| next <= deadline);
                assert!(is_watched, "command {number} may run for ever");
                continue;
            };
            let is_waiting = match state {
                Standing::Unkept => continue,
                Standing::Waiting => {
                    assert!(pending.needs_run() && due.least <= now.tick);
                    assert!(!seen.is_running, "command {number} could run");
                    assert!(next.is_some_and(|next| next <= pending.run_deadline()));
                    continue;
                }
                Standing::Ready => {
                    has_ready = true;
                    assert!(due.least <= now.tick, "command {number} is early: {due:?}");
                    assert!(!pending.needs_run(), "command {number} was not run");
                    continue;
                }
                Standing::Held => !self.limited.is_empty(),
                Standing::Thinking => pending.attempts == 0 && pending.unsent == 0,
                Standing::Retrying => pending.attempts > 0 || pending.unsent > 0,
                Standing::Sending | Standing::Running => false,
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
    pub(in super::super) fn check_expiry(&mut self, seen: &Seen<'_>) {
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
