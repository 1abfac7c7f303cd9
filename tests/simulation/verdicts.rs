//! What must become of a job after an attempt.

use torrap::app::Bot;
use torrap::jobs::Outcome;
use torrap::slab::Key;
use torrap::time::{Now, Tick};

use super::model::{ATTEMPTS_MAX, Due, LIFETIME_MS, Model, Owed, workspace};

impl Model {
    /// The bot has been told what came of an attempt; `asked_ms` is the wait that the answer asked for.
    pub fn settle(&mut self, job: Key, outcome: &Outcome, asked_ms: u64, bot: &Bot, now: Now) {
        let is_owed = bot.pending() == self.owed.len();
        let number = job.generation();
        let sending = |owed: &&mut Owed| owed.due.is_none() && owed.key == Some(job);
        let Some(owed) = self.owed.get_mut(&number).filter(sending) else {
            self.tally.note("outcomes nobody waits for");
            return assert!(is_owed, "an outcome counted twice");
        };
        match outcome {
            Outcome::Unsent | Outcome::Limited { .. } => owed.unsent += 1,
            _ => (owed.attempts, owed.unsent) = (owed.attempts + 1, 0),
        }
        let is_last = owed.attempts == ATTEMPTS_MAX;
        let what = match outcome {
            Outcome::Delivered if owed.is_apology => "apologies delivered",
            Outcome::Delivered => "delivered",
            Outcome::Rejected {
                is_about_message: true,
                ..
            } if !owed.is_apology && !is_last && now.tick < owed.expires_at => {
                return self.apologise(number, is_owed, now);
            }
            Outcome::Rejected { .. } => "rejected",
            Outcome::Limited { .. } => return self.limit(number, asked_ms, is_owed, now),
            Outcome::Unsent => {
                let doublings = (owed.unsent - 1).min(10);
                return self.retry(number, (1000 << doublings).min(30_000), 0, is_owed, now);
            }
            _ if is_last => "attempts spent",
            _ => {
                let base_ms = 1000 << (owed.attempts - 1);
                return self.retry(number, base_ms, asked_ms, is_owed, now);
            }
        };
        self.tally.note(what);
        assert!(!is_owed, "command {number} is {what} and still owed");
        self.owed.remove(&number);
    }

    fn apologise(&mut self, number: u32, is_owed: bool, now: Now) {
        self.tally.note("apologies");
        assert!(is_owed, "command {number} is refused without a word");
        let owed = self.owed.get_mut(&number).expect("it is owed");
        owed.is_apology = true;
        owed.due = Some(Due {
            least: now.tick,
            most: now.tick,
            order: None,
        });
    }

    /// A 429: the job is tried again when it is its turn, as long as it lives, and its workspace waits.
    fn limit(&mut self, number: u32, asked_ms: u64, is_owed: bool, now: Now) {
        self.tally.note("limited");
        self.schedules += 1;
        let owed = self.owed.get_mut(&number).expect("it is owed");
        let asked = now.tick.not_before(asked_ms);
        let until = self.limited.entry(workspace(&owed.url).to_owned());
        let until = until.or_default();
        *until = asked.min(now.tick.not_before(LIFETIME_MS)).max(*until);
        let jitter = 400 << (owed.unsent - 1).min(6);
        let most = now.tick.after((asked_ms + 1).max(800) + jitter);
        if is_owed {
            assert!(
                asked < owed.expires_at,
                "command {number} waits for its expiry"
            );
            owed.due = Some(Due {
                least: asked.max(now.tick.after(800)),
                most: Tick(u64::MAX),
                order: None,
            });
        } else {
            assert!(
                most >= owed.expires_at,
                "command {number} was given up too soon"
            );
            self.owed.remove(&number);
        }
    }

    fn retry(&mut self, number: u32, base_ms: u64, asked_ms: u64, is_owed: bool, now: Now) {
        let expires_at = self.owed[&number].expires_at;
        // A tick is the floor of the time it stands for: one more keeps what Retry-After asks for.
        let at = |backoff_ms: u64| now.tick.after(backoff_ms.max(asked_ms + 1));
        let (least, most) = (at(base_ms * 4 / 5), at((base_ms * 6 / 5).min(30_000)));
        if is_owed {
            assert!(least < expires_at, "command {number} waits for its expiry");
            self.tally.note("retries");
            let due = self.schedule(least, most.min(Tick(expires_at.0 - 1)));
            self.owed.get_mut(&number).expect("it is owed").due = Some(due);
        } else {
            assert!(most >= expires_at, "command {number} was given up too soon");
            self.tally.note("expired after an attempt");
            self.owed.remove(&number);
        }
    }
}
