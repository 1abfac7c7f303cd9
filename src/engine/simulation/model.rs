//! The shadow of the bot: which replies are pending, for which command, since when and until when, kept with nothing of the
//! bot's own but its vocabulary, and fed with what came in and what went out.

mod checks;

use std::collections::BTreeMap;

use super::commands::{Command, Commands, number_in};
use super::senders::Step;
use super::standing::{Seen, Standing};
use super::tally::Tally;
use super::work::Run;
use crate::app::{Bot, Delivery};
use crate::slab::Key;
use crate::store::PendingJob;
use crate::time::{Now, Tick};
use crate::timing_wheel;

pub(super) const LIFETIME_MS: u64 = 30 * 60 * 1000;
pub(super) const ATTEMPTS_MAX: u8 = 5;
/// For how long an answer is held.
const HELD_MS: u64 = 2_000;

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

/// A reply that is pending.
#[derive(Debug)]
pub(super) struct Pending {
    /// The number of its command.
    pub(super) id: u64,
    key: Key,
    since: Tick,
    pub(super) expires_at: Tick,
    /// Those that may have reached the receiver, and others in a row since.
    pub(super) attempts: u8,
    pub(super) unsent: u32,
    /// Its reply was refused for what it says.
    pub(super) is_apology: bool,
    /// How far its command's run has come.
    pub(super) run: Run,
    /// There is no store, or it has it.
    pub(super) is_kept: bool,
    /// `None` while a sender has it.
    pub(super) due: Option<Due>,
}

impl Pending {
    pub(super) fn is_of(&self, job: Key) -> bool {
        self.key == job
    }
}

pub(super) struct Model {
    delay_ms: u64,
    pub(super) tolerance_secs: u64,
    capacity: usize,
    pub(super) pending: BTreeMap<u32, Pending>,
    /// Up to when all that was due has been made ready.
    pub(super) expired_at: Tick,
    /// The workspaces that have ever been limited, and until when nothing may be sent to them.
    pub(super) limited: BTreeMap<String, Tick>,
    /// How often anything was scheduled, or sent to a workspace that was limited.
    pub(super) schedules: u64,
    pub(super) tally: Tally,
}

impl Model {
    pub(super) fn new(delay_ms: u64, tolerance_secs: u64, capacity: usize, now: Tick) -> Self {
        Self {
            delay_ms,
            tolerance_secs,
            capacity,
            pending: BTreeMap::new(),
            expired_at: now,
            limited: BTreeMap::new(),
            schedules: 0,
            tally: Tally::default(),
        }
    }

    /// Another process begins, with what it has found of an earlier one.
    pub(super) fn begin_process(
        &mut self,
        bot: &Bot,
        commands: &Commands,
        is_steady: bool,
        now: Tick,
    ) {
        self.pending.clear();
        self.limited.clear();
        self.expired_at = now;
        for (key, job) in bot.pending_jobs() {
            let id = number_in(job.path);
            self.schedules += 1;
            let command = commands.of(id, key.generation());
            let is_known = is_steady && command.expires_at < Tick(u64::MAX);
            assert!(
                !is_known || command.expires_at == job.expires_at,
                "{command:?}"
            );
            let pending = Pending {
                id,
                key,
                since: now,
                expires_at: job.expires_at,
                attempts: job.attempts,
                unsent: 0,
                is_apology: false,
                run: command.run_to_do(),
                is_kept: true,
                due: Some(Due {
                    least: if is_known { command.due } else { Tick(0) },
                    most: Tick(u64::MAX),
                    order: None,
                }),
            };
            self.pending.insert(key.generation(), pending);
        }
    }

