//! A receiver with TLS: its certificate, and its side of a connection.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Writes a new certificate, which is its own authority, and its key.
///
/// # Errors
/// The folder cannot be written.
pub fn write_certificate(folder: &Path) -> Result<(), Box<dyn Error>> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    fs::write(folder.join("certificate.pem"), cert.pem())?;
    fs::write(folder.join("certificate.der"), cert.der())?;
    fs::write(folder.join("key.der"), signing_key.serialize_der())?;
    Ok(())
}

/// The receiver's settings, with this key and the certificate beside it.
///
/// # Errors
/// They cannot be read or used.
pub fn config(key: &Path) -> io::Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from(fs::read(key.with_file_name("certificate.der"))?);
    let key = PrivateKeyDer::try_from(fs::read(key)?).map_err(io::Error::other)?;
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key);
    Ok(Arc::new(config.map_err(io::Error::other)?))
}
