//! The words that stand in front of the options.

/// A word that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Serve,
    Try,
    Check,
    Manifest,
    Journal,
}

impl Command {
    pub(super) const ALL: [Self; 5] = [
        Self::Serve,
        Self::Try,
        Self::Check,
        Self::Manifest,
        Self::Journal,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Try => "try",
            Self::Check => "check",
            Self::Manifest => "manifest",
            Self::Journal => "journal",
        }
    }
}
