//! What a receiver's answer means for the job, and what of it the log may show.

use super::Outcome;
use crate::json;

/// Bytes of a refusing answer that go to the log.
const EXCERPT_BYTES: usize = 100;

/// A part of a URL's path that is shorter than this is no secret, and may be a word of the answer.
const SECRET_BYTES_MIN: usize = 8;

/// What a 400 says if the message itself is at fault: nothing of it is shown, and the next try would be
/// refused like this one (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
/// docs.slack.dev/reference/methods/chat.postMessage).
const MESSAGE_FAULTS: [&[u8]; 9] = [
    b"invalid_attachments",
    b"invalid_blocks",
    b"invalid_blocks_format",
    b"invalid_payload",
    b"msg_blocks_too_long",
    b"msg_too_long",
    b"no_text",
    b"too_many_attachments",
    b"too_many_blocks",
];

/// The outcome of an attempt that got an answer: its status, the value of its Retry-After field, and the
/// beginning of its content.
#[must_use]
pub fn outcome(status: u16, retry_after: Option<&[u8]>, content: &[u8]) -> Outcome {
    let retry_after = retry_after.and_then(|value| std::str::from_utf8(value).ok());
    match status {
        // Slack's Web API says "no" like this, and with status 200.
        200..=299 if says_not_ok(content) => Outcome::Rejected {
            status,
            is_about_message: false,
        },
        200..=299 => Outcome::Delivered,
        429 => Outcome::Limited {
            retry_after: retry_after.map(str::to_owned),
        },
        408 | 500..=599 => Outcome::Unavailable {
            status,
            retry_after: retry_after.map(str::to_owned),
        },
        _ => Outcome::Rejected {
            status,
            is_about_message: status == 400 && names_message_fault(content),
        },
    }
}

/// Whether one of the words in an answer, be it plain text or JSON, is the name of a fault of the message.
fn names_message_fault(content: &[u8]) -> bool {
    let is_mark = |byte: &u8| !(byte.is_ascii_alphanumeric() || *byte == b'_');
    content
        .split(is_mark)
        .any(|word| MESSAGE_FAULTS.contains(&word))
}

/// Whether an answer is a JSON object with `"ok": false` in it, and not deeper.
fn says_not_ok(content: &[u8]) -> bool {
    json::member(content, "ok").is_some_and(|value| value.starts_with(b"false"))
}

