//! The certificates of a PEM file (RFC 7468), as authorities come in.
//!
//! A system's own file has 140 of them in 220 KB, and is read at each start. The reader of `rustls-pki-types` decodes in constant
//! time, as keys need it: 37 instructions for each byte. A certificate is no secret.

use std::io::{self, BufRead};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Why certificates cannot be read.
#[derive(Debug)]
pub(super) enum Error {
    Io(io::Error),
    /// A certificate's block has no end, or holds what is not base64.
    NotPem,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Hands the DER of each certificate to `take`. What lies between them is passed over: comments, keys, other blocks. No more than
/// one line and one certificate is held at a time.
pub(super) fn each_certificate(
    mut pem: impl BufRead,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let (mut line, mut digits, mut der) = (Vec::new(), Vec::new(), Vec::new());
    let mut is_inside = false;
    while pem.read_until(b'\n', &mut line)? > 0 {
        // Some files end their lines with `\r` alone.
        let mut from = 0;
        for end in memchr::memchr_iter(b'\r', &line).chain([line.len()]) {
            let part = line[from..end].trim_ascii();
            from = end + 1;
            match (part, is_inside) {
                (BEGIN, false) => is_inside = true,
                (END, true) => {
                    der.clear();
                    let decoded = BASE64_STANDARD.decode_vec(&digits, &mut der);
                    decoded.map_err(|_| Error::NotPem)?;
                    take(&der);
                    digits.clear();
                    is_inside = false;
                }
                (_, true) => digits.extend_from_slice(part),
                (_, false) => {}
            }
        }
        line.clear();
    }
    if is_inside {
        Err(Error::NotPem)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// `None`: not PEM.
    fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        match each_certificate(pem.as_bytes(), |der| found.push(der.to_vec())) {
            Ok(()) => Some(found),
            Err(Error::NotPem) => None,
            Err(Error::Io(error)) => panic!("{error}"),
        }
    }

    fn block(label: &str, content: &str) -> String {
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    #[test]
    fn what_is_no_certificate_is_passed_over() {
        let pem = format!(
            "# comment, with - and = in it\n{}\n\n{}{}-----END CERTIFICATE-----\nlast line without an end",
            block("PRIVATE KEY", "!!"),
            block("CERTIFICATE", "aGVs\nbG8="),
            block("TRUSTED CERTIFICATE", "aGVs"),
        );
        assert_eq!(certificates(&pem), Some(vec![b"hello".to_vec()]));
        assert_eq!(certificates(""), Some(vec![]));
    }

    #[test]
    fn lines_may_end_and_be_indented_in_any_way() {
        let pem = block("CERTIFICATE", "aGVs\nbG8=");
        for pem in [
            pem.replace('\n', "\r\n"),
            pem.replace('\n', "\r"),
            pem.replace('\n', " \t\n  "),
            pem.trim_end().to_owned(),
        ] {
            assert_eq!(certificates(&pem), Some(vec![b"hello".to_vec()]), "{pem:?}");
        }
    }

    #[test]
    fn a_block_that_is_torn_or_no_base64_is_refused() {
        let whole = block("CERTIFICATE", "aGVsbG8=");
        for content in [
            "!",
            "aGVsbG8",
            "aGVsb G8=",
            "aGVsbG8=aGVs",
            "-----BEGIN CERTIFICATE-----",
        ] {
            let pem = whole.clone() + &block("CERTIFICATE", content);
            assert_eq!(certificates(&pem), None, "{content}");
        }
        for end in BEGIN.len()..whole.len() - 2 {
            assert_eq!(certificates(&whole[..end]), None, "{end}");
        }
    }

    proptest! {
        /// The oracle is the reader that rustls has.
        #[test]
        fn it_reads_what_rustls_reads(
            ders in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..5),
            width in 1_usize..100,
            newline in prop_oneof![Just("\n"), Just("\r\n")],
        ) {
            let mut pem = String::new();
            for der in &ders {
                let digits = BASE64_STANDARD.encode(der);
                let lines = digits.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap());
                let lines = lines.collect::<Vec<_>>().join("\n");
                pem += &block("CERTIFICATE", &lines).replace('\n', newline);
            }
            let expected: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
            let expected: Vec<_> = expected.unwrap().iter().map(|der| der.to_vec()).collect();
            prop_assert_eq!(&expected, &ders);
            prop_assert_eq!(certificates(&pem), Some(expected));
        }
    }
}
