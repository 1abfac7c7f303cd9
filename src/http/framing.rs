//! Where a request's content ends, and whether the connection lives on (RFC 9112 sections 6 and 9).
//!
//! A request that a front end could read in another way than torrap does is refused: the difference is what request
//! smuggling uses.

use super::field_name::{is_named, is_named_or_poses};
use super::host::is_host;
use super::request::{Request, Version};
use super::{Error, Limits};

/// How the content is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// This many bytes; 0 if no field says how many (RFC 9112 section 6.3, rule 7).
    Known(usize),
    /// Chunked transfer coding.
    Chunked,
}

/// What a head says about its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) length: Length,
    pub(super) persistent: bool,
    pub(super) expects_continue: bool,
}

/// The framing fields of a head, gathered in one pass over them.
#[derive(Default)]
struct Gathered<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    transfer_coding: Option<TransferCoding>,
    repeated: bool,
    bad_host: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TransferCoding {
    Chunked,
    /// chunked, and another coding below it.
    Unsupported,
    /// Another coding comes last: where the content ends is not known.
    NotFinal,
    /// Two readers could differ about it, and no later line changes that.
    Ambiguous,
}

/// Reads the framing of a complete head.
pub(super) fn read(request: &Request<'_>, limits: &Limits) -> Result<Framing, Error> {
    let gathered = gather(request)?;
    let http11 = request.version == Version::Http11;
    if gathered.bad_host || (http11 && gathered.host.is_none()) {
        return Err(Error::BadHost);
    }
    if gathered.repeated {
        return Err(Error::AmbiguousFraming);
    }
    let length = match (gathered.transfer_coding, gathered.content_length) {
        // Both at once is the classic smuggling request; a coding on HTTP/1.0 is faulty framing (6.1).
        (Some(_), Some(_)) => return Err(Error::AmbiguousFraming),
        (Some(_), None) if !http11 => return Err(Error::AmbiguousFraming),
        (Some(TransferCoding::Ambiguous | TransferCoding::NotFinal), None) => {
            return Err(Error::AmbiguousFraming);
        }
        (Some(TransferCoding::Unsupported), None) => return Err(Error::UnsupportedTransferCoding),
        (Some(TransferCoding::Chunked), None) => Length::Chunked,
        (None, Some(digits)) => Length::Known(content_length(digits, limits)?),
        // An HTTP/1.0 client that sends content without a length would end it by closing.
        (None, None) if !http11 && request.method == "POST" => return Err(Error::LengthRequired),
        (None, None) => Length::Known(0),
    };
    Ok(Framing {
        length,
        persistent: !gathered.close && (http11 || gathered.keep_alive),
        expects_continue: gathered.expects_continue && http11,
    })
}

fn gather<'a>(request: &Request<'a>) -> Result<Gathered<'a>, Error> {
    let mut gathered = Gathered::default();
    for field in request.fields.iter() {
        let name = field.name;
        match name.len() {
            4 if is_named(name, b"host") => {
                gathered.bad_host |= gathered.host.is_some() || !is_host(field.value);
                gathered.host = Some(field.value);
            }
            6 if is_named(name, b"expect") => {
                if !field.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Error::UnknownExpectation);
                }
                gathered.expects_continue = true;
            }
            10 if is_named(name, b"connection") => {
                for option in list(field.value) {
                    gathered.close |= option.eq_ignore_ascii_case(b"close");
                    gathered.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if is_named_or_poses(name, b"content-length") => {
                gathered.repeated |= gathered.content_length.is_some();
                gathered.repeated |= !is_named(name, b"content-length");
                gathered.content_length = Some(field.value);
            }
            16 if is_named(name, b"content-encoding")
                && !field.value.eq_ignore_ascii_case(b"identity") =>
            {
                return Err(Error::UnsupportedContentCoding);
            }
            17 if is_named_or_poses(name, b"transfer-encoding") => {
                gathered.repeated |= !is_named(name, b"transfer-encoding");
                gathered.transfer_coding =
                    Some(transfer_coding(field.value, gathered.transfer_coding));
            }
            _ => {}
        }
    }
    Ok(gathered)
}

