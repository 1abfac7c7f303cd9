//! Replies go to allowed origins alone: what torrap takes for one of them, the HTTP client that
//! posts the reply takes for the same.

use torrap::slack::response_url::{Origin, PATH_BYTES_MAX, ResponseUrl};
use ureq::http::Uri;

/// What the body's bot may reply to: scheme, host, port.
pub const ORIGINS: [(&str, &str, u16); 4] = [
    ("https", "hooks.slack.com", 443),
    ("http", "127.0.0.1", 9000),
    ("http", "[::1]", 80),
    ("https", "a", 8443),
];

pub fn origins() -> Vec<Origin> {
    let origin = |(scheme, host, port)| {
        Origin::parse(&format!("{scheme}://{host}:{port}")).expect("a good origin")
    };
    ORIGINS.map(origin).into()
}

/// The body: a `response_url`, and an origin as it may stand in the settings.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let origins = origins();
    if let Ok(url) = ResponseUrl::parse(&text, &origins) {
        check_url(&text, url, &origins[url.origin]);
        assert!(
            !format!("{url:?}").contains(url.path) || url.path == "/",
            "shown in a log"
        );
    }
    if let Ok(origin) = Origin::parse(&text) {
        check_origin(&text, &origin);
    }
}

/// `url` is what torrap makes of `text`.
fn check_url(text: &str, url: ResponseUrl<'_>, origin: &Origin) {
    let (scheme, host, port) = ORIGINS[url.origin];
    assert!(url.path.len() <= PATH_BYTES_MAX && url.path.starts_with('/'));
    assert!(
        url.path
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\\<>\"#[]{}|^`".contains(&b))
    );
    assert!(text.ends_with(url.path) || url.path == "/");
    let mut escapes = url.path.split('%').skip(1);
    assert!(escapes.all(|escape| escape.get(..2).is_some_and(|two| hex::decode(two).is_ok())));
    // What is posted to, and what was sent, are one place to the client.
    for spelling in [&format!("{origin}{}", url.path), text] {
        let uri: Uri = spelling.parse().expect("a URI");
        assert_eq!(
            uri.scheme_str().map(str::to_ascii_lowercase).as_deref(),
            Some(scheme)
        );
        let default = if scheme == "https" { 443 } else { 80 };
        assert_eq!(uri.port_u16().unwrap_or(default), port);
        let named = uri.host().expect("a host").to_ascii_lowercase();
        let address = |text: &str| {
            text.trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .ok()
        };
        assert!(named == host || address(&named) == address(host), "{named}");
        assert!(
            !spelling.contains('@') || url.path.contains('@'),
            "somebody's name"
        );
        assert_eq!(uri.path_and_query().expect("a path").as_str(), url.path);
    }
    // The canonical spelling means the same to torrap, too.
    let canonical = format!("{origin}{}", url.path);
    let again = ResponseUrl::parse(&canonical, std::slice::from_ref(origin));
    assert_eq!(again.map(|again| again.path), Ok(url.path));
}

fn check_origin(text: &str, origin: &Origin) {
    let canonical = origin.to_string();
    assert_eq!(Origin::parse(&canonical).as_ref(), Ok(origin));
    assert!(
        canonical
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase())
    );
    let uri: Uri = text.parse().expect("a URI");
    let same: Uri = canonical.parse().expect("a URI");
    let is_v6 = canonical.contains('[');
    assert!(is_v6 || uri.host().map(str::to_ascii_lowercase).as_deref() == same.host());
    // What is allowed is allowed to be replied to.
    let reply = format!(
        "{text}{}commands/x",
        if text.ends_with('/') { "" } else { "/" }
    );
    let url = ResponseUrl::parse(&reply, std::slice::from_ref(origin));
    assert_eq!(url.map(|url| url.path), Ok("/commands/x"));
}

/// Slack's own, other spellings of it, and those that pretend.
pub fn seeds() -> Vec<Vec<u8>> {
    let long = format!("https://a:8443/{}", "x".repeat(PATH_BYTES_MAX - 1));
    let longer = format!("{long}x");
    let all = URLS.iter().copied().chain([&*long, &*longer]);
    all.map(|url| url.as_bytes().to_vec()).collect()
}

/// URLs that are right, and URLs that only look so.
pub const URLS: &[&str] = &[
    "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN",
    "HTTPS://Hooks.SLACK.com:443/commands/T1",
    "https://hooks.slack.com",
    "https://hooks.slack.com/a?b=c%2F&d=@:",
    "https://hooks.slack.com?x",
    "https://hooks.slack.com#x",
    "http://127.0.0.1:9000/x",
    "http://[::1]/x",
    "http://[0:0:0:0:0:0:0:1]:80/x",
    "http://[0:0::0.0.0.1]/x",
    "http://[::1%25lo]/x",
    "https://a:8443/x/%e9",
    "https://a:08443/x",
    "https://a:84\r43/x",
    "https://a:+8443/x",
    "https://hooks.slack.com.evil.com/x",
    "https://hooks.slack.com./x",
    "https://evil.com/hooks.slack.com",
    "https://evil.com#@hooks.slack.com",
    "https://evil.com?@hooks.slack.com",
    "https://u:p@hooks.slack.com/x",
    "https://hooks.slack.com@evil.com/x",
    "https://evil.com\\hooks.slack.com/",
    "https://hooks.slack.com\\.evil.com/x",
    "https://hooks.slack.com%2eevil.com/x",
    "https://hooks.slack.com\t/x",
    "https://hooks.slack.com/x y",
    "https://hooks.slack.com/%zz",
    "https://hooks.slack.com/\u{e9}",
    "https://hooks.slack.c\u{f6}m/x",
    "https://hooks。slack。com/x",
    "https:/hooks.slack.com/x",
    "https:///hooks.slack.com/x",
    "//hooks.slack.com/x",
    "ftp://hooks.slack.com/x",
    "https://hooks.slack.com:99999/x",
    "https://hooks.slack.com:/x",
    "http://localhost:80/",
    "https://[fe80::1]:1",
    "http://1.2.3.4",
    "http://1.2.3",
];
