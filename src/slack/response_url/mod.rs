//! Where replies may go: the origins that the settings allow, and a `response_url` judged by them.
//!
//! A URL is taken apart and compared, unless it begins with an origin to the letter and a slash ends it. What is left
//! of it is restricted to characters that no HTTP client reads in two ways.

mod origin;

pub use origin::{Origin, OriginError};

use std::fmt;

use origin::Parts;

/// Longest path and query of a `response_url`, in bytes. Slack's have about 60.
pub const PATH_BYTES_MAX: usize = 2048;

/// A `response_url` of an allowed origin, borrowed from the form that it came in.
///
/// Made by [`ResponseUrl::parse`]. Its path is a secret: with it any program could post to the channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResponseUrl<'a> {
    /// Where its origin stands in the list of allowed origins.
    pub origin: usize,
    /// Path and query as they came, beginning with `/`; at most [`PATH_BYTES_MAX`] bytes.
    pub path: &'a str,
}

impl<'a> ResponseUrl<'a> {
    /// Reads a `response_url`, which must be of one of `origins`. Allocates nothing.
    ///
    /// # Errors
    /// If it is of no allowed origin, or is written in a way that could be read differently.
    pub fn parse(text: &'a str, origins: &[Origin]) -> Result<Self, UrlError> {
        let (origin, path) = match as_slack_writes_it(text, origins) {
            Some(parts) => parts,
            None => taken_apart(text, origins)?,
        };
        if path.len() > PATH_BYTES_MAX {
            return Err(UrlError::PathTooLong);
        }
        if !path.starts_with('/') || !is_path(path) {
            return Err(UrlError::Path);
        }
        Ok(Self { origin, path })
    }
}

/// The position of an origin in its canonical form, and the path behind it.
fn as_slack_writes_it<'a>(text: &'a str, origins: &[Origin]) -> Option<(usize, &'a str)> {
    let mut origins = origins.iter().enumerate();
    origins.find_map(|(index, origin)| Some((index, origin.strip_from(text)?)))
}

/// The same, however the origin is written.
fn taken_apart<'a>(text: &'a str, origins: &[Origin]) -> Result<(usize, &'a str), UrlError> {
    let parts = Parts::split(text).map_err(UrlError::Malformed)?;
    let origin = origins.iter().position(|origin| origin.is_of(&parts));
    let path = match parts.rest {
        "" => "/",
        path => path,
    };
    Ok((origin.ok_or(UrlError::Foreign)?, path))
}

/// By hand, so that the path never reaches a log.
impl fmt::Debug for ResponseUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseUrl")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Why a `response_url` is refused. Says nothing of the URL itself, so it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// What stands before its path is malformed.
    Malformed(OriginError),
    /// Its origin is not on the list.
    Foreign,
    /// Its path or query has a character that RFC 3986 does not allow there, or it has a fragment.
    Path,
    /// Its path and query are longer than [`PATH_BYTES_MAX`].
    PathTooLong,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed response_url: {error}"),
            Self::Foreign => f.write_str("response_url is of an origin that is not allowed"),
            Self::Path => f.write_str("response_url has a character that no path may have"),
            Self::PathTooLong => f.write_str("response_url is too long"),
        }
    }
}

impl std::error::Error for UrlError {}

const PLAIN: u8 = 0;
const PERCENT: u8 = 1;
const FORBIDDEN: u8 = 2;

/// pchar, "/" and "?" (RFC 3986, sections 3.3 and 3.4). A table, since a `match` needs 254 instructions
/// more of the 11,211 that a command costs (`benches/count`).
const PATH_CLASS: [u8; 256] = {
    let mut classes = [FORBIDDEN; 256];
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            classes[byte] = PLAIN;
        }
        byte += 1;
    }
    let marks = b"-._~!$&'()*+,;=:@/?";
    let mut index = 0;
    while index < marks.len() {
        classes[marks[index] as usize] = PLAIN;
        index += 1;
    }
    classes[b'%' as usize] = PERCENT;
    classes
};

/// Whether RFC 3986 allows every character of a path and query.
pub(crate) fn is_path(path: &str) -> bool {
    match path
        .bytes()
        .fold(PLAIN, |seen, byte| seen | PATH_CLASS[usize::from(byte)])
    {
        PLAIN => true,
        PERCENT => path.split('%').skip(1).all(begins_with_two_hex_digits),
        _ => false,
    }
}

