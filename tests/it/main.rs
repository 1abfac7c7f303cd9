//! torrap over real sockets, one binary for all of it. Ports are chosen by the system; what is waited
//! for has a deadline and no sleep.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub
)] // it is the outside world

mod slash_command;
mod support;
