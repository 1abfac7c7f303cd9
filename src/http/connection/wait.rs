//! How long a connection waits.

use super::phase::Phase;
use crate::http::Limits;
use crate::time::Tick;

/// What the length of a wait depends on besides the [`Phase`]. The deadline stands in the connection, where it takes
/// up no padding.
#[derive(Debug)]
pub(super) struct Wait {
    /// The server is stopping.
    pub(super) is_draining: bool,
    /// A request on the connection was authenticated.
    pub(super) is_signed: bool,
}

impl Wait {
    /// For how long the phase that has just begun may last. It does not begin again with each byte, nor with
    /// each empty line: a client that sends one a second is not served for ever.
    pub(super) const fn timeout_ms(&self, phase: &Phase, limits: &Limits) -> u64 {
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

    /// When the phase that ends at `deadline` began.
    pub(super) const fn since(&self, deadline: Tick, phase: &Phase, limits: &Limits) -> Tick {
        Tick(deadline.0.saturating_sub(self.timeout_ms(phase, limits)))
    }
}
