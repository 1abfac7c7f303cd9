//! What an event may be about.

use crate::slab::Key;

/// Whom a socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Slack, and what stands in front of the bot.
    Public,
    /// Those who watch it.
    Admin,
}

/// The source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A thread outside the loop wants it to look around.
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
