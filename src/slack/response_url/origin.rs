//! Scheme, host and port, in the settings and at the front of a URL.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use memchr::memchr;

use crate::host::is_name_or_ipv4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// A name or an IPv4 address, in lower case.
    Name(Box<str>),
    V6(Ipv6Addr),
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(literal) = bracketed(text) {
            return literal.parse().ok().map(Self::V6);
        }
        is_name_or_ipv4(text).then(|| Self::Name(text.to_ascii_lowercase().into()))
    }

    fn is(&self, text: &str) -> bool {
        match self {
            Self::Name(name) => name.eq_ignore_ascii_case(text),
            Self::V6(address) => bracketed(text).and_then(|t| t.parse().ok()) == Some(*address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

fn bracketed(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// Scheme, host and port of a URL (RFC 6454, section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Its canonical form: lower case, no default port, no slash at the end.
    text: Box<str>,
}

impl Origin {
    /// Reads an origin as it stands in the settings: `https://host`, `http://host:port`,
    /// `http://[::1]:port`, in any case and with at most a slash behind it.
    ///
    /// # Errors
    /// If it is anything else, above all if it has a user, a path, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let parts = Parts::split(text)?;
        if !matches!(parts.rest, "" | "/") {
            return Err(OriginError::Path);
        }
        let host = Host::parse(parts.host).ok_or(OriginError::Host)?;
        Ok(Self {
            text: canonical(parts.scheme, &host, parts.port).into(),
            scheme: parts.scheme,
            host,
            port: parts.port,
        })
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.host {
            Host::V6(address) => address.is_loopback(),
            Host::Name(name) => match name.parse::<Ipv4Addr>() {
                Ok(address) => address.is_loopback(),
                // Names below localhost are local, too (RFC 6761, section 6.3).
                Err(_) => **name == *"localhost" || name.ends_with(".localhost"),
            },
        }
    }

    /// Whether what is sent there leaves this machine without encryption.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.scheme == Scheme::Http && !self.is_local()
    }

    /// The host as it stands in a URL.
    #[must_use]
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// The port, also where it is the scheme's own.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What stands behind this origin in a URL that begins with its canonical form, from the slash on that ends every origin.
    pub(super) fn strip_from<'a>(&self, url: &'a str) -> Option<&'a str> {
        let rest = url.strip_prefix(&*self.text);
        rest.filter(|rest| rest.starts_with('/'))
    }

    pub(super) fn is_of(&self, parts: &Parts<'_>) -> bool {
        self.scheme == parts.scheme && self.port == parts.port && self.host.is(parts.host)
    }
}

/// The canonical form.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn canonical(scheme: Scheme, host: &Host, port: u16) -> String {
    let scheme_text = match scheme {
        Scheme::Http => "http://",
        Scheme::Https => "https://",
    };
    if port == scheme.default_port() {
        format!("{scheme_text}{host}")
    } else {
        format!("{scheme_text}{host}:{port}")
    }
}

/// What keeps a text from being an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginError {
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// It has a user or a password.
    Userinfo,
    /// Its host is missing or is no name, no IPv4 address and no `[IPv6]` address.
    Host,
    /// Its port is no plain number from 1 to 65535.
    Port,
    /// It has a path, a query or a fragment.
    Path,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "it must begin with https:// or http://",
            Self::Userinfo => "it must have no user and no password",
            Self::Host => "its host is missing or malformed",
            Self::Port => "its port must be a number from 1 to 65535",
            Self::Path => "it must end after the host or the port",
        })
    }
}

impl std::error::Error for OriginError {}

