//! What a [`mio::Token`] stands for.

use mio::Token;

use crate::endpoint::source::{Side, Source};
use crate::slab::Key;

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

/// The token of a source.
pub(crate) const fn of(source: Source) -> Token {
    match source {
        Source::Waker => Token(usize::MAX),
        Source::Listener(Side::Public, index) => Token(LISTENERS + index),
        Source::Listener(Side::Admin, index) => Token(WATCH_LISTENERS + index),
        Source::Session(Side::Public, key) => Token(key.to_u64() as usize),
        Source::Session(Side::Admin, key) => Token(key.to_u64() as usize | WATCH_SESSION),
    }
}

/// The source of a token.
pub(crate) const fn source(token: Token) -> Source {
    match token.0 {
        usize::MAX => Source::Waker,
        listener @ WATCH_LISTENERS.. => Source::Listener(Side::Admin, listener - WATCH_LISTENERS),
        listener @ LISTENERS.. => Source::Listener(Side::Public, listener - LISTENERS),
        session if session & WATCH_SESSION != 0 => {
            let key = Key::from_u64((session & !WATCH_SESSION) as u64);
            Source::Session(Side::Admin, key)
        }
        session => Source::Session(Side::Public, Key::from_u64(session as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_for_what_it_was_made_of() {
        let session =
            |side, index, generation| Source::Session(side, Key::from_parts(index, generation));
        for side in [Side::Public, Side::Admin] {
            for source in [
                Source::Waker,
                Source::Listener(side, 0),
                Source::Listener(side, 0x7ffe),
                session(side, 0, 1),
                session(side, 7, u32::MAX),
                session(side, 1_000_000, 5),
            ] {
                assert_eq!(self::source(of(source)), source);
            }
        }
    }
}
