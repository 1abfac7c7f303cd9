//! What the tests and benches share: seeded chance, fakes that are called like the thing they replace, and the bot on a
//! thread or as a process with a client for it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types
)] // it is the outside world, and a test may fail

mod authority;
mod bot;
mod client;
pub mod garbage;
mod gate;
pub mod generator;
pub mod kernel;
mod log_lines;
mod process;
mod redis;
pub mod repository;
mod scratch;
pub mod seeds;
mod server;
mod tunnel_agent;

pub use authority::Authority;
pub use bot::{Binary, Bot};
pub use client::Client;
pub use gate::Gate;
pub use log_lines::LogLines;
pub use process::{Finished, Process, finish, finish_on_terminal, poll_for, signal};
pub use redis::redis_server;
pub use scratch::Scratch;
pub use server::Torrap;
pub use tunnel_agent::{Told, TunnelAgent};

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use torrap::slack::request;

/// A signing secret in the form of Slack's, and another one than that of its documentation, of which the bot warns.
pub const SECRET: &str = "8f742231b10e8888abcd99feedface85";

/// The secret part of every `response_url`.
pub const SECRET_PATH: &str = "/commands/T0001/1/secret-path";

/// What nothing on one machine should ever take.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A request for `/torrap text` with this `response_url`, signed now. No two of them are the same, as of Slack's.
pub fn signed(secret: &str, text: &str, response_url: &str) -> Vec<u8> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let content = request::form("/torrap", text, response_url) + &format!("&test={number:06}");
    request::signed(secret.as_bytes(), unix_secs(), content.as_bytes())
}

/// The time of day in seconds since 1970.
pub fn unix_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// An address of this machine at which nothing listens. On Linux all of 127.0.0.0/8 is this machine: the tests' own connections
/// come from 127.0.0.1, and the system could give the port to one of them in the meantime.
pub fn free_address() -> SocketAddr {
    let host = match cfg!(target_os = "linux") {
        true => Ipv4Addr::new(127, 0, 0, 2),
        false => Ipv4Addr::LOCALHOST,
    };
    let listener = TcpListener::bind((host, 0)).unwrap();
    listener.local_addr().unwrap()
}
