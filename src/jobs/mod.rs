//! Jobs: replies to commands that were answered with 200, pending until they are settled.
//!
//! ```text
//!               due              taken            2xx
//!   Scheduled ───────▶ Ready ───────────▶ Sending ────▶ delivered
//!       ▲                │ ▲ too late        │ ▲ │
//!       │                │ └──▶ abandoned ◀──┤ │ │ refused, expired, attempts spent
//!       │                ▼                   │ │ │
//!       │              Held ─────────────────│─┘ │ its workspace's turn
//!       │                ▲────── 429 ────────┘   │
//!       └─────────────── backoff ────────────────┘
//! ```
//!
//! The job of a command that has to run first goes from Scheduled to Ready and Running, and, when its reply is made, to
//! Ready again.
//!
//! The table knows of no thread and no clock. A job stays in it while a sender has it, so that a
//! sender that dies loses nothing.

mod ages;
pub mod answer;
mod job;
mod outcomes;
mod pacing;
mod payload;
mod request_index;
mod restored;
mod retry;
mod runs;

use std::collections::VecDeque;

use self::ages::Ages;
pub use self::job::{Job, NewJob, State};
use self::pacing::{Next, Pacing};
use self::payload::Payload;
pub use self::payload::Texts;
use self::request_index::RequestIndex;
pub use self::retry::{ATTEMPTS_MAX, Abandoned, LIFETIME_MS, Outcome, Tries, Verdict};
use self::runs::Runs;
pub use self::runs::{MadeReply, RUN_MARGIN_MS};

use crate::request_id::RequestId;
use crate::slab::{Key, Slab};
use crate::time::Tick;
use crate::timing_wheel::{self, TimingWheel};

/// A job waits no longer than it lives, whether it thinks or Retry-After asks for it.
const _: () = assert!(
    timing_wheel::RANGE_MS > LIFETIME_MS,
    "no job may outrun the wheel"
);

/// Payload bytes per job of the capacity, a mean over all jobs. What Slack sends is far smaller; the
/// limit is for a hundred thousand texts of the largest size that HTTP lets through.
const PAYLOAD_BYTES_MEAN_MAX: usize = 4096;

/// Jobs that one [`Jobs::poll_ready`] holds, at most: more of them wait for the next turn of the loop.
const HELD_PER_POLL_MAX: usize = 1024;

/// No room for another job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// All pending jobs.
pub struct Jobs {
    table: Slab<Job>,
    requests: RequestIndex,
    wheel: TimingWheel<Key>,
    ready: VecDeque<Key>,
    pacing: Pacing,
    runs: Runs,
    capacity: usize,
    /// Bytes of all payloads and of all replies that were made, together.
    payload_bytes: usize,
    /// How many are with a sender.
    sending: usize,
    ages: Ages,
}

impl Jobs {
    /// An empty table for at most `capacity` jobs.
    #[must_use]
    pub fn new(capacity: usize, now: Tick) -> Self {
        Self {
            table: Slab::new(),
            requests: RequestIndex::default(),
            wheel: TimingWheel::new(now),
            ready: VecDeque::new(),
            pacing: Pacing::default(),
            runs: Runs::default(),
            capacity,
            payload_bytes: 0,
            sending: 0,
            ages: Ages::default(),
        }
    }

    /// How many jobs are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no job is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes on a job.
    ///
    /// # Errors
    /// [`Full`] when as many jobs are pending as are allowed.
    pub fn schedule(&mut self, new: NewJob<'_>) -> Result<Key, Full> {
        let key = self.accept(new)?;
        self.keep(key, new.due);
        Ok(key)
    }

    /// Takes on a job that does nothing before it is [kept](Self::keep).
    ///
    /// # Errors
    /// [`Full`] when as many jobs are pending as are allowed.
    pub fn accept(&mut self, new: NewJob<'_>) -> Result<Key, Full> {
        let bytes = self.payload_bytes + new.path.len() + new.text.len() + new.fields.len();
        // The timer of a withdrawn job stays until it is due: it must not make the wheel grow without bound.
        if self.table.len().max(self.wheel.len()) >= self.capacity
            || bytes > self.capacity.saturating_mul(PAYLOAD_BYTES_MEAN_MAX)
        {
            return Err(Full);
        }
        self.insert(new).ok_or(Full)
    }

    /// `None` if its path is longer than any path.
    fn insert(&mut self, new: NewJob<'_>) -> Option<Key> {
        let payload = Payload::new(new.path, new.text, new.fields)?;
        self.payload_bytes += payload.len();
        self.ages.add(new.expires_at);
        let key = self.table.insert(Job {
            payload,
            command: new.command,
            origin: new.origin,
            tries: Tries::default(),
            is_apology: false,
            is_late: new.is_late,
            needs_run: new.needs_run,
            state: State::Unkept,
            expires_at: new.expires_at,
        });
        if let Some(request) = new.request {
            self.requests.insert(key.index(), request);
        }
        Some(key)
    }

