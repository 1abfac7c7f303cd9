//! Senders that take their time, fail, die, or never say what came of it.

use std::collections::BTreeMap;

use super::Generator;
use crate::bot::{Delivery, Report};
use crate::jobs::Outcome;
use crate::slab::Key;
use crate::time::Tick;

const SENDERS: usize = 4;

/// What became of the replies, by the text that the person sees.
#[derive(Default)]
pub(super) struct Senders {
    attempts: Vec<(Key, String, Outcome, Tick)>,
    /// Delivered, or refused for good.
    pub(super) settled: BTreeMap<String, Tick>,
    /// Taken by a sender of which nothing is heard any more.
    pub(super) lost: BTreeMap<String, &'static str>,
    /// How often each was tried.
    pub(super) tried: BTreeMap<String, u8>,
}

impl Senders {
    pub(super) fn room(&self) -> usize {
        SENDERS - self.attempts.len()
    }

    pub(super) fn take(&mut self, delivery: &Delivery, now: Tick, generator: &mut Generator) {
        let body = String::from_utf8(delivery.body.clone()).unwrap();
        let text = body.split('"').nth(3).unwrap();
        let id: String = text.chars().rev().collect();
        assert!(
            !self.settled.contains_key(&id),
            "{id}: sent after it was settled"
        );
        assert!(
            !self.lost.contains_key(&id),
            "{id}: sent while it is being sent"
        );
        let is_twice = self.attempts.iter().any(|(_, other, ..)| *other == id);
        assert!(!is_twice, "{id}: two attempts at once");
        *self.tried.entry(id.clone()).or_default() += 1;
        let unavailable = Outcome::Unavailable {
            status: 503,
            retry_after: Some("1".to_owned()),
        };
        let fate = generator.below(100);
        if fate < 4 {
            let how = ["senders that died", "outcomes that never came"][usize::from(fate < 2)];
            self.lost.insert(id, how);
            return;
        }
        let outcome = match fate {
            4..14 => Outcome::Unsent,
            14..20 => unavailable,
            20..24 => Outcome::Rejected { status: 404 },
            _ => Outcome::Delivered,
        };
        let took_ms = generator.pick(&[0, 1, 70, 900, 10_000]);
        self.attempts
            .push((delivery.job, id, outcome, now.after(took_ms)));
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.attempts.iter().map(|attempt| attempt.3).min()
    }

    pub(super) fn poll_report(&mut self, now: Tick) -> Option<Report> {
        let at = self.attempts.iter().position(|attempt| attempt.3 <= now)?;
        let (job, id, outcome, _) = self.attempts.swap_remove(at);
        if matches!(outcome, Outcome::Delivered | Outcome::Rejected { .. }) {
            self.settled.insert(id, now);
        }
        Some(Report {
            job,
            outcome,
            took_ms: 0,
            detail: String::new(),
        })
    }
}
