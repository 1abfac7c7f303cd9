//! Senders that take their time, fail, die, or never say what came of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Generator;
use crate::app::{Delivery, Report};
use crate::engine::platform::Senders;
use crate::jobs::{ATTEMPTS_MAX, Outcome};
use crate::slab::Key;
use crate::time::Tick;

const SENDERS: usize = 4;

/// What a limited receiver asks for.
const LIMITED_MS: u64 = 1_000;

/// What became of the replies, by the text that the person sees.
pub(crate) struct SimulatedSenders {
    generator: Generator,
    /// Deliveries of this turn.
    batch: Vec<Delivery>,
    attempts: Vec<(Key, String, Outcome, Tick)>,
    /// Which reply a job is for: an apology does not say.
    ids: BTreeMap<u64, String>,
    /// Delivered, or refused for good.
    pub(crate) settled: BTreeMap<String, Tick>,
    /// Refused for what they say, so that an apology comes next.
    apologies: BTreeSet<String>,
    /// Taken by a sender of which nothing is heard any more.
    pub(crate) lost: BTreeMap<String, &'static str>,
    /// How often each was tried.
    pub(crate) tried: BTreeMap<String, u8>,
    /// How many of these attempts may have reached the receiver, as far as their outcome is known.
    pub(crate) counted: BTreeMap<String, u8>,
    /// Nothing may be sent before.
    limited_until: Tick,
    pub(crate) met: BTreeMap<&'static str, u64>,
}

impl SimulatedSenders {
    pub(crate) fn new(generator: Generator) -> Self {
        Self {
            generator,
            batch: Vec::new(),
            attempts: Vec::new(),
            ids: BTreeMap::new(),
            settled: BTreeMap::new(),
            apologies: BTreeSet::new(),
            lost: BTreeMap::new(),
            tried: BTreeMap::new(),
            counted: BTreeMap::new(),
            limited_until: Tick(0),
            met: BTreeMap::new(),
        }
    }

    fn take(&mut self, delivery: &Delivery, now: Tick) {
        let id = self.id(delivery);
        self.check(&id, now);
        let tried = self.tried.entry(id.clone()).or_default();
        *tried = tried.saturating_add(1);
        let fate = self.generator.below(100);
        if fate < 4 {
            let how = ["senders that died", "outcomes that never came"][usize::from(fate < 2)];
            self.lost.insert(id, how);
            return;
        }
        let retry_after = Some((LIMITED_MS / 1000).to_string());
        let outcome = match fate {
            4..14 => Outcome::Unsent,
            14..20 => Outcome::Unavailable {
                status: 503,
                retry_after,
            },
            20..30 => Outcome::Limited { retry_after },
            30..34 => Outcome::Rejected {
                status: 400,
                is_about_message: fate.is_multiple_of(2),
            },
            _ => Outcome::Delivered,
        };
        let took_ms = self.generator.pick(&[0, 1, 70, 900, 10_000]);
        self.attempts
            .push((delivery.job, id, outcome, now.after(took_ms)));
    }

    /// Which reply it is for. An apology comes in the place of one that was refused, and of no other.
    fn id(&mut self, delivery: &Delivery) -> String {
        let body = String::from_utf8(delivery.body.clone()).unwrap();
        let text = body.split('"').nth_back(1).unwrap();
        let id = self.ids.entry(delivery.job.to_u64());
        let id = id.or_insert_with(|| text.chars().rev().collect()).clone();
        let is_reply = text.chars().rev().eq(id.chars());
        assert_eq!(is_reply, !self.apologies.contains(&id), "{id}: {body}");
        id
    }

    fn check(&self, id: &String, now: Tick) {
        assert!(
            !self.settled.contains_key(id),
            "{id}: sent after it was settled"
        );
        assert!(
            !self.lost.contains_key(id),
            "{id}: sent while it is being sent"
        );
        let is_twice = self.attempts.iter().any(|(_, other, ..)| other == id);
        assert!(!is_twice, "{id}: two attempts at once");
        let counted = self.counted.get(id).copied().unwrap_or_default();
        assert!(counted < ATTEMPTS_MAX, "{id}: sent too often");
        // All replies go to one workspace.
        assert!(now >= self.limited_until, "{id}: sent before Retry-After");
    }

    /// When the next report comes.
    pub(crate) fn report_at(&self) -> Option<Tick> {
        self.attempts.iter().map(|attempt| attempt.3).min()
    }

    fn settle(&mut self, id: String, outcome: &Outcome, now: Tick) {
        let counted = self.counted.entry(id.clone()).or_default();
        match outcome {
            Outcome::Unsent => self.meet("attempts that were not sent"),
            Outcome::Limited { .. } => {
                self.limited_until = self.limited_until.max(now.after(LIMITED_MS));
                self.meet("attempts that were limited");
            }
            Outcome::Unknown | Outcome::Unavailable { .. } => *counted += 1,
            Outcome::Rejected {
                is_about_message: true,
                ..
            } if *counted + 1 < ATTEMPTS_MAX && !self.apologies.contains(&id) => {
                *counted += 1;
                self.apologies.insert(id);
                self.meet("apologies");
            }
            Outcome::Delivered | Outcome::Rejected { .. } => _ = self.settled.insert(id, now),
        }
    }

    fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }
}

impl Senders for SimulatedSenders {
    fn room(&self) -> usize {
        SENDERS - self.attempts.len() - self.batch.len()
    }

    fn enqueue(&mut self, delivery: Delivery) {
        self.batch.push(delivery);
    }

    fn submit(&mut self, now: Tick) {
        for delivery in std::mem::take(&mut self.batch) {
            self.take(&delivery, now);
        }
    }

    fn poll_report(&mut self, now: Tick) -> Option<Report> {
        let at = self.attempts.iter().position(|attempt| attempt.3 <= now)?;
        let (job, id, outcome, _) = self.attempts.swap_remove(at);
        self.settle(id, &outcome, now);
        Some(Report {
            job,
            outcome,
            took_ms: 0,
            detail: String::new(),
        })
    }

    /// A report wakes the loop.
    fn poll_timeout(&self) -> Option<Tick> {
        None
    }

    fn outstanding(&self) -> usize {
        self.attempts.len()
    }

    fn threads(&self) -> (usize, usize) {
        (SENDERS, SENDERS)
    }

    fn stop(&mut self) {
        self.attempts.clear();
    }
}