    /// Schedules a job that was accepted. `false` if it was withdrawn since.
    pub fn keep(&mut self, key: Key, due: Tick) -> bool {
        let Some(job) = self.table.get_mut(key) else {
            return false;
        };
        job.state = State::Scheduled;
        self.wheel.schedule(due, key);
        true
    }

    /// Makes ready what is due by now, as far as the budget goes.
    pub fn handle_timeout(&mut self, now: Tick, budget: &mut usize) {
        let Self {
            table,
            wheel,
            ready,
            pacing,
            runs,
            ..
        } = self;
        while let Some(key) = wheel.expire(now, budget) {
            if let Some(job) = table.get_mut(key) {
                job.state = State::Ready;
                match job.needs_run {
                    true => runs.wait(key, job.expires_at),
                    false => ready.push_back(key),
                }
            }
        }
        if pacing.is_empty() {
            return;
        }
        let mut released = Vec::new();
        let expires = |key| table.get(key).map(|job| job.expires_at);
        pacing.handle_timeout(now, budget, &expires, |key| released.push(key));
        for key in released {
            if let Some(job) = table.get_mut(key) {
                job.state = State::Ready;
                ready.push_back(key);
            }
        }
    }

    /// When [`Self::handle_timeout`] must be called next; perhaps a little before anything is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let timeouts = [
            self.wheel.next_expiration(),
            self.pacing.poll_timeout(),
            self.runs.poll_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Whether a job waits for a sender.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() || self.pacing.has_due()
    }

    /// The next job that waits for a sender: its attempt begins. `Err` is one that waited too long;
    /// it is no longer pending. There may be none though [`Self::has_ready`] says otherwise, if there are very many
    /// that must be held first.
    pub fn poll_ready(&mut self, now: Tick) -> Option<(Key, Result<&Job, Abandoned>)> {
        let key = match self.poll_held(now) {
            Some(Next::Expired(key)) => return Some((key, Err(self.expire(key)))),
            Some(Next::Send(key)) => key,
            None => self.pop_ready(now)?,
        };
        if self.is_expired(key, now) {
            return Some((key, Err(self.expire(key))));
        }
        let job = self.table.get_mut(key)?;
        job.state = State::Sending;
        self.sending += 1;
        Some((key, Ok(job)))
    }

    /// The turn of a workspace that is limited comes before other jobs: it is one job.
    fn poll_held(&mut self, now: Tick) -> Option<Next> {
        let table = &self.table;
        let expires = |key| table.get(key).map(|job| job.expires_at);
        self.pacing.poll(now, &expires)
    }

    fn is_expired(&self, key: Key, now: Tick) -> bool {
        let job = self.table.get(key);
        job.is_some_and(|job| now >= job.expires_at)
    }

    /// The first ready job that need not be held. One that has expired is not: a wait for it would be over at once.
    fn pop_ready(&mut self, now: Tick) -> Option<Key> {
        let mut budget = HELD_PER_POLL_MAX;
        let key = loop {
            let key = self.ready.pop_front()?;
            if !self.table.contains(key) {
                continue; // it was withdrawn
            }
            if self.is_expired(key, now) || !self.hold(key) {
                break key;
            }
            budget = budget.checked_sub(1)?;
        };
        if self.ready.is_empty() {
            self.ready.shrink_to(READY_KEPT);
        }
        Some(key)
    }

    /// Holds a job whose workspace is limited, and tells whether it is.
    fn hold(&mut self, key: Key) -> bool {
        if self.pacing.is_empty() {
            return false;
        }
        let Self { table, pacing, .. } = self;
        let Some(workspace) = table.get(key).map(Job::workspace) else {
            return false;
        };
        let expires = |key| table.get(key).map(|job| job.expires_at);
        let is_held = pacing.hold(workspace, key, &expires);
        if is_held && let Some(job) = table.get_mut(key) {
            job.state = State::Held;
        }
        is_held
    }

    fn expire(&mut self, key: Key) -> Abandoned {
        self.remove(key);
        Abandoned::Expired
    }

    /// A pending job.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Job> {
        self.table.get(key)
    }

    /// The pending job that a request like this one has made.
    #[must_use]
    pub fn find(&self, request: RequestId) -> Option<Key> {
        self.table.key_at(self.requests.find(request)?)
    }

    /// The request that has made a job, if its repeats are known by that.
    #[cfg(test)]
    pub(crate) fn request(&self, key: Key) -> Option<RequestId> {
        self.requests.id(key.index())
    }

    /// The age of the oldest job, in milliseconds, or up to a second more; 0 if there is none.
    #[must_use]
    pub fn oldest_age_ms(&self, now: Tick) -> u64 {
        self.ages.oldest_ms(now)
    }

    /// How many jobs may be pending.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    fn remove(&mut self, key: Key) {
        if let Some(job) = self.table.remove(key) {
            let made = self.runs.forget(key, job.expires_at);
            self.payload_bytes -= job.payload.len() + made;
            self.ages.remove(job.expires_at);
            self.requests.remove(key.index());
        }
    }

    /// All pending jobs.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Job)> {
        self.table.iter()
    }
}

/// Room for this many ready jobs is kept when a wave of them has passed.
const READY_KEPT: usize = 1024;

#[cfg(test)]
mod tests;
