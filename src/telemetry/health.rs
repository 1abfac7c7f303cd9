//! `/healthz` and `/readyz`: the answers to health checks.

use crate::http::{Response, Status};
use crate::time::{Now, Seconds};

/// Whether the bot accepts commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It takes commands and answers them.
    #[default]
    Ready,
    /// It is stopping: commands go elsewhere.
    Draining,
    /// The journal cannot be written, so that no command can be accepted.
    JournalFailing,
}

impl Condition {
    const fn reason(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::JournalFailing => "journal failing",
        }
    }
}

/// A 200: the process is alive.
#[must_use]
pub fn alive(now: Now) -> Response {
    let (secs, ms) = (now.unix.secs(), now.unix.0 % 1000);
    Response::json(format!("{{\"success\":true,\"timestamp\":{secs}.{ms:03}}}").into_bytes())
}

/// 200 if commands should be sent here, and the "thinking" time before their replies, in seconds; else 503.
#[must_use]
pub fn ready(condition: Condition, delay_ms: u64) -> Response {
    let is_ready = condition == Condition::Ready;
    let reason = condition.reason();
    let delay = match is_ready {
        // `torrap try --to` waits for the reply of a bot whose settings it does not know.
        true => format!(",\"delay\":{}", Seconds { ms: delay_ms }),
        false => String::new(),
    };
    let json = format!("{{\"ready\":{is_ready},\"reason\":\"{reason}\"{delay}}}");
    let status = if is_ready {
        Status::Ok
    } else {
        Status::ServiceUnavailable
    };
    Response {
        status,
        ..Response::json(json.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Content;

    #[test]
    fn only_a_ready_bot_answers_200() {
        for (condition, status, json) in [
            (
                Condition::Ready,
                Status::Ok,
                r#"{"ready":true,"reason":"ready","delay":0.25}"#,
            ),
            (
                Condition::Draining,
                Status::ServiceUnavailable,
                r#"{"ready":false,"reason":"draining"}"#,
            ),
            (
                Condition::JournalFailing,
                Status::ServiceUnavailable,
                r#"{"ready":false,"reason":"journal failing"}"#,
            ),
        ] {
            let response = ready(condition, 250);
            assert_eq!(response.status, status);
            assert_eq!(
                response.content,
                Content::Json(json.as_bytes().to_vec().into())
            );
        }
    }
}
