//! The shadow of the bot: which replies are owed, to whom, since when and until when, kept with
//! nothing of the bot's own but its vocabulary.

use std::collections::BTreeMap;

use torrap::app::{Bot, Delivery};
use torrap::slab::Key;
use torrap::time::{Now, Tick};
use torrap::timing_wheel;

use super::requests::{Sent, What};
use super::standing::{Standing, standing};
use super::tally::Tally;

pub(super) const LIFETIME_MS: u64 = 30 * 60 * 1000;
pub(super) const ATTEMPTS_MAX: u8 = 5;

/// When a job is due. The jitter is the bot's own affair: the model knows its bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) least: Tick,
    pub(super) most: Tick,
    /// Which scheduling this was: of two jobs for the same tick the earlier goes first, but for those
    /// beyond the wheel's range, which have none.
    pub(super) order: Option<u64>,
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
pub(super) struct Owed {
    pub(super) url: String,
    /// What the person is to read.
    reply: String,
    pub(super) expires_at: Tick,
    /// Those that may have reached the receiver, and others in a row since.
    pub(super) attempts: u8,
    pub(super) unsent: u32,
    /// Its reply was refused for what it says.
    pub(super) is_apology: bool,
    /// `None` while a sender has it.
    pub(super) due: Option<Due>,
    /// As the bot named it when it was sent.
    pub(super) key: Option<Key>,
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
    pub(super) owed: BTreeMap<u32, Owed>,
    accepted: u32,
    /// Up to when all that was due has been made ready.
    expired_at: Tick,
    /// The workspaces that have ever been limited, and until when nothing may be sent to them.
    pub(super) limited: BTreeMap<String, Tick>,
    /// How often anything was scheduled, or sent to such a workspace.
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
            limited: BTreeMap::new(),
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
            unsent: 0,
            is_apology: false,
            due: Some(due),
            key: None,
        };
        self.owed.insert(self.accepted, owed);
        Content::Empty
    }

    pub(super) fn schedule(&mut self, least: Tick, most: Tick) -> Due {
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
        // Jobs that are held are sent when it is their workspace's turn, and an apology at once.
        let in_order = taken.filter(|(number, _)| {
            let owed = &self.owed[number];
            !owed.is_apology && !self.is_limited(owed)
        });
        for (number, owed) in &self.owed {
            let Some(due) = owed.due else { continue };
            let is_late = in_order.is_some_and(|(_, taken)| due.is_before(taken));
            assert!(
                !is_late || self.is_limited(owed),
                "command {number} was overtaken: {owed:?}, {taken:?}"
            );
        }
        assert!(
            taken.is_some() || !bot.has_delivery(),
            "a delivery is held back"
        );
    }

    fn is_limited(&self, owed: &Owed) -> bool {
        self.limited.contains_key(workspace(&owed.url))
    }

    fn send(&mut self, delivery: &Delivery, now: Now) -> (u32, Due) {
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
        if let Some(until) = self.limited.get(workspace(&owed.url)) {
            assert!(now.tick >= *until, "command {number}: before Retry-After");
            self.schedules += 1;
        }
        if owed.is_apology {
            let apology = String::from_utf8_lossy(&delivery.body);
            let begin = r#"{"response_type": "ephemeral", "text": "Sorry, "#;
            assert!(apology.starts_with(begin), "{apology}");
        } else {
            assert_eq!(text_of(&delivery.body), owed.reply, "not what was typed");
        }
        assert!(owed.attempts < ATTEMPTS_MAX, "one attempt too many");
        assert!(
            owed.key.is_none_or(|key| key == delivery.job),
            "the key changed"
        );
        owed.key = Some(delivery.job);
        self.tally.note(if owed.attempts + owed.unsent as u8 == 0 {
            "first attempts"
        } else {
            "further attempts"
        });
        (number, due)
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
            let begun = owed.attempts + u8::from(owed.due.is_none());
            assert_eq!(*attempts, begun, "attempts of command {number}");
            let Some(due) = owed.due else {
                assert_eq!(*state, Standing::Sending, "command {number}");
                continue;
            };
            let is_waiting = match state {
                Standing::Ready => {
                    has_ready = true;
                    assert!(due.least <= now.tick, "command {number} is early: {due:?}");
                    continue;
                }
                Standing::Held => self.is_limited(owed),
                Standing::Thinking => owed.attempts == 0 && owed.unsent == 0,
                Standing::Retrying => owed.attempts > 0 || owed.unsent > 0,
                Standing::Sending => false,
            };
            assert!(is_waiting, "command {number} is {state:?}: {owed:?}");
            let is_due = *state == Standing::Held && bot.has_delivery();
            let is_in_time = |next| *state == Standing::Held || next <= due.most;
            assert!(
                is_due || next.is_some_and(is_in_time),
                "no wake-up for {due:?}: {next:?}"
            );
        }
        let may_be_held = !self.limited.is_empty();
        assert!(bot.has_delivery() || !has_ready, "a delivery is held back");
        assert!(
            !bot.has_delivery() || has_ready || may_be_held,
            "nothing is due"
        );
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
                !is_due(owed) || matches!(state, Standing::Ready | Standing::Held),
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

/// Origin and workspace of a `response_url`.
pub(super) fn workspace(url: &str) -> &str {
    let end = url.match_indices('/').nth(4).map(|(at, _)| at);
    &url[..end.unwrap_or(url.len())]
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
