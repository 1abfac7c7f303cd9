//! What people are shown of a journal's directory, also while a bot uses it.

mod report;

use std::path::Path;

pub use report::Report;

use crate::platform::clock::Clock;
use crate::platform::directory::Directory;
use crate::platform::error::{Error, JournalError};
use crate::platform::free_space;

/// What `torrap journal` prints: the report, and one line for each job if `jobs` says so. It changes nothing, and takes
/// no lock that would keep a bot from starting.
///
/// # Errors
/// The journal cannot be read.
pub fn inspect(path: &Path, jobs: bool, print: &mut dyn FnMut(&str) -> bool) -> Result<(), Error> {
    let error = |error| Error::Journal {
        path: path.to_owned(),
        error,
    };
    let mut directory = Directory::look_at(path).map_err(|e| error(JournalError::Unusable(e)))?;
    let user = match directory.user() {
        None => "no".to_owned(),
        Some(None) => "by a running torrap".to_owned(),
        Some(Some(process)) => format!("by process {process}"),
    };
    let now = Clock::start().now().unix;
    let report =
        Report::of(&mut directory, now, jobs).map_err(|e| error(JournalError::Unreadable(e)))?;
    if !print(&format!("in use: {user}\n{report}")) || !jobs {
        return Ok(());
    }
    for job in report.jobs() {
        if !print(&format!("{job}\n")) {
            break;
        }
    }
    Ok(())
}

/// How many bytes the file system of a journal's directory has left.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    free_space::free_bytes(path)
}

/// Whether a bot could keep its journal there: what there is to say about it, and what other users could do
/// to it. Nothing is changed.
///
/// # Errors
/// It could not.
pub fn probe(path: &Path) -> Result<(&'static str, Vec<String>), Error> {
    let error = |error| Error::Journal {
        path: path.to_owned(),
        error,
    };
    let was_there = Directory::probe(path).map_err(|e| error(JournalError::Unusable(e)))?;
    if !was_there {
        return Ok(("is not there yet; the bot makes it", Vec::new()));
    }
    let mut directory = Directory::look_at(path).map_err(|e| error(JournalError::Unusable(e)))?;
    let now = Clock::start().now().unix;
    Report::of(&mut directory, now, false).map_err(|e| error(JournalError::Unreadable(e)))?;
    let found = match directory.user() {
        Some(_) => "can be written and read, and a bot uses it; see `torrap journal`",
        None => "can be written and read; see `torrap journal`",
    };
    Ok((found, directory.exposures()))
}
