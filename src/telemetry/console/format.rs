//! How a line of the log reads: for a person, for the journal of systemd, or for a program.

use std::fmt::Write;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use log::{Level, Record};

use crate::config::LogFormat;
use crate::slack::message::json_string;
use crate::telemetry::terminal::{Colour, Terminal};
use crate::time::UnixTime;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Time, level, target and message, as `simple_logger` writes them.
    Plain,
    /// The same with the level in colour.
    Coloured(Terminal),
    /// Without the time, which the journal of systemd has itself, and behind the level as that journal reads it.
    Journal,
    /// One JSON object.
    Json,
    /// The same behind the level as the journal of systemd reads it, which takes it off: its `MESSAGE` is the object.
    JournalJson,
}

impl Format {
    /// The format for a stream. The journal of systemd keeps the level of lines of either kind.
    #[must_use]
    pub const fn choose(wanted: LogFormat, is_journal: bool, terminal: Terminal) -> Self {
        match wanted {
            LogFormat::Json if is_journal => Self::JournalJson,
            LogFormat::Json => Self::Json,
            LogFormat::Text if is_journal => Self::Journal,
            LogFormat::Text if terminal.is_coloured() => Self::Coloured(terminal),
            LogFormat::Text => Self::Plain,
        }
    }

    /// Appends the line that was logged at `now`.
    pub(super) fn append(self, record: &Record<'_>, now: UnixTime, out: &mut String) {
        let (level, target, message) = (record.level(), record.target(), record.args());
        // A string takes everything that is written to it.
        let _ = match self {
            Self::Json => return append_json(record, now, out),
            Self::JournalJson => {
                out.push_str(prefix(level));
                return append_json(record, now, out);
            }
            Self::Plain => writeln!(out, "{} {level:<5} [{target}] {message}", Millis(now)),
            Self::Coloured(terminal) => {
                let level = terminal.paint(colour(level), &format!("{level:<5}"));
                writeln!(out, "{} {level} [{target}] {message}", Millis(now))
            }
            Self::Journal => writeln!(out, "{}{level:<5} [{target}] {message}", prefix(level)),
        };
    }
}

/// Whether `descriptor` is the stream that `JOURNAL_STREAM` names: its device and inode, in decimal (systemd.exec(5)). A
/// process that redirects its standard error has the variable all the same.
#[must_use]
pub fn is_journal(stream: Option<&str>, descriptor: &impl AsFd) -> bool {
    let numbers = stream.and_then(|stream| {
        let (device, inode) = stream.split_once(':')?;
        Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?))
    });
    let Some(numbers) = numbers else { return false };
    let file = descriptor.as_fd().try_clone_to_owned().map(File::from);
    let metadata = file.and_then(|file| file.metadata());
    metadata.is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == numbers)
}

