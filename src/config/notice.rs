//! Notices about settings with which the bot can run: a likely mistake, or what the environment has set.

use log::Level;

/// One line about the settings, for the log at the start and for `torrap check`. It never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `Warn` for a likely mistake, `Info` for a fact.
    pub level: Level,
    /// Names the setting and says what to do.
    pub line: String,
}

impl Notice {
    pub(crate) const fn warning(line: String) -> Self {
        Self {
            level: Level::Warn,
            line,
        }
    }

    pub(crate) const fn info(line: String) -> Self {
        Self {
            level: Level::Info,
            line,
        }
    }

    /// Whether it is about a likely mistake.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.level == Level::Warn
    }
}
