//! What was given for each setting, and under which name, before it is judged.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use super::default;
use super::error::{Error, Expected};
use super::journal_place::{JournalPlace, is_url};
use super::pasted::clean;
use super::signing_secret::SigningSecret;
use super::tunnels::{TunnelQuery, port};
use super::value::{Value, entries};
use crate::commands::{Chosen, Commands};

/// A thing that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// The signing secrets themselves.
    SigningSecrets,
    /// A file that holds them.
    SigningSecretsFile,
    /// A file of variables.
    EnvFile,
    /// What is logged.
    LogLevel,
    /// How it is logged.
    LogFormat,
    /// Addresses to listen on.
    Listen,
    /// From a command to its reply.
    Delay,
    /// How old or early a request may be.
    Tolerance,
    /// Where replies may go.
    ReplyOrigins,
    /// Most sender threads.
    Senders,
    /// Most jobs.
    MaxPending,
    /// Most connections.
    MaxConnections,
    /// How long a stop waits.
    Drain,
    /// Where the journal is.
    Journal,
    /// The password for a journal in Redis.
    RedisPassword,
    /// A file that holds it.
    RedisPasswordFile,
    /// Authorities to trust.
    CaFile,
    /// Addresses of the admin endpoint: metrics and health checks.
    MetricsListen,
    /// Whether addresses are shared.
    ReusePort,
    /// Which commands are answered.
    Commands,
    /// Whether everyone in the conversation sees replies.
    InChannel,
    /// Where the agents of tunnels answer.
    TunnelAgents,
    /// Whether a request is carried out again that is pending already.
    AllowReplays,
}

/// All that was given, each with the name it was given under. Holds secrets, so it has no `Debug`, and its
/// memory is overwritten when it is dropped.
#[derive(Clone, Default)]
pub struct Settings {
    given: BTreeMap<Setting, (&'static str, OsString)>,
    commands: Commands,
}

impl Settings {
    /// No settings yet, for a bot that is made of these commands.
    #[must_use]
    pub const fn of(commands: Commands) -> Self {
        let given = BTreeMap::new();
        Self { given, commands }
    }

    /// Sets a value, in place of an earlier one of the same setting.
    ///
    /// `name` is the flag or variable that gives it, for errors about the value.
    pub fn give(&mut self, setting: Setting, name: &'static str, value: OsString) {
        self.given.insert(setting, (name, value));
    }

    /// Whether the setting was given.
    #[must_use]
    pub fn has(&self, setting: Setting) -> bool {
        self.given.contains_key(&setting)
    }

    /// For each setting that was given: that one, and all others at their defaults.
    pub(super) fn each_alone(&self) -> impl Iterator<Item = Self> {
        self.given.iter().map(|(setting, given)| {
            let mut alone = Self::of(self.commands.clone());
            alone.given.insert(*setting, given.clone());
            alone
        })
    }

    pub(super) fn given(&self, setting: Setting) -> Result<Option<Value<'_>>, Error> {
        let Some((name, value)) = self.given.get(&setting) else {
            return Ok(None);
        };
        let text = value.to_str().ok_or(Error::NotUtf8 { name })?;
        Ok(Some(Value {
            name,
            text: clean(text),
        }))
    }

