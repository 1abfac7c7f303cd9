//! What a blocking command returns: a message, or what the person is told if it fails.

use std::error::Error;
use std::fmt;

use crate::json;
use crate::slack::cut::cut;
use crate::slack::message::{Message, Visibility};

/// Longest message, as JSON, that is posted: as long as the longest command.
pub(crate) const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// A message to the conversation in which a command was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    body: Body,
    visibility: Option<Visibility>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    Text(String),
    Json(String),
}

impl Reply {
    /// A text in Slack's markup. Pass what others have written through
    /// [`markup::encode_into`](crate::slack::markup::encode_into) first. A text over 4,000 characters is cut, with a note.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            body: Body::Text(text.into()),
            visibility: None,
        }
    }

    /// A whole message as a JSON object, with blocks for example
    /// (<https://docs.slack.dev/interactivity/handling-user-interaction>). A `response_type` in it decides who sees it.
    #[must_use]
    pub fn message(json: impl Into<String>) -> Self {
        Self {
            body: Body::Json(json.into()),
            visibility: None,
        }
    }

    /// The same with a visibility of its own in place of that of the command's replies.
    #[must_use]
    pub const fn visible_to(mut self, visibility: Visibility) -> Self {
        self.visibility = Some(visibility);
        self
    }

    /// The JSON that is posted. `default` is the visibility of a reply without its own.
    pub(super) fn into_json(self, default: Visibility) -> Result<Vec<u8>, Unusable> {
        let visibility = self.visibility.unwrap_or(default);
        let json = match self.body {
            Body::Text(text) if super::is_blank(&text) => return Err(Unusable::Blank),
            Body::Text(text) => {
                let text = &*cut(&text);
                let mut json = Vec::new();
                Message { visibility, text }.append_json(&mut json);
                json
            }
            Body::Json(json) => with_visibility(&json, visibility).ok_or(Unusable::NoObject)?,
        };
        match json.len() {
            ..=MESSAGE_BYTES_MAX => Ok(json),
            bytes => Err(Unusable::TooLong { bytes }),
        }
    }
}

/// A JSON object, to which a `response_type` is added unless it has one. Only its beginning and its end are looked at: Slack
/// judges the rest.
fn with_visibility(json: &str, visibility: Visibility) -> Option<Vec<u8>> {
    let members = json.trim_ascii().strip_prefix('{')?;
    let is_empty = members.trim_ascii_start().starts_with('}');
    if is_empty || !members.ends_with('}') {
        return None;
    }
    let has_own = json::member(json.as_bytes(), "response_type").is_some();
    let own = match visibility {
        Visibility::Ephemeral if !has_own => r#""response_type": "ephemeral", "#,
        Visibility::InChannel if !has_own => r#""response_type": "in_channel", "#,
        _ => "",
    };
    Some(["{", own, members].concat().into_bytes())
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// Why a message cannot be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A text without a visible character.
    Blank,
    /// A whole message that is not a JSON object, or an empty one.
    NoObject,
    /// It is longer than 256 KiB.
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("nothing would be seen of the message's text"),
            Self::NoObject => f.write_str("the message is no JSON object with something in it"),
            Self::TooLong { bytes } => write!(
                f,
                "the message has {bytes} bytes, and {MESSAGE_BYTES_MAX} are the limit"
            ),
        }
    }
}

impl Error for Unusable {}

/// Why a blocking command has no reply: what the person is told, and what the log says.
///
/// `?` makes one of any error. The person then learns only that the command failed; the log has the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    told: Option<String>,
    cause: String,
}

impl Failure {
    /// A failure with the text that the person reads, in Slack's markup. Only that person sees it.
    #[must_use]
    pub fn new(told: impl Into<String>) -> Self {
        let told = told.into();
        Self {
            cause: told.clone(),
            told: Some(told),
        }
    }

    /// The same with another text for the log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = cause.to_string();
        self
    }

    /// What the person is told, if the command says it.
    pub(crate) fn told(&self) -> Option<&str> {
        let told = self.told.as_deref();
        told.filter(|told| !super::is_blank(told))
    }

    /// What the log says.
    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut cause = error.to_string();
        let mut source = error.source();
        for _ in 0..SOURCES_MAX {
            let Some(error) = source else { break };
            cause = format!("{cause}: {error}");
            source = error.source();
        }
        Self { told: None, cause }
    }
}

/// Most causes of an error that the log names.
const SOURCES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn json(reply: Reply, default: Visibility) -> Result<String, Unusable> {
        let json = reply.into_json(default)?;
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn a_text_is_seen_by_those_who_see_the_commands_replies_or_by_others() {
        let text = || Reply::from("a");
        for (reply, default, expected) in [
            (text(), Visibility::Default, r#"{"text": "a"}"#),
            (
                text(),
                Visibility::InChannel,
                r#"{"response_type": "in_channel", "text": "a"}"#,
            ),
            (
                text().visible_to(Visibility::Ephemeral),
                Visibility::InChannel,
                r#"{"response_type": "ephemeral", "text": "a"}"#,
            ),
        ] {
            assert_eq!(json(reply, default).as_deref(), Ok(expected));
        }
        let long = Reply::text("a".repeat(100_000));
        assert_eq!(
            json(long, Visibility::Default).unwrap().chars().count(),
            4_000 + 13
        );
    }

    #[test]
    fn a_whole_message_stays_as_it_is_but_for_who_sees_it() {
        let message = |json: &str, default| self::json(Reply::message(json), default);
        let blocks = r#"{"text": "a", "blocks": []}"#;
        let unchanged = message(blocks, Visibility::Default);
        assert_eq!(unchanged.as_deref(), Ok(blocks));
        assert_eq!(
            message(&format!("\n{blocks} "), Visibility::InChannel).as_deref(),
            Ok(r#"{"response_type": "in_channel", "text": "a", "blocks": []}"#)
        );
        let own = r#"{"text": "a", "response_type": "ephemeral"}"#;
        assert_eq!(message(own, Visibility::InChannel).as_deref(), Ok(own));
        for no_object in ["", "a", "{}", "{ }", "[1]", "{\"text\": \"a\"", "\"{}\""] {
            let result = message(no_object, Visibility::Default);
            assert_eq!(result, Err(Unusable::NoObject), "{no_object}");
        }
    }

    #[test]
    fn what_slack_would_refuse_is_not_posted() {
        let unusable = |reply| json(reply, Visibility::Default).err();
        for blank in ["", " ", "\u{200b}"] {
            assert_eq!(unusable(Reply::text(blank)), Some(Unusable::Blank));
        }
        let long = format!("{{\"text\": \"{}\"}}", "a".repeat(MESSAGE_BYTES_MAX));
        let bytes = long.len();
        let too_long = Some(Unusable::TooLong { bytes });
        assert_eq!(unusable(Reply::message(long)), too_long);
    }

    #[test]
    fn an_error_is_for_the_log_and_a_failure_for_the_person() {
        let failed = Failure::from(io::Error::other(Unusable::Blank));
        assert_eq!(failed.told(), None);
        assert!(failed.cause().starts_with("nothing would be seen"));
        let told = Failure::new("There is no such build.").because("404");
        assert_eq!(
            (told.told(), told.cause()),
            (Some("There is no such build."), "404")
        );
        assert_eq!(Failure::new(" ").told(), None);
    }
}
