//! A pending job as a store has it: with all that another process needs to answer it.

use crate::request_id::RequestId;
use crate::time::Tick;

/// A pending job. Batches, records and adopted jobs hold its texts in different ways, and tell its times by different clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredJob<Text, Time> {
    /// The command's built-in name: its position may be another in the next version.
    pub command: Text,
    /// The origin of its `response_url`: the next process may have other settings.
    pub origin: Text,
    /// Path and query of its `response_url`: a secret.
    pub path: Text,
    /// The text as Slack delivered it.
    pub text: Text,
    /// The fields that its command keeps.
    pub fields: Text,
    /// Whether Slack's stamp was old when the command came.
    pub is_late: bool,
    /// Attempts made whose outcome is known.
    pub attempts: u8,
    /// When its next attempt is due.
    pub due: Time,
    /// When its `response_url` expires.
    pub expires_at: Time,
    /// The request that has made it; `None` if a repeat of that request makes another job.
    pub request: Option<RequestId>,
}

/// A job whose times are ticks of this process.
pub type PendingJob<'a> = StoredJob<&'a str, Tick>;

impl<Text, Time: Copy> StoredJob<Text, Time> {
    /// The same job, with what `convert` makes of each text, in the order of the fields.
    pub fn map_texts<'a, To>(
        &'a self,
        mut convert: impl FnMut(&'a Text) -> To,
    ) -> StoredJob<To, Time> {
        StoredJob {
            command: convert(&self.command),
            origin: convert(&self.origin),
            path: convert(&self.path),
            text: convert(&self.text),
            fields: convert(&self.fields),
            is_late: self.is_late,
            attempts: self.attempts,
            due: self.due,
            expires_at: self.expires_at,
            request: self.request,
        }
    }
}

impl<'a, Time> StoredJob<&'a str, Time> {
    /// The same job, by another clock.
    #[must_use]
    pub const fn with_times<To>(&self, due: To, expires_at: To) -> StoredJob<&'a str, To> {
        StoredJob {
            command: self.command,
            origin: self.origin,
            path: self.path,
            text: self.text,
            fields: self.fields,
            is_late: self.is_late,
            attempts: self.attempts,
            due,
            expires_at,
            request: self.request,
        }
    }
}
