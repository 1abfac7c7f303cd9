//! What was given for each setting, and under which name, before it is judged.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use zeroize::Zeroize;

use super::default;
use super::error::{Error, Expected};
use super::pasted::clean;
use super::value::Value;
use crate::commands::Chosen;

/// A thing that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// The signing secrets themselves.
    SigningSecrets,
    /// A file that holds them.
    SigningSecretsFile,
    /// What is logged.
    LogLevel,
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
    /// Authorities to trust.
    CaFile,
    /// Addresses for those who watch.
    MetricsListen,
    /// Whether addresses are shared.
    ReusePort,
    /// Which commands are answered.
    Commands,
    /// Whether everybody sees replies.
    InChannel,
}

/// All that was given, each with the name it was given under. Holds secrets, so it has no `Debug`, and its
/// memory is overwritten when it is dropped.
#[derive(Clone, Default)]
pub struct Settings {
    given: BTreeMap<Setting, (&'static str, OsString)>,
}

impl Settings {
    /// Notes a value; one noted earlier for the same setting is forgotten.
    ///
    /// `name` is the flag or variable, which an error about the value will name.
    pub fn give(&mut self, setting: Setting, name: &'static str, value: OsString) {
        self.given.insert(setting, (name, value));
    }

    /// Whether the setting was given.
    #[must_use]
    pub fn has(&self, setting: Setting) -> bool {
        self.given.contains_key(&setting)
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

    /// The commands to answer, which are all that the manifest needs of the settings.
    ///
    /// # Errors
    /// An entry of the list is wrong.
    pub fn commands(&self) -> Result<Chosen, Error> {
        self.value(Setting::Commands, default::COMMANDS)?.commands()
    }

    /// A path may be any text that the system takes, not only UTF-8; what is, may be pasted like other values.
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
