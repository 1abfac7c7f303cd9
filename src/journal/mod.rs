//! The journal: acknowledged commands are answered even after a crash of the process or of the machine.
//!
//! ```text
//!   accepted ──▶ batch ──▶ one write, one sync ──▶ its 200s go out ──▶ due ──▶ reply
//!                  ▲                                                            │
//!                  └── settled, or attempt failed: in the next batch ◀──────────┘
//! ```
//!
//! It is a log of segments, each a header and records. The jobs that were accepted while the last batch was written are the
//! next batch: one write and one sync, and only then are their commands acknowledged. The outcomes of other jobs are written
//! with them. A batch of outcomes alone is not synced, so that after a power cut a reply may be posted twice. The commands of
//! a batch that cannot be written are answered "busy".
//!
//! A segment without pending jobs is deleted once it is the oldest. One late job would keep all later segments: when the log
//! has grown beyond [`LOG_BYTES_MIN`] and three times what is pending, the records of the oldest segment are read again and
//! written to the newest. After a start the same is done with all segments that were found, while the bot runs: a checkpoint
//! (`commit.rs`).
//!
//! The journal knows a job by its key and by the place of its record. It does not know the bot, and hears of jobs in batches.
//!
//! It reaches files through a [`Disk`] only.

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
mod pending;
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

/// Beyond [`LOG_BYTES_MIN`] the log is at most this many times as large as the records of pending jobs, plus one batch.
pub const LOG_PER_LIVE_MAX: u64 = 3;

/// Most damaged segments that are kept aside for people to look at; further ones are only logged.
pub const KEPT_ASIDE_MAX: usize = 8;

/// The end of the name of a segment that is kept aside.
pub const ASIDE_SUFFIX: &str = ".damaged";

/// Milliseconds by the journal's own clock. It began with the time of day, and advances with the process's monotonic clock;
/// from one process to the next it advances by as much as the time of day has moved forward. So no due time moves when a
/// running machine's clock is set.
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

    /// The same for the directory: which files there are, and their names.
    fn sync_names(&mut self) -> io::Result<()>;

    /// Deletes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file a second name, under which it outlives its deletion. It is no error if the file has that name already.
    /// A directory, which cannot have two names, is renamed.
    fn keep_aside(&mut self, name: &str, aside: &str) -> io::Result<()>;
}

/// Why a journal cannot be opened. Damage does not keep it from being opened.
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
