//! Jobs that a process adopts: of another process of its fleet, or of one before it.

use super::PendingJob;
use crate::request_id::RequestId;
use crate::time::Tick;

/// A store's own name for a job that this process has not given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForeignId(pub u64);

/// A job that a process is to answer though another one has accepted it, with texts of its own. Times are the ticks of the
/// process that adopts it.
#[derive(Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The store's name for it, until the process has given it a key.
    pub foreign: ForeignId,
    command: String,
    origin: String,
    path: String,
    text: String,
    fields: String,
    is_late: bool,
    attempts: u8,
    due: Tick,
    expires_at: Tick,
    request: Option<RequestId>,
}

impl Adopted {
    /// A copy of this job.
    #[must_use]
    pub fn new(foreign: ForeignId, job: &PendingJob<'_>) -> Self {
        Self {
            foreign,
            command: job.command.to_owned(),
            origin: job.origin.to_owned(),
            path: job.path.to_owned(),
            text: job.text.to_owned(),
            fields: job.fields.to_owned(),
            is_late: job.is_late,
            attempts: job.attempts,
            due: job.due,
            expires_at: job.expires_at,
            request: job.request,
        }
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> PendingJob<'_> {
        PendingJob {
            command: &self.command,
            origin: &self.origin,
            path: &self.path,
            text: &self.text,
            fields: &self.fields,
            is_late: self.is_late,
            attempts: self.attempts,
            due: self.due,
            expires_at: self.expires_at,
            request: self.request,
        }
    }
}

/// Without its texts: they are people's, and the path is a secret.
impl std::fmt::Debug for Adopted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Adopted");
        shown.field("foreign", &self.foreign);
        shown
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
