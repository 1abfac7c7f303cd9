//! A job that this process adopts from another one: of its fleet, or before it.

use super::{PendingJob, StoredJob};
use crate::time::Tick;

/// A store's own name for a job that this process has not given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForeignId(pub u64);

/// A job that this process is to answer though another one has accepted it.
#[derive(Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The store's name for it, until this process has given it a key.
    pub foreign: ForeignId,
    /// With texts of its own, since it waits for the loop.
    job: StoredJob<String, Tick>,
}

impl Adopted {
    /// A copy of this job.
    #[must_use]
    pub fn new(foreign: ForeignId, job: &PendingJob<'_>) -> Self {
        Self {
            foreign,
            job: job.map_texts(|text| (*text).to_owned()),
        }
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> PendingJob<'_> {
        self.job.map_texts(String::as_str)
    }
}

/// Without its texts: they are people's, and the path is a secret.
impl std::fmt::Debug for Adopted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Adopted");
        shown.field("foreign", &self.foreign);
        shown
            .field("command", &self.job.command)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_id::RequestId;

    #[test]
    fn a_job_comes_out_as_it_went_in_and_is_not_shown() {
        let job = PendingJob {
            command: "/torrap",
            origin: "https://hooks.slack.com",
            path: "/commands/secret",
            text: "olleh",
            fields: "fields",
            is_late: true,
            attempts: 3,
            due: Tick(1),
            expires_at: Tick(2),
            request: Some(RequestId(7)),
        };
        let adopted = Adopted::new(ForeignId(5), &job);
        assert_eq!((adopted.job(), adopted.foreign), (job, ForeignId(5)));
        let shown = format!("{adopted:?}");
        let secrets = ["hooks", "secret", "olleh", "fields\""];
        assert!(
            !secrets.iter().any(|secret| shown.contains(secret)),
            "{shown}"
        );
    }
}
