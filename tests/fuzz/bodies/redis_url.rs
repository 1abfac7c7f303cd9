//! The URL of a fleet's journal: what is taken has one spelling that means the same, and no error shows what was given.

use torrap::redis::{Address, RedisUrl, UrlError, WAIT_MAX};

/// The body: a URL, or the place that a server of a cluster names.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match RedisUrl::parse(&text) {
        Ok(url) => check_url(&text, &url),
        Err(error) => check_error(&text, error),
    }
    if let Some(address) = Address::moved(&text, "here") {
        let (host, port) = text.rsplit_once(':').expect("a port");
        assert!(address.port != 0 && port.parse() == Ok(address.port));
        assert!(address.host == host || address.host == "here");
    }
}

fn check_url(text: &str, url: &RedisUrl) {
    let canonical = url.to_string();
    assert_eq!(RedisUrl::parse(&canonical).as_ref(), Ok(url));
    assert!(
        canonical.bytes().all(|b| b.is_ascii_graphic()),
        "{canonical}"
    );
    assert!(!url.addresses.is_empty() && url.addresses.len() <= 16 && url.wait <= WAIT_MAX);
    // Nothing in the name ends the hash tag, and nothing is a pattern to an ACL.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    assert!(!url.fleet.is_empty() && url.fleet.chars().all(is_plain));
    for name in [&url.user, &url.sentinel].into_iter().flatten() {
        assert!(!name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control()));
    }
    // What stands before an `@` is a user, without a password.
    let (_, rest) = text.split_once("://").expect("a scheme");
    if let Some((user, _)) = rest.rsplit_once('@') {
        assert!(!user.contains([':', '/', '?']), "a password");
    }
}

fn check_error(text: &str, error: UrlError) {
    let line = error.to_string();
    assert!(
        !line.contains('\n') && line.contains(';') || line.contains(':'),
        "{line}"
    );
    let secret = text.split(['/', ':', '@', '?', '=', '&', '#', ',', '.']);
    // An error's own words and the variable that it names are no secrets.
    let is_own = |part: &str| part.contains(' ') || part.starts_with("TORRAP_");
    for part in secret.filter(|part| part.chars().count() > 12 && !is_own(part)) {
        assert!(!line.contains(part), "{line}");
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    URLS.iter().map(|url| url.as_bytes().to_vec()).collect()
}

const URLS: &[&str] = &[
    "redis://redis",
    "rediss://bot@a.example:6380,[::1],10.0.0.1:1/15?wait=2&fleet=My.fleet_1-a",
    "redis://a,b:5000?sentinel=mymaster",
    "redis://b%C3%B6t%40home@a?sentinel=m%2D1&",
    "REDIS://redis:6379/0?",
    "redis://bot:hunter2hunter2@a/0",
    "redis://bot:hun@ter2/hunter2hunter2@a/0",
    "redis://bot:6379?sentinel=hunter2@a",
    "redis://a?password=hunter2hunter2",
    "redis:///0",
    "redis://::1:6379",
    "redis://a?fleet=a{b}",
    "redis://a?wait=17&wait=1",
    "redis://a#fragment",
    "valkey://a",
    "unix:///run/redis.sock",
    "/var/lib/torrap",
    "127.0.0.1:6381",
    ":6381",
    "fd00::2:7001",
];
