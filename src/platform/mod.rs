//! The system: listening sockets, files, the clock, the service manager, and the journal's thread.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the rule's one purpose is to keep these here

pub(crate) mod bound;
mod claim;
pub(crate) mod clock;
pub(crate) mod directory;
pub(crate) mod doors;
pub(crate) mod error;
pub(crate) mod inherited;
mod inspection;
pub(crate) mod journal_thread;
mod server;
mod sockets;
pub(crate) mod stopper;
pub(crate) mod supervisor;
mod system;
mod token;

pub use doors::{Probed, probe as probe_doors};
pub use error::{Error, JournalError};
pub use inherited::{Inherited, Passed};
pub use inspection::{inspect as inspect_journal, probe as probe_journal};
pub use server::Server;
pub use stopper::Stopper;
pub use supervisor::{Instructions, Supervisor};
