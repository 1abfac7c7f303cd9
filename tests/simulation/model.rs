//! The shadow of the bot: which replies are owed, to whom, since when and until when, kept with
//! nothing of the bot's own but its vocabulary.

use std::collections::BTreeMap;

use torrap::bot::{Bot, Delivery};
use torrap::jobs::Outcome;
use torrap::slab::Key;
use torrap::time::{Now, Tick};
use torrap::timing_wheel;

use super::requests::{Sent, What};
use super::standing::{Standing, standing};
use super::tally::Tally;

const LIFETIME_MS: u64 = 30 * 60 * 1000;
const ATTEMPTS_MAX: u8 = 5;

/// When a job is due. The jitter is the bot's own affair: the model knows its bounds.
#[derive(Clone, Copy, Debug)]
struct Due {
    least: Tick,
    most: Tick,
    /// Which scheduling this was: of two jobs for the same tick the earlier goes first, but for those
    /// beyond the wheel's range, which have none.
    order: Option<u64>,
}

impl Due {
    /// Whether this one is certainly before `other`.
    fn is_before(self, other: Self) -> bool {
        let is_tie =
            self.least == self.most && self.most == other.least && other.least == other.most;
        let is_first = self
            .order
            .zip(other.order)
            .is_some_and(|(one, two)| one < two);
        self.most < other.least || (is_tie && is_first)
    }
}

/// A reply that is owed.
#[derive(Debug)]
struct Owed {
    url: String,
    /// What the person is to read.
    reply: String,
    expires_at: Tick,
    attempts: u8,
    /// `None` while a sender has it.
    due: Option<Due>,
    /// As the bot named it when it was sent.
    key: Option<Key>,
}

/// The content of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Empty,
    Usage,
    Busy,
    TooLate,
    Exactly(String),
}

pub struct Model {
    delay_ms: u64,
    tolerance_secs: u64,
    capacity: usize,
    owed: BTreeMap<u32, Owed>,
    accepted: u32,
    /// Up to when all that was due has been made ready.
    expired_at: Tick,
    /// How often anything was scheduled.
    pub schedules: u64,
    pub tally: Tally,
}

impl Model {
    pub fn new(delay_ms: u64, tolerance_secs: u64, capacity: usize, now: Tick) -> Self {
        Self {
            delay_ms,
            tolerance_secs,
            capacity,
            owed: BTreeMap::new(),
            accepted: 0,
            expired_at: now,
            schedules: 0,
            tally: Tally::default(),
        }
    }

    /// The answer that a request must get now.
    pub fn answer(&mut self, sent: &Sent, now: Now) -> (u16, Content) {
        let answer = self.answer_to(&sent.what, now);
        if answer.0 != 200 || matches!(answer.1, Content::Busy | Content::TooLate) {
            self.tally.note("refusals");
        }
        answer
    }

    fn answer_to(&mut self, what: &What, now: Now) -> (u16, Content) {
        match what {
            What::Command { signed_at, .. }
            | What::Help { signed_at }
            | What::Unusable { signed_at }
                if signed_at.abs_diff(now.unix.secs()) > self.tolerance_secs =>
            {
                self.tally.note("stale timestamps");
                (401, Content::Empty)
            }
            What::Command {
                signed_at,
                text,
                url,
            } => (200, self.command(*signed_at, text, url, now)),
            What::Help { .. } => (200, Content::Usage),
            What::Unusable { .. } => (400, Content::Empty),
            What::Forged => (401, Content::Empty),
            What::CertificateCheck => (200, Content::Empty),
            What::Health => {
                let (secs, ms) = (now.unix.0 / 1000, now.unix.0 % 1000);
                let json = format!("{{\"success\":true,\"timestamp\":{secs}.{ms:03}}}");
                (200, Content::Exactly(json))
            }
            What::Plain(status) => (*status, Content::Empty),
            What::Fault(error) => panic!("{error:?} reached the handler"),
        }
    }

