//! Slows down what goes to a workspace that has answered 429, while everything else goes on.
//!
//! Slack limits posts by workspace, to bursts of about 25 and then about one a second. So all jobs of a limited
//! workspace are held, and one at a time is sent as a probe. A refused probe is followed by the next one not before
//! its Retry-After, and the longer the more probes were refused in a row; a probe that was taken is followed by the
//! next one after a spacing, which gets shorter as long as they are taken. When it is short enough, or nothing is
//! held, the workspace is no longer paced.
//!
//! A paced workspace always has its next deadline or stands in the queue of those that may go on, so that no
//! workspace is forgotten: not with a probe whose outcome never comes, nor with nothing to send.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::hash::{DefaultHasher, Hasher};

use super::retry;
use crate::slab::Key;
use crate::time::Tick;

/// Most workspaces that are paced at the same time. Jobs of further ones are tried again each on its own.
const WORKSPACES_MAX: usize = 1024;
/// The spacing after a refusal: what Slack's documentation allows (docs.slack.dev/apis/web-api/rate-limits).
const SPACING_MS: u64 = 1_000;
/// Below this spacing a workspace is not limited any more.
const SPACING_MS_MIN: u64 = 32;
/// The spacing is halved after so many probes were taken in a row.
const TAKEN_PER_STEP: u8 = 4;
/// A probe whose outcome has not come for so long is followed by another one. It is longer than an attempt
/// can last, and leaves time to wait for a sender thread.
const PROBE_TIMEOUT_MS: u64 = 60_000;

/// The origin and the first two segments of a `response_url`'s path, `/commands/T…`.
///
/// As a hash, so that a workspace takes the same little memory whatever its path: two that had the same
/// would share their pace, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Workspace(u64);

impl Workspace {
    pub(super) fn of(origin: u8, path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        let end = path.match_indices('/').nth(2).map(|(at, _)| at);
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(origin);
        hasher.write(&path.as_bytes()[..end.unwrap_or(path.len())]);
        Self(hasher.finish())
    }
}

/// What a job's attempt says of its workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// 429, with the wait that it asks for in milliseconds, and a number by which the jitter differs.
    Limited { asked_ms: u64, seed: u64 },
    /// Any other answer that is final: there was room.
    Taken,
    /// Nothing.
    Unclear,
}

/// A held job whose turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is the workspace's probe now.
    Send(Key),
    /// Its `response_url` has expired.
    Expired(Key),
}

/// All workspaces that are paced.
#[derive(Default)]
pub(super) struct Pacing {
    workspaces: BTreeMap<Workspace, Pace>,
    /// The deadline of each workspace that is not in `due`.
    timers: BTreeSet<(Tick, Workspace)>,
    /// Those of which a job may go or has expired.
    due: VecDeque<Workspace>,
}

struct Pace {
    /// When the next job may go.
    until: Tick,
    /// What all refusals have asked for.
    asked: Tick,
    /// The job that was sent last, as long as its outcome is not known.
    probe: Option<Key>,
    /// Its deadline in `timers`; none while it is in `due`.
    timer: Option<Tick>,
    /// The jobs that wait, as numbers: the least is the oldest.
    held: BinaryHeap<Reverse<u64>>,
    /// Between two probes that are taken; 0 once all held jobs may go.
    spacing_ms: u64,
    /// Probes taken in a row, since the spacing has changed.
    taken: u8,
    /// Probes refused in a row.
    refusals: u8,
}

impl Pace {
    const fn new() -> Self {
        Self {
            until: Tick(0),
            asked: Tick(0),
            probe: None,
            timer: None,
            held: BinaryHeap::new(),
            spacing_ms: SPACING_MS,
            taken: 0,
            refusals: 0,
        }
    }

    fn oldest(&self) -> Option<Key> {
        self.held.peek().map(|Reverse(key)| Key::from_u64(*key))
    }

    /// A further job may be sent, after a wait.
    fn go_on(&mut self, wait_ms: u64, now: Tick) {
        self.probe = None;
        self.until = now.after(wait_ms).max(self.asked);
    }

    const fn count_taken(&mut self) {
        self.refusals = 0;
        self.taken += 1;
        if self.taken >= TAKEN_PER_STEP {
            self.taken = 0;
            self.spacing_ms /= 2;
        }
        if self.spacing_ms < SPACING_MS_MIN {
            self.spacing_ms = 0;
        }
    }
}

/// When a job expires; `None` if the job is gone.
pub(super) type Expiry<'a> = dyn Fn(Key) -> Option<Tick> + 'a;

impl Pacing {
    /// Whether no workspace is paced, as it mostly is: then nothing here costs anything.
    pub(super) fn is_empty(&self) -> bool {
        self.workspaces.is_empty()
    }

    /// Whether [`Self::poll`] has something to give.
    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether jobs of this workspace are held.
    pub(super) fn is_paced(&self, workspace: Workspace) -> bool {
        let pace = self.workspaces.get(&workspace);
        pace.is_some_and(|pace| pace.spacing_ms > 0)
    }

    /// When [`Self::handle_timeout`] must be called next.
    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes a job that is due if its workspace is paced, and tells whether it has.
    pub(super) fn hold(&mut self, workspace: Workspace, key: Key, expires: &Expiry<'_>) -> bool {
        let paced = self.workspaces.get_mut(&workspace);
        let Some(pace) = paced.filter(|pace| pace.spacing_ms > 0) else {
            return false;
        };
        pace.held.push(Reverse(key.to_u64()));
        if pace.timer.is_some() {
            self.arm(workspace, expires);
        }
        true
    }

