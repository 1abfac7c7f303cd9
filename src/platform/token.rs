//! What a [`mio::Token`] stands for.

use mio::Token;

use crate::endpoint::source::{Role, Source};
use crate::slab::Key;

/// Tokens from here on are not sessions: their keys would need more slots than there are descriptors.
const LISTENERS: usize = usize::MAX - 0xffff;
/// Listeners of the admin address.
const ADMIN_LISTENERS: usize = usize::MAX - 0x7fff;
/// The highest bit of a key's index, which no slot needs either, marks sessions of the admin address.
const ADMIN_SESSION: usize = 1 << 31;

const _: () = assert!(
    usize::BITS == 64,
    "a token holds a key's index and generation"
);

/// The token of a source.
pub(crate) const fn of(source: Source) -> Token {
    match source {
        Source::Waker => Token(usize::MAX),
        Source::Listener(Role::Public, index) => Token(LISTENERS + index),
        Source::Listener(Role::Admin, index) => Token(ADMIN_LISTENERS + index),
        Source::Session(Role::Public, key) => Token(key.to_u64() as usize),
        Source::Session(Role::Admin, key) => Token(key.to_u64() as usize | ADMIN_SESSION),
    }
}

/// The source of a token.
pub(crate) const fn source(token: Token) -> Source {
    match token.0 {
        usize::MAX => Source::Waker,
        listener @ ADMIN_LISTENERS.. => Source::Listener(Role::Admin, listener - ADMIN_LISTENERS),
        listener @ LISTENERS.. => Source::Listener(Role::Public, listener - LISTENERS),
        session if session & ADMIN_SESSION != 0 => {
            let key = Key::from_u64((session & !ADMIN_SESSION) as u64);
            Source::Session(Role::Admin, key)
        }
        session => Source::Session(Role::Public, Key::from_u64(session as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_for_what_it_was_made_of() {
        let session =
            |role, index, generation| Source::Session(role, Key::from_parts(index, generation));
        for role in [Role::Public, Role::Admin] {
            for source in [
                Source::Waker,
                Source::Listener(role, 0),
                Source::Listener(role, 0x7ffe),
                session(role, 0, 1),
                session(role, 7, u32::MAX),
                session(role, 1_000_000, 5),
            ] {
                assert_eq!(self::source(of(source)), source);
            }
        }
    }
}
