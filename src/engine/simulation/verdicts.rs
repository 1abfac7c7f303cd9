//! What must become of a job after an attempt.

use super::commands::Commands;
use super::model::{ATTEMPTS_MAX, Due, LIFETIME_MS, Model, Pending, workspace};
use super::standing::Seen;
use crate::jobs::Outcome;
use crate::slab::Key;
use crate::time::{Now, Tick};

impl Model {
    /// The bot has been told what came of an attempt; `asked_ms` is the wait that the answer asked for.
    pub(super) fn settle(
        &mut self,
        job: Key,
        outcome: &Outcome,
        asked_ms: u64,
        seen: &Seen<'_>,
        commands: &mut Commands,
    ) {
        let (number, now) = (job.generation(), seen.now);
        let is_pending = seen.standing.contains_key(&number);
        let sending = |pending: &&mut Pending| pending.due.is_none() && pending.is_of(job);
        let Some(pending) = self.pending.get_mut(&number).filter(sending) else {
            return self.tally.note("outcomes that were not waited for");
        };
        match outcome {
            Outcome::Unsent | Outcome::Limited { .. } => pending.unsent += 1,
            _ => (pending.attempts, pending.unsent) = (pending.attempts + 1, 0),
        }
        let is_last = pending.attempts == ATTEMPTS_MAX;
        let what = match outcome {
            Outcome::Delivered if pending.is_apology => "apologies delivered",
            Outcome::Delivered => "delivered",
            Outcome::Rejected {
                is_about_message: true,
                ..
            } if !pending.is_apology && !is_last && now.tick < pending.expires_at => {
                return self.apologise(number, is_pending, now);
            }
            Outcome::Rejected { .. } => "rejected",
            Outcome::Limited { .. } => {
                return self.limit(number, asked_ms, is_pending, now, commands);
            }
            Outcome::Unsent => {
                let doublings = (pending.unsent - 1).min(10);
                let base_ms = (1000 << doublings).min(30_000);
                return self.retry(number, (base_ms, 0), is_pending, now, commands);
            }
            _ if is_last => "attempts spent",
            _ => {
                let base_ms = 1000 << (pending.attempts - 1);
                return self.retry(number, (base_ms, asked_ms), is_pending, now, commands);
            }
        };
        assert!(!is_pending, "command {number} is {what} and still pending");
        self.give_up(number, what, commands);
    }

    fn give_up(&mut self, number: u32, what: &'static str, commands: &mut Commands) {
        self.tally.note(what);
        let pending = self.pending.remove(&number).expect("it is pending");
        commands.end(pending.id, number).is_given_up = true;
    }

    fn apologise(&mut self, number: u32, is_pending: bool, now: Now) {
        self.tally.note("apologies");
        assert!(is_pending, "command {number} is refused without a word");
        let pending = self.pending.get_mut(&number).expect("it is pending");
        pending.is_apology = true;
        pending.due = Some(Due {
            least: now.tick,
            most: now.tick,
            order: None,
        });
    }

    /// A 429: the job is tried again when it is its turn, as long as it lives, and its workspace waits.
    fn limit(
        &mut self,
        number: u32,
        asked_ms: u64,
        is_pending: bool,
        now: Now,
        commands: &mut Commands,
    ) {
        self.tally.note("limited");
        self.schedules += 1;
        let pending = self.pending.get_mut(&number).expect("it is pending");
        let asked = now.tick.not_before(asked_ms);
        let url = &commands.get(pending.id).url;
        let until = self.limited.entry(workspace(url).to_owned());
        let until = until.or_default();
        *until = asked.min(now.tick.not_before(LIFETIME_MS)).max(*until);
        let jitter = 400 << (pending.unsent - 1).min(6);
        let most = now.tick.after((asked_ms + 1).max(800) + jitter);
        if is_pending {
            let is_in_vain = asked >= pending.expires_at;
            assert!(!is_in_vain, "command {number} waits for its expiry");
            pending.due = Some(Due {
                least: asked.max(now.tick.after(800)),
                most: Tick(u64::MAX),
                order: None,
            });
        } else {
            let is_too_soon = most < pending.expires_at;
            assert!(!is_too_soon, "command {number} was given up too soon");
            self.give_up(number, "given up while limited", commands);
        }
    }

    pub(super) fn retry(
        &mut self,
        number: u32,
        (base_ms, asked_ms): (u64, u64),
        is_pending: bool,
        now: Now,
        commands: &mut Commands,
    ) {
        let expires_at = self.pending[&number].expires_at;
        // A tick is the floor of the time it stands for: one more keeps what Retry-After asks for.
        let at = |backoff_ms: u64| now.tick.after(backoff_ms.max(asked_ms + 1));
        let (least, most) = (at(base_ms * 4 / 5), at((base_ms * 6 / 5).min(30_000)));
        if is_pending {
            assert!(least < expires_at, "command {number} waits for its expiry");
            self.tally.note("retries");
            let due = self.schedule(least, most.min(Tick(expires_at.0 - 1)));
            self.pending.get_mut(&number).expect("it is pending").due = Some(due);
        } else {
            assert!(most >= expires_at, "command {number} was given up too soon");
            self.give_up(number, "expired after an attempt", commands);
        }
    }
}
