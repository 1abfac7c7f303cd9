//! `redis://[USER@]HOST[:PORT][,HOST[:PORT]…][/DATABASE][?fleet=NAME&wait=N&sentinel=MASTER]`, or `rediss://` with TLS.
//!
//! No error shows a value of the URL: a password may stand in any part of one that is malformed.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::address::{Address, AddressError};

/// The fleet, if the URL names none.
pub const FLEET: &str = "torrap";
/// Most replicas of Redis to wait for.
pub const WAIT_MAX: u32 = 16;

const PORT: u16 = 6379;
/// Of a Sentinel.
const SENTINEL_PORT: u16 = 26379;
const ADDRESSES_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 64;
const DATABASE_MAX: u32 = 65_535;

/// Where a fleet's journal is, and how it is used. It holds no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    /// Whether connections are encrypted.
    pub is_tls: bool,
    /// The ACL user; `default` if none is named.
    pub user: Option<String>,
    /// The servers, or the Sentinels: at least one.
    pub addresses: Vec<Address>,
    /// Number of the database.
    pub database: u32,
    /// What the fleet's keys begin with, in braces: letters, digits, `.`, `_` and `-`.
    pub fleet: String,
    /// How many replicas of Redis must have a job before it counts as kept.
    pub wait: u32,
    /// The name under which Sentinels know the master; then the addresses are theirs.
    pub sentinel: Option<String>,
}

impl RedisUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// The first part of it that is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A slash or a question mark in a password ends the authority before its `@`.
        if path.contains('@') || query.contains('@') {
            return Err(UrlError::Password);
        }
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(self::user(user)?), hosts),
            None => (None, authority),
        };
        let mut url = Self {
            is_tls,
            user,
            addresses: Vec::new(),
            database: database(path)?,
            fleet: FLEET.to_owned(),
            wait: 0,
            sentinel: None,
        };
        url.read_query(query)?;
        let default_port = match url.sentinel {
            Some(_) => SENTINEL_PORT,
            None => PORT,
        };
        url.addresses = addresses(hosts, default_port)?;
        Ok(url)
    }

    fn read_query(&mut self, query: &str) -> Result<(), UrlError> {
        let mut seen = [false; 3];
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(UrlError::Parameter)?;
            let number = match name {
                "fleet" => {
                    self.fleet = fleet(value)?;
                    0
                }
                "wait" => {
                    self.wait = number(value, WAIT_MAX).ok_or(UrlError::Wait)?;
                    1
                }
                "sentinel" => {
                    let name = decoded(value).filter(|name| is_name(name));
                    self.sentinel = Some(name.ok_or(UrlError::Sentinel)?);
                    2
                }
                "password" | "pass" | "auth" | "username" | "user" => {
                    return Err(UrlError::Password);
                }
                _ => return Err(UrlError::Parameter),
            };
            if std::mem::replace(&mut seen[number], true) {
                return Err(UrlError::Twice);
            }
        }
        Ok(())
    }
}

fn user(text: &str) -> Result<String, UrlError> {
    if text.contains(':') {
        return Err(UrlError::Password);
    }
    decoded(text)
        .filter(|user| is_name(user))
        .ok_or(UrlError::User)
}

fn addresses(hosts: &str, default_port: u16) -> Result<Vec<Address>, UrlError> {
    let mut addresses = Vec::new();
    for host in hosts.split(',') {
        if addresses.len() == ADDRESSES_MAX {
            return Err(UrlError::TooManyAddresses);
        }
        let address = Address::parse(host, default_port);
        addresses.push(address.map_err(|error| match error {
            AddressError::Missing => UrlError::HostMissing,
            AddressError::Host => UrlError::Host,
            AddressError::Brackets => UrlError::Brackets,
            AddressError::Port => UrlError::Port,
        })?);
    }
    Ok(addresses)
}

fn database(path: &str) -> Result<u32, UrlError> {
    match path {
        "" => Ok(0),
        path => number(path, DATABASE_MAX).ok_or(UrlError::Database),
    }
}

fn fleet(name: &str) -> Result<String, UrlError> {
    // Braces would end the part of the keys that decides their slot, and `*` and `?` mean something in the rules of an ACL.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let is_fleet = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain);
    match is_fleet {
        true => Ok(name.to_owned()),
        false => Err(UrlError::Fleet),
    }
}

