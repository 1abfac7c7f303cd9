//! torrap over real sockets, one binary for all of it. Ports are chosen by the system; what is waited
//! for has a deadline and no sleep.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub
)] // it is the outside world

mod blocking;
mod certificates;
mod delivery;
mod draft;
mod exposition;
mod hostile;
mod http;
mod metrics;
mod own_commands;
mod proxy;
mod refusal;
mod repeats;
mod resources;
mod rfc9112;
mod senders;
mod slash_command;
mod stop;
#[cfg(target_os = "linux")] // /proc
mod stopped;
mod text;
mod tls;

#[cfg(target_os = "linux")]
const TORRAP: test_support::Binary<'static> = test_support::Binary(env!("CARGO_BIN_EXE_torrap"));
