//! An address to listen on, as it is written.

use std::fmt;
use std::net::Ipv6Addr;

use crate::host::{is_every_address, is_name_or_ipv4};

/// What keeps a text from being an address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// It does not end with `:port`.
    NoPort,
    /// Its port is no number from 0 to 65535.
    Port,
    /// Its host is no name, no IPv4 address and no `[IPv6]` address.
    Host,
    /// Its IPv6 address does not stand in brackets.
    Brackets,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPort => "the port is missing",
            Self::Port => "the port must be a number from 0 to 65535",
            Self::Host => "the host is malformed",
            Self::Brackets => "an IPv6 address must stand in brackets",
        })
    }
}

impl std::error::Error for AddressError {}

/// The syntax alone: whether a name resolves shows when it is bound.
pub(super) fn check_address(text: &str) -> Result<(), AddressError> {
    if let Some(literal) = text.strip_prefix('[') {
        let (address, port) = literal.split_once(']').ok_or(AddressError::Host)?;
        let port = port.strip_prefix(':').ok_or(AddressError::NoPort)?;
        address
            .parse::<Ipv6Addr>()
            .map_err(|_| AddressError::Host)?;
        return check_port(port);
    }
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    if is_every_address(host) {
        return check_port(port);
    }
    // `http://localhost:8000` has two colons as well, but is no IPv6 address.
    if host.contains(':') && !host.contains('/') {
        return Err(AddressError::Brackets);
    }
    if !is_name_or_ipv4(host) {
        return Err(AddressError::Host);
    }
    check_port(port)
}

fn check_port(text: &str) -> Result<(), AddressError> {
    let is_port = text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok();
    if is_port {
        Ok(())
    } else {
        Err(AddressError::Port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_checked_for_their_syntax() {
        for text in [
            "localhost:8000",
            "0.0.0.0:0",
            "[::]:8000",
            "[::1]:65535",
            "my-host_1.internal:80",
            ":8000",
            "*:0",
        ] {
            assert_eq!(check_address(text), Ok(()), "{text}");
        }
        for (text, error) in [
            ("", AddressError::NoPort),
            ("localhost", AddressError::NoPort),
            ("[::1]", AddressError::NoPort),
            ("localhost:", AddressError::Port),
            ("localhost:http", AddressError::Port),
            ("localhost:65536", AddressError::Port),
            ("localhost:+80", AddressError::Port),
            (":", AddressError::Port),
            (":65536", AddressError::Port),
            ("**:8000", AddressError::Host),
            ("::1:8000", AddressError::Brackets),
            ("[::1:8000", AddressError::Host),
            ("[127.0.0.1]:8000", AddressError::Host),
            ("256.0.0.1:8000", AddressError::Host),
            ("127.1:8000", AddressError::Host),
            ("http://localhost:8000", AddressError::Host),
            ("local host:8000", AddressError::Host),
        ] {
            assert_eq!(check_address(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,12}") {
            let _ = check_address(&text);
        }
    }
}
