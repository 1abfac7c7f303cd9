//! The certificate authorities that are trusted for replies.

use std::fs;
use std::io::Read;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, PemItem, RootCerts};

use crate::config::{Config, Shown};
use crate::platform::Error;

/// The system's own bundles have a few hundred KiB.
const CA_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The roots of the settings, and what to call them.
pub(crate) fn from_settings(config: &Config) -> Result<(RootCerts, String), Error> {
    let Some(path) = &config.ca_file else {
        return Ok((RootCerts::WebPki, "the built-in ones".to_owned()));
    };
    let file = CaFile::read(path)?;
    let mut name = format!(
        "{} of {}, instead of the built-in ones",
        file.store.len(),
        Shown(&path.to_string_lossy())
    );
    if file.unusable > 0 {
        name.push_str(&format!("; {} more in it cannot be used", file.unusable));
    }
    Ok((RootCerts::new_with_certs(&file.certificates), name))
}

/// The same roots for a TLS client of our own.
#[cfg(feature = "redis")]
pub(crate) fn store(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    match ca_file {
        None => Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()),
        Some(path) => Ok(CaFile::read(path)?.store),
    }
}

/// What a file of authorities holds: at least one.
struct CaFile {
    certificates: Vec<Certificate<'static>>,
    /// Those that can be used.
    store: RootCertStore,
    unusable: usize,
}

impl CaFile {
    fn read(path: &Path) -> Result<Self, Error> {
        let fault = |reason: String| Error::CaFile {
            path: path.to_owned(),
            reason,
        };
        let certificates = certificates(path).map_err(fault)?;
        // ureq leaves out what is no authority without a word, and would then trust none at all.
        let mut store = RootCertStore::empty();
        let ders = certificates.iter().map(Certificate::der);
        let (usable, unusable) = store.add_parsable_certificates(ders.map(CertificateDer::from));
        match (usable, unusable) {
            (0, 0) => Err(fault("no certificate in it".to_owned())),
            (0, _) => Err(fault("no usable certificate in it".to_owned())),
            _ => Ok(Self {
                certificates,
                store,
                unusable,
            }),
        }
    }
}

/// The blocks of the file that say that they are certificates.
fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let mut pem = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(CA_FILE_BYTES_MAX + 1).read_to_end(&mut pem))
        .map_err(|error| format!("cannot be read ({error})"))?;
    if pem.len() as u64 > CA_FILE_BYTES_MAX {
        return Err("larger than 4 MiB".to_owned());
    }
    let items = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(_) => Some(Err("not PEM".to_owned())),
    });
    items.collect()
}
