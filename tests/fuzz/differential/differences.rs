//! Where torrap and hyper differ on purpose. `DIFFERENCES.md` beside this says why.

use super::Outcome;
use crate::bodies::chunked::{Shape, extensions};
use torrap::http::{Error, FIELDS_MAX, Limits};

/// A head read as leniently as possible: lines end at a line feed.
pub(super) struct Head<'a> {
    /// All up to the empty line, blank lines before it included.
    pub(super) bytes: &'a [u8],
    /// What follows.
    pub(super) content: &'a [u8],
    line: Vec<&'a [u8]>,
    fields: Vec<(String, &'a [u8])>,
}

impl<'a> Head<'a> {
    pub(super) fn read(wire: &'a [u8]) -> Self {
        let mut lines = Vec::new();
        let mut len = 0;
        for line in wire.split_inclusive(|b| *b == b'\n') {
            len += line.len();
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                lines.push(line);
            } else if !lines.is_empty() {
                break;
            }
        }
        let (bytes, content) = wire.split_at(len);
        let mut lines = lines.into_iter();
        let line = lines
            .next()
            .unwrap_or_default()
            .split(|b| *b == b' ')
            .collect();
        let field = |line: &'a [u8]| {
            let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            (name, value.get(1..).unwrap_or_default().trim_ascii())
        };
        Self {
            bytes,
            content,
            line,
            fields: lines.map(field).collect(),
        }
    }

    fn method(&self) -> &[u8] {
        self.line.first().copied().unwrap_or_default()
    }

    fn target(&self) -> &[u8] {
        self.line.get(1).copied().unwrap_or_default()
    }

    fn is_old(&self) -> bool {
        self.line
            .get(2)
            .is_some_and(|version| version.ends_with(b"1.0"))
    }

    fn values(&self, name: &str) -> Vec<&'a [u8]> {
        let fields = self.fields.iter().filter(|field| field.0 == name);
        fields.map(|field| field.1).collect()
    }

    /// All members of the lists that the fields of this name are.
    fn members(&self, name: &str) -> Vec<String> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).to_ascii_lowercase();
        let values: Vec<String> = self.values(name).into_iter().map(text).collect();
        let joined = values.join(",");
        joined
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']).to_owned())
            .collect()
    }
}

/// A difference: its name, and whether it is the one between these outcomes.
type Difference = (&'static str, fn(&Head<'_>) -> bool);

/// The difference that there is, if it is known.
pub(super) fn find(
    head: &Head<'_>,
    refusal: Option<Error>,
    torrap: &Outcome,
    hyper: &Outcome,
) -> Option<&'static str> {
    use Outcome::{Accepted, Refused, Waits};

    let known: &[Difference] = match (torrap, hyper, refusal) {
        (Refused, Waits, Some(Error::AmbiguousFraming)) if is_earlier(head) => EARLIER,
        (Refused, Accepted { .. } | Waits, Some(error)) => stricter(error),
        (Accepted { closes: true, .. }, Accepted { closes: false, .. }, _) => CLOSES,
        (Accepted { closes: false, .. }, Accepted { closes: true, .. }, _) => STAYS,
        (Accepted { .. } | Waits, Refused, _) => MORE_LENIENT,
        // Where one takes for content what the other does not.
        _ => &[],
    };
    known.iter().find(|(_, is)| is(head)).map(|(name, _)| *name)
}

/// What torrap refuses with this error and hyper does not.
const fn stricter(error: Error) -> &'static [Difference] {
    match error {
        Error::Malformed => &[
            ("bare LF", |head| has_bare_lf(head.bytes)),
            ("request-target", |head| {
                !is_target(head.method(), head.target())
            }),
        ],
        Error::BadHost => &[("Host", |head| !has_good_host(head))],
        Error::AmbiguousFraming => &[
            ("length and coding", |head| {
                !head.values("content-length").is_empty()
                    && !head.values("transfer-encoding").is_empty()
            }),
            ("length repeated", |head| {
                head.values("content-length").len() > 1
            }),
            ("underscore", |head| {
                head.fields.iter().any(|(name, _)| {
                    name.contains('_')
                        && ["content-length", "transfer-encoding"]
                            .contains(&name.replace('_', "-").as_str())
                })
            }),
            ("coding listed oddly", |head| {
                let codings = head.members("transfer-encoding");
                codings.len() > 1 && codings.iter().any(|coding| coding == "chunked")
            }),
            ("no chunk extension", |head| {
                chunk_fault(head.content) == Some(ChunkFault::NoExtension)
            }),
            ("bare LF in the trailer", |head| {
                chunk_fault(head.content) == Some(ChunkFault::BareLfInTrailer)
            }),
        ],
        Error::UnsupportedTransferCoding => &[("coding other than chunked", |head| {
            let codings = head.members("transfer-encoding");
            codings
                .iter()
                .any(|coding| !coding.is_empty() && coding != "chunked")
        })],
        Error::UnsupportedContentCoding => &[("content coding", |head| {
            let codings = head.values("content-encoding");
            codings
                .iter()
                .any(|coding| !coding.eq_ignore_ascii_case(b"identity"))
        })],
        Error::UnknownExpectation => &[("expectation", |head| {
            let expected = head.values("expect");
            expected
                .iter()
                .any(|value| !value.eq_ignore_ascii_case(b"100-continue"))
        })],
        Error::LengthRequired => &[("length required", |head| {
            head.is_old() && head.method() == b"POST" && head.values("content-length").is_empty()
        })],
        Error::ContentTooLarge => &[("limit of the content", |head| {
            let most = Limits::default().content_bytes_max as u64;
            let length = head.values("content-length");
            let length = length
                .first()
                .and_then(|value| std::str::from_utf8(value).ok());
            length.is_some_and(|value| value.parse().map_or(true, |value: u64| value > most))
                || head.content.len() as u64 > most
                || has_large_chunk(head)
        })],
        Error::TargetTooLong => &[("limit of the request-target", |head| {
            head.target().len() > Limits::default().target_bytes_max
        })],
        Error::FieldsTooLarge => &[("limit of the head", |head| {
            let most = Limits::default().head_bytes_max;
            head.fields.len() > FIELDS_MAX || head.bytes.len() > most || head.content.len() > most
        })],
        _ => &[],
    }
}