    /// Learns what came of a job's attempt. If its workspace is paced because of it: when the next job of
    /// that one may go, at the earliest.
    pub(super) fn learn(
        &mut self,
        workspace: Workspace,
        key: Key,
        sign: Sign,
        now: Tick,
        expires: &Expiry<'_>,
    ) -> Option<Tick> {
        let is_room = self.workspaces.len() < WORKSPACES_MAX;
        if matches!(sign, Sign::Limited { .. }) && is_room {
            self.workspaces.entry(workspace).or_insert_with(Pace::new);
        }
        let pace = self.workspaces.get_mut(&workspace)?;
        let is_probe = pace.probe == Some(key);
        if let Sign::Limited { asked_ms, .. } = sign {
            // By then all that is held has expired: a Retry-After of years must not stop the workspace for good.
            let asked = now.not_before(asked_ms.min(retry::LIFETIME_MS));
            pace.asked = pace.asked.max(asked);
        }
        match sign {
            // It was sent before the workspace was paced: the probe that is under way knows better.
            Sign::Limited { .. } if pace.probe.is_some() && !is_probe => {
                pace.until = pace.until.max(pace.asked);
            }
            Sign::Limited { asked_ms, seed } => {
                let is_first = pace.until == Tick(0) || pace.spacing_ms == 0;
                let wait_ms = retry::limited_wait_ms(asked_ms, pace.refusals, seed);
                if is_probe || is_first {
                    pace.refusals = pace.refusals.saturating_add(1);
                }
                (pace.spacing_ms, pace.taken) = (SPACING_MS, 0);
                pace.go_on(wait_ms, now);
            }
            _ if !is_probe => return None,
            Sign::Taken => {
                pace.count_taken();
                pace.go_on(pace.spacing_ms, now);
            }
            Sign::Unclear => pace.go_on(pace.spacing_ms, now),
        }
        let until = pace.until;
        self.arm(workspace, expires);
        Some(until)
    }

    /// Lets workspaces go on whose deadline has come. Jobs of those that are not limited any more are given
    /// to `release`, as many as the budget allows.
    pub(super) fn handle_timeout(
        &mut self,
        now: Tick,
        budget: &mut usize,
        expires: &Expiry<'_>,
        mut release: impl FnMut(Key),
    ) {
        while let Some(&(at, workspace)) = self.timers.first()
            && at <= now
            && let Some(left) = budget.checked_sub(1)
        {
            *budget = left;
            let Some(pace) = self.workspaces.get_mut(&workspace) else {
                self.timers.pop_first();
                continue;
            };
            if pace.spacing_ms == 0
                && pace.until <= now
                && let Some(Reverse(key)) = pace.held.pop()
            {
                release(Key::from_u64(key));
            } else {
                self.timers.pop_first();
                pace.timer = None;
                self.place(workspace, now, expires);
            }
        }
    }

    /// The next held job that may be sent, or has expired.
    pub(super) fn poll(&mut self, now: Tick, expires: &Expiry<'_>) -> Option<Next> {
        while let Some(workspace) = self.due.pop_front() {
            let Some(pace) = self.workspaces.get_mut(&workspace) else {
                continue;
            };
            let expiry = pace.oldest().map(expires);
            let next = match (pace.oldest(), expiry.flatten()) {
                (Some(key), Some(expiry)) if expiry <= now => Some(Next::Expired(key)),
                (Some(key), Some(_)) if pace.until <= now => {
                    pace.probe = Some(key);
                    pace.until = now.after(PROBE_TIMEOUT_MS);
                    Some(Next::Send(key))
                }
                (Some(_), Some(_)) => {
                    self.arm(workspace, expires);
                    continue;
                }
                _ => None, // it was withdrawn
            };
            pace.held.pop();
            self.place(workspace, now, expires);
            if next.is_some() {
                return next;
            }
        }
        None
    }

    /// Puts a workspace that has no deadline where it belongs: among those that may go on, among those
    /// that wait, or nowhere if nothing is held and nothing awaited.
    fn place(&mut self, workspace: Workspace, now: Tick, expires: &Expiry<'_>) {
        let Some(pace) = self.workspaces.get(&workspace) else {
            return;
        };
        let Some(oldest) = pace.oldest() else {
            if pace.until <= now {
                self.workspaces.remove(&workspace);
            } else {
                self.arm(workspace, expires);
            }
            return;
        };
        if pace.until <= now || expires(oldest).is_none_or(|at| at <= now) {
            self.due.push_back(workspace);
        } else {
            self.arm(workspace, expires);
        }
    }

    /// Sets a workspace's deadline: when the next job may go, or the oldest one expires.
    fn arm(&mut self, workspace: Workspace, expires: &Expiry<'_>) {
        let Some(pace) = self.workspaces.get_mut(&workspace) else {
            return;
        };
        let expiry = pace.oldest().and_then(expires);
        let at = expiry.map_or(pace.until, |expiry| expiry.min(pace.until));
        match pace.timer.replace(at) {
            Some(before) if before == at => return,
            Some(before) => _ = self.timers.remove(&(before, workspace)),
            None => self.due.retain(|due| *due != workspace),
        }
        self.timers.insert((at, workspace));
    }
}

#[cfg(test)]
mod tests;