/// A name that Redis takes for a user or a master: its commands are split at white space.
fn is_name(name: &str) -> bool {
    let is_part = |c: char| !c.is_control() && !c.is_whitespace();
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_part)
}

fn number(text: &str, max: u32) -> Option<u32> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number <= max);
    number.filter(|_| is_plain)
}

fn decoded(text: &str) -> Option<String> {
    let is_escape = |digits: &str| {
        let digits = digits.as_bytes().get(..2);
        digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// In one spelling, which [`RedisUrl::parse`] reads again.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_tls { "rediss://" } else { "redis://" })?;
        if let Some(user) = &self.user {
            write!(f, "{}@", utf8_percent_encode(user, NON_ALPHANUMERIC))?;
        }
        for (number, address) in self.addresses.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{address}")?;
        }
        write!(f, "/{}?fleet={}", self.database, self.fleet)?;
        if self.wait > 0 {
            write!(f, "&wait={}", self.wait)?;
        }
        if let Some(name) = &self.sentinel {
            write!(
                f,
                "&sentinel={}",
                utf8_percent_encode(name, NON_ALPHANUMERIC)
            )?;
        }
        Ok(())
    }
}

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// It begins neither with `redis://` nor with `rediss://`.
    Scheme,
    /// It holds a password.
    Password,
    /// The user's name is empty or malformed.
    User,
    /// There is no host.
    HostMissing,
    /// A host is malformed.
    Host,
    /// An IPv6 address does not stand in brackets.
    Brackets,
    /// A port is none.
    Port,
    /// There are too many addresses.
    TooManyAddresses,
    /// The path is no number of a database.
    Database,
    /// The name of the fleet is malformed.
    Fleet,
    /// The number of replicas to wait for is none.
    Wait,
    /// The name of the Sentinels' master is malformed.
    Sentinel,
    /// A parameter is unknown.
    Parameter,
    /// A parameter is given twice.
    Twice,
    /// It has a fragment.
    Fragment,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str(
                "the URL is of no known kind; give redis://HOST:PORT/0, or rediss:// for TLS, or the path of a directory",
            ),
            Self::Password => f.write_str(
                "the URL holds a password, or a user as a parameter; other users of this machine can read it in the list of \
                 processes: set TORRAP_REDIS_PASSWORD or TORRAP_REDIS_PASSWORD_FILE and give redis://USER@HOST:PORT/0",
            ),
            Self::User => f.write_str(
                "the user in the URL is empty or malformed; give redis://USER@HOST:PORT/0, with other characters than letters \
                 and digits as %XX",
            ),
            Self::HostMissing => f.write_str("the URL has no host; give redis://HOST:PORT/0"),
            Self::Host => f.write_str(
                "a host in the URL is malformed; give a name or an address, as in redis://10.0.0.1:6379,10.0.0.2:6379/0",
            ),
            Self::Brackets => f.write_str(
                "an IPv6 address in the URL must stand in brackets; give redis://[2001:db8::1]:6379/0",
            ),
            Self::Port => f.write_str(
                "a port in the URL is not a number from 1 to 65535; give redis://HOST:6379/0",
            ),
            Self::TooManyAddresses => write!(
                f,
                "the URL has more than {ADDRESSES_MAX} addresses; give fewer"
            ),
            Self::Database => write!(
                f,
                "the path of the URL is not a number from 0 to {DATABASE_MAX}; give the number of a database, as in \
                 redis://HOST:6379/0"
            ),
            Self::Fleet => write!(
                f,
                "the fleet in the URL is not a name; give 1 to {NAME_BYTES_MAX} letters, digits, dots, hyphens or underscores, \
                 as in ?fleet={FLEET}"
            ),
            Self::Wait => write!(
                f,
                "wait in the URL is not a number from 0 to {WAIT_MAX}; give how many replicas of Redis must have each command, \
                 as in ?wait=1"
            ),
            Self::Sentinel => f.write_str(
                "sentinel in the URL is empty or malformed; give the name of the master that the Sentinels watch, as in \
                 ?sentinel=mymaster",
            ),
            Self::Parameter => f.write_str(
                "the URL has a parameter that is unknown or has no value; give none but fleet, wait and sentinel, as in \
                 ?fleet=torrap&wait=1",
            ),
            Self::Twice => f.write_str("a parameter is in the URL twice; give it once"),
            Self::Fragment => f.write_str("the URL has a fragment; leave out # and what follows"),
        }
    }
}

impl std::error::Error for UrlError {}

#[cfg(test)]
mod tests;
