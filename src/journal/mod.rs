//! The journal: what was acknowledged is answered, whatever happens to the process or the machine.
//!
//! ```text
//!   accepted ──▶ batch ──▶ one write, one sync ──▶ its 200s go out ──▶ due ──▶ reply
//!                  ▲                                                            │
//!                  └── settled, or attempt failed: in the next batch ◀──────────┘
//! ```
//!
//! A log of segments, each a header and records. What was accepted while the last batch was written
//! goes out in one write and one sync, and only then are its acknowledgements sent; what was settled rides
//! along, and a batch of nothing else is written without a sync: after a power cut a reply may come twice.
//! A batch that cannot be written is taken back: its commands are answered "busy".
//!
//! A segment whose jobs are all settled is deleted once it is the oldest. So that one late job does not
//! keep all that came after it, records of the oldest segment are read and written anew when the log has grown beyond
//! [`LOG_BYTES_MIN`] and three times what is pending. A start does the same with all that it has found, while the bot is
//! running: a checkpoint (`commit.rs`).
//!
//! The journal knows jobs by their keys and where their records stand, and no bot: it is told of them in batches.
//!
//! Files are behind [`Disk`]; nothing here touches one.

mod aside;
mod clock;
mod commit;
mod dead;
mod entry;
mod files;
mod header;
mod ledger;
mod log;
mod mover;
mod open;
mod outgoing;
mod record;
mod replay;
mod scan;
mod withdrawn;

use std::io::{self, Read};
use std::{error, fmt};

pub(crate) use clock::resume;
pub use commit::{Counts, Journal};
pub use entry::Entry;
pub(crate) use header::name as segment_name;
pub use log::Failure;
pub use open::Recovery;
pub(crate) use replay::{Found, Replay};

/// A segment that has grown to this is followed by another one.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// Up to this size the log is left to grow, however little is pending: moving jobs costs writes.
pub const LOG_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// How large a log grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// See [`SEGMENT_BYTES`].
    pub segment: u64,
    /// See [`LOG_BYTES_MIN`].
    pub log_min: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            segment: SEGMENT_BYTES,
            log_min: LOG_BYTES_MIN,
        }
    }
}

/// Beyond it, the log is at most so many times as large as what is pending, but for what one batch adds.
pub const LOG_PER_LIVE_MAX: u64 = 3;

/// Damaged segments that are kept aside for a look; further ones are told of in the log only.
pub const KEPT_ASIDE_MAX: usize = 8;

/// What the name of a damaged segment that is kept aside ends in.
pub const ASIDE_SUFFIX: &str = ".damaged";

/// Milliseconds by the journal's own clock: it began with the time of day, goes on with the process's
/// steady clock, and from one process to the next with whatever the time of day has moved forward. So
/// setting the clock of a machine that runs moves no due time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct JournalTime(pub u64);

/// The files of one journal, in a directory that no other process writes to.
pub trait Disk {
    /// A file that is written to.
    type File;

    /// The names of all files there.
    ///
    /// # Errors
    /// As the system says; here and in all that follows.
    fn names(&mut self) -> io::Result<Vec<String>>;

    /// Opens a file for reading, from its beginning.
    fn read(&mut self, name: &str) -> io::Result<Box<dyn Read + '_>>;

    /// Opens a file for reading and writing.
    fn open(&mut self, name: &str) -> io::Result<Self::File>;

    /// Makes a new file, which must not be there yet.
    fn create(&mut self, name: &str) -> io::Result<Self::File>;

    /// Fills the buffer with what stands at this offset.
    fn read_at(&mut self, file: &mut Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all these bytes at this offset. After an error some of them may be there.
    fn write(&mut self, file: &mut Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file off.
    fn truncate(&mut self, file: &mut Self::File, len: u64) -> io::Result<()>;

    /// Returns when what was written to the file will survive a power cut. After an error it is not known
    /// what will, and a second call that succeeds would prove nothing. `NotFound`: the file was deleted.
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;

    /// The same for which files there are.
    fn sync_names(&mut self) -> io::Result<()>;

    /// Deletes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file a second name, so that it outlives its deletion. One that has it already is no error. What cannot
    /// have two names has only the second one afterwards.
    fn keep_aside(&mut self, name: &str, aside: &str) -> io::Result<()>;
}

/// Why a journal cannot be opened. Damage is no reason.
#[derive(Debug)]
pub enum Error {
    /// A segment is of a format that is not known here. Nothing was touched.
    Version {
        /// The segment's file.
        name: String,
        /// The version of its format.
        version: u16,
    },
    /// The directory or a file cannot be read or written at all.
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { name, version } => write!(
                f,
                "{name} is of format {version}, and this torrap knows no format after {}; \
                 run the version that wrote it, or give another directory",
                header::VERSION
            ),
            Self::Io { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl error::Error for Error {}