fn begins_with_two_hex_digits(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slack() -> Vec<Origin> {
        [
            "https://hooks.slack.com",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
        ]
        .map(|text| Origin::parse(text).unwrap())
        .into()
    }

    fn parse(text: &str) -> Result<(usize, &str), UrlError> {
        ResponseUrl::parse(text, &slack()).map(|url| (url.origin, url.path))
    }

    #[test]
    fn urls_of_allowed_origins_are_taken() {
        let path = "/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN";
        let rows = [
            (format!("https://hooks.slack.com{path}"), 0, path),
            (format!("HTTPS://Hooks.SLACK.com:443{path}"), 0, path),
            ("https://hooks.slack.com".into(), 0, "/"),
            ("https://hooks.slack.com/".into(), 0, "/"),
            (
                "https://hooks.slack.com/a?b=c%2F&d=@:".into(),
                0,
                "/a?b=c%2F&d=@:",
            ),
            ("http://127.0.0.1:9000/x".into(), 1, "/x"),
            ("http://[::1]:9000/x".into(), 2, "/x"),
            ("http://[0:0:0:0:0:0:0:1]:9000/x".into(), 2, "/x"),
        ];
        for (text, origin, path) in rows {
            assert_eq!(parse(&text), Ok((origin, path)), "{text}");
        }
    }

    #[test]
    fn foreign_origins_are_refused() {
        for text in [
            "https://hooks.slack.com.evil.com/x",
            "https://hooks.slack.com./x",
            "https://evil.com/hooks.slack.com",
            "https://evil.com#@hooks.slack.com",
            "https://evil.com?@hooks.slack.com",
            "https://evil.com/@hooks.slack.com",
            "https://evil.com\\hooks.slack.com/",
            "https://hooks.slack.com\\.evil.com/x",
            "https://hooks.slack.com%2eevil.com/x",
            "https://hooks%2eslack.com/x",
            "https://%68ooks.slack.com/x",
            "https://hooks.slack.com\t/x",
            "https://hooks.slack.com\n.evil.com/x",
            "https:// hooks.slack.com/x",
            "https://hooks.slack.com\0.evil.com/x",
            "https://hooks.slack.cöm/x",
            "https://hooks。slack。com/x",
            "https://xhooks.slack.com/x",
            "https://hooks.slack.comx/x",
            "https://hooks.slack.com:80/x",
            "https://hooks.slack.com:4433/x",
            "http://hooks.slack.com/x",
            "http://hooks.slack.com:443/x",
            "https://[hooks.slack.com]/x",
            "https://[hooks.slack.com/x",
            "https://[::1]:9000/x",
            "http://[::1%25lo]:9000/x",
            "http://[::1]x:9000/x",
            "http://::1:9000/x",
            "http://127.1:9000/x",
            "http://2130706433:9000/x",
        ] {
            let error = parse(text).unwrap_err();
            let refused = [UrlError::Foreign, UrlError::Malformed(OriginError::Port)];
            assert!(
                refused.contains(&error) || matches!(error, UrlError::Malformed(OriginError::Host)),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn malformed_urls_are_refused_for_their_reason() {
        let malformed = |error| Err(UrlError::Malformed(error));
        let rows = [
            ("", malformed(OriginError::Scheme)),
            ("https:hooks.slack.com", malformed(OriginError::Scheme)),
            ("https:/hooks.slack.com", malformed(OriginError::Scheme)),
            ("https:\\\\hooks.slack.com", malformed(OriginError::Scheme)),
            ("//hooks.slack.com", malformed(OriginError::Scheme)),
            ("hooks.slack.com/x", malformed(OriginError::Scheme)),
            ("ftp://hooks.slack.com/x", malformed(OriginError::Scheme)),
            (
                "javascript:https://hooks.slack.com/x",
                malformed(OriginError::Scheme),
            ),
            (" https://hooks.slack.com/x", malformed(OriginError::Scheme)),
            ("httpſ://hooks.slack.com/x", malformed(OriginError::Scheme)),
            ("https://", malformed(OriginError::Host)),
            ("https:///hooks.slack.com", malformed(OriginError::Host)),
            ("https://:443/x", malformed(OriginError::Host)),
            (
                "https://hooks.slack.com@evil.com/x",
                malformed(OriginError::Userinfo),
            ),
            (
                "https://hooks.slack.com:443@evil.com/x",
                malformed(OriginError::Userinfo),
            ),
            (
                "https://evil.com@hooks.slack.com/x",
                malformed(OriginError::Userinfo),
            ),
            (
                "https://@hooks.slack.com/x",
                malformed(OriginError::Userinfo),
            ),
            ("https://hooks.slack.com:/x", malformed(OriginError::Port)),
            (
                "https://hooks.slack.com:0443/x",
                malformed(OriginError::Port),
            ),
            (
                "https://hooks.slack.com:+443/x",
                malformed(OriginError::Port),
            ),
            (
                "https://hooks.slack.com:99999/x",
                malformed(OriginError::Port),
            ),
            (
                "https://hooks.slack.com:443:443/x",
                malformed(OriginError::Port),
            ),
            (
                "https://hooks.slack.com:443 /x",
                malformed(OriginError::Port),
            ),
            (
                "https://hooks.slack.com:٤٤٣/x",
                malformed(OriginError::Port),
            ),
            ("https://hooks.slack.com?x", Err(UrlError::Path)),
            ("https://hooks.slack.com#x", Err(UrlError::Path)),
            ("https://hooks.slack.com/x#y", Err(UrlError::Path)),
            ("https://hooks.slack.com/x y", Err(UrlError::Path)),
            (
                "https://hooks.slack.com/x\r\nHost: evil.com",
                Err(UrlError::Path),
            ),
            ("https://hooks.slack.com/x\\y", Err(UrlError::Path)),
            ("https://hooks.slack.com/\u{7f}", Err(UrlError::Path)),
            ("https://hooks.slack.com/é", Err(UrlError::Path)),
            ("https://hooks.slack.com/%", Err(UrlError::Path)),
            ("https://hooks.slack.com/%4", Err(UrlError::Path)),
            ("https://hooks.slack.com/%4g", Err(UrlError::Path)),
            ("https://hooks.slack.com/{x}", Err(UrlError::Path)),
            ("https://hooks.slack.com/\"", Err(UrlError::Path)),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_path_has_a_limit() {
        let url = |bytes: usize| format!("https://hooks.slack.com/{}", "x".repeat(bytes - 1));
        assert!(parse(&url(PATH_BYTES_MAX)).is_ok());
        assert_eq!(parse(&url(PATH_BYTES_MAX + 1)), Err(UrlError::PathTooLong));
    }

    #[test]
    fn debug_hides_the_path() {
        let origins = slack();
        let url = ResponseUrl::parse("https://hooks.slack.com/commands/hidden", &origins).unwrap();
        assert_eq!(format!("{url:?}"), "ResponseUrl { origin: 0, .. }");
    }

    proptest! {
        /// What is recognised by its beginning is what is found when it is taken apart.
        #[test]
        fn an_origin_to_the_letter_is_read_as_any_other(
            origin in "https://hooks\\.slack\\.com|http://127\\.0\\.0\\.1:9000|http://\\[::1\\]:9000",
            rest in "[/@:.?#\\\\0a]{0,6}",
        ) {
            let (text, origins) = (origin + &rest, slack());
            if let Some(found) = as_slack_writes_it(&text, &origins) {
                prop_assert_eq!(taken_apart(&text, &origins), Ok(found));
                prop_assert!(rest.starts_with('/'));
            } else {
                prop_assert!(!rest.starts_with('/'));
            }
        }

        /// The HTTP client reads the same host, port and path in every URL that is accepted.
        #[test]
        fn the_client_reads_what_we_read(
            scheme in "https?|HTTPS",
            stray in "[a-z@\\\\:.#?/]?",
            host in "hooks\\.slack\\.com|127\\.0\\.0\\.1|\\[::1\\]",
            port in "(:443|:9000|:)?",
            path in "(/[!-~]{0,8})?",
        ) {
            let text = format!("{scheme}://{stray}{host}{port}{path}");
            let origins = slack();
            if let Ok(url) = ResponseUrl::parse(&text, &origins) {
                let client: ureq::http::Uri = text.parse().unwrap();
                prop_assert_eq!(client.path_and_query().unwrap().as_str(), url.path);
                let client_origin = format!("{scheme}://{}", client.authority().unwrap());
                let expected = origins[url.origin].clone();
                prop_assert_eq!(Origin::parse(&client_origin), Ok(expected));
            }
        }
    }
}