    fn command(&mut self, signed_at: u64, text: &str, url: &str, now: Now) -> Content {
        // A tick is the floor of a moment: the delay is over one tick later than it seems.
        let delay_ms = self.delay_ms + u64::from(self.delay_ms > 0);
        let age_ms = now.unix.0.saturating_sub(signed_at * 1000);
        let expires_at = Tick(now.tick.0 + LIFETIME_MS.saturating_sub(age_ms));
        if now.tick.after(delay_ms) >= expires_at {
            self.tally.note("too late");
            return Content::TooLate;
        }
        if self.owed.len() >= self.capacity {
            self.tally.note("busy");
            return Content::Busy;
        }
        self.tally.note("accepted");
        self.accepted += 1;
        let due = self.schedule(Tick(now.tick.0 + delay_ms), Tick(now.tick.0 + delay_ms));
        let owed = Owed {
            url: url.to_owned(),
            reply: text.chars().rev().collect(),
            expires_at,
            attempts: 0,
            due: Some(due),
            key: None,
        };
        self.owed.insert(self.accepted, owed);
        Content::Empty
    }

    fn schedule(&mut self, least: Tick, most: Tick) -> Due {
        self.schedules += 1;
        let in_range = most.millis_since(self.expired_at) < timing_wheel::RANGE_MS;
        Due {
            least,
            most,
            order: in_range.then_some(self.schedules),
        }
    }

    /// The bot has given out a delivery, or has said that there is none.
    pub fn take(&mut self, delivery: Option<&Delivery>, bot: &Bot, now: Now) {
        let taken = delivery.map(|delivery| self.send(delivery, now));
        self.forget_expired(bot, now);
        for (number, owed) in &self.owed {
            let Some(due) = owed.due else { continue };
            let is_late = taken.is_some_and(|taken| due.is_before(taken));
            assert!(
                !is_late,
                "command {number} was overtaken: {owed:?}, {taken:?}"
            );
        }
        assert!(
            taken.is_some() || !bot.has_delivery(),
            "a delivery is held back"
        );
    }

    fn send(&mut self, delivery: &Delivery, now: Now) -> Due {
        let number = delivery.job.generation();
        let Some(owed) = self.owed.get_mut(&number) else {
            panic!("command {number} is not owed any more");
        };
        let Some(due) = owed.due.take() else {
            panic!("command {number} is being sent already");
        };
        assert!(
            due.least <= now.tick,
            "command {number} is early: {due:?} at {now:?}"
        );
        assert!(now.tick < owed.expires_at, "command {number} has expired");
        assert_eq!(delivery.url, owed.url, "a reply to another channel");
        assert_eq!(text_of(&delivery.body), owed.reply, "not what was typed");
        owed.attempts += 1;
        assert!(owed.attempts <= ATTEMPTS_MAX, "one attempt too many");
        assert!(
            owed.key.is_none_or(|key| key == delivery.job),
            "the key changed"
        );
        owed.key = Some(delivery.job);
        self.tally.note(if owed.attempts == 1 {
            "first attempts"
        } else {
            "further attempts"
        });
        due
    }

    /// What the bot owes no longer must have been due, and too old.
    fn forget_expired(&mut self, bot: &Bot, now: Now) {
        if bot.pending() == self.owed.len() {
            return;
        }
        let there = standing(bot);
        let tally = &mut self.tally;
        self.owed.retain(|number, owed| {
            let may_expire =
                now.tick >= owed.expires_at && owed.due.is_some_and(|due| due.least <= now.tick);
            let is_there = there.contains_key(number);
            assert!(
                is_there || may_expire,
                "command {number} was lost: {owed:?}"
            );
            if !is_there {
                tally.note("expired before an attempt");
            }
            is_there
        });
    }