/// The members of a comma-separated list (RFC 9110 section 5.6.1), without optional white space.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(|member| {
        let start = member
            .iter()
            .position(|b| !is_ows(*b))
            .unwrap_or(member.len());
        let end = member
            .iter()
            .rposition(|b| !is_ows(*b))
            .map_or(start, |last| last + 1);
        &member[start..end]
    })
}

const fn is_ows(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// Adds a Transfer-Encoding line to what the lines before it said.
fn transfer_coding(value: &[u8], before: Option<TransferCoding>) -> TransferCoding {
    let mut coding = before;
    for member in list(value) {
        coding = Some(match coding {
            // An empty member is to be ignored (RFC 9110 section 5.6.1.2), and some parsers do not ignore it.
            _ if member.is_empty() => TransferCoding::Ambiguous,
            // chunked must be applied once and last (RFC 9112 section 6.1)
            Some(
                TransferCoding::Chunked | TransferCoding::Unsupported | TransferCoding::Ambiguous,
            ) => TransferCoding::Ambiguous,
            None if is_chunked(member) => TransferCoding::Chunked,
            Some(TransferCoding::NotFinal) if is_chunked(member) => TransferCoding::Unsupported,
            _ => TransferCoding::NotFinal,
        });
    }
    coding.unwrap_or(TransferCoding::Ambiguous)
}

/// By ASCII case alone: in Unicode, U+212A KELVIN SIGN folds to k.
const fn is_chunked(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"chunked")
}

