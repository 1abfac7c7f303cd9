//! A `response_url` that torrap takes is of the same origin to a browser's reading (the URL Standard,
//! which is more lenient than anything), and what torrap refuses of an allowed origin is oddly written.

use crate::bodies::response_url::{ORIGINS, URLS, origins};
use torrap::slack::response_url::{PATH_BYTES_MAX, ResponseUrl};
use url::{Host, Url};

/// The body: a `response_url`.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let url = Url::parse(&text).ok().filter(|url| url.has_host());
    match ResponseUrl::parse(&text, &origins()) {
        Ok(taken) => {
            let url = url.expect("a URL");
            assert!(
                is_of(&url, ORIGINS[taken.origin]),
                "{url} is of another origin"
            );
            assert_eq!(
                (url.username(), url.password(), url.fragment()),
                ("", None, None)
            );
        }
        Err(_) => {
            let is_allowed = |url: &Url| ORIGINS.iter().any(|origin| is_of(url, *origin));
            assert!(
                !url.is_some_and(|url| is_allowed(&url)) || is_odd(&text),
                "{text}"
            );
        }
    }
}

fn is_of(url: &Url, (scheme, host, port): (&str, &str, u16)) -> bool {
    let is_host = match url.host() {
        Some(Host::Domain(name)) => name == host,
        Some(Host::Ipv4(address)) => host.parse() == Ok(address),
        Some(Host::Ipv6(address)) => host.trim_matches(['[', ']']).parse() == Ok(address),
        None => false,
    };
    is_host && url.scheme() == scheme && url.port_or_known_default() == Some(port)
}

/// Whether a URL is written in a way that a browser would correct.
fn is_odd(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let schemes = ["https://", "http://"];
    let Some(rest) = schemes.iter().find_map(|scheme| lower.strip_prefix(scheme)) else {
        return true;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(c);
    let bad_escape = |part: &str| part.get(..2).is_none_or(|two| hex::decode(two).is_err());
    let host = &authority[..authority.rfind(':').unwrap_or(authority.len())];
    let port = authority[host.len()..].strip_prefix(':');
    // 127.1 and 0x7f000001 are 127.0.0.1 to a browser; and a name may have escapes.
    let known = ORIGINS.iter().any(|(_, name, _)| *name == host);
    path.len() > PATH_BYTES_MAX
        || path.starts_with('?') // a path is missing
        || !path.chars().all(is_plain)
        || path.split('%').skip(1).any(bad_escape)
        || !known
        || port.is_some_and(|port| {
            // A browser drops line ends and tabs, also those among the digits.
            let is_number = port.bytes().all(|digit| digit.is_ascii_digit());
            port.is_empty() || port.starts_with('0') || !is_number
        })
}

pub fn seeds() -> Vec<Vec<u8>> {
    URLS.iter().map(|url| url.as_bytes().to_vec()).collect()
}