/// What hyper refuses as well, once it has all of it.
const EARLIER: &[Difference] = &[("no field in the trailer", is_earlier)];

fn is_earlier(head: &Head<'_>) -> bool {
    chunk_fault(head.content) == Some(ChunkFault::NoFieldInTrailer)
}

/// Where both accept a request and torrap alone closes the connection after it.
const CLOSES: &[Difference] = &[("close beside obs-text", |head| {
    has_obs_text(&head.values("connection")) && head.members("connection").contains(&"close".into())
})];

/// Where both accept a request and hyper alone closes the connection after it.
const STAYS: &[Difference] = &[("keep-alive beside obs-text", |head| {
    let options = head.members("connection");
    let keeps = options.iter().any(|option| option == "keep-alive");
    head.is_old() && keeps && has_obs_text(&head.values("connection"))
})];

/// What hyper refuses and torrap does not.
const MORE_LENIENT: &[Difference] = &[];

fn has_obs_text(values: &[&[u8]]) -> bool {
    values.iter().any(|value| !value.is_ascii())
}

fn has_bare_lf(head: &[u8]) -> bool {
    let mut lines = head.split_inclusive(|b| *b == b'\n');
    lines.any(|line| line.ends_with(b"\n") && !line.ends_with(b"\r\n"))
}

/// Any of the four forms of RFC 9112, section 3.2, in the characters of RFC 3986.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    let text = String::from_utf8_lossy(target).into_owned();
    if method == b"CONNECT" {
        let host = text.rsplit_once(':').map_or("", |(host, _)| host);
        let is_cut_right = !host.is_empty() && host.starts_with('[') == host.ends_with(']');
        return is_cut_right && is_host(&text);
    }
    let lower = text.to_ascii_lowercase();
    let schemes = ["http://", "https://"];
    let rest = schemes.iter().find_map(|scheme| lower.strip_prefix(scheme));
    let authority = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_absolute = authority.is_some_and(|host| !host.is_empty() && is_host(host));
    let path = text
        .split_once("://")
        .filter(|_| is_absolute)
        .map_or(&*text, |(_, rest)| {
            rest.find(['/', '?']).map_or("", |at| &rest[at..])
        });
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(c);
    (is_absolute || text.starts_with('/') || (text == "*" && method == b"OPTIONS"))
        && path.chars().all(allowed)
}

/// RFC 9112, section 3.2: once, unless the version is 1.0; and a host with a port, or nothing.
fn has_good_host(head: &Head<'_>) -> bool {
    let hosts = head.values("host");
    let is_good = |value: &[u8]| is_host(&String::from_utf8_lossy(value));
    (hosts.len() == 1 || (hosts.is_empty() && head.is_old())) && hosts.into_iter().all(is_good)
}

/// `uri-host [":" port]`, RFC 9110, section 7.2, without `%` and without addresses of the future.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rfind(':').filter(|at| !text[*at..].contains(']')) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(c);
    port.chars().all(|c| c.is_ascii_digit())
        && match literal {
            Some(literal) => literal.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.chars().all(allowed),
        }
}

#[derive(PartialEq, Eq)]
enum ChunkFault {
    NoExtension,
    BareLfInTrailer,
    NoFieldInTrailer,
}

/// The first of these faults that chunked content has, if it has no other before.
fn chunk_fault(content: &[u8]) -> Option<ChunkFault> {
    let mut rest = content;
    loop {
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        let (line, has_ended) = match line.strip_suffix(b"\r") {
            Some(line) => (line, true),
            None => (line, end < rest.len()),
        };
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits]).unwrap_or_default();
        let size = usize::from_str_radix(size, 16).ok()?;
        let shape = extensions(&line[digits..]);
        if shape == Shape::Wrong || has_ended && shape == Shape::Begun {
            return Some(ChunkFault::NoExtension);
        }
        rest = rest.get(end + 1..)?;
        if size == 0 {
            return rest
                .split_inclusive(|b| *b == b'\n')
                .find_map(trailer_fault);
        }
        rest = rest.get(size + 2..)?;
    }
}

fn trailer_fault(line: &[u8]) -> Option<ChunkFault> {
    if line.ends_with(b"\n") && !line.ends_with(b"\r\n") {
        return Some(ChunkFault::BareLfInTrailer);
    }
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let colon = text.iter().position(|b| *b == b':');
    let name = &text[..colon.unwrap_or(text.len())];
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let is_field = !name.is_empty()
        && name.iter().all(is_token)
        && (colon.is_some() || text.len() == line.len())
        && text.iter().all(|b| !b.is_ascii_control() || *b == b'\t');
    (!is_field && !text.is_empty()).then_some(ChunkFault::NoFieldInTrailer)
}

/// Whether some line of chunked content begins with a number beyond the limit.
fn has_large_chunk(head: &Head<'_>) -> bool {
    let most = Limits::default().content_bytes_max as u128;
    head.content.split(|b| *b == b'\n').any(|line| {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit());
        let size = digits.fold(0_u128, |size, digit| {
            let digit = char::from(*digit).to_digit(16).unwrap_or(0);
            size.saturating_mul(16).saturating_add(u128::from(digit))
        });
        size > most - head.content.len().min(most as usize) as u128
    })
}