    /// Follows a turn of the loop, in the order of its phases.
    pub(super) fn follow(&mut self, seen: &Seen<'_>, steps: &[Step], commands: &mut Commands) {
        self.note_kept(seen, commands);
        let before = self.pending.len();
        for (key, job) in seen.bot.pending_jobs() {
            if !self.pending.contains_key(&key.generation()) {
                self.accept(key, &job, seen, commands);
            }
        }
        let is_new = self.pending.len() > before;
        assert!(!is_new || self.pending.len() <= self.capacity, "too many");
        let is_handed_out = |step: &Step| matches!(step, Step::Taken(..) | Step::RunTaken(_));
        let reports = steps.iter().position(is_handed_out);
        let (reports, handed_out) = steps.split_at(reports.unwrap_or(steps.len()));
        for step in reports {
            if let Step::Reported(job, outcome, asked_ms) = step {
                self.settle(*job, outcome, *asked_ms, seen, commands);
            }
            self.follow_run(step, seen, commands);
        }
        self.give_up_overdue(seen);
        self.forget_expired(seen, commands);
        self.check_expiry(seen);
        for step in handed_out {
            if let Step::Taken(delivery, answer) = step {
                self.take(delivery, seen.now, commands);
                commands.post(number_in(&delivery.url), delivery.job.generation(), *answer);
            }
            self.follow_run(step, seen, commands);
        }
        let has_delivery = seen.bot.has_delivery();
        assert!(
            !seen.is_dispatching || !has_delivery,
            "a delivery is held back"
        );
        self.check(seen);
    }

    /// The store has kept some jobs, or has not.
    fn note_kept(&mut self, seen: &Seen<'_>, commands: &mut Commands) {
        let now = seen.now.tick;
        let unkept = self.pending.iter().filter(|(_, pending)| !pending.is_kept);
        let unkept: Vec<u32> = unkept.map(|(number, _)| *number).collect();
        for number in unkept {
            match seen.standing.get(&number) {
                Some((Standing::Unkept, _)) => {}
                Some(_) => {
                    let due = self.pending[&number].due.expect("no sender has it");
                    let due = self.schedule(due.least.max(now), due.least.max(now));
                    let pending = self.pending.get_mut(&number).expect("it is pending");
                    (pending.is_kept, pending.due) = (true, Some(due));
                }
                None => {
                    let pending = self.pending.remove(&number).expect("it is pending");
                    if now >= pending.since.after(HELD_MS) {
                        self.tally.note("commands that waited for too long");
                    }
                    let command = commands.end(pending.id, number);
                    assert!(!command.is_acknowledged, "taken back: {command:?}");
                    command.is_withdrawn = true;
                }
            }
        }
    }

