//! One value as given, and what it is parsed to.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use log::LevelFilter;

use super::address::check_address;
use super::bounds::ENTRIES_MAX;
use super::error::{Error, Expected};
use super::log_format::LogFormat;
use super::pasted::clean;
use crate::commands::{Chosen, Commands};
use crate::slack::response_url::Origin;

/// A value without the white space around it, and the name it was given under.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) name: &'static str,
    pub(super) text: &'a str,
}

impl<'a> Value<'a> {
    /// A duration written in seconds, in milliseconds.
    pub(super) fn millis(self, range: RangeInclusive<u64>) -> Result<u64, Error> {
        let expected = Expected::Seconds {
            min_ms: *range.start(),
            max_ms: *range.end(),
        };
        let millis = millis(self.text).filter(|millis| range.contains(millis));
        millis.ok_or_else(|| self.invalid(expected))
    }

    /// A whole number from 1.
    pub(super) fn count(self, max: usize) -> Result<usize, Error> {
        let is_plain = self.text.bytes().all(|b| b.is_ascii_digit());
        let count = self
            .text
            .parse()
            .ok()
            .filter(|count| is_plain && (1..=max).contains(count));
        count.ok_or_else(|| self.invalid(Expected::Count { max }))
    }

    /// Yes or no, in the words that unit files and compose files use for it.
    pub(super) fn switch(self) -> Result<bool, Error> {
        match self.text.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" | "1" => Ok(true),
            "no" | "false" | "off" | "0" => Ok(false),
            _ => Err(self.invalid(Expected::Switch)),
        }
    }

    pub(super) fn level(self) -> Result<LevelFilter, Error> {
        // What syslog, Python and others call it.
        if self.text.eq_ignore_ascii_case("warning") {
            return Ok(LevelFilter::Warn);
        }
        self.text.parse().map_err(|_| self.invalid(Expected::Level))
    }

    pub(super) fn log_format(self) -> Result<LogFormat, Error> {
        match self.text.to_ascii_lowercase().as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(self.invalid(Expected::LogFormat)),
        }
    }

    pub(super) fn addresses(self) -> Result<Vec<String>, Error> {
        self.each(|entry| {
            // A port alone is one of localhost, as in the default.
            let is_port = !entry.is_empty() && entry.bytes().all(|b| b.is_ascii_digit());
            let address = match is_port {
                true => format!("localhost:{entry}"),
                false => entry.to_owned(),
            };
            match check_address(&address) {
                Ok(()) => Ok(address),
                Err(error) => Err(Expected::Address(error)),
            }
        })
    }

    /// Addresses of this machine to connect to. Names are not looked up: what answers there decides where Slack sends
    /// commands, so it must be a program of this machine.
    pub(super) fn addresses_here(self) -> Result<Vec<SocketAddr>, Error> {
        self.each(|entry| {
            let port = entry.strip_prefix("localhost:").unwrap_or(entry);
            let address = match port.parse::<u16>() {
                Ok(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
                Err(_) => entry.parse().ok(),
            };
            let is_here = |address: &SocketAddr| address.ip().is_loopback() && address.port() != 0;
            address.filter(is_here).ok_or(Expected::AddressHere)
        })
    }

    pub(super) fn origins(self) -> Result<Vec<Origin>, Error> {
        self.each(|entry| Origin::parse(entry).map_err(Expected::Origin))
    }

    pub(super) fn commands(self, all: Commands) -> Result<Chosen, Error> {
        let mut chosen = Chosen::of(all);
        for entry in entries(self.name, self.text)? {
            let text = clean(entry);
            let added = chosen.add(text);
            added.map_err(|error| Self { text, ..self }.invalid(Expected::Command(error)))?;
        }
        Ok(chosen)
    }

    fn each<T>(self, read: impl Fn(&'a str) -> Result<T, Expected>) -> Result<Vec<T>, Error> {
        let read = |entry: &'a str| {
            let entry = Self {
                text: clean(entry),
                ..self
            };
            read(entry.text).map_err(|expected| entry.invalid(expected))
        };
        entries(self.name, self.text)?.map(read).collect()
    }

    fn invalid(self, expected: Expected) -> Error {
        Error::Invalid {
            name: self.name,
            value: self.text.to_owned(),
            expected,
        }
    }
}

/// The entries of a comma-separated list; an empty one is an entry too.
pub(super) fn entries<'a>(
    name: &'static str,
    text: &'a str,
) -> Result<impl Iterator<Item = &'a str>, Error> {
    if text.bytes().filter(|b| *b == b',').count() >= ENTRIES_MAX {
        return Err(Error::TooManyEntries { name });
    }
    Ok(text.split(','))
}

/// Reads `5`, `0.2`, `.5` or `5.` seconds, exactly and rounded up to a millisecond.
///
/// Digit by digit, since a float would take `inf` and `1e3` and miss decimals.
pub(crate) fn millis(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut digits = whole.bytes().chain(fraction.bytes());
    if (whole.len() + fraction.len()) == 0 || !digits.all(|b| b.is_ascii_digit()) {
        return None;
    }
    let secs: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let (shown, finer) = fraction.split_at(fraction.len().min(3));
    let shown = shown.bytes().chain("000".bytes()).take(3);
    let millis = shown.fold(0, |millis, digit| millis * 10 + u64::from(digit - b'0'));
    let round_up = u64::from(finer.bytes().any(|digit| digit != b'0'));
    secs.checked_mul(1000)?.checked_add(millis + round_up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seconds_are_exact_and_rounded_up() {
        for (text, expected) in [
            ("0", 0),
            ("5", 5000),
            ("5.", 5000),
            (".5", 500),
            ("0.2", 200),
            ("0.3", 300),
            ("1.001", 1001),
            ("1.0010000", 1001),
            ("1.0010001", 1002),
            ("0.0000000000000000000000000001", 1),
            ("0.9991", 1000),
            ("007", 7000),
            ("18446744073709551.615", u64::MAX),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_number_of_seconds_is_refused() {
        for text in [
            "",
            ".",
            "-1",
            "+1",
            "1e3",
            "inf",
            "NaN",
            "1,5",
            "1.5.2",
            "5s",
            "0x10",
            "1_000",
            "٥",
            "5 0",
            "18446744073709551.616",
            "18446744073709552",
            "99999999999999999999",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_number_of_milliseconds_is_read_back(expected in 0..=u64::MAX / 2) {
            let text = format!("{}.{:03}", expected / 1000, expected % 1000);
            prop_assert_eq!(millis(&text), Some(expected));
            prop_assert_eq!(millis(&format!("{text}000")), Some(expected));
            prop_assert_eq!(millis(&format!("{text}001")), Some(expected + 1));
        }

        #[test]
        fn no_text_panics(text in ".{0,12}") {
            let _ = millis(&text);
        }
    }
}
