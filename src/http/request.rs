//! A request as slices of the bytes it arrived in: request line, fields, content.

use std::mem::MaybeUninit;

use httparse::{Header, Status as Parsed};
use memchr::memchr;

use super::field_name::is_named;
use super::foreign::{self, Identity};
use super::host::is_host;
use super::{Error, FIELDS_MAX, Limits};

/// The versions that torrap speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The header fields of a request, in the order of their arrival.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a [Header<'a>]);

/// A field that may stand once stands several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

impl<'a> Fields<'a> {
    /// The fields of an already parsed head; for tests and benches that have no connection.
    #[must_use]
    pub const fn new(fields: &'a [Header<'a>]) -> Self {
        Self(fields)
    }

    /// The value of the field `name`, given in lower case; `Repeated` if there are several.
    ///
    /// # Errors
    /// [`Repeated`] when more than one field has that name.
    pub fn unique<const N: usize>(&self, name: &[u8; N]) -> Result<Option<&'a [u8]>, Repeated> {
        let mut found = None;
        for field in self.0 {
            if is_named(field.name, name) && found.replace(field.value).is_some() {
                return Err(Repeated);
            }
        }
        Ok(found)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a Header<'a>> + use<'a> {
        self.0.iter()
    }
}

/// A complete request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, case as sent: methods are case-sensitive (RFC 9110 section 9.1).
    pub method: &'a str,
    /// The request-target's path; `*` for an asterisk-form.
    pub path: &'a str,
    /// The request-target's query, without its question mark.
    pub query: Option<&'a str>,
    /// The version.
    pub version: Version,
    /// The header fields.
    pub fields: Fields<'a>,
    /// The content, its chunked coding undone.
    pub content: &'a [u8],
}

/// Room for a head's fields, on the stack and never initialised where no field stands.
pub(super) type FieldStorage<'b> = [MaybeUninit<Header<'b>>; FIELDS_MAX];

pub(super) const fn field_storage<'b>() -> FieldStorage<'b> {
    [const { MaybeUninit::uninit() }; FIELDS_MAX]
}

/// Parses a head at the start of `bytes`, behind `empty` bytes of empty lines, which count for its size: the
/// request without its content and the head's length, or `None` while it is not complete.
///
/// The answer depends on the bytes alone, not on how they were cut: `httparse` reads in one direction
/// and never looks past the limit, and what is checked here is checked once the head is complete.
pub(super) fn parse_head<'b: 'h, 'h>(
    bytes: &'b [u8],
    empty: usize,
    storage: &'h mut FieldStorage<'b>,
    limits: &Limits,
) -> Result<Option<(Request<'h>, usize)>, Error> {
    let bytes_max = limits.head_bytes_max - empty;
    let bytes = &bytes[..bytes.len().min(bytes_max)];
    let mut head = httparse::Request::new(&mut []);
    let len = match head.parse_with_uninit_headers(bytes, storage) {
        Ok(Parsed::Complete(len)) => len,
        Ok(Parsed::Partial) if bytes.len() < bytes_max => return Ok(None),
        Ok(Parsed::Partial) => return Err(too_large(bytes, limits)),
        Err(httparse::Error::TooManyHeaders) => return Err(Error::FieldsTooLarge),
        Err(error) => {
            return match foreign::identify(bytes, empty) {
                Identity::Known(fault) => Err(fault),
                Identity::Unclear if bytes.len() < bytes_max => Ok(None),
                _ if error == httparse::Error::Version => Err(version_fault(bytes)),
                _ => Err(Error::Malformed),
            };
        }
    };
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(Error::Malformed);
    };
    let fields: &'h [Header<'b>] = head.headers;
    if target.len() > limits.target_bytes_max {
        return Err(Error::TargetTooLong);
    }
    if !lines_end_in_crlf(&bytes[..len], fields) {
        return Err(Error::Malformed);
    }
    let (path, query) = split_target(method, target)?;
    let version = if version == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let request = Request {
        method,
        path,
        query,
        version,
        fields: Fields(fields),
        content: &[],
    };
    Ok(Some((request, len)))
}