    /// The bot has taken on a command.
    fn accept(&mut self, key: Key, job: &PendingJob<'_>, seen: &Seen<'_>, commands: &mut Commands) {
        let now = seen.now;
        let id = number_in(job.path);
        let signed_at = commands.get(id).signed_at;
        let is_stale = signed_at.abs_diff(now.unix.secs()) > self.tolerance_secs;
        assert!(!is_stale, "{id} is stale, and accepted");
        let Command {
            is_turned_down,
            copies,
            ..
        } = *commands.get(id);
        assert!(!is_turned_down || copies > 1, "{id} is accepted after all");
        let mut others = self.pending.values();
        let is_twice = others.any(|pending| pending.id == id);
        assert!(!is_twice, "{id} is pending already, and accepted again");
        let is_again = commands.get(id).is_accepted();
        self.tally.add("accepted again", u64::from(is_again));
        let (due, expires_at) = times(self.delay_ms, signed_at, now);
        assert_eq!(job.expires_at, expires_at, "when {id} expires");
        assert!(due < expires_at, "{id} is accepted too late");
        commands.accept(id, key, due, expires_at);
        let age_ms = now.unix.0.saturating_sub(signed_at.saturating_mul(1000));
        commands.get_mut(id).is_late = Some(age_ms > 3_000);
        self.tally.note("accepted");
        let (state, _) = seen.standing[&key.generation()];
        let is_kept = state != Standing::Unkept;
        let due = match is_kept {
            true => self.schedule(due, due),
            false => Due {
                least: due,
                most: due,
                order: None,
            },
        };
        let pending = Pending {
            id,
            key,
            since: now.tick,
            expires_at,
            attempts: 0,
            unsent: 0,
            is_apology: false,
            run: commands.get(id).run_to_do(),
            is_kept,
            due: Some(due),
        };
        self.pending.insert(key.generation(), pending);
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

    /// The bot has given this to a sender.
    fn take(&mut self, delivery: &Delivery, now: Now, commands: &Commands) {
        let (number, taken) = self.send(delivery, now, commands);
        // Jobs that are held are sent when it is their workspace's turn, and an apology at once.
        let url = &commands.get(self.pending[&number].id).url;
        let pending = &self.pending[&number];
        if pending.is_apology || pending.is_made() || self.is_limited(url) {
            return;
        }
        let others = self.pending.iter();
        let others = others.filter(|(_, pending)| pending.is_kept && !pending.needs_run());
        for (number, pending) in others {
            let is_late = pending.due.is_some_and(|due| due.is_before(taken));
            assert!(
                !is_late || self.is_limited(&commands.get(pending.id).url),
                "command {number} was overtaken: {pending:?}, {taken:?}"
            );
        }
    }

    fn is_limited(&self, url: &str) -> bool {
        self.limited.contains_key(workspace(url))
    }

    fn send(&mut self, delivery: &Delivery, now: Now, commands: &Commands) -> (u32, Due) {
        let number = delivery.job.generation();
        let Some(pending) = self.pending.get_mut(&number) else {
            panic!("command {number} is not pending any more");
        };
        let Some(due) = pending.due.take() else {
            panic!("command {number} is being sent already");
        };
        let is_early = due.least > now.tick;
        assert!(!is_early, "command {number} is early: {due:?} at {now:?}");
        assert!(pending.is_kept, "command {number} is not kept yet");
        assert!(
            now.tick < pending.expires_at,
            "command {number} has expired"
        );
        assert_eq!(pending.key, delivery.job, "the key changed");
        let command = commands.of(pending.id, number);
        assert_eq!(delivery.url, command.url, "a reply to another channel");
        if let Some(until) = self.limited.get(workspace(&command.url)) {
            assert!(now.tick >= *until, "command {number}: before Retry-After");
            self.schedules += 1;
        }
        if pending.is_apology {
            let apology = String::from_utf8_lossy(&delivery.body);
            let begin = r#"{"response_type": "ephemeral", "text": "Sorry, "#;
            assert!(apology.starts_with(begin), "{apology}");
        } else if let Some(is_right) = pending.is_right(&delivery.body) {
            assert!(
                is_right,
                "command {number}: another reply than its run has made"
            );
        } else {
            let reply: String = command.text.chars().rev().collect();
            assert_eq!(text_of(&delivery.body), reply, "not what was typed");
        }
        assert!(pending.attempts < ATTEMPTS_MAX, "one attempt too many");
        self.tally
            .note(if pending.attempts + pending.unsent as u8 == 0 {
                "first attempts"
            } else {
                "further attempts"
            });
        (number, due)
    }

    /// What is pending no longer must have been due, and too old.
    fn forget_expired(&mut self, seen: &Seen<'_>, commands: &mut Commands) {
        let (now, tally) = (seen.now.tick, &mut self.tally);
        self.pending.retain(|number, pending| {
            let is_due = pending.due.is_some_and(|due| due.least <= now);
            let is_there = seen.standing.contains_key(number);
            let may_expire = now >= pending.expires_at && is_due;
            assert!(
                is_there || may_expire,
                "command {number} was lost: {pending:?}"
            );
            if !is_there {
                tally.note("expired before an attempt");
                commands.end(pending.id, *number).is_given_up = true;
            }
            is_there
        });
    }
}

/// When a command that is accepted now is due, and when its `response_url` stops serving.
pub(super) fn times(delay_ms: u64, signed_at: u64, now: Now) -> (Tick, Tick) {
    // A tick is the floor of a moment: the delay is over one tick later than it seems.
    let due = now.tick.after(delay_ms + u64::from(delay_ms > 0));
    let age_ms = now.unix.0.saturating_sub(signed_at.saturating_mul(1000));
    (due, now.tick.after(LIFETIME_MS.saturating_sub(age_ms)))
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
        "markup that was not typed: {text}"
    );
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
