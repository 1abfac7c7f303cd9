//! torrap: a Slack slash-command bot on one thread and one poll loop.
//!
//! # Bird's-eye view
//!
//! [`Server`] owns the sockets. It hands the bytes of each connection to an [`http::Connection`], which
//! finds requests in them, and the requests to the [`bot::Bot`]. The bot verifies a request's signature,
//! reads the command, notes a job in [`jobs::Jobs`] and answers 200. A [timing wheel](timing_wheel) says
//! when the job is due. Then the bot makes the reply and gives it out as a [`bot::Delivery`]; a sender
//! thread posts it, once, and what came of that goes back to the bot as a [`bot::Report`].
//!
//! With a [`journal`], what was accepted in a turn is durable before it is acknowledged, and what an earlier
//! process has left is owed again.
//!
//! Everything the bot knows is told to it: `handle_*` puts requests, time and outcomes in, `poll_*`
//! takes deliveries and deadlines out, and `now` is an argument.
//!
//! ```
//! use torrap::config::{Config, Settings, SigningSecret};
//! use torrap::{Server, trial};
//!
//! let secret = SigningSecret::new("8f742231b10e8888abcd99yyyzzz85a5")?;
//! let mut config = Config::from_settings(&Settings::default(), vec![secret])?;
//! config.listen = vec!["127.0.0.1:0".to_owned()];
//!
//! let mut server = Server::bind(&config)?;
//! let address = server.local_addrs()?[0];
//! let stopper = server.stopper();
//! let running = std::thread::spawn(move || server.run());
//!
//! let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
//! assert_eq!(trial::command::send(address, request)?.status, 200);
//!
//! stopper.stop();
//! let undelivered = running.join().expect("the server does not panic")?;
//! assert_eq!(undelivered, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Around that stand the commands of the binary: [`cli`] reads its line, [`trial`] plays Slack, [`check`]
//! looks whether the bot could run, [`manifest`] prints the app. What the loop counts is in [`metrics`],
//! and served at a door of its own; [`health`] is what the others who watch are told.
//!
//! The README has the code map, the path of one request and all limits.
//!
//! # Architecture invariants
//!
//! * **The shell is `server/`, `trial/`, `check/`, `console/` and the binary (`main.rs`, `signals.rs`).** Nothing else opens a socket or a
//!   file, starts a thread, or reads a clock or the environment. `.clippy.toml` enforces it; each part
//!   of the shell opens with one `#![allow]`.
//! * **Dependencies point one way**: `server` → `journal` → `bot` → `commands` → `slack`, and `bot` → `http`,
//!   `jobs`; `jobs` → `timing_wheel` → `slab`. `http`, `slack` and `jobs` do not know of each other.
//! * **No statics and no thread-locals**, so that two servers in one process do not know of each other.
//!   What the process has one of, its log and its signal handler, is installed by the binary.
//! * **The loop blocks in `poll` and nowhere else.** Name look-ups and everything else that may wait for
//!   somebody happen before it, or on threads of their own. Locks that it shares with those threads are
//!   held for a few statements.
//! * **A sender thread makes one attempt and reports.** Whether and when there is another one is decided
//!   in `jobs/retry.rs`.
//! * **Nothing that a peer sends can panic.** A peer's fault is a value and becomes a status, or an
//!   outcome. A panic means that an invariant of our own is broken.
//! * **Nothing is unbounded**: no buffer, no queue, no table, no wait, and no turn of the loop.
//! * **A trait appears with its second implementation**, not before.

pub mod bot;
pub mod check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod console;
pub mod health;
mod host;
pub mod http;
pub mod jobs;
pub mod journal;
pub mod manifest;
pub mod metrics;
pub mod refusals;
pub mod server;
pub mod slab;
pub mod slack;
mod tally;
pub mod time;
pub mod timing_wheel;
pub mod trial;

pub use config::Config;
pub use server::{Server, Stopper};