/// Content-Length: digits alone (RFC 9110 section 8.6); a number too large for us is still a number.
fn content_length(digits: &[u8], limits: &Limits) -> Result<usize, Error> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Error::AmbiguousFraming);
    }
    let mut length = 0_usize;
    for digit in digits {
        length = length
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'));
    }
    if length > limits.content_bytes_max {
        Err(Error::ContentTooLarge)
    } else {
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::{field_storage, parse_head};
    use super::*;

    /// The framing of a request with these lines between Host and the end of the head.
    fn framing(request_line: &str, lines: &str) -> Result<Framing, Error> {
        let head = format!("{request_line}\r\nHost: x\r\n{lines}\r\n");
        of(head.as_bytes())
    }

    fn of(head: &[u8]) -> Result<Framing, Error> {
        let limits = Limits::default();
        let mut storage = field_storage();
        let (request, _) = parse_head(head, 0, &mut storage, &limits)?.unwrap();
        read(&request, &limits)
    }

    fn post(lines: &str) -> Result<Length, Error> {
        framing("POST / HTTP/1.1", lines).map(|framing| framing.length)
    }

    #[test]
    fn content_length_is_digits_once() {
        assert_eq!(post("Content-Length: 5\r\n"), Ok(Length::Known(5)));
        assert_eq!(post("content-LENGTH:\t005 \r\n"), Ok(Length::Known(5)));
        assert_eq!(
            post("Content-Length: 262144\r\n"),
            Ok(Length::Known(262_144))
        );
        for large in [
            "262145",
            "18446744073709551616",
            "99999999999999999999999999",
        ] {
            let lines = format!("Content-Length: {large}\r\n");
            assert_eq!(post(&lines), Err(Error::ContentTooLarge), "{large}");
        }
        for bad in [
            "", "+5", "-5", "5, 5", "5,6", "0x5", "5 5", "5\u{a0}", "\u{663}", "1e1",
        ] {
            let lines = format!("Content-Length: {bad}\r\n");
            assert_eq!(post(&lines), Err(Error::AmbiguousFraming), "{bad}");
        }
        for twice in ["5\r\nContent-Length: 6", "5\r\nContent-Length: 5"] {
            let lines = format!("Content-Length: {twice}\r\n");
            assert_eq!(post(&lines), Err(Error::AmbiguousFraming), "{twice}");
        }
    }

    #[test]
    fn transfer_coding_is_chunked_alone_and_last() {
        for good in ["chunked", "CHUNKED", " chunked\t"] {
            let lines = format!("Transfer-Encoding: {good}\r\n");
            assert_eq!(post(&lines), Ok(Length::Chunked), "{good}");
        }
        for unknown in [
            "gzip, chunked",
            "identity,chunked",
            "gzip, br\r\nTransfer-Encoding: CHUNKED",
        ] {
            let lines = format!("Transfer-Encoding: {unknown}\r\n");
            assert_eq!(
                post(&lines),
                Err(Error::UnsupportedTransferCoding),
                "{unknown}"
            );
        }
        for bad in [
            "",
            ",",
            "chunked, chunked",
            ", chunked",
            "chunked,",
            "chunked, gzip",
            "chunked\r\nTransfer-Encoding: gzip",
            "gzip, chunked, chunked",
            "gzip, chunked, gzip",
            "gzip",
            "gzip, br",
            "identity",
            "xchunked",
            "\"chunked\"",
            "chunked;q=1",
            // U+017F LONG S folds to s, U+212A KELVIN SIGN to k in Unicode, never in ASCII
            "chun\u{212a}ed",
        ] {
            let lines = format!("Transfer-Encoding: {bad}\r\n");
            assert_eq!(post(&lines), Err(Error::AmbiguousFraming), "{bad}");
        }
    }

    #[test]
    fn two_ways_to_read_it_are_refused() {
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content_Length: 5\r\n",
            "Transfer_Encoding: chunked\r\n",
        ] {
            assert_eq!(post(lines), Err(Error::AmbiguousFraming), "{lines}");
        }
        let coded = framing("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n");
        assert_eq!(coded.err(), Some(Error::AmbiguousFraming));
    }

    #[test]
    fn content_without_a_length() {
        assert_eq!(post(""), Ok(Length::Known(0)));
        assert_eq!(
            framing("POST / HTTP/1.0", "").err(),
            Some(Error::LengthRequired)
        );
        assert_eq!(
            framing("GET / HTTP/1.0", "").map(|f| f.length),
            Ok(Length::Known(0))
        );
    }

    #[test]
    fn host_stands_once_and_is_a_host() {
        let framing = |version: &str, lines: &str| {
            of(format!("GET / HTTP/1.{version}\r\n{lines}\r\n").as_bytes())
        };
        for bad in [
            "Host: a b\r\n",
            "Host: a\r\nhost: a\r\n",
            "Host: a\r\nHost:\r\n",
        ] {
            for version in ["1", "0"] {
                assert_eq!(framing(version, bad), Err(Error::BadHost), "{bad}");
            }
        }
        assert!(framing("1", "HOST: a\r\n").is_ok());
        assert_eq!(framing("1", ""), Err(Error::BadHost));
        assert!(framing("0", "").is_ok());
    }

    #[test]
    fn connection_is_a_list_across_lines() {
        let persistent = |line: &str, lines: &str| framing(line, lines).unwrap().persistent;
        assert!(persistent("GET / HTTP/1.1", ""));
        assert!(!persistent(
            "GET / HTTP/1.1",
            "Connection: foo ,\tCLOSE\r\n"
        ));
        assert!(!persistent(
            "GET / HTTP/1.1",
            "Connection: keep-alive\r\nConnection: close\r\n"
        ));
        assert!(persistent("GET / HTTP/1.1", "Connection: closed\r\n"));
        assert!(!persistent("GET / HTTP/1.0", ""));
        assert!(persistent(
            "GET / HTTP/1.0",
            "Connection: x, Keep-Alive\r\n"
        ));
        assert!(!persistent(
            "GET / HTTP/1.0",
            "Connection: keep-alive, close\r\n"
        ));
    }

    #[test]
    fn expectations_and_content_codings() {
        let expects = |line: &str| {
            framing(line, "Expect: 100-Continue\r\n")
                .unwrap()
                .expects_continue
        };
        assert!(expects("GET / HTTP/1.1"));
        assert!(!expects("GET / HTTP/1.0"));
        assert_eq!(post("Expect: 200-ok\r\n"), Err(Error::UnknownExpectation));
        assert_eq!(
            post("Content-Encoding: gzip\r\n"),
            Err(Error::UnsupportedContentCoding)
        );
        assert_eq!(post("Content-Encoding: identity\r\n"), Ok(Length::Known(0)));
    }
}
