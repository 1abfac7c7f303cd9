//! The address of a server: a host, not yet looked up, and a port.

use std::fmt;
use std::net::Ipv6Addr;

use crate::host::is_name_or_ipv4;

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What keeps a text from being an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressError {
    Missing,
    Host,
    Brackets,
    Port,
}

impl Address {
    /// Reads `host`, `host:port` or `[IPv6]:port`.
    pub(super) fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(literal) => {
                let (host, rest) = literal.split_once(']').ok_or(AddressError::Host)?;
                host.parse::<Ipv6Addr>().map_err(|_| AddressError::Host)?;
                let port = match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return Err(AddressError::Host),
                    port => port,
                };
                (host, port)
            }
            None => match text.split_once(':') {
                Some((_, port)) if port.contains(':') => return Err(AddressError::Brackets),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err(AddressError::Missing);
        }
        if !text.starts_with('[') && !is_name_or_ipv4(host) {
            return Err(AddressError::Host);
        }
        Ok(Self {
            host: host.to_owned(),
            port: match port {
                None => default_port,
                Some(port) => port_of(port).ok_or(AddressError::Port)?,
            },
        })
    }

    /// The node that a `MOVED` names, which leaves the host out if it is the one that was asked: `from`.
    /// IPv6 addresses stand there without brackets.
    #[must_use]
    pub fn moved(text: &str, from: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host {
            "" | "?" => from,
            host => host,
        };
        let is_host = is_name_or_ipv4(host) || host.parse::<Ipv6Addr>().is_ok();
        let port = port_of(port).filter(|_| is_host)?;
        Some(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// The master that a Sentinel names: a host and a port.
    #[must_use]
    pub fn of_sentinel(host: &str, port: &str) -> Option<Self> {
        Self::moved(&format!("{host}:{port}"), "")
    }
}

fn port_of(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok();
    port.filter(|port| is_plain && *port != 0)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for (text, shown) in [
            ("redis", "redis:6379"),
            ("redis:1", "redis:1"),
            ("10.0.0.1:65535", "10.0.0.1:65535"),
            ("[::1]", "[::1]:6379"),
            ("[2001:db8::1]:7000", "[2001:db8::1]:7000"),
        ] {
            assert_eq!(Address::parse(text, 6379).unwrap().to_string(), shown);
        }
        for (text, error) in [
            ("", AddressError::Missing),
            (":6379", AddressError::Missing),
            ("a b", AddressError::Host),
            ("10.0.0", AddressError::Host),
            ("[::1", AddressError::Host),
            ("[::1]6379", AddressError::Host),
            ("[redis]:6379", AddressError::Host),
            ("::1:6379", AddressError::Brackets),
            ("redis:", AddressError::Port),
            ("redis:0", AddressError::Port),
            ("redis:+1", AddressError::Port),
            ("redis:65536", AddressError::Port),
        ] {
            assert_eq!(Address::parse(text, 6379), Err(error), "{text}");
        }
    }

    #[test]
    fn a_moved_slot_is_at_the_same_host_if_it_names_none() {
        let moved = |text| Address::moved(text, "here").map(|address| address.to_string());
        assert_eq!(moved("10.0.0.2:7001").as_deref(), Some("10.0.0.2:7001"));
        assert_eq!(moved(":7001").as_deref(), Some("here:7001"));
        assert_eq!(moved("?:7001").as_deref(), Some("here:7001"));
        assert_eq!(moved("fd00::2:7001").as_deref(), Some("[fd00::2]:7001"));
        for text in ["", "here", "here:", "here:x", "a b:1", "here:0"] {
            assert_eq!(moved(text), None, "{text}");
        }
    }

    #[test]
    fn a_sentinels_master_needs_a_host() {
        let master = |host, port| Address::of_sentinel(host, port).map(|a| a.to_string());
        assert_eq!(master("10.0.0.2", "6379").as_deref(), Some("10.0.0.2:6379"));
        assert_eq!(master("", "6379"), None);
        assert_eq!(master("redis", "0"), None);
    }
}
