//! The batches whose jobs are neither kept nor refused.

use std::collections::VecDeque;

use super::super::name::Name;
use crate::store::{Event, Ticket};
use crate::time::Tick;

/// A batch is kept within this, or its commands are answered "busy".
const BATCH_MS: u64 = 1_000;

/// How often a batch is sent without an answer.
const TRIES_MAX: u8 = 2;

#[derive(Debug)]
struct Batched {
    ticket: Ticket,
    names: Vec<Name>,
    deadline: Tick,
    tries: u8,
}

/// In the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Tickets(VecDeque<Batched>);

impl Tickets {
    pub(super) fn add(&mut self, ticket: Ticket, names: Vec<Name>, now: Tick) {
        self.0.push_back(Batched {
            ticket,
            names,
            deadline: now.after(BATCH_MS),
            tries: 0,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether none was sent without an answer.
    pub(super) fn are_untried(&self) -> bool {
        self.0.iter().all(|batch| batch.tries == 0)
    }

    /// By when the oldest one has to be kept.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.0.front().map(|batch| batch.deadline)
    }

    /// The number of the newest one.
    pub(super) fn newest(&self) -> Option<Ticket> {
        self.0.back().map(|batch| batch.ticket)
    }

    /// All their jobs.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().flat_map(|batch| &batch.names)
    }

    /// Takes one out, with its jobs.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Vec<Name>> {
        let at = self.0.iter().position(|batch| batch.ticket == ticket)?;
        self.0.remove(at).map(|batch| batch.names)
    }

    /// Takes the first one out if its number is not above this one.
    pub(super) fn pop_through(&mut self, ticket: Ticket) -> Option<Vec<Name>> {
        self.0.front().filter(|batch| batch.ticket <= ticket)?;
        self.0.pop_front().map(|batch| batch.names)
    }

    /// The first ones that have accepted nothing are kept as they are.
    pub(super) fn pop_empty(&mut self) -> Option<Event> {
        let mut last = None;
        while let Some(batch) = self.0.front().filter(|batch| batch.names.is_empty()) {
            last = Some(Event::Kept(batch.ticket));
            self.0.pop_front();
        }
        last
    }

    /// Those up to this one were sent without an answer. Gives those that are not to be sent again.
    pub(super) fn count_try(&mut self, through: Ticket) -> Vec<Ticket> {
        let tried = self.0.iter_mut();
        let tried = tried.take_while(|batch| batch.ticket <= through);
        tried
            .filter_map(|batch| {
                batch.tries += 1;
                (batch.tries >= TRIES_MAX).then_some(batch.ticket)
            })
            .collect()
    }

    /// Those whose time is over.
    pub(super) fn overdue(&self, now: Tick) -> Vec<Ticket> {
        let overdue = self.0.iter().filter(|batch| batch.deadline <= now);
        overdue.map(|batch| batch.ticket).collect()
    }

    pub(super) fn all(&self) -> Vec<Ticket> {
        self.0.iter().map(|batch| batch.ticket).collect()
    }
}