    pub(super) fn value<'a>(
        &'a self,
        setting: Setting,
        default: &'a str,
    ) -> Result<Value<'a>, Error> {
        let default = Value {
            name: "default",
            text: default,
        };
        Ok(self.given(setting)?.unwrap_or(default))
    }

    /// The commands to answer; by default the first.
    ///
    /// # Errors
    /// An entry of the list is wrong.
    pub fn commands(&self) -> Result<Chosen, Error> {
        let first = self.commands.first().name;
        let value = self.value(Setting::Commands, first)?;
        value.commands(self.commands.clone())
    }

    /// The file of variables, and the name under which it was given.
    ///
    /// # Errors
    /// It is no path.
    pub fn env_file(&self) -> Result<Option<(&'static str, PathBuf)>, Error> {
        let path = self.path(Setting::EnvFile, Expected::File)?;
        Ok(self.name(Setting::EnvFile).zip(path))
    }

    /// Where to ask for the tunnel that leads to the bot.
    ///
    /// # Errors
    /// An entry of one of the two lists is wrong.
    pub fn tunnel_query(&self) -> Result<TunnelQuery, Error> {
        let listen = self.value(Setting::Listen, default::LISTEN)?.addresses()?;
        let agents = self.value(Setting::TunnelAgents, default::TUNNEL_AGENTS)?;
        Ok(TunnelQuery {
            agents: agents.addresses_here()?,
            ports: listen.iter().filter_map(|address| port(address)).collect(),
        })
    }

    /// The secrets that `SLACK_SIGNING_SECRET` holds, or else the file that
    /// `SLACK_SIGNING_SECRET_FILE` names, which `read_file` reads.
    ///
    /// # Errors
    /// If neither is set or both are, if the file cannot be read, or if an entry is no secret.
    pub fn signing_secrets(
        &self,
        read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Vec<SigningSecret>, Error> {
        let places = (Setting::SigningSecrets, Setting::SigningSecretsFile);
        let found = self.secret(places, read_file, secrets)?;
        found.ok_or(Error::SecretMissing)
    }

    /// The secret that one variable holds, or that is in the file which another one names, as `read` parses it.
    pub(super) fn secret<T>(
        &self,
        (direct, file): (Setting, Setting),
        read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
        read: impl Fn(&'static str, &str) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let text = self.given(direct)?;
        let path = self.path(file, Expected::File)?;
        match (text, self.name(file).zip(path)) {
            (None, None) => Ok(None),
            (Some(text), Some((file, _))) => Err(Error::SecretTwice {
                direct: text.name,
                file,
            }),
            (Some(text), None) => read(text.name, text.text).map(Some),
            (None, Some((name, path))) => {
                let content = read_file(&path);
                let content = content.map_err(|error| Error::unreadable(name, &path, &error))?;
                let content = Zeroizing::new(content);
                let text = str::from_utf8(&content).map_err(|_| Error::NotUtf8 { name })?;
                read(name, clean(text)).map(Some)
            }
        }
    }

    /// A path need not be UTF-8. One that is may have been pasted, as other values.
    pub(super) fn path(
        &self,
        setting: Setting,
        expected: Expected,
    ) -> Result<Option<PathBuf>, Error> {
        let Some((name, path)) = self.given.get(&setting) else {
            return Ok(None);
        };
        let path = path
            .to_str()
            .map_or(path.as_os_str(), |text| clean(text).as_ref());
        if path.is_empty() {
            return Err(Error::Invalid {
                name,
                value: String::new(),
                expected,
            });
        }
        Ok(Some(path.into()))
    }

    /// Where the journal is, if one was given.
    ///
    /// # Errors
    /// It is neither a path nor a URL that this build can use.
    pub fn journal_place(&self) -> Result<Option<JournalPlace>, Error> {
        if let Some((name, text)) = self.given.get(&Setting::Journal)
            && let Some(text) = text.to_str().map(clean)
            && is_url(text)
        {
            let place = JournalPlace::of_url(text);
            return place
                .map(Some)
                .map_err(|reason| Error::JournalUrl { name, reason });
        }
        let path = self.path(Setting::Journal, Expected::Directory)?;
        Ok(path.map(JournalPlace::Directory))
    }

    /// The file of authorities to trust, in place of the built-in ones.
    ///
    /// # Errors
    /// It is no path.
    pub fn ca_file(&self) -> Result<Option<PathBuf>, Error> {
        self.path(Setting::CaFile, Expected::PemFile)
    }

    pub(super) fn name(&self, setting: Setting) -> Option<&'static str> {
        self.given.get(&setting).map(|(name, _)| *name)
    }
}

/// The secrets among them are not left in freed memory.
impl Drop for Settings {
    fn drop(&mut self) {
        for (_, value) in self.given.values_mut() {
            std::mem::take(value).into_encoded_bytes().zeroize();
        }
    }
}

/// The secrets of a comma-separated list.
fn secrets(name: &'static str, text: &str) -> Result<Vec<SigningSecret>, Error> {
    let secret = |entry| SigningSecret::new(entry).map_err(|error| Error::Secret { name, error });
    entries(name, text)?.map(secret).collect()
}

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
        let secrets = all.signing_secrets(&read_file)?;
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
        let twice = Error::SecretTwice {
            direct: "SECRET",
            file: "SECRET_FILE",
        };
        assert_eq!(read(&both, b"8f74"), Err(twice));
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
}
