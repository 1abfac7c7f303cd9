//! What people are shown of a fleet's journal in Redis, also while its bots use it. Nothing is changed there.
#![allow(clippy::disallowed_methods)] // it looks at the outside world

mod reader;
mod report;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Instant;

use reader::{Reader, TIMEOUT};

use crate::config::{SharedJournal, SigningSecret};
use crate::platform::Error;
use crate::platform::redis::Connector;
use crate::shared_journal::Sealer;

/// Which journal to look at, and how closely.
#[derive(Clone, Debug)]
pub struct Query {
    /// Where it is.
    pub journal: SharedJournal,
    /// The authorities that its servers' certificates must be of, in place of the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// What texts are sealed with. Without one, only what is not sealed is shown.
    pub signing_secrets: Vec<SigningSecret>,
    /// Whether each job gets a line.
    pub jobs: bool,
}

/// What `torrap journal` prints: the report, and a line for each job if they are asked for.
///
/// # Errors
/// The journal cannot be read.
pub fn inspect(query: &Query, print: &mut dyn FnMut(&str) -> bool) -> Result<(), Error> {
    let journal = &query.journal;
    let error = |reason, is_usage| Error::SharedJournal {
        url: journal.url.to_string(),
        reason,
        is_usage,
    };
    let mut connector = Connector::new(journal, query.ca_file.as_deref())?;
    let connection = connector.connect(None, Instant::now() + TIMEOUT);
    let connection = connection.map_err(|it| error(it.to_string(), it.is_definite()))?;
    let address = connection.address().to_string();
    let mut reader = Reader::new(&journal.url.fleet, connection, sealer(query));
    let shown = reader.show(query.jobs, print);
    shown.map_err(|reason| error(format!("{address}: {reason}"), false))
}

fn sealer(query: &Query) -> Option<Sealer> {
    if query.signing_secrets.is_empty() {
        return None;
    }
    let secrets = query.signing_secrets.iter().map(SigningSecret::as_bytes);
    // This one opens values only: of what it would seal, nothing has to be random.
    let sealer = Sealer::new(secrets, &query.journal.url.fleet, &mut |_: &mut [u8]| {});
    Some(sealer)
}
