//! What a connection waits for, and until when.

use super::{CloseReason, Connection, Phase};
use crate::http::{Error, Hold, Limits, Staging};
use crate::time::Tick;

impl Connection {
    /// The wait of the phase that has just begun, or of the next one of its kind.
    pub(super) fn begin_wait(&mut self, now: Tick, limits: &Limits) {
        let deadline = now.after(self.timeout_ms(limits));
        // An empty line gives the client of a server that stops no more time than it had.
        let is_shorter = self.draining && self.is_idle();
        self.deadline = if is_shorter {
            deadline.min(self.deadline)
        } else {
            deadline
        };
    }

    /// For how long the phase that has just begun may last. It does not begin again with each byte, nor with
    /// each empty line: a client that sends one a second is not served for ever.
    const fn timeout_ms(&self, limits: &Limits) -> u64 {
        match self.phase {
            Phase::Idle if self.draining => limits.draining_timeout_ms,
            Phase::Idle if self.is_signed => limits.signed_idle_timeout_ms,
            Phase::Idle => limits.idle_timeout_ms,
            Phase::Head { .. } => limits.head_timeout_ms,
            Phase::Content { .. } => limits.content_timeout_ms,
            Phase::Held { .. } => limits.held_timeout_ms,
            Phase::Closing(_) => limits.linger_timeout_ms,
        }
    }

    /// Closes the connection with its next response, or when it has been idle for a moment: a client
    /// that uses it all the time has perhaps sent a request that is still on its way.
    pub fn drain(&mut self, limits: &Limits) {
        let since = self.since(limits);
        self.draining = true;
        if self.is_idle() {
            self.deadline = self.deadline.min(since.after(limits.draining_timeout_ms));
        }
    }

    /// Ends a phase that has lasted too long: an idle connection silently, since a client that opened
    /// it ahead of need does not expect an answer; an incomplete request with a 408. An answer that is
    /// held for too long is for the caller to withdraw and to [release](Self::release): that is what is
    /// returned. Spurious calls are harmless.
    #[must_use = "a hold that is over is released"]
    pub fn handle_timeout(
        &mut self,
        now: Tick,
        limits: &Limits,
        staging: &mut Staging,
    ) -> Option<Hold> {
        if now < self.deadline {
            return None;
        }
        match self.phase {
            Phase::Held { hold, .. } => return Some(hold),
            Phase::Closing(_) => {}
            _ if self.is_incomplete() => self.fail(Error::TimedOut, staging),
            _ => self.close(CloseReason::Idle),
        }
        self.deadline = now.after(limits.linger_timeout_ms);
        None
    }

    /// When [`Self::handle_timeout`] is due; in the closing phase, when waiting for the peer ends.
    #[must_use]
    pub const fn deadline(&self) -> Tick {
        self.deadline
    }

    /// Whether the connection waits between two requests, perhaps with empty lines.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        let is_between = matches!(self.phase, Phase::Idle) || self.has_only_empty_lines();
        is_between && !self.backlog
    }

    /// Whether part of a request has arrived.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        let is_in_head = matches!(self.phase, Phase::Head { .. }) && !self.has_only_empty_lines();
        is_in_head || matches!(self.phase, Phase::Content { .. })
    }

    const fn has_only_empty_lines(&self) -> bool {
        matches!(
            self.phase,
            Phase::Head {
                has_begun: false,
                ..
            }
        )
    }

    /// Since when the connection is in its phase, or had its last answer: bytes that complete nothing
    /// do not count.
    #[must_use]
    pub const fn since(&self, limits: &Limits) -> Tick {
        Tick(self.deadline.0.saturating_sub(self.timeout_ms(limits)))
    }
}
