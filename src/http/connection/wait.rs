//! Until when a connection waits.

use super::phase::Phase;
use crate::http::Limits;
use crate::time::Tick;

/// A connection's deadline, and what its length depends on besides the [`Phase`].
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) deadline: Tick,
    /// The server is stopping.
    pub(super) is_draining: bool,
    /// A request on the connection was authenticated.
    pub(super) is_signed: bool,
}

impl Wait {
    /// The wait of a connection that has just been accepted.
    pub(super) const fn new(now: Tick, limits: &Limits) -> Self {
        Self {
            deadline: now.after(limits.idle_timeout_ms),
            is_draining: false,
            is_signed: false,
        }
    }

    /// The wait of the phase that has just begun, or of the next one of its kind.
    pub(super) fn begin(&mut self, phase: &Phase, is_idle: bool, now: Tick, limits: &Limits) {
        let deadline = now.after(self.timeout_ms(phase, limits));
        // An empty line gives the client of a server that stops no more time than it had.
        let is_shorter = self.is_draining && is_idle;
        self.deadline = if is_shorter {
            deadline.min(self.deadline)
        } else {
            deadline
        };
    }

    /// For how long the phase that has just begun may last. It does not begin again with each byte, nor with
    /// each empty line: a client that sends one a second is not served for ever.
    const fn timeout_ms(&self, phase: &Phase, limits: &Limits) -> u64 {
        match phase {
            Phase::Idle if self.is_draining => limits.draining_timeout_ms,
            Phase::Idle if self.is_signed => limits.signed_idle_timeout_ms,
            Phase::Idle => limits.idle_timeout_ms,
            Phase::Head { .. } => limits.head_timeout_ms,
            Phase::Content { .. } => limits.content_timeout_ms,
            Phase::Held { .. } => limits.held_timeout_ms,
            Phase::Closing(_) => limits.linger_timeout_ms,
        }
    }

    /// The server is stopping: an idle connection waits for a moment only.
    pub(super) fn drain(&mut self, phase: &Phase, is_idle: bool, limits: &Limits) {
        let since = self.since(phase, limits);
        self.is_draining = true;
        if is_idle {
            self.deadline = self.deadline.min(since.after(limits.draining_timeout_ms));
        }
    }

    /// When the phase began.
    pub(super) const fn since(&self, phase: &Phase, limits: &Limits) -> Tick {
        Tick(
            self.deadline
                .0
                .saturating_sub(self.timeout_ms(phase, limits)),
        )
    }
}
