//! The signing secrets, which no output ever shows.

use std::fmt;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::{Error, Expected};
use super::likeness::Likeness;
use super::notice::Notice;
use super::pasted::{clean, is_invisible};
use super::settings::{Setting, Settings};
use super::value::entries;

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

    /// The secrets that `SLACK_SIGNING_SECRET` holds, or else the file that
    /// `SLACK_SIGNING_SECRET_FILE` names, which `read_file` reads.
    ///
    /// # Errors
    /// If neither is set or both are, if the file cannot be read, or if an entry is no secret.
    pub fn from_settings(
        settings: &Settings,
        read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Vec<Self>, Error> {
        let text = settings.given(Setting::SigningSecrets)?;
        let path = settings.path(Setting::SigningSecretsFile, Expected::File)?;
        match (text, path) {
            (None, None) => Err(Error::SecretMissing),
            (Some(_), Some(_)) => Err(Error::SecretTwice),
            (Some(list), None) => Self::list(list.name, list.text),
            (None, Some(path)) => {
                let name = settings
                    .name(Setting::SigningSecretsFile)
                    .unwrap_or_default();
                let content = read_file(&path).map_err(|error| Error::SecretFile {
                    name,
                    path: path.display().to_string(),
                    error: error.to_string(),
                })?;
                let content = Zeroizing::new(content);
                let text = str::from_utf8(&content).map_err(|_| Error::NotUtf8 { name })?;
                Self::list(name, clean(text))
            }
        }
    }

    fn list(name: &'static str, text: &str) -> Result<Vec<Self>, Error> {
        let secret = |entry| Self::new(entry).map_err(|error| Error::Secret { name, error });
        entries(name, text)?.map(secret).collect()
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

    fn read(settings: &[(Setting, &'static str, &str)], file: &[u8]) -> Result<Vec<String>, Error> {
        let mut all = Settings::default();
        for (setting, name, value) in settings {
            all.give(*setting, name, value.into());
        }
        let read_file = |path: &Path| match path.to_str() {
            Some("/run/secret") => Ok(file.to_vec()),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        };
        let secrets = SigningSecret::from_settings(&all, &read_file)?;
        Ok(secrets
            .iter()
            .map(|s| String::from_utf8_lossy(s.as_bytes()).into())
            .collect())
    }

    fn from_variable(text: &str) -> Result<Vec<String>, String> {
        read(&[(Setting::SigningSecrets, "SECRET", text)], b"").map_err(|e| e.to_string())
    }

    fn from_file(content: &[u8]) -> Result<Vec<String>, String> {
        let setting = (Setting::SigningSecretsFile, "SECRET_FILE", "/run/secret");
        read(&[setting], content).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_pasted_along_is_no_part_of_a_secret() {
        for text in [
            "8f74",
            "\"8f74\"",
            " '8f74'\n",
            "\u{feff}8f74\r\n",
            "8f\u{200b}74\u{200d}",
            "\u{feff}\"8f\u{2060}74\"",
        ] {
            assert_eq!(from_variable(text).unwrap(), ["8f74"], "{text:?}");
            assert_eq!(from_file(text.as_bytes()).unwrap(), ["8f74"], "{text:?}");
        }
        for text in [
            "\"8f74,e6b1\"",
            "\"8f74\",\"e6b1\"",
            "'8f74' , \u{feff}e6b1",
        ] {
            assert_eq!(from_variable(text).unwrap(), ["8f74", "e6b1"], "{text:?}");
        }
        for text in ["\"\"", "\u{feff}", "'\u{200b} '"] {
            assert!(from_variable(text).unwrap_err().contains("empty or blank"));
        }
    }

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
    fn a_list_of_secrets_is_trimmed_entry_by_entry() {
        assert_eq!(from_variable("8f74").unwrap(), ["8f74"]);
        assert_eq!(from_variable(" 8f74 ,\te6b1\n").unwrap(), ["8f74", "e6b1"]);
        assert_eq!(from_file(b"8f74\r\n").unwrap(), ["8f74"]);
        assert_eq!(from_file(b"8f74,e6b1\n").unwrap(), ["8f74", "e6b1"]);
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        let empty = "SECRET: a secret is empty or blank; \
                     copy it from Basic Information, App Credentials at api.slack.com/apps, \
                     and separate several with commas";
        for text in ["", "  ", ",", "8f74,", "8f74,,e6b1", " , 8f74"] {
            assert_eq!(from_variable(text).unwrap_err(), empty, "{text:?}");
        }
        for content in ["", "\n", "8f74,\n"] {
            let error = from_file(content.as_bytes()).unwrap_err();
            assert_eq!(error, empty.replace("SECRET:", "SECRET_FILE:"));
        }
        let error = from_file(b"8f74\ne6b1\n").unwrap_err();
        assert!(
            error.starts_with("SECRET_FILE: a secret has a line break"),
            "{error}"
        );
        assert!(!error.contains("8f74") && !error.contains('\n'));
        let error = from_file(b"8f\xff").unwrap_err();
        assert_eq!(
            error,
            "SECRET_FILE: the value is not valid UTF-8; give plain text"
        );
        let error = from_variable(&["8f74"; 17].join(",")).unwrap_err();
        assert_eq!(
            error,
            "SECRET: the list has more than 16 entries; give fewer"
        );
    }

    #[test]
    fn one_source_is_needed_and_two_are_refused() {
        assert_eq!(read(&[], b""), Err(Error::SecretMissing));
        let both = [
            (Setting::SigningSecrets, "SECRET", "8f74"),
            (Setting::SigningSecretsFile, "SECRET_FILE", "/run/secret"),
        ];
        assert_eq!(read(&both, b"8f74"), Err(Error::SecretTwice));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = read(
            &[(Setting::SigningSecretsFile, "SECRET_FILE", "/run/n\no")],
            b"",
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"SECRET_FILE: cannot read "/run/n\no": no such file; give the path of a readable file"#
        );
    }

    #[test]
    fn debug_hides_the_secret() {
        let secret = SigningSecret::new("8f742231b10e").unwrap();
        assert_eq!(format!("{secret:?}"), "SigningSecret(hidden)");
    }
}
