//! Jobs: replies that were promised with a 200 and are owed until they are settled.
//!
//! ```text
//!               due              taken            2xx
//!   Scheduled ───────▶ Ready ───────────▶ Sending ────▶ delivered
//!       ▲                │ too late          │
//!       │                ▼                   │
//!       │            abandoned ◀─────────────┤ refused, expired, attempts spent
//!       └────────────── backoff ─────────────┘
//! ```
//!
//! The table knows of no thread and no clock. A job stays in it while a sender has it, so that a
//! sender that dies loses nothing.

pub mod answer;
mod payload;
mod restored;
mod retry;

use std::collections::VecDeque;

use self::payload::Payload;
pub use self::retry::{ATTEMPTS_MAX, Abandoned, LIFETIME_MS, Outcome, Verdict};

use crate::slab::{Key, Slab};
use crate::time::{Now, Tick};
use crate::timing_wheel::{self, TimingWheel};

/// A job waits no longer than it lives, whether it thinks or Retry-After asks for it.
const _: () = assert!(
    timing_wheel::RANGE_MS > LIFETIME_MS,
    "no job may outrun the wheel"
);

/// Payload bytes per job of the capacity, a mean over all jobs. What Slack sends is far smaller; the
/// limit is for a hundred thousand texts of the largest size that HTTP lets through.
const PAYLOAD_BYTES_MEAN_MAX: usize = 4096;

/// No room for another job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the wheel, until it is due for the first time or again.
    Scheduled,
    /// Due, and waiting for a sender.
    Ready,
    /// With a sender.
    Sending,
}

/// A reply that is owed.
#[derive(Debug)]
pub struct Job {
    payload: Payload,
    /// Which of the commands.
    pub command: u8,
    /// Which of the allowed origins.
    pub origin: u8,
    /// Attempts made.
    pub attempts: u8,
    /// Where it stands.
    pub state: State,
    /// When the `response_url` stops serving.
    pub expires_at: Tick,
}

/// What is needed to make a job.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// Which of the commands makes the reply.
    pub command: u8,
    /// Which of the allowed origins the reply goes to.
    pub origin: u8,
    /// Path and query of the `response_url`: a secret.
    pub path: &'a str,
    /// The text as Slack delivered it.
    pub text: &'a str,
    /// When the thinking is over.
    pub due: Tick,
    /// When the `response_url` stops serving.
    pub expires_at: Tick,
}

impl Job {
    /// Path and query of the `response_url`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.payload.path()
    }

    /// The text as Slack delivered it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.payload.text()
    }

    /// Milliseconds since Slack stamped the command, from when its `response_url` expires.
    const fn age_ms(&self, now: Tick) -> u64 {
        now.after(LIFETIME_MS).millis_since(self.expires_at)
    }
}

/// All jobs that are owed.
pub struct Jobs {
    table: Slab<Job>,
    wheel: TimingWheel<Key>,
    ready: VecDeque<Key>,
    capacity: usize,
    /// Bytes of all payloads together.
    payload_bytes: usize,
    /// How many are with a sender.
    sending: usize,
}

impl Jobs {
    /// An empty table for at most `capacity` jobs.
    #[must_use]
    pub fn new(capacity: usize, now: Tick) -> Self {
        Self {
            table: Slab::new(),
            wheel: TimingWheel::new(now),
            ready: VecDeque::new(),
            capacity,
            payload_bytes: 0,
            sending: 0,
        }
    }

    /// How many jobs are owed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes on a job.
    ///
    /// # Errors
    /// [`Full`] when as many are owed as are allowed.
    pub fn schedule(&mut self, new: NewJob<'_>) -> Result<Key, Full> {
        let bytes = self.payload_bytes + new.path.len() + new.text.len();
        // The timer of a withdrawn job stays until it is due: a journal that cannot be written must not
        // make the wheel grow with every command that is answered "busy".
        if self.table.len().max(self.wheel.len()) >= self.capacity
            || bytes > self.capacity.saturating_mul(PAYLOAD_BYTES_MEAN_MAX)
        {
            return Err(Full);
        }
        self.insert(new).ok_or(Full)
    }

    /// `None` if its path is longer than any path.
    fn insert(&mut self, new: NewJob<'_>) -> Option<Key> {
        let payload = Payload::new(new.path, new.text)?;
        self.payload_bytes += new.path.len() + new.text.len();
        let key = self.table.insert(Job {
            payload,
            command: new.command,
            origin: new.origin,
            attempts: 0,
            state: State::Scheduled,
            expires_at: new.expires_at,
        });
        self.wheel.schedule(new.due, key);
        Some(key)
    }

    /// Makes ready what is due by now, as far as the budget goes.
    pub fn handle_timeout(&mut self, now: Tick, budget: &mut usize) {
        while let Some(key) = self.wheel.expire(now, budget) {
            if let Some(job) = self.table.get_mut(key) {
                job.state = State::Ready;
                self.ready.push_back(key);
            }
        }
    }

    /// When [`Self::handle_timeout`] must be called next; perhaps a little before anything is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.wheel.next_expiration()
    }

    /// Whether a job waits for a sender.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next job that waits for a sender: its attempt begins. `Err` is one that waited too long;
    /// it is no longer owed.
    pub fn poll_ready(&mut self, now: Tick) -> Option<(Key, Result<&Job, Abandoned>)> {
        let mut key = self.ready.pop_front()?;
        while !self.table.contains(key) {
            key = self.ready.pop_front()?; // one that was withdrawn
        }
        if self.ready.is_empty() {
            self.ready.shrink_to(READY_KEPT);
        }
        if self.table.get(key).is_some_and(|job| now >= job.expires_at) {
            self.remove(key);
            return Some((key, Err(Abandoned::Expired)));
        }
        let job = self.table.get_mut(key)?;
        job.state = State::Sending;
        job.attempts = job.attempts.saturating_add(1);
        self.sending += 1;
        Some((key, Ok(job)))
    }

    /// Judges an attempt. `None` if the job is not with a sender: an outcome counts once.
    pub fn handle_outcome(&mut self, key: Key, outcome: &Outcome, now: Now) -> Option<Verdict> {
        let job = self
            .table
            .get_mut(key)
            .filter(|job| job.state == State::Sending)?;
        self.sending -= 1;
        let seed = key.to_u64();
        let verdict = retry::judge(outcome, job.attempts, job.expires_at, seed, now);
        match verdict {
            Verdict::RetryAt(at) => {
                job.state = State::Scheduled;
                self.wheel.schedule(at, key);
            }
            Verdict::Settled | Verdict::Abandon(_) => self.remove(key),
        }
        Some(verdict)
    }

    /// How long ago Slack stamped a job's command, in milliseconds.
    #[must_use]
    pub fn age_ms(&self, key: Key, now: Tick) -> Option<u64> {
        self.table.get(key).map(|job| job.age_ms(now))
    }

    /// The age of the oldest job, in milliseconds; 0 if nothing is owed. Looks at all of them.
    #[must_use]
    pub fn oldest_age_ms(&self, now: Tick) -> u64 {
        let ages = self.table.iter().map(|(_, job)| job.age_ms(now));
        ages.max().unwrap_or(0)
    }

    /// How many jobs may be owed.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    fn remove(&mut self, key: Key) {
        if let Some(job) = self.table.remove(key) {
            self.payload_bytes -= job.payload.len();
        }
    }

    /// All jobs that are owed.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Job)> {
        self.table.iter()
    }
}

/// Room for this many ready jobs is kept when a wave of them has passed.
const READY_KEPT: usize = 1024;

#[cfg(test)]
mod tests;
