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
    let fault = |reason: String| Error::CaFile {
        path: path.clone(),
        reason,
    };
    let certificates = certificates(path).map_err(fault)?;
    // ureq leaves out what is no authority without a word, and would then trust none at all.
    let mut store = RootCertStore::empty();
    let ders = certificates.iter().map(Certificate::der);
    let (usable, unusable) = store.add_parsable_certificates(ders.map(CertificateDer::from));
    match (usable, unusable) {
        (0, 0) => return Err(fault("no certificate in it".to_owned())),
        (0, _) => return Err(fault("no usable certificate in it".to_owned())),
        _ => {}
    }
    let mut name = format!(
        "{usable} of {}, instead of the built-in ones",
        Shown(&path.to_string_lossy())
    );
    if unusable > 0 {
        name.push_str(&format!("; {unusable} more in it cannot be used"));
    }
    Ok((RootCerts::new_with_certs(&certificates), name))
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