/// The level as the journal reads it at the beginning of a line: sd-daemon(3), by the numbers of syslog(3).
#[must_use]
pub const fn prefix(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

const fn colour(level: Level) -> Colour {
    match level {
        Level::Error => Colour::Red,
        Level::Warn => Colour::Yellow,
        Level::Info => Colour::Cyan,
        Level::Debug | Level::Trace => Colour::Magenta,
    }
}

/// An object on one line. The number of the command that a line is about is a field of its own, so that all lines about a
/// command can be found.
fn append_json(record: &Record<'_>, now: UnixTime, out: &mut String) {
    let level = record.level().as_str().to_ascii_lowercase();
    let message = record.args().to_string();
    let (time, target) = (Millis(now), json_string(record.target()));
    let _ = write!(
        out,
        "{{\"time\":\"{time}\",\"level\":\"{level}\",\"target\":{target}"
    );
    if let Some(number) = command_number(&message) {
        let _ = write!(out, ",\"command\":{number}");
    }
    let _ = writeln!(out, ",\"message\":{}}}", json_string(&message));
}

/// Of a line that begins with `command 12: `.
fn command_number(message: &str) -> Option<u64> {
    let (number, _) = message.strip_prefix("command ")?.split_once(": ")?;
    number.parse().ok()
}

/// A time with its milliseconds, as `simple_logger` writes it.
struct Millis(UnixTime);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secs = self.0.to_string();
        write!(f, "{}.{:03}Z", secs.trim_end_matches('Z'), self.0.0 % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    const NOW: UnixTime = UnixTime(1_764_230_400_042);

    fn line(format: Format, level: Level, message: &str) -> String {
        let mut out = String::new();
        let mut record = Record::builder();
        record.level(level).target("torrap::app");
        format.append(
            &record.args(format_args!("{message}")).build(),
            NOW,
            &mut out,
        );
        out
    }

    fn coloured() -> Terminal {
        Terminal::judge(true, &|name| (name == "TERM").then(|| "xterm".into()))
    }

    #[test]
    fn each_format_has_its_line() {
        for (format, expected) in [
            (
                Format::Plain,
                "2025-11-27T08:00:00.042Z WARN  [torrap::app] it\n",
            ),
            (
                Format::Coloured(coloured()),
                "2025-11-27T08:00:00.042Z \x1b[33mWARN \x1b[0m [torrap::app] it\n",
            ),
            (Format::Journal, "<4>WARN  [torrap::app] it\n"),
            (
                Format::JournalJson,
                "<4>{\"time\":\"2025-11-27T08:00:00.042Z\",\"level\":\"warn\",\"target\":\"torrap::app\",\"message\":\"it\"}\n",
            ),
            (
                Format::Json,
                "{\"time\":\"2025-11-27T08:00:00.042Z\",\"level\":\"warn\",\"target\":\"torrap::app\",\"message\":\"it\"}\n",
            ),
        ] {
            assert_eq!(line(format, Level::Warn, "it"), expected);
        }
        let levels = [
            Level::Error,
            Level::Warn,
            Level::Info,
            Level::Debug,
            Level::Trace,
        ];
        let prefixes = levels.map(|level| line(Format::Journal, level, "")[..3].to_owned());
        assert_eq!(prefixes, ["<3>", "<4>", "<6>", "<7>", "<7>"]);
    }

    #[test]
    fn an_object_is_json_whatever_the_message() {
        for (message, command) in [
            ("command 12: answered", Some(12)),
            ("command 18446744073709551616: x", None),
            ("command x: y", None),
            ("a command 1: x", None),
            ("say \"it\" \\n \u{202e} é\u{1}\t", None),
        ] {
            let line = line(Format::Json, Level::Info, message);
            assert_eq!(line.lines().count(), 1);
            let object: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(object["message"], message);
            assert_eq!(object["command"].as_u64(), command);
            assert_eq!(
                (&object["level"], &object["target"]),
                (&"info".into(), &"torrap::app".into())
            );
        }
    }

    #[test]
    fn the_stream_decides_unless_json_is_asked_for() {
        let (plain, coloured) = (Terminal::default(), coloured());
        for (wanted, is_journal, terminal, expected) in [
            (LogFormat::Text, false, plain, Format::Plain),
            (LogFormat::Text, false, coloured, Format::Coloured(coloured)),
            (LogFormat::Text, true, plain, Format::Journal),
            (LogFormat::Text, true, coloured, Format::Journal),
            (LogFormat::Json, false, coloured, Format::Json),
            (LogFormat::Json, true, coloured, Format::JournalJson),
        ] {
            assert_eq!(Format::choose(wanted, is_journal, terminal), expected);
        }
    }

    #[test]
    fn only_the_stream_that_the_variable_names_is_the_journal() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let name = |stream: &UnixStream| {
            let metadata = File::from(stream.as_fd().try_clone_to_owned().unwrap())
                .metadata()
                .unwrap();
            format!("{}:{}", metadata.dev(), metadata.ino())
        };
        assert!(is_journal(Some(&name(&ours)), &ours));
        assert!(!is_journal(Some(&name(&theirs)), &ours));
        for other in [
            "",
            ":",
            "1",
            "1:",
            ":1",
            "x:y",
            "-1:-1",
            "99999999999999999999:1",
        ] {
            assert!(!is_journal(Some(other), &ours), "{other}");
        }
        assert!(!is_journal(None, &ours));
    }
}