/// The beginning of a refusing answer, for the log. Many servers repeat the URL that they refuse: its
/// path is a secret, as a whole and in its parts, and so is the beginning of a part at the answer's
/// end, where reading has stopped.
#[must_use]
pub fn excerpt(answer: &[u8], url: &str) -> String {
    let mut text = String::from_utf8_lossy(answer).into_owned();
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let parts = path.split(['/', '?', '&', '=']);
    let secrets = || {
        let long = |part: &&str| part.len() >= SECRET_BYTES_MIN;
        let whole = std::iter::once(path).filter(|path| !path.is_empty());
        whole.chain(parts.clone().filter(long))
    };
    for secret in secrets() {
        text = without(&text, secret);
    }
    while let Some(len) = secrets()
        .map(|secret| begun(&text, secret))
        .find(|len| *len > 0)
    {
        text.truncate(text.len() - len);
    }
    let end = (0..=text.len().min(EXCERPT_BYTES))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

/// `text` with every occurrence of `secret`, in whatever case, replaced by an ellipsis.
fn without(text: &str, secret: &str) -> String {
    let (lower, secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for (found, _) in lower.match_indices(&secret) {
        kept.push_str(&text[at..found]);
        kept.push('…');
        at = found + secret.len();
    }
    kept.push_str(&text[at..]);
    kept
}

/// How many bytes at the end of `text` are the beginning of `secret`, if they are more than chance.
fn begun(text: &str, secret: &str) -> usize {
    let (text, secret) = (text.as_bytes(), secret.as_bytes());
    let begins = |len: &usize| text[text.len() - len..].eq_ignore_ascii_case(&secret[..*len]);
    let longest = text.len().min(secret.len());
    (SECRET_BYTES_MIN..=longest).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str =
        "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";

    #[test]
    fn an_excerpt_is_short_and_has_nothing_of_the_path() {
        let body =
            "The URL /commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN was not found";
        assert_eq!(excerpt(body.as_bytes(), URL), "The URL /… was not found");
        assert_eq!(excerpt(b"no 96rGlfmibIGlgcZRskXaIFfN", URL), "no …");
        assert_eq!(excerpt(b"NO 96rglfmibiglgczrskxaiffn", URL), "NO …");
        assert_eq!(excerpt(b"expired_url", URL), "expired_url");
        assert_eq!(excerpt("é".repeat(200).as_bytes(), URL).len(), 100);
        assert_eq!(excerpt(b"a/b", "http://h/"), "a/b");
    }

    #[test]
    fn an_answer_that_breaks_off_shows_no_beginning_of_the_path() {
        assert_eq!(excerpt(b"no 96rGlfmibIGlgcZRskXaIF", URL), "no ");
        assert_eq!(
            excerpt(b"no 96rGlfm", URL),
            "no 96rGlfm",
            "as good as chance"
        );
        let url = format!("https://h/{}", "x1".repeat(1000));
        let body = "x1".repeat(1500);
        assert_eq!(excerpt(body.as_bytes(), &url), "…");
        assert_eq!(
            excerpt(&[b'a'; 58], "https://h/aaaaaaaaaaaaaaaaab"),
            "aaaaaaa"
        );
    }

    #[test]
    fn outcomes_go_by_the_status() {
        let text = |retry_after: Option<&str>| retry_after.map(str::to_owned);
        for delivered in [200, 201, 204, 299] {
            assert_eq!(outcome(delivered, Some(b"1"), b"ok"), Outcome::Delivered);
        }
        for status in [100, 199, 300, 302, 400, 404, 407, 410, 428, 430, 499, 600] {
            let rejected = Outcome::Rejected {
                status,
                is_about_message: false,
            };
            assert_eq!(outcome(status, Some(b"1"), b"no_service"), rejected);
        }
        for (value, retry_after) in [
            (Some(&b"30"[..]), Some("30")),
            (Some(b"\xff"), None),
            (None, None),
        ] {
            let retry_after = text(retry_after);
            let limited = Outcome::Limited {
                retry_after: retry_after.clone(),
            };
            assert_eq!(outcome(429, value, b""), limited);
            for status in [408, 500, 503, 599] {
                let unavailable = Outcome::Unavailable {
                    status,
                    retry_after: retry_after.clone(),
                };
                assert_eq!(outcome(status, value, b"msg_too_long"), unavailable);
            }
        }
    }

    #[test]
    fn a_success_that_says_no_is_none() {
        for no in [
            r#"{"ok":false,"error":"channel_not_found"}"#,
            "\r\n { \"a\" : {\"ok\":true}, \"\\\"\":[1,\"}\"],\t\"ok\" : false",
            r#"{"error":"ok","ok":false}"#,
        ] {
            let rejected = Outcome::Rejected {
                status: 200,
                is_about_message: false,
            };
            assert_eq!(outcome(200, None, no.as_bytes()), rejected, "{no}");
        }
        for yes in [
            "",
            "ok",
            "{",
            "{}",
            r#"{"ok":true}"#,
            r#"{"ok":true,"ok":false}"#,
            r#"{"ok":"false"}"#,
            r#"{"a":{"ok":false}}"#,
            r#"{"a":["ok",{"ok":false}],"ok":true}"#,
            r#"{}{"ok":false}"#,
            r#"{"text":"\"ok\":false"}"#,
            r#"{"ok\":false"#,
            r#""ok":false"#,
        ] {
            assert_eq!(
                outcome(200, None, yes.as_bytes()),
                Outcome::Delivered,
                "{yes}"
            );
        }
    }

    #[test]
    fn a_400_tells_whether_another_message_would_have_been_taken() {
        let is_about_message =
            |status, content: &str| match outcome(status, None, content.as_bytes()) {
                Outcome::Rejected {
                    is_about_message, ..
                } => is_about_message,
                outcome => panic!("{outcome:?}"),
            };
        for content in [
            "msg_too_long",
            "no_text\n",
            r#"{"ok":false,"error":"invalid_blocks"}"#,
            "error: invalid_payload.",
        ] {
            assert!(is_about_message(400, content), "{content}");
            assert!(!is_about_message(404, content), "{content}");
        }
        for content in [
            "",
            "user_not_found",
            "expired_url",
            "no_text_here",
            "Bad Request",
        ] {
            assert!(!is_about_message(400, content), "{content}");
        }
    }
}
