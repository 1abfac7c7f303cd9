//! The signing secrets, which no output ever shows.

use std::fmt;

use zeroize::Zeroizing;

use super::likeness::Likeness;
use super::notice::Notice;
use super::pasted::{clean, is_invisible};

/// The key that Slack signs an app's requests with, as text and not hex-decoded
/// (docs.slack.dev, "Verifying requests from Slack").
///
/// Its memory is overwritten when it is dropped: once the verifier is keyed, no copy of the text is left but
/// the one in the process's environment, which cannot be overwritten without `unsafe`.
#[derive(Clone)]
pub struct SigningSecret(Zeroizing<String>);

impl SigningSecret {
    /// Takes a secret without the white space and the quotes around it, and without characters that
    /// are invisible.
    ///
    /// # Errors
    /// If nothing is left, or if it has a line break or another control character, which is a
    /// second secret or a slip rather than a part of the first.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let text = clean(text);
        // Never longer than this: a buffer that grows would leave a copy behind.
        let mut secret = Zeroizing::new(String::with_capacity(text.len()));
        secret.extend(text.chars().filter(|c| !is_invisible(*c)));
        if secret.is_empty() {
            return Err(SecretError::Empty);
        }
        if secret.contains(char::is_control) {
            return Err(SecretError::ControlCharacter);
        }
        Ok(Self(secret))
    }

    /// The key of the HMAC.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// A warning for each that does not look like a secret of Slack's; `name` is where they came from.
    pub(super) fn notices<'a>(
        secrets: &'a [Self],
        name: &'a str,
    ) -> impl Iterator<Item = Notice> + 'a {
        let numbered = secrets.iter().zip(1..);
        numbered.filter_map(move |(secret, number)| {
            let likeness = Likeness::of(&secret.0)?;
            let which = match secrets {
                [_] => "the secret".to_owned(),
                _ => format!("secret {number} of {}", secrets.len()),
            };
            Some(Notice::warning(format!("{name}: {which} {likeness}")))
        })
    }
}

/// By hand, so that the secret never reaches a log.
impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(hidden)")
    }
}

/// What keeps a text from being a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// It is empty or blank.
    Empty,
    /// It has a line break or another control character.
    ControlCharacter,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a secret is empty or blank",
            Self::ControlCharacter => "a secret has a line break or another control character",
        })
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_says_which_of_them_cannot_be_a_secret() {
        let good = "0123456789abcdef0123456789abcdef";
        let lines = |texts: &[&str]| -> Vec<String> {
            let secrets: Vec<_> = texts
                .iter()
                .map(|t| SigningSecret::new(t).unwrap())
                .collect();
            let notices = SigningSecret::notices(&secrets, "SECRET");
            notices.map(|notice| notice.line).collect()
        };
        assert!(lines(&[good, good]).is_empty());
        let line = &lines(&["xoxb-hunter2"])[0];
        assert!(
            line.starts_with("SECRET: the secret looks like a token"),
            "{line}"
        );
        let [line] = &lines(&[good, "hunter2"])[..] else {
            panic!("one of the two")
        };
        assert!(
            line.starts_with("SECRET: secret 2 of 2 has 7 characters"),
            "{line}"
        );
        assert!(!line.contains("hunter2"), "{line}");
    }

    #[test]
    fn debug_hides_the_secret() {
        let secret = SigningSecret::new("8f742231b10e").unwrap();
        assert_eq!(format!("{secret:?}"), "SigningSecret(hidden)");
    }
}
