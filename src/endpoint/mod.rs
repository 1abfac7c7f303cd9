//! An address that the bot serves: who is let in, the sessions, and what becomes of those who wait when places run
//! out. The sockets themselves are behind [`socket`].
#![allow(clippy::disallowed_types)] // mio's sockets are one of the kinds

pub(crate) mod admission;
pub(crate) mod eviction;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod socket;
pub(crate) mod token;
