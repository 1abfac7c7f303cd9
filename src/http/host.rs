//! What a Host field or an authority may be.

use std::net::Ipv6Addr;

/// Whether a Host value is `uri-host [":" port]` (RFC 9110 section 7.2). Which host it is does not
/// matter: tunnels keep the public name or rewrite it. Empty is allowed. A name with a `%` is not, though RFC 3986
/// allows it: no client sends one, and some parsers refuse it.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (is_good, port) = match value {
        [b'[', ..] => match value.iter().position(|b| *b == b']') {
            Some(end) => (is_ipv6(&value[1..end]), &value[end + 1..]),
            None => return false,
        },
        _ => {
            let end = value.iter().position(|b| !IN_NAME[usize::from(*b)]);
            (true, &value[end.unwrap_or(value.len())..])
        }
    };
    let is_port = |port: &[u8]| port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit);
    is_good && (port.is_empty() || is_port(port))
}

/// The characters of a name. A table, since a search among the marks for each byte needs 200 instructions more
/// for each command (`benches/count`).
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"-._~!$&'()*+,;=";
    let mut index = 0;
    while index < marks.len() {
        table[marks[index] as usize] = true;
        index += 1;
    }
    table
};

/// A zone has a meaning to the client alone, which must leave it out (RFC 6874 section 4).
fn is_ipv6(literal: &[u8]) -> bool {
    std::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in [
            "",
            "x",
            "x:80",
            "x:",
            "[::1]:8000",
            "[::1]",
            "a.b-c_d",
            "1.2.3.4:5",
            "[1:2:3:4:5:6:7:8]:65535",
            "[::ffff:1.2.3.4]:",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a/b",
            "u@h",
            "a?b",
            "x:8a",
            "[::1",
            "[::1]x",
            "x:1:2",
            "a#b",
            "\u{e9}",
            "a\\b",
            "a[b",
            "a]",
            "[[]",
            "[]]",
            "[a/b]",
            "[]",
            "[a]",
            "[::1%25x]",
            "[1:2:3:4:5:6:7:8:9]",
            "[v1.x]",
            "%",
            "%41",
            "a%zz",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