/// A URL cut at its joints. The host is not judged yet: comparing it with a judged one does that.
pub(super) struct Parts<'a> {
    scheme: Scheme,
    host: &'a str,
    port: u16,
    /// All behind the port.
    pub(super) rest: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn split(text: &'a str) -> Result<Self, OriginError> {
        let (scheme, text) = strip_prefix_ignore_case(text, "https://")
            .map(|rest| (Scheme::Https, rest))
            .or_else(|| strip_prefix_ignore_case(text, "http://").map(|rest| (Scheme::Http, rest)))
            .ok_or(OriginError::Scheme)?;
        let end = text
            .bytes()
            .position(|b| matches!(b, b'/' | b'?' | b'#'))
            .unwrap_or(text.len());
        let (authority, rest) = text.split_at(end);
        if authority.contains('@') {
            return Err(OriginError::Userinfo);
        }
        // The colons of an IPv6 address stand in brackets.
        let host_end = if authority.starts_with('[') {
            authority.find(']').ok_or(OriginError::Host)? + 1
        } else {
            memchr(b':', authority.as_bytes()).unwrap_or(authority.len())
        };
        let (host, port) = authority.split_at(host_end);
        if host.is_empty() {
            return Err(OriginError::Host);
        }
        let port = match port.strip_prefix(':') {
            Some(digits) => parse_port(digits).ok_or(OriginError::Port)?,
            None if port.is_empty() => scheme.default_port(),
            None => return Err(OriginError::Host),
        };
        Ok(Self {
            scheme,
            host,
            port,
            rest,
        })
    }
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// No sign and no leading zero: `:0443` is one port to some readers and none to others.
fn parse_port(digits: &str) -> Option<u16> {
    matches!(digits.as_bytes().first(), Some(b'1'..=b'9'))
        .then(|| digits.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_one_canonical_form() {
        for (text, canonical) in [
            ("https://hooks.slack.com", "https://hooks.slack.com"),
            ("HTTPS://Hooks.Slack.COM:443/", "https://hooks.slack.com"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:443", "http://localhost:443"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://[0:0::1]:8080", "http://[::1]:8080"),
            (
                "https://my_host-1.internal:8443",
                "https://my_host-1.internal:8443",
            ),
        ] {
            let origin = Origin::parse(text).unwrap();
            assert_eq!(origin.to_string(), canonical);
            assert_eq!(Origin::parse(canonical), Ok(origin));
        }
    }

    #[test]
    fn only_this_machine_and_encryption_keep_replies_from_being_exposed() {
        for (text, exposed) in [
            ("https://a.example", false),
            ("http://localhost:1", false),
            ("http://slack.localhost", false),
            ("http://127.1.2.3", false),
            ("http://[::1]:9000", false),
            ("http://a.example", true),
            ("http://notlocalhost", true),
            ("http://localhost.example", true),
            ("http://10.0.0.1:9000", true),
            ("http://0.0.0.0", true),
            ("http://[fe80::1]", true),
        ] {
            assert_eq!(Origin::parse(text).unwrap().is_exposed(), exposed, "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_for_its_reason() {
        for (text, error) in [
            ("hooks.slack.com", OriginError::Scheme),
            ("https:hooks.slack.com", OriginError::Scheme),
            ("*", OriginError::Scheme),
            ("https://user@hooks.slack.com", OriginError::Userinfo),
            (
                "https://user:password@hooks.slack.com",
                OriginError::Userinfo,
            ),
            ("https://", OriginError::Host),
            ("https://*.slack.com", OriginError::Host),
            ("https://hooks.slack.com.", OriginError::Host),
            ("https://hooks..slack.com", OriginError::Host),
            ("https://hooks.slack.com ", OriginError::Host),
            ("https://256.0.0.1", OriginError::Host),
            ("https://127.1", OriginError::Host),
            ("https://[::1", OriginError::Host),
            ("https://[127.0.0.1]", OriginError::Host),
            ("https://::1", OriginError::Host),
            ("https://hooks.slack.com:0", OriginError::Port),
            ("https://hooks.slack.com:", OriginError::Port),
            ("https://hooks.slack.com:https", OriginError::Port),
            ("https://hooks.slack.com/commands", OriginError::Path),
            ("https://hooks.slack.com//", OriginError::Path),
            ("https://hooks.slack.com?x", OriginError::Path),
            ("https://hooks.slack.com#x", OriginError::Path),
        ] {
            assert_eq!(Origin::parse(text), Err(error), "{text}");
        }
    }
}
