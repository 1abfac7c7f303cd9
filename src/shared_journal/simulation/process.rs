//! What a loop does with its part of a fleet: it accepts, posts, settles, and believes what its store says.

use std::collections::{BTreeMap, BTreeSet};

use super::super::model::Model;
use super::super::replica::tests::{Fate, Process, pending};
use crate::slab::Key;
use crate::store::{Batch, Event, Outcome, Ticket};
use crate::time::Tick;

/// What became of commands, as people and Slack see it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How often a copy of the request was acknowledged, and how often it became a job thereby.
    pub(super) acknowledged: u64,
    pub(super) kept: u64,
    pub(super) posted: u64,
}

/// By request.
pub(super) type Requests = BTreeMap<u64, Seen>;

/// A job that is kept: the request, and when it is due.
#[derive(Clone, Copy, Debug)]
struct Job {
    request: u64,
    due: Tick,
    is_sending: bool,
}

/// A process whose loop is this, in a few lines.
pub(super) struct Bot {
    pub(super) process: Process,
    jobs: BTreeMap<u64, Job>,
    unkept: BTreeMap<u64, (Ticket, u64)>,
    /// Requests of which it was told that their jobs are there already.
    there: BTreeSet<u64>,
    batch: Batch,
    number: u64,
    is_told: bool,
    /// The process is stopped, or cut off from Redis, until then.
    pub(super) frozen_until: Tick,
    pub(super) cut_off_until: Tick,
    /// Jobs that it has forgotten, and that it was told of.
    pub(super) forgotten: u64,
    pub(super) adopted: u64,
    pub(super) duplicates: u64,
    pub(super) refused: u64,
}

impl Bot {
    pub(super) fn new(number: u64, wait: u32, is_told: bool) -> Self {
        Self {
            process: Process::new(number, wait),
            jobs: BTreeMap::new(),
            unkept: BTreeMap::new(),
            there: BTreeSet::new(),
            batch: Batch::default(),
            number,
            is_told,
            frozen_until: Tick(0),
            cut_off_until: Tick(0),
            forgotten: 0,
            adopted: 0,
            duplicates: 0,
            refused: 0,
        }
    }

    /// Whether it knows a request: a repeat makes no second job.
    pub(super) fn knows(&self, request: u64) -> bool {
        let kept = self.jobs.values().map(|job| job.request);
        let unkept = self.unkept.values().map(|(_, request)| *request);
        kept.chain(unkept).any(|other| other == request)
    }

    /// Accepts commands into the batch that collects.
    pub(super) fn accept(&mut self, request: u64, now: Tick) {
        let key = self.process.next_key();
        let text = request.to_string();
        self.batch.accept(key, &pending(request, &text, now));
        self.unkept.insert(key.to_u64(), (Ticket::MAX, request));
    }

    /// Submits what has collected, unless a batch is under way.
    pub(super) fn submit(&mut self, now: Tick) {
        let is_waiting = self
            .unkept
            .values()
            .any(|(ticket, _)| *ticket != Ticket::MAX);
        if self.batch.is_empty() || is_waiting {
            return;
        }
        let ticket = self.process.submit(&mut self.batch, now);
        for (of, _) in self.unkept.values_mut() {
            *of = ticket;
        }
    }

    /// Posts what is due, if it may.
    pub(super) fn post(&mut self, now: Tick, requests: &mut Requests) {
        for job in self.jobs.values_mut() {
            if !job.is_sending && job.due <= now && self.process.gate.may_post(now) {
                job.is_sending = true;
                requests.entry(job.request).or_default().posted += 1;
                if self.is_told {
                    eprintln!("  {} posts {}", self.number, job.request);
                }
            }
        }
    }

    /// The outcomes of some posts come back.
    pub(super) fn settle(&mut self, mut is_back: impl FnMut() -> bool) {
        let sending = self.jobs.iter().filter(|(_, job)| job.is_sending);
        let back: Vec<_> = sending.map(|(key, _)| *key).filter(|_| is_back()).collect();
        for key in back {
            self.jobs.remove(&key);
            let job = Key::from_u64(key);
            self.batch.add(Outcome::Settled { job });
        }
    }

    /// One action of its store's.
    pub(super) fn act(
        &mut self,
        model: Option<&mut Model>,
        fate: Fate,
        now: Tick,
        requests: &mut Requests,
    ) -> bool {
        let has_acted = self.process.act(model, fate, now);
        for event in std::mem::take(&mut self.process.events) {
            self.handle(event, requests);
        }
        has_acted
    }

    fn handle(&mut self, event: Event, requests: &mut Requests) {
        if self.is_told {
            match &event {
                Event::Adopted(adopted) => {
                    eprintln!("  {} adopts {}", self.number, adopted.job().text)
                }
                Event::Kept(through) | Event::NotKept(through) => {
                    let named = self.unkept.values().filter(|(ticket, _)| ticket <= through);
                    let named: Vec<_> = named.map(|(_, request)| request).collect();
                    eprintln!("  {} is told {event:?}: {named:?}", self.number);
                }
                _ => eprintln!("  {} is told {event:?}", self.number),
            }
        }
        match event {
            Event::Kept(ticket) => {
                for (key, request) in self.take_unkept(ticket) {
                    let seen = requests.entry(request).or_default();
                    seen.acknowledged += 1;
                    seen.kept += 1;
                    self.jobs.insert(
                        key,
                        Job {
                            request,
                            due: Tick(0),
                            is_sending: false,
                        },
                    );
                }
            }
            Event::NotKept(ticket) => {
                self.refused += self.take_unkept(ticket).len() as u64;
            }
            Event::Duplicate(key) => {
                if let Some((_, request)) = self.unkept.remove(&key.to_u64()) {
                    requests.entry(request).or_default().acknowledged += 1;
                    self.there.insert(request);
                    self.duplicates += 1;
                }
            }
            Event::Fenced(lost) => {
                let before = self.jobs.len();
                let is_lost = |key: &u64| lost.contains(&Key::from_u64(*key));
                self.jobs.retain(|key, job| job.is_sending || is_lost(key));
                self.forgotten += (before - self.jobs.len()) as u64;
            }
            Event::Adopted(adopted) => {
                let key = self.process.next_key();
                let foreign = adopted.foreign;
                self.batch.add(Outcome::Adopted { foreign, job: key });
                self.adopted += 1;
                let request = adopted.job().text.parse().unwrap();
                // A job of its own, put by a batch without an answer and found by a copy elsewhere, before it was put again.
                let is_own = self.there.remove(&request);
                requests.entry(request).or_default().kept += u64::from(is_own);
                let job = Job {
                    request,
                    due: adopted.job().due,
                    is_sending: false,
                };
                self.jobs.insert(key.to_u64(), job);
            }
            Event::Recoverable => {}
            Event::GivenUp => panic!("a fleet never gives up"),
        }
    }

    fn take_unkept(&mut self, through: Ticket) -> Vec<(u64, u64)> {
        let known = self
            .unkept
            .iter()
            .filter(|(_, (ticket, _))| *ticket <= through);
        let known: Vec<_> = known.map(|(key, (_, request))| (*key, *request)).collect();
        known
            .iter()
            .for_each(|(key, _)| _ = self.unkept.remove(key));
        known
    }

    /// Whether nothing is left to do.
    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.unkept.is_empty() && self.batch.is_empty()
    }
}
