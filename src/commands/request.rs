//! What a command learns of an invocation.

use std::time::Duration;

use sha2::{Digest, Sha256};

pub use crate::slack::fields::Field;
use crate::slack::fields::Fields;

/// How old Slack's timestamp may be when a command comes: after three seconds without an acknowledgement Slack shows the person
/// an error (<https://docs.slack.dev/interactivity/implementing-slash-commands>).
pub(crate) const LATE_MS: u64 = 3_000;

/// An invocation of a command.
///
/// Besides command and text it has the fields that the command [keeps](super::Command::keeps); others are empty.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    command: &'a str,
    text: &'a str,
    values: [&'a str; Field::ALL.len()],
    is_late: bool,
    time_left: Duration,
    /// The path of the `response_url`: a secret.
    path: &'a str,
}

impl<'a> Request<'a> {
    /// An invocation with this text, for tests: `Request::new("/greet", "Ada").with(Field::UserId, "U1")`.
    #[must_use]
    pub const fn new(command: &'a str, text: &'a str) -> Self {
        Self {
            command,
            text,
            values: [""; Field::ALL.len()],
            is_late: false,
            time_left: Duration::from_secs(30 * 60),
            path: "",
        }
    }

    /// The same with a field.
    #[must_use]
    pub const fn with(mut self, field: Field, value: &'a str) -> Self {
        self.values[field as usize] = value;
        self
    }

    /// The same as one that came late.
    #[must_use]
    pub const fn late(self) -> Self {
        self.with_lateness(true)
    }

    pub(crate) const fn with_lateness(mut self, is_late: bool) -> Self {
        self.is_late = is_late;
        self
    }

    /// The same with this much time left.
    #[must_use]
    pub const fn with_time_left(mut self, time_left: Duration) -> Self {
        self.time_left = time_left;
        self
    }

    /// The same with fields as a job keeps them.
    pub(crate) fn with_fields(mut self, fields: &'a str) -> Self {
        if !fields.is_empty() {
            let fields = Fields::new(fields);
            for field in Field::ALL {
                self.values[field as usize] = fields.get(field);
            }
        }
        self
    }

    /// The same with the path of its `response_url`.
    pub(crate) const fn with_path(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }

    /// The command as it was typed, if [`Field::Command`] is kept; otherwise the name that `--commands` gives it.
    #[must_use]
    pub const fn command(&self) -> &'a str {
        let typed = self.get(Field::Command);
        if typed.is_empty() {
            self.command
        } else {
            typed
        }
    }

    /// All that was typed after the command, in Slack's markup: see [`markup`](crate::slack::markup).
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The value of a field; empty unless the command keeps it.
    #[must_use]
    pub const fn get(&self, field: Field) -> &'a str {
        self.values[field as usize]
    }

    /// The id of the person who typed it: `U2147483697`.
    #[must_use]
    pub const fn user_id(&self) -> &'a str {
        self.get(Field::UserId)
    }

    /// The name of that person. It may change, and Slack calls the field deprecated: rely on the id.
    #[must_use]
    pub const fn user_name(&self) -> &'a str {
        self.get(Field::UserName)
    }

    /// The id of the channel in which it was typed: `C2147483705`.
    #[must_use]
    pub const fn channel_id(&self) -> &'a str {
        self.get(Field::ChannelId)
    }

    /// The name of that channel; `directmessage` or `privategroup` where it has none.
    #[must_use]
    pub const fn channel_name(&self) -> &'a str {
        self.get(Field::ChannelName)
    }

    /// The id of the workspace: `T0001`.
    #[must_use]
    pub const fn team_id(&self) -> &'a str {
        self.get(Field::TeamId)
    }

    /// The id with which a modal can be opened within three seconds of the command: of use only with `--delay 0`.
    #[must_use]
    pub const fn trigger_id(&self) -> &'a str {
        self.get(Field::TriggerId)
    }

    /// Whether Slack's timestamp was over three seconds old when the command came: then the person has seen an error, and may
    /// have typed the command again. The clocks of Slack and of this machine may differ, so it is not certain.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        self.is_late
    }

    /// How long `run` may take, counted from its call. After that the person is told that it took too long, and what `run`
    /// returns is dropped.
    #[must_use]
    pub const fn time_left(&self) -> Duration {
        self.time_left
    }

    /// A number that identifies this invocation. It is the same whenever the command runs again: after a crash, and when Slack
    /// or a proxy has sent the request twice. If a command must not do something twice, let the other system refuse what it has
    /// already done for this id. It is derived from the `response_url`, which Slack makes for each invocation, and does not
    /// reveal it.
    #[must_use]
    pub fn id(&self) -> u64 {
        let digest = Sha256::digest(self.path.as_bytes());
        let (first, _) = digest.split_first_chunk().expect("32 bytes");
        u64::from_be_bytes(*first)
    }
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("command", &self.command())
            .field("text", &self.text)
            .field("values", &self.values)
            .field("is_late", &self.is_late)
            .field("time_left", &self.time_left)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::fields::keep;

    #[test]
    fn a_request_has_the_fields_that_are_kept() {
        let mut kept = String::new();
        let content = b"command=%2Fyell&user_id=U1&team_id=T1";
        keep(content, &[Field::Command, Field::UserId], &mut kept);
        let request = Request::new("/shout", "abc").with_fields(&kept);
        assert_eq!((request.command(), request.text()), ("/yell", "abc"));
        assert_eq!((request.user_id(), request.team_id()), ("U1", ""));
        let without = Request::new("/shout", "abc").with_fields("");
        assert_eq!((without.command(), without.user_id()), ("/shout", ""));
        let by_hand = without.with(Field::TeamId, "T2").late();
        assert_eq!((by_hand.team_id(), by_hand.is_late()), ("T2", true));
    }

    #[test]
    fn its_id_depends_on_its_response_url_alone_and_its_path_is_not_shown() {
        let path = "/commands/T1/2/96rGlfmibIGlgcZRskXaIFfN";
        let of = |text, path| Request::new("/a", text).with_path(path);
        assert_eq!(of("a", path).id(), of("b", path).id());
        assert_ne!(of("a", path).id(), of("a", "/commands/T1/3/x").id());
        assert_eq!(of("", "").id(), 0xe3b0_c442_98fc_1c14, "SHA-256 of nothing");
        assert!(!format!("{:?}", of("a", path)).contains("96rG"));
    }
}