    /// The bot has been told what came of an attempt; `asked_ms` is the wait that the answer asked for.
    pub fn settle(&mut self, job: Key, outcome: &Outcome, asked_ms: u64, bot: &Bot, now: Now) {
        let is_owed = bot.pending() == self.owed.len();
        let number = job.generation();
        let sending = |owed: &&mut Owed| owed.due.is_none() && owed.key == Some(job);
        let Some(owed) = self.owed.get_mut(&number).filter(sending) else {
            self.tally.note("outcomes nobody waits for");
            return assert!(is_owed, "an outcome counted twice");
        };
        let what = match outcome {
            Outcome::Delivered => "delivered",
            Outcome::Rejected { .. } => "rejected",
            _ if owed.attempts == ATTEMPTS_MAX => "attempts spent",
            _ => return self.retry(number, asked_ms, is_owed, now),
        };
        self.tally.note(what);
        assert!(!is_owed, "command {number} is {what} and still owed");
        self.owed.remove(&number);
    }

    fn retry(&mut self, number: u32, asked_ms: u64, is_owed: bool, now: Now) {
        let owed = &self.owed[&number];
        let (expires_at, base_ms) = (owed.expires_at, 1000 << (owed.attempts - 1));
        // A tick is the floor of the time it stands for: one more keeps what Retry-After asks for.
        let at = |backoff_ms: u64| now.tick.after(backoff_ms.max(asked_ms + 1));
        let (least, most) = (at(base_ms * 4 / 5), at(base_ms * 6 / 5));
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

    /// Bot and model owe the same, and the bot will wake up in time for it.
    pub fn check(&self, bot: &Bot, now: Now) {
        assert_eq!(bot.pending(), self.owed.len());
        let standing = standing(bot);
        assert_eq!(standing.len(), self.owed.len());
        let next = bot.poll_timeout();
        let mut has_ready = false;
        for (number, owed) in &self.owed {
            let Some((state, attempts)) = standing.get(number) else {
                panic!("command {number} was lost: {owed:?}");
            };
            assert_eq!(*attempts, owed.attempts, "attempts of command {number}");
            has_ready |= *state == Standing::Ready;
            let Some(due) = owed.due else {
                assert_eq!(*state, Standing::Sending, "command {number}");
                continue;
            };
            if *state == Standing::Ready {
                assert!(
                    due.least <= now.tick,
                    "command {number} is ready early: {due:?}"
                );
                continue;
            }
            let waiting = [Standing::Thinking, Standing::Retrying];
            assert_eq!(
                *state,
                waiting[usize::from(owed.attempts > 0)],
                "command {number}"
            );
            assert!(
                next.is_some_and(|next| next <= due.most),
                "no wake-up for {due:?}: {next:?}"
            );
        }
        assert_eq!(bot.has_delivery(), has_ready);
    }

    /// After [`Bot::handle_timeout`], with what is left of its budget.
    pub fn check_expiry(&mut self, bot: &Bot, budget: usize, now: Now) {
        let is_done = bot.poll_timeout().is_none_or(|next| next > now.tick);
        assert!(is_done || budget == 0, "a wake-up that comes to nothing");
        if !is_done {
            return;
        }
        self.expired_at = now.tick;
        let is_due = |owed: &Owed| owed.due.is_some_and(|due| due.most <= now.tick);
        if !self.owed.values().any(is_due) {
            return;
        }
        for (number, (state, _)) in standing(bot) {
            let owed = &self.owed[&number];
            assert!(
                !is_due(owed) || state == Standing::Ready,
                "command {number} is due and {state:?}: {owed:?} at {now:?}"
            );
        }
    }

    pub fn len(&self) -> usize {
        self.owed.len()
    }

    /// The jobs that a sender has.
    pub fn sending(&self) -> impl Iterator<Item = Key> {
        self.owed
            .values()
            .filter(|owed| owed.due.is_none())
            .filter_map(|owed| owed.key)
    }
}

/// What a person reads in a message: its text, with Slack's three entities decoded.
fn text_of(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).expect("a message is JSON");
    let fields = json.as_object().expect("a message is an object");
    assert_eq!(fields.len(), 1, "exactly the text");
    let text = fields["text"].as_str().expect("the text is a string");
    assert!(
        !text.contains(['<', '>']),
        "markup that nobody typed: {text}"
    );
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