/// Whether every line ends in CR LF. `httparse` also takes a bare LF, as RFC 9112 section 2.2 allows;
/// a front end that does not would see other fields than we do, so we do not either. The parser has
/// found the fields: it is enough to look at what precedes each name.
fn lines_end_in_crlf(head: &[u8], fields: &[Header<'_>]) -> bool {
    let start = head.as_ptr() as usize;
    head.ends_with(b"\r\n\r\n")
        && fields.iter().all(|field| {
            let name = field.name.as_ptr() as usize - start;
            name >= 2 && head[name - 2..name] == *b"\r\n"
        })
}

/// Which limit a head has run into that is not complete within the largest size.
fn too_large(bytes: &[u8], limits: &Limits) -> Error {
    let target = bytes.split(|&b| b == b' ').nth(1);
    if target.is_some_and(|target| target.len() > limits.target_bytes_max) {
        Error::TargetTooLong
    } else {
        Error::FieldsTooLarge
    }
}

/// Tells another version of HTTP from what is no HTTP at all.
fn version_fault(bytes: &[u8]) -> Error {
    let version = bytes
        .split(|&b| b == b' ')
        .nth(2)
        .and_then(|v| v.strip_prefix(b"HTTP/"));
    match version {
        Some([b'1', b'.', minor, ..]) if minor.is_ascii_digit() => Error::UnsupportedVersion,
        Some([major, ..]) if major.is_ascii_digit() && *major != b'1' => Error::UnsupportedVersion,
        _ => Error::Malformed,
    }
}

/// Splits a request-target (RFC 9112 section 3.2) into path and query.
fn split_target<'a>(method: &str, target: &'a str) -> Result<(&'a str, Option<&'a str>), Error> {
    let origin_form = match target.as_bytes() {
        // authority-form: there is nothing to connect to, and routing will say so
        _ if method == "CONNECT" => return authority(target).map(|host| (host, None)),
        [b'/', ..] => target,
        b"*" if method == "OPTIONS" => return Ok((target, None)),
        _ => path_of_absolute_form(target).ok_or(Error::Malformed)?,
    };
    // The parser lets more through than RFC 3986 allows in a path or a query (sections 3.3, 3.4); a
    // `#` among it would start a fragment, which is never sent.
    if !origin_form.bytes().all(|byte| IN_PATH[usize::from(byte)]) {
        return Err(Error::Malformed);
    }
    Ok(match memchr(b'?', origin_form.as_bytes()) {
        Some(0) => ("/", Some(&origin_form[1..])),
        Some(end) => (&origin_form[..end], Some(&origin_form[end + 1..])),
        None => (origin_form, None),
    })
}

/// What CONNECT asks for: a host and a port (section 3.2.3).
fn authority(target: &str) -> Result<&str, Error> {
    let (host, _) = target.rsplit_once(':').ok_or(Error::Malformed)?;
    let is_cut_right = !host.is_empty() && host.starts_with('[') == host.ends_with(']');
    if is_cut_right && is_host(target.as_bytes()) {
        Ok(target)
    } else {
        Err(Error::Malformed)
    }
}

/// The path and query of `http://authority/path?query`, which any server must accept (section 3.2.2).
fn path_of_absolute_form(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || !is_host(authority.as_bytes()) {
        return None;
    }
    Some(if path.is_empty() { "/" } else { path })
}

