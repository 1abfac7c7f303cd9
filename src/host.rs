//! The syntax of host names, the same for addresses to listen on and for origins of replies.

use std::net::Ipv4Addr;

/// Longest host name, in bytes (RFC 1035, section 2.3.4, without the root's dot).
const HOST_BYTES_MAX: usize = 253;

/// Whether the part before a port stands for every address of this machine, as in `:8000`.
pub(crate) fn is_every_address(host: &str) -> bool {
    matches!(host, "" | "*")
}

/// Whether `text` is a host name or an IPv4 address in its usual form.
pub(crate) fn is_name_or_ipv4(text: &str) -> bool {
    let is_name = text.len() <= HOST_BYTES_MAX
        && text.split('.').all(|label| !label.is_empty())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    // A host that ends in a number is an IPv4 address or a mistake (URL Standard, section 3.5).
    let last = text.rsplit('.').next().unwrap_or_default();
    let ends_in_number = last.bytes().all(|b| b.is_ascii_digit());
    is_name && (!ends_in_number || text.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_from_mistakes() {
        for host in [
            "localhost",
            "a",
            "my-host_1.internal",
            "127.0.0.1",
            "3com.com",
            "v1.x2",
        ] {
            assert!(is_name_or_ipv4(host), "{host}");
        }
        let long = "x".repeat(254);
        for host in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "127.1",
            "256.0.0.1",
            "a b",
            "*",
            "é",
            &long,
        ] {
            assert!(!is_name_or_ipv4(host), "{host}");
        }
    }
}
