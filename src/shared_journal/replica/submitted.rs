//! What the loop submits.

use super::super::name::Name;
use super::super::table::Stage;
use super::super::value::Head;
use super::Replica;
use crate::journal::JournalTime;
use crate::slab::Key;
use crate::store::{Batch, Event, Outcome, PendingJob, Ticket};
use crate::time::Tick;

impl Replica {
    /// Takes the contents of a batch. Its jobs are kept, or not, within a second.
    pub fn submit(&mut self, batch: &mut Batch, ticket: Ticket, now: Tick) {
        batch
            .outcomes()
            .iter()
            .for_each(|outcome| self.take_outcome(*outcome));
        let mut names = Vec::new();
        for (key, pending) in batch.accepted() {
            names.extend(self.accept(key, &pending));
        }
        // Without a clock of Redis's there was no answer yet: nothing can be put.
        let is_refused = names.len() < batch.accepted().len();
        self.tickets.add(ticket, names, now);
        if is_refused {
            self.refuse(ticket);
        }
        batch.clear();
        self.events.extend(self.tickets.pop_empty());
    }

    fn take_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Attempted { job, attempts, due } => {
                if let (Some(name), Some(clock)) = (self.table.name_of(job), self.clock) {
                    self.table.change(&name, |head| {
                        (head.attempts, head.due) = (attempts, clock.at(due));
                    });
                }
            }
            Outcome::Settled { job } => {
                if let Some(name) = self.table.name_of(job) {
                    self.table.remove(&name);
                    self.deletions.settle(name);
                }
            }
            Outcome::Withdrawn { job } => {
                if let Some(name) = self.table.name_of(job) {
                    self.withdraw(&name);
                }
            }
            Outcome::Adopted { foreign, job } => self.table.bind(foreign, job),
            Outcome::Declined { foreign } => self.table.decline(foreign),
        }
    }

    fn accept(&mut self, key: Key, pending: &PendingJob<'_>) -> Option<Name> {
        let clock = self.clock?;
        let of_request = pending.request.map(Name::of_request);
        let name = of_request.filter(|name| !self.table.contains(name));
        let name = name.unwrap_or_else(|| {
            self.numbered.1 += 1;
            Name::numbered(self.numbered.0, self.numbered.1)
        });
        let head = Head {
            hint: 0,
            takeovers: 0,
            expires: clock.at(pending.expires_at),
            due: clock.at(pending.due),
            attempts: pending.attempts,
            is_relied_on: false,
        };
        let [due, expires] = [head.due, head.expires].map(|time| JournalTime(time.0));
        let entry = pending.with_times(due, expires);
        let value = self.sealer.seal(&name, &entry, &head);
        self.deletions.forget(&name);
        self.table.accept(name, key, value);
        Some(name)
    }

    /// A job whose command was answered "busy" is to be in Redis no more, if it ever was.
    fn withdraw(&mut self, name: &Name) {
        let job = self.table.remove(name);
        if job.is_some_and(|job| job.stage != Stage::New { was_sent: false }) {
            self.deletions.withdraw(*name);
        }
    }

    /// The jobs of this batch are not kept.
    pub(super) fn refuse(&mut self, ticket: Ticket) {
        let Some(names) = self.tickets.remove(ticket) else {
            return;
        };
        for name in names {
            let job = self.table.get(&name);
            if job.is_some_and(|job| job.stage != Stage::Kept) {
                self.withdraw(&name);
            }
        }
        self.events.push_back(Event::NotKept(ticket));
    }
}
