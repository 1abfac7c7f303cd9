//! How the log is written.

/// What `LOG_FORMAT` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people, and for the journal of systemd if it is what reads them.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
