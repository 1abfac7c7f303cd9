//! The hosts that are reached without the proxy, as curl, Go and Python read `NO_PROXY`.

use std::net::IpAddr;

use super::pasted::clean;
use crate::host::is_name_or_ipv4;

/// A list of hosts, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy {
    entries: Vec<Entry>,
    /// Entries that are none of the forms below, and have no effect.
    ignored: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// `*`
    All,
    /// `example.com` and `.example.com`: the domain and what is below it, as curl and Python have both.
    Domain { name: String, port: Option<u16> },
    /// `*.example.com`: only what is below it.
    Below(String),
    /// `10.0.0.1`, `[::1]:8080`
    Address { address: IpAddr, port: Option<u16> },
    /// `10.0.0.0/8`
    Range { address: IpAddr, bits: u8 },
}

impl NoProxy {
    /// Reads a list whose entries are separated by commas or, as for curl, by white space.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let mut read = Self::default();
        let texts = clean(list).split(|c: char| c == ',' || c.is_whitespace());
        for text in texts.map(clean).filter(|text| !text.is_empty()) {
            match Entry::parse(text) {
                Some(entry) => read.entries.push(entry),
                None => read.ignored.push(text.to_owned()),
            }
        }
        read
    }

    /// Entries that have no effect, since they are of no known form.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether a host, as it stands in a URL, is reached without the proxy.
    #[must_use]
    pub fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let address = address(host);
        self.entries
            .iter()
            .any(|entry| entry.covers(host, address, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address = address.parse().ok()?;
            let bits_max = if matches!(address, IpAddr::V4(_)) {
                32
            } else {
                128
            };
            let bits = bits.parse().ok().filter(|bits| *bits <= bits_max)?;
            return Some(Self::Range { address, bits });
        }
        if let Some(address) = address(text) {
            return Some(Self::Address {
                address,
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
            None => (text, None),
        };
        if let Some(address) = address(host) {
            return Some(Self::Address { address, port });
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        if let Some(name) = host.strip_prefix("*.") {
            return (port.is_none() && is_name_or_ipv4(name)).then(|| Self::Below(name.to_owned()));
        }
        let name = host.strip_prefix('.').unwrap_or(host);
        is_name_or_ipv4(name).then(|| Self::Domain {
            name: name.to_owned(),
            port,
        })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, host_port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Domain { name, port } => {
                port.is_none_or(|port| port == host_port)
                    && (host.eq_ignore_ascii_case(name) || is_below(host, name))
            }
            Self::Below(name) => is_below(host, name),
            Self::Address {
                address: listed,
                port,
            } => port.is_none_or(|port| port == host_port) && address == Some(*listed),
            Self::Range {
                address: first,
                bits,
            } => address.is_some_and(|address| has_prefix(address, *first, *bits)),
        }
    }
}

/// The address that a host is, with or without the brackets that an IPv6 address has in a URL.
fn address(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    let front = host.len().checked_sub(domain.len());
    let parts = front.and_then(|front| host.split_at_checked(front));
    parts.is_some_and(|(front, end)| front.ends_with('.') && end.eq_ignore_ascii_case(domain))
}

/// Whether the first `bits` of the two are the same.
fn has_prefix(address: IpAddr, first: IpAddr, bits: u8) -> bool {
    let differing = match (address, first) {
        (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
        _ => return false,
    };
    differing.leading_zeros() >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_are_covered_as_curl_go_and_python_have_it() {
        for (list, host, port, expected) in [
            ("example.com", "example.com", 443, true),
            ("example.com", "Hooks.Example.COM", 443, true),
            ("EXAMPLE.com", "hooks.example.com", 443, true),
            ("example.com", "badexample.com", 443, false),
            ("example.com", "example.com.evil", 443, false),
            ("example.com", "com", 443, false),
            (".example.com", "a.b.example.com", 443, true),
            (".example.com", "example.com", 443, true),
            ("*.example.com", "a.example.com", 443, true),
            ("*.example.com", "example.com", 443, false),
            ("example.com.", "a.example.com", 443, true),
            (" a.b , example.com ", "example.com", 443, true),
            ("a.b example.com\tc.d", "example.com", 443, true),
            ("\"a.b,example.com\"", "example.com", 443, true),
            (",,", "example.com", 443, false),
            ("*", "example.com", 443, true),
            ("a.b, *", "[::1]", 1, true),
            ("example.com:8443", "a.example.com", 8443, true),
            ("example.com:8443", "a.example.com", 443, false),
            ("127.0.0.1", "127.0.0.1", 80, true),
            ("127.0.0.1", "127.0.0.10", 80, false),
            ("127.0.0.1:80", "127.0.0.1", 81, false),
            ("0.0.1", "127.0.0.1", 80, false),
            ("::1", "[::1]", 80, true),
            ("[0:0::1]", "[::1]", 80, true),
            ("[::1]:80", "[::1]", 80, true),
            ("[::1]:80", "[::1]", 81, false),
            ("10.0.0.0/8", "10.255.0.1", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("10.0.0.0/8", "ten.example", 80, false),
            ("10.0.0.0/8", "[::ffff:0:1]", 80, false),
            ("0.0.0.0/0", "11.0.0.1", 80, true),
            ("fd00::/8", "[fdab::1]", 80, true),
            ("fd00::/8", "[fe80::1]", 80, false),
            ("10.0.0.1/32", "10.0.0.1", 80, true),
            ("::/0", "[fe80::1]", 80, true),
        ] {
            let read = NoProxy::parse(list);
            assert_eq!(read.covers(host, port), expected, "{list} {host}:{port}");
            let known = if list == "0.0.1" { 1 } else { 0 };
            assert_eq!(read.ignored().len(), known, "{list}");
        }
    }

    #[test]
    fn what_is_of_no_known_form_is_kept_for_a_warning() {
        for text in [
            "http://a.example",
            "a.example:https",
            "a.example:0",
            "10.0.0.0/33",
            "fd00::/129",
            "a.example/8",
            "*example.com",
            "hooks.*",
            "10.0.0.*",
            "*.a.example:1",
            ".",
            "[::1",
            "a..b",
        ] {
            let read = NoProxy::parse(&format!("b.example,{text}"));
            assert_eq!(read.ignored(), [text]);
            assert!(read.covers("b.example", 1));
        }
    }

    proptest! {
        #[test]
        fn no_list_and_no_host_panics(list in ".{0,24}", host in ".{0,12}", port: u16) {
            let _ = NoProxy::parse(&list).covers(&host, port);
        }
    }
}
