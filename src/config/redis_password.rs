//! The password of a Redis user, which no output ever shows.

use std::fmt;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::Error;
use super::notice::Notice;
use super::settings::{Setting, Settings};

/// A password. Its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisPassword(Zeroizing<String>);

impl RedisPassword {
    /// Takes a password that has no white space and no quotes around it any more.
    fn new(name: &'static str, text: &str) -> Result<Self, Error> {
        let reason = if text.is_empty() {
            "the password is empty or blank"
        } else if text.contains(char::is_control) {
            "the password has a line break or another control character"
        } else {
            return Ok(Self(Zeroizing::new(text.to_owned())));
        };
        Err(Error::Password { name, reason })
    }

    /// What is sent to the server.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// By hand, so that the password never reaches a log.
impl fmt::Debug for RedisPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisPassword(hidden)")
    }
}

impl Settings {
    /// A warning about a password that was given though the journal is not in Redis.
    pub(crate) fn unused_password(&self) -> Option<Notice> {
        let given = [Setting::RedisPassword, Setting::RedisPasswordFile];
        let name = given.into_iter().find_map(|setting| self.name(setting))?;
        Some(Notice::warning(format!(
            "{name} has no effect: the journal is not in Redis; give --journal redis://HOST:PORT/0, or unset it"
        )))
    }

    /// The password that `TORRAP_REDIS_PASSWORD` holds, or else the file that `TORRAP_REDIS_PASSWORD_FILE` names, which
    /// `read_file` reads.
    ///
    /// # Errors
    /// If both are set, if the file cannot be read, or if what it holds is no password.
    pub fn redis_password(
        &self,
        read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Option<RedisPassword>, Error> {
        let places = (Setting::RedisPassword, Setting::RedisPasswordFile);
        self.secret(places, read_file, RedisPassword::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(Setting, &'static str, &str)], file: &[u8]) -> Result<String, String> {
        let mut all = Settings::default();
        for (setting, name, value) in settings {
            all.give(*setting, name, value.into());
        }
        let read_file = |path: &Path| match path.to_str() {
            Some("/run/password") => Ok(file.to_vec()),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        };
        let password = all.redis_password(&read_file);
        let password = password.map_err(|error| error.to_string())?;
        Ok(password.map_or_else(String::new, |it| {
            String::from_utf8_lossy(it.as_bytes()).into()
        }))
    }

    const DIRECT: (Setting, &str) = (Setting::RedisPassword, "TORRAP_REDIS_PASSWORD");
    const FILE: (Setting, &str) = (Setting::RedisPasswordFile, "TORRAP_REDIS_PASSWORD_FILE");

    #[test]
    fn one_source_is_enough_and_two_are_refused() {
        assert_eq!(read(&[], b"").unwrap(), "");
        assert_eq!(
            read(&[(DIRECT.0, DIRECT.1, " \"hun ter\"\n")], b"").unwrap(),
            "hun ter"
        );
        let file = (FILE.0, FILE.1, "/run/password");
        assert_eq!(
            read(&[file], b"\xef\xbb\xbfhunter2\r\n").unwrap(),
            "hunter2"
        );
        assert_eq!(
            read(&[(DIRECT.0, DIRECT.1, "a"), file], b"a").unwrap_err(),
            "TORRAP_REDIS_PASSWORD and TORRAP_REDIS_PASSWORD_FILE are both set; unset one"
        );
    }

    #[test]
    fn what_is_no_password_is_refused_without_being_shown() {
        for (content, reason) in [
            (&b"\n"[..], "the password is empty or blank"),
            (b"hunter2\nhunter3\n", "a line break"),
            (b"hunter2\xff", "not valid UTF-8"),
        ] {
            let line = read(&[(FILE.0, FILE.1, "/run/password")], content).unwrap_err();
            assert!(line.starts_with("TORRAP_REDIS_PASSWORD_FILE: "), "{line}");
            assert!(line.contains(reason) && !line.contains("hunter"), "{line}");
        }
        let line = read(&[(FILE.0, FILE.1, "/run/none")], b"").unwrap_err();
        assert_eq!(
            line,
            r#"TORRAP_REDIS_PASSWORD_FILE: cannot read "/run/none": no such file; give the path of a readable file"#
        );
    }

    #[test]
    fn debug_hides_the_password() {
        let password = RedisPassword::new("X", "hunter2").unwrap();
        assert_eq!(format!("{password:?}"), "RedisPassword(hidden)");
    }
}
