//! The certificate authorities that are trusted for replies.

use std::fs;
use std::io::{BufReader, Read};
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts};

use super::pem;
use crate::config::{Config, Shown};
use crate::platform::Error;

/// The system's own bundles have a few hundred KiB.
const CA_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Of the file at a time: its 220 KB at once would be 55 pages to be made for nothing.
const READ_BYTES: usize = 16 * 1024;

/// The roots of the settings. Those of a file are parsed at the first connection with TLS; the start wants to know no more than
/// that one of them can be used.
pub(crate) fn from_settings(config: &Config) -> Result<RootCerts, Error> {
    match &config.ca_file {
        None => Ok(RootCerts::WebPki),
        Some(path) => Ok(RootCerts::from(certificates(path)?)),
    }
}

/// What to call the roots of the settings.
pub(crate) fn name(config: &Config) -> Result<String, Error> {
    let Some(path) = &config.ca_file else {
        return Ok("the built-in ones".to_owned());
    };
    let (store, unusable) = parse(&certificates(path)?);
    let mut name = format!(
        "{} of {}, instead of the built-in ones",
        store.len(),
        Shown(&path.to_string_lossy())
    );
    if unusable > 0 {
        name.push_str(&format!("; {unusable} more in it cannot be used"));
    }
    Ok(name)
}

/// The same roots for a TLS client of our own.
#[cfg(feature = "redis")]
pub(crate) fn store(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    match ca_file {
        None => Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()),
        Some(path) => Ok(parse(&certificates(path)?).0),
    }
}

/// What a file of authorities holds; at least one of them can be used.
fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let fault = |reason: String| Error::CaFile {
        path: path.to_owned(),
        reason,
    };
    let certificates = read(path).map_err(fault)?;
    if certificates.is_empty() {
        return Err(fault("no certificate in it".to_owned()));
    }
    // ureq leaves out what is no authority without a word, and would then trust none at all.
    let mut store = RootCertStore::empty();
    let mut is_usable = |certificate: &Certificate<'_>| {
        let der = CertificateDer::from(certificate.der());
        store.add(der).is_ok()
    };
    if !certificates.iter().any(&mut is_usable) {
        return Err(fault("no usable certificate in it".to_owned()));
    }
    Ok(certificates)
}

/// Those that can be used, and how many cannot.
fn parse(certificates: &[Certificate<'_>]) -> (RootCertStore, usize) {
    let mut store = RootCertStore::empty();
    let ders = certificates.iter().map(Certificate::der);
    let (_, unusable) = store.add_parsable_certificates(ders.map(CertificateDer::from));
    (store, unusable)
}

/// The blocks of the file that say that they are certificates.
fn read(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let mut certificates = Vec::new();
    let unreadable = |error| format!("cannot be read ({error})");
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut file = BufReader::with_capacity(READ_BYTES, file.take(CA_FILE_BYTES_MAX + 1));
    let take = |der: &[u8]| certificates.push(Certificate::from_der(der).to_owned());
    let read = pem::each_certificate(&mut file, take);
    if file.get_ref().limit() == 0 {
        return Err("larger than 4 MiB".to_owned());
    }
    match read {
        Ok(()) => Ok(certificates),
        Err(pem::Error::Io(error)) => Err(unreadable(error)),
        Err(pem::Error::NotPem) => Err("not PEM".to_owned()),
    }
}
