//! What a [`mio::Token`] stands for.

use mio::Token;

use crate::slab::Key;

/// Whom a socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Slack, and whoever stands in front of the bot.
    Front,
    /// Those who watch it.
    Watch,
}

/// The source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Somebody outside the loop wants it to look around.
    Waker,
    /// The listener of this index.
    Listener(Side, usize),
    /// A session. The key's generation is part of the token, so that an event for a socket that was
    /// closed earlier in the same batch finds nothing instead of its successor.
    Session(Side, Key),
}

/// Tokens from here on are not sessions: their keys would need more slots than there are descriptors.
const LISTENERS: usize = usize::MAX - 0xffff;
/// Listeners of those who watch.
const WATCH_LISTENERS: usize = usize::MAX - 0x7fff;
/// The highest bit of a key's index, which no slot needs either, tells the sessions of those who watch.
const WATCH_SESSION: usize = 1 << 31;

const _: () = assert!(
    usize::BITS == 64,
    "a token holds a key's index and generation"
);

impl Source {
    pub(crate) const fn token(self) -> Token {
        match self {
            Self::Waker => Token(usize::MAX),
            Self::Listener(Side::Front, index) => Token(LISTENERS + index),
            Self::Listener(Side::Watch, index) => Token(WATCH_LISTENERS + index),
            Self::Session(Side::Front, key) => Token(key.to_u64() as usize),
            Self::Session(Side::Watch, key) => Token(key.to_u64() as usize | WATCH_SESSION),
        }
    }

    pub(crate) const fn of(token: Token) -> Self {
        match token.0 {
            usize::MAX => Self::Waker,
            listener @ WATCH_LISTENERS.. => Self::Listener(Side::Watch, listener - WATCH_LISTENERS),
            listener @ LISTENERS.. => Self::Listener(Side::Front, listener - LISTENERS),
            session if session & WATCH_SESSION != 0 => {
                let key = Key::from_u64((session & !WATCH_SESSION) as u64);
                Self::Session(Side::Watch, key)
            }
            session => Self::Session(Side::Front, Key::from_u64(session as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_for_what_it_was_made_of() {
        let session =
            |side, index, generation| Source::Session(side, Key::from_parts(index, generation));
        for side in [Side::Front, Side::Watch] {
            for source in [
                Source::Waker,
                Source::Listener(side, 0),
                Source::Listener(side, 0x7ffe),
                session(side, 0, 1),
                session(side, 7, u32::MAX),
                session(side, 1_000_000, 5),
            ] {
                assert_eq!(Source::of(source.token()), source);
            }
        }
    }
}
