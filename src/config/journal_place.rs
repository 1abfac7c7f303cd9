//! Where the journal is: in a directory of this machine, or in a Redis that a fleet shares.

#[cfg(feature = "redis")]
use std::ffi::OsStr;
#[cfg(feature = "redis")]
use std::net::IpAddr;
use std::path::{Path, PathBuf};

#[cfg(feature = "redis")]
use super::error::Error;
#[cfg(feature = "redis")]
use super::notice::Notice;
#[cfg(feature = "redis")]
use super::redis_password::RedisPassword;
#[cfg(feature = "redis")]
use crate::redis::{Address, RedisUrl};

/// [`SharedJournal::lease_ms`], for all but tests.
#[cfg(feature = "redis")]
const LEASE_MS: u64 = 5_000;

#[cfg(feature = "redis")]
const LEASE_MS_MIN: u64 = 200;
#[cfg(feature = "redis")]
const LEASE_MS_MAX: u64 = 60_000;

/// The variable by which tests make the lease shorter. It is no setting: all bots of a fleet must have the same lease.
#[cfg(feature = "redis")]
pub(crate) const LEASE_VARIABLE: &str = "TORRAP_REDIS_LEASE_MS";

/// Where the journal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalPlace {
    /// A directory, for this process alone.
    Directory(PathBuf),
    /// Redis or Valkey, for all bots of a fleet.
    #[cfg(feature = "redis")]
    Shared(Box<SharedJournal>),
}

/// A fleet's journal, and what is needed to connect to it.
#[cfg(feature = "redis")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedJournal {
    /// Servers, database and fleet.
    pub url: RedisUrl,
    /// The password of the URL's user.
    pub password: Option<RedisPassword>,
    /// How long a silent bot of the fleet keeps its pending replies before others take them over, in milliseconds.
    pub lease_ms: u64,
}

impl JournalPlace {
    /// Its directory, if it has one.
    #[must_use]
    pub fn directory(&self) -> Option<&PathBuf> {
        match self {
            Self::Directory(path) => Some(path),
            #[cfg(feature = "redis")]
            Self::Shared(_) => None,
        }
    }

    /// Parses a URL. An error says what is wrong, and shows no part of the URL.
    #[cfg(feature = "redis")]
    pub(super) fn of_url(text: &str) -> Result<Self, String> {
        let url = RedisUrl::parse(text).map_err(|error| error.to_string())?;
        Ok(Self::Shared(Box::new(SharedJournal {
            url,
            password: None,
            lease_ms: LEASE_MS,
        })))
    }

    /// Without the feature `redis` a URL cannot be used.
    #[cfg(not(feature = "redis"))]
    pub(super) fn of_url(_: &str) -> Result<Self, String> {
        Err(
            "this torrap is built without journals in Redis; build it with `cargo build --release --features redis`, \
             or give the path of a directory"
                .to_owned(),
        )
    }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for JournalPlace {
    fn from(directory: &P) -> Self {
        Self::Directory(directory.as_ref().to_owned())
    }
}

impl From<PathBuf> for JournalPlace {
    fn from(directory: PathBuf) -> Self {
        Self::Directory(directory)
    }
}

#[cfg(feature = "redis")]
impl SharedJournal {
    /// Reads what [`LEASE_VARIABLE`] says.
    pub(crate) fn set_lease(&mut self, text: &OsStr) -> Result<(), Error> {
        let lease_ms = text.to_str().and_then(|text| text.parse().ok());
        self.lease_ms = lease_ms
            .filter(|ms| (LEASE_MS_MIN..=LEASE_MS_MAX).contains(ms))
            .ok_or_else(|| Error::JournalUrl {
                name: LEASE_VARIABLE,
                reason: format!("not a number from {LEASE_MS_MIN} to {LEASE_MS_MAX}; unset it"),
            })?;
        Ok(())
    }

    /// A warning if the password crosses the network without encryption.
    pub(crate) fn notice(&self) -> Option<Notice> {
        let is_here = |address: &Address| match address.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => address.host == "localhost",
        };
        let is_open = !self.url.is_tls && self.password.is_some();
        let far = self.url.addresses.iter().find(|address| !is_here(address));
        far.filter(|_| is_open).map(|far| {
            Notice::warning(format!(
                "--journal: the password of Redis crosses the network to {far} without encryption; give rediss:// \
                 and have Redis listen with TLS"
            ))
        })
    }
}

/// Whether a value is meant as a URL, which may hold a password and is never shown. A directory of that name can be given as
/// `./redis:`.
pub(crate) fn is_url(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"+.-".contains(&b);
    let end = text.bytes().position(|b| !is_part(b));
    let Some((scheme, rest)) = end.and_then(|end| text.split_at_checked(end)) else {
        return false;
    };
    let of_redis = ["redis", "rediss"];
    let is_of_redis = of_redis
        .iter()
        .any(|name| scheme.eq_ignore_ascii_case(name));
    // `redis//` has lost its colon.
    !scheme.is_empty() && rest.starts_with("://")
        || is_of_redis && (rest.starts_with(':') || rest.starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_directories() {
        for text in [
            "redis://a",
            "rediss://a/0",
            "REDIS://a",
            "redis:a",
            "redis//user:password@a",
            "valkey://a",
            "file:///var/lib/torrap",
            "redis+sentinel://a",
        ] {
            assert!(is_url(text), "{text}");
        }
        for text in [
            "/var/lib/torrap",
            "torrap",
            "./redis://a",
            "a/b://c",
            "C:\\torrap",
            "://a",
            "",
        ] {
            assert!(!is_url(text), "{text}");
        }
    }

    #[cfg(not(feature = "redis"))]
    #[test]
    fn a_build_without_redis_says_how_to_get_one() {
        let line = JournalPlace::of_url("redis://:hunter2@a").unwrap_err();
        assert!(line.contains("--features redis") && !line.contains("hunter2"));
    }
}
