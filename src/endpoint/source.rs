//! The sources of readiness events.

use crate::slab::Key;

/// Which address a socket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The public address (`--listen`): Slack, and the proxies through which it comes.
    Public,
    /// The admin address (`--metrics-listen`): scrapers and probes.
    Admin,
}

/// The source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Another thread has woken the loop.
    Waker,
    /// The listener of this index.
    Listener(Role, usize),
    /// A session. The key's generation is part of the token, so that an event for a socket that was
    /// closed earlier in the same batch finds nothing instead of its successor.
    Session(Role, Key),
}

impl Source {
    /// Whose socket it is; none is the waker's.
    pub(crate) const fn role(self) -> Option<Role> {
        match self {
            Self::Waker => None,
            Self::Listener(role, _) | Self::Session(role, _) => Some(role),
        }
    }
}
