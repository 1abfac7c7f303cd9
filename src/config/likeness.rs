//! What a text looks like that cannot be a signing secret of Slack's.
//!
//! Slack's are 32 hex digits in lower case. Another text is used all the same, since Slack may change that;
//! but as a rule it is something else that was pasted, and every command would be refused.

use std::fmt;

/// Hex digits of a signing secret.
const DIGITS: usize = 32;

/// Base64 of a signing secret has 44 characters, and of less than this it would not be worth a guess.
const BASE64_CHARS_MIN: usize = 28;

/// Characters of the verification token, which Slack shows beside the signing secret.
const VERIFICATION_TOKEN_CHARS: usize = 24;

/// The secret in Slack's documentation
/// (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
const SLACKS_EXAMPLE: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// Words that stand in place of a secret in templates; in lower case.
const PLACEHOLDERS: [&str; 9] = [
    "your",
    "secret",
    "change",
    "replace",
    "placeholder",
    "example",
    "xxxx",
    "...",
    "\u{2026}",
];

/// What a text looks like that is not like a signing secret. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Token,
    Url,
    Path,
    Variable,
    Assignment,
    Masked,
    SlacksExample,
    Placeholder,
    ClientId,
    VerificationToken,
    Base64,
    UpperCase,
    /// Hex digits, and not 32.
    Digits(usize),
    /// None of these, and this many characters.
    Unknown(usize),
}

impl Likeness {
    /// `None` for what looks like a signing secret. The surest signs come first.
    pub(super) fn of(text: &str) -> Option<Self> {
        let count = text.chars().count();
        let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        let lower = text.to_ascii_lowercase();
        Some(if is_hex && count == DIGITS {
            if lower == text {
                return None;
            }
            Self::UpperCase
        } else if is_hex {
            Self::Digits(count)
        } else if lower.starts_with("xox") || lower.starts_with("xapp-") {
            Self::Token
        } else if lower.starts_with("https://") || lower.starts_with("http://") {
            Self::Url
        } else if is_path(text) {
            Self::Path
        } else if text.starts_with(['$', '%']) || text.contains("${") || text.contains("{{") {
            Self::Variable
        } else if is_assignment(text) {
            Self::Assignment
        } else if text
            .chars()
            .all(|c| matches!(c, '*' | '\u{2022}' | '\u{25cf}' | '.'))
        {
            Self::Masked
        } else if text == SLACKS_EXAMPLE {
            Self::SlacksExample
        } else if text.starts_with('<') || PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
            Self::Placeholder
        } else if is_client_id(text) {
            Self::ClientId
        } else if count == VERIFICATION_TOKEN_CHARS
            && text.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            Self::VerificationToken
        } else if is_base64(text) {
            Self::Base64
        } else {
            Self::Unknown(count)
        })
    }
}

/// What it looks like, and what to do about it.
impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (looks, to_do) = match self {
            Self::Token => ("looks like a token (xoxb-..., xapp-...)", COPY),
            Self::Url => ("looks like a URL", COPY),
            Self::Path => (
                "looks like the path of a file",
                "set SLACK_SIGNING_SECRET_FILE instead",
            ),
            Self::Variable => (
                "looks like a variable that was not replaced by its value",
                COPY,
            ),
            Self::Assignment => (
                "looks like a whole NAME=value line",
                "give what stands behind the equals sign alone",
            ),
            Self::Masked => (
                "looks like the dots that hide it",
                "choose Show, and copy it from Basic Information, App Credentials at api.slack.com/apps",
            ),
            Self::SlacksExample => ("is the example of Slack's documentation", COPY),
            Self::Placeholder => ("looks like a placeholder", COPY),
            Self::ClientId => ("looks like the client ID", COPY),
            Self::VerificationToken => ("looks like the verification token", COPY),
            Self::Base64 => ("looks like base64", "decode it once"),
            Self::UpperCase => ("has letters in upper case", COPY),
            Self::Digits(count) => return write!(f, "has {count} hex digits{RULE}; {COPY}"),
            Self::Unknown(count) => return write!(f, "has {count} characters{RULE}; {COPY}"),
        };
        write!(f, "{looks}{RULE}; {to_do}")
    }
}

const RULE: &str =
    ", and a signing secret is 32 hex digits in lower case: every command would be refused";
const COPY: &str =
    "copy the signing secret from Basic Information, App Credentials at api.slack.com/apps";

fn is_path(text: &str) -> bool {
    let is_absolute = text.starts_with('/') && text[1..].contains('/');
    is_absolute
        || ["./", "../", "~/"]
            .iter()
            .any(|start| text.starts_with(start))
}

/// `NAME=value`, `export NAME=value` or `NAME: value`.
fn is_assignment(text: &str) -> bool {
    let Some(end) = text.find(['=', ':']) else {
        return false;
    };
    let (name, value) = (text[..end].trim_end(), &text[end + 1..]);
    let name = name.strip_prefix("export ").unwrap_or(name);
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    // Base64 may end with two equals signs.
    is_name && !name.is_empty() && !value.trim_start_matches('=').is_empty()
}

/// Two numbers with a dot between them.
fn is_client_id(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(team, app)| is_number(team) && is_number(app))
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
    text.len() >= BASE64_CHARS_MIN
        && text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_slack_shows_looks_like_a_secret() {
        assert_eq!(Likeness::of(GOOD), None);
    }

    #[test]
    fn what_people_paste_instead_is_told_apart() {
        use Likeness as L;
        let assigned = format!("SLACK_SIGNING_SECRET={GOOD}");
        let exported = format!("export SECRET={GOOD}");
        let yaml = format!("signing_secret: {GOOD}");
        for (text, likeness) in [
            ("xoxb-123-456-abc", L::Token),
            ("xapp-1-A0-1-ab", L::Token),
            ("XOXP-1", L::Token),
            ("https://example.ngrok.app/slack", L::Url),
            ("/run/secrets/slack", L::Path),
            ("./secret", L::Path),
            ("${SLACK_SIGNING_SECRET}", L::Variable),
            ("$SECRET", L::Variable),
            ("{{ slack.secret }}", L::Variable),
            (&assigned, L::Assignment),
            (&exported, L::Assignment),
            (&yaml, L::Assignment),
            ("********", L::Masked),
            ("\u{2022}\u{2022}\u{2022}\u{2022}", L::Masked),
            (SLACKS_EXAMPLE, L::SlacksExample),
            ("your-signing-secret", L::Placeholder),
            ("<signing secret>", L::Placeholder),
            ("CHANGEME", L::Placeholder),
            ("1234567890.0987654321", L::ClientId),
            ("gIkuvaNzQIHg97ATvDxqgjtO", L::VerificationToken),
            ("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", L::Base64),
            ("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYK", L::Base64),
            ("0123456789ABCDEF0123456789abcdef", L::UpperCase),
            (&GOOD[1..], L::Digits(31)),
            ("hunter2", L::Unknown(7)),
        ] {
            assert_eq!(Likeness::of(text), Some(likeness), "{text}");
        }
    }

    #[test]
    fn a_line_says_what_to_do() {
        assert_eq!(
            Likeness::Digits(31).to_string(),
            "has 31 hex digits, and a signing secret is 32 hex digits in lower case: every command would be \
             refused; copy the signing secret from Basic Information, App Credentials at api.slack.com/apps"
        );
        assert!(Likeness::Base64.to_string().ends_with("; decode it once"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Likeness::of(&text).map(|likeness| likeness.to_string());
        }
    }
}