/// pchar, "/" and "?" (RFC 3986 sections 3.3 and 3.4), in the order of ASCII. Whether two digits follow a `%` is not
/// checked: paths are compared as they were sent.
const IN_PATH: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = matches!(byte as u8, b'!' | b'$'..=b';' | b'=' | b'?'..=b'Z' | b'_' | b'a'..=b'z' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &[u8]) -> Result<Option<(String, Option<String>)>, Error> {
        let mut storage = field_storage();
        let parsed = parse_head(head, 0, &mut storage, &Limits::default())?;
        Ok(parsed.map(|(request, _)| (request.path.into(), request.query.map(Into::into))))
    }

    fn target(method: &str, target: &str) -> Result<(String, Option<String>), Error> {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        parse(head.as_bytes()).map(|complete| complete.unwrap())
    }

    #[test]
    fn the_four_forms_of_a_request_target() {
        assert_eq!(
            target("GET", "/a?b=c?d"),
            Ok(("/a".into(), Some("b=c?d".into())))
        );
        assert_eq!(
            target("GET", "http://h:1/a?b"),
            Ok(("/a".into(), Some("b".into())))
        );
        assert_eq!(target("GET", "HTTPS://h"), Ok(("/".into(), None)));
        assert_eq!(
            target("GET", "http://h?q"),
            Ok(("/".into(), Some("q".into())))
        );
        assert_eq!(target("OPTIONS", "*"), Ok(("*".into(), None)));
        assert_eq!(target("CONNECT", "h:443"), Ok(("h:443".into(), None)));
    }

    #[test]
    fn what_is_no_request_target_is_refused() {
        for bad in [
            "*",
            "a",
            "h:443",
            "ftp://h/a",
            "http:///a",
            "http://u@h/",
            "/a#b",
            "/a?b#c",
            "/\u{e9}",
            "/a\"",
            "/?<",
            "/a\\b",
            "http://[::1/",
            "http://h\\x/",
            "http://h:x/",
            "http://h/|",
            "http://h?^",
            "http://%61/",
            "http://[::::::::::]/",
        ] {
            assert_eq!(target("GET", bad), Err(Error::Malformed), "{bad}");
        }
        for bad in [
            "/",
            "*",
            "h",
            ":1",
            "http://h/",
            "http://h:1",
            "u@h:1",
            "h:1/",
            "h:x",
            "%h:1",
            "[::%1]:1",
        ] {
            assert_eq!(target("CONNECT", bad), Err(Error::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_bare_line_feed_ends_no_line() {
        for bad in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "GET / HTTP/1.1\n\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(Error::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn another_version_is_told_from_no_http() {
        let version = |v: &str| parse(format!("GET / {v}\r\nHost: x\r\n\r\n").as_bytes()).err();
        for other in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3", "HTTP/9.9"] {
            assert_eq!(version(other), Some(Error::UnsupportedVersion), "{other}");
        }
        for not in [
            "http/1.1",
            "HTTP/1",
            "HTTP/1.x",
            "HTTP/",
            "HTTP 1.1",
            "ICY",
            "HTTP/1.1 ",
        ] {
            assert_eq!(version(not), Some(Error::Malformed), "{not}");
        }
    }

    #[test]
    fn limits_hold_at_the_byte() {
        let limits = Limits::default();
        let with_target = |len: usize| target("GET", &format!("/{}", "a".repeat(len - 1)));
        assert!(with_target(limits.target_bytes_max).is_ok());
        assert_eq!(
            with_target(limits.target_bytes_max + 1),
            Err(Error::TargetTooLong)
        );
        let head = |len: usize| {
            let fixed = "GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\n".len();
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
                "a".repeat(len - fixed)
            )
        };
        assert!(
            parse(head(limits.head_bytes_max).as_bytes())
                .unwrap()
                .is_some()
        );
        let one_more = head(limits.head_bytes_max + 1);
        assert_eq!(parse(one_more.as_bytes()), Err(Error::FieldsTooLarge));
        let endless = format!("GET /{}", "a".repeat(limits.head_bytes_max));
        assert_eq!(parse(endless.as_bytes()), Err(Error::TargetTooLong));
        let fields =
            |n: usize| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(n));
        assert!(parse(fields(FIELDS_MAX - 1).as_bytes()).is_ok());
        assert_eq!(
            parse(fields(FIELDS_MAX).as_bytes()),
            Err(Error::FieldsTooLarge)
        );
    }

    #[test]
    fn a_unique_field_is_found_in_any_case_and_refused_twice() {
        let field = |name, value| Header { name, value };
        let fields = [
            field("A", b"1".as_slice()),
            field("b", b"2"),
            field("B", b"3"),
        ];
        let fields = Fields::new(&fields);
        assert_eq!(fields.unique(b"a"), Ok(Some(b"1".as_slice())));
        assert_eq!(fields.unique(b"b"), Err(Repeated));
        assert_eq!(fields.unique(b"c"), Ok(None));
    }
}
