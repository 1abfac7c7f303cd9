//! The system: listening sockets, files, the clock, the service manager, and the journal's thread.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the rule's one purpose is to keep these here

pub(crate) mod bound;
pub(crate) mod clock;
pub(crate) mod directory;
mod directory_lock;
pub(crate) mod error;
#[cfg(feature = "redis")]
mod fleet_start;
pub(crate) mod free_space;
pub(crate) mod journal_thread;
pub(crate) mod listen_fds;
pub(crate) mod listeners;
mod mailbox;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod sd_notify;
mod server;
#[cfg(feature = "redis")]
mod shared_journal_thread;
mod sockets;
pub(crate) mod stopper;
mod system;
mod token;

pub use error::{Error, JournalError};
pub use listen_fds::{ListenEnv, ListenFds};
pub use listeners::{Probed, probe as probe_listeners};
pub use sd_notify::{NotifyEnv, SdNotify};
pub use server::Server;
pub use stopper::Stopper;
