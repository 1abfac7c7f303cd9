//! What came of an attempt, for its job and for the workspace that it went to.

use super::pacing::Sign;
use super::retry::{self, Case};
use super::{Jobs, Outcome, State, Verdict};
use crate::slab::Key;
use crate::time::{Now, Tick};

impl Jobs {
    /// Judges an attempt. `None` if the job is not with a sender: an outcome counts once. That of a run which found no
    /// thread is [`Outcome::Unsent`].
    pub fn handle_outcome(&mut self, key: Key, outcome: &Outcome, now: Now) -> Option<Verdict> {
        let job = self.table.get_mut(key).filter(|job| match job.state {
            State::Sending => true,
            State::Running => *outcome == Outcome::Unsent,
            _ => false,
        })?;
        self.sending -= 1;
        job.tries.count(outcome);
        let case = Case {
            tries: job.tries,
            is_apology: job.is_apology,
            expires_at: job.expires_at,
            seed: key.to_u64(),
        };
        let mut verdict = retry::judge(outcome, &case, now);
        if job.needs_run {
            self.runs.postpone(key, job.expires_at);
        }
        // Known before the pace is: it looks at the oldest job that is held.
        job.state = State::Held;
        let paced = self.pace(key, outcome, now);
        if let (Verdict::RetryAt(_), Some(until)) = (verdict, paced)
            && self.hold(key)
        {
            verdict = Verdict::HeldUntil(until);
        }
        self.settle(key, verdict);
        Some(verdict)
    }

    /// Tells the job's workspace, if it is paced or is to be. Gives when its next job may go if it was limited.
    pub(super) fn pace(&mut self, key: Key, outcome: &Outcome, now: Now) -> Option<Tick> {
        let sign = match outcome {
            Outcome::Limited { .. } => Sign::Limited {
                asked_ms: outcome.asked_ms(now.unix),
                seed: retry::seed(key.to_u64(), now),
            },
            _ if self.pacing.is_empty() => return None,
            Outcome::Delivered | Outcome::Rejected { .. } => Sign::Taken,
            Outcome::Unsent | Outcome::Unknown | Outcome::Unavailable { .. } => Sign::Unclear,
        };
        let table = &self.table;
        let workspace = table.get(key)?.workspace();
        let expires = |key| table.get(key).map(|job| job.expires_at);
        let until = self
            .pacing
            .learn(workspace, key, sign, now.tick, &expires)?;
        matches!(sign, Sign::Limited { .. }).then_some(until)
    }

    fn settle(&mut self, key: Key, verdict: Verdict) {
        let Some(job) = self.table.get_mut(key) else {
            return;
        };
        match verdict {
            Verdict::RetryAt(at) => {
                job.state = State::Scheduled;
                self.wheel.schedule(at, key);
            }
            Verdict::Apologise => {
                job.state = State::Ready;
                job.is_apology = true;
                self.ready.push_back(key);
            }
            Verdict::HeldUntil(_) => {}
            Verdict::Settled | Verdict::Apologised | Verdict::Abandon(_) => self.remove(key),
        }
    }
}
