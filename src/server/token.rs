//! What a [`mio::Token`] stands for.

use mio::Token;

use crate::slab::Key;

/// The source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Somebody outside the loop wants it to look around.
    Waker,
    /// The listener of this index.
    Listener(usize),
    /// A session. The key's generation is part of the token, so that an event for a socket that was
    /// closed earlier in the same batch finds nothing instead of its successor.
    Session(Key),
}

/// Tokens from here on are not sessions: their keys would need more slots than there are descriptors.
const LISTENERS: usize = usize::MAX - 0xffff;

const _: () = assert!(
    usize::BITS == 64,
    "a token holds a key's index and generation"
);

impl Source {
    pub(super) const fn token(self) -> Token {
        match self {
            Self::Waker => Token(usize::MAX),
            Self::Listener(index) => Token(LISTENERS + index),
            Self::Session(key) => Token(key.to_u64() as usize),
        }
    }

    pub(super) const fn of(token: Token) -> Self {
        match token.0 {
            usize::MAX => Self::Waker,
            listener @ LISTENERS.. => Self::Listener(listener - LISTENERS),
            session => Self::Session(Key::from_u64(session as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_for_what_it_was_made_of() {
        let session = |index, generation| Source::Session(Key::from_parts(index, generation));
        for source in [
            Source::Waker,
            Source::Listener(0),
            Source::Listener(9),
            session(0, 1),
            session(7, u32::MAX),
            session(1_000_000, 5),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
