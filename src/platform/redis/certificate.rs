//! What is wrong with a server's certificate, for people.

use std::fmt;

use rustls::CertificateError;

use crate::time::UnixTime;

/// Most names of a certificate, and most characters of what rustls says, that are shown.
const NAMES_MAX: usize = 4;
const CHARS_MAX: usize = 200;

/// Why a certificate is not accepted.
#[derive(Debug)]
pub(super) struct BadCertificate {
    /// As the URL or a Sentinel names the server.
    pub(super) host: String,
    pub(super) error: CertificateError,
}

/// What it is, and what to do about it: the end of a line.
impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match &self.error {
            CertificateError::UnknownIssuer => f.write_str(
                "no authority that is trusted has signed its certificate; name the file with the certificate of the one that has \
                 in --ca-file",
            ),
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                write!(f, "its certificate has no names (subjectAltName); make one for {host}")
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names: Vec<_> = presented.iter().take(NAMES_MAX).map(|it| bare(it)).collect();
                let more = if presented.len() > NAMES_MAX { ", …" } else { "" };
                let names = names.join(", ");
                write!(
                    f,
                    "its certificate is for {names}{more}, and not for {host}; give a name that it has in the URL, or make one for \
                     {host}"
                )
            }
            CertificateError::ExpiredContext { not_after, .. } => write!(
                f,
                "its certificate was valid until {}; renew it, or set the clock of this machine",
                unix(*not_after)
            ),
            CertificateError::Expired => {
                f.write_str("its certificate ends before it begins; make another one")
            }
            CertificateError::NotValidYetContext { not_before, .. } => write!(
                f,
                "its certificate is valid from {} on; set the clock of this machine, or renew it",
                unix(*not_before)
            ),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                f.write_str("its certificate is not that of a server; make one with extendedKeyUsage serverAuth")
            }
            error => other(f, &error.to_string()),
        }
    }
}

/// What rustls passes on from webpki, which has a name for it alone.
fn other(f: &mut fmt::Formatter<'_>, error: &str) -> fmt::Result {
    if error.contains("CaUsedAsEndEntity") {
        return f.write_str(
            "its certificate is that of an authority; make one that this authority signs, with basicConstraints CA:FALSE",
        );
    }
    if error.contains("UnsupportedCertVersion") {
        return f.write_str(
            "its certificate is of version 1; make one with subjectAltName, which is of version 3",
        );
    }
    let error: String = error
        .chars()
        .filter(|c| !c.is_control())
        .take(CHARS_MAX)
        .collect();
    write!(
        f,
        "its certificate cannot be used ({error}); make another one"
    )
}

/// `DnsName("redis.example")` without what says which kind of name it is. A server may send any text.
fn bare(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    let inner = inner.unwrap_or(name).trim_matches('"');
    inner
        .chars()
        .filter(char::is_ascii_graphic)
        .take(64)
        .collect()
}

fn unix(time: rustls::pki_types::UnixTime) -> UnixTime {
    UnixTime(time.as_secs().saturating_mul(1000))
}
