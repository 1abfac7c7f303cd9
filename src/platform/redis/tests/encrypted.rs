//! TLS: whom it trusts, and what speaks another language.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::stand_in::{Act, StandIn, hang, of_master, words};
use super::*;
use crate::redis::{Reply, ReplyReader, encode};

/// An authority whose certificate lies in a file for as long as it lives.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) file: PathBuf,
}

impl Authority {
    pub(super) fn create() -> Self {
        static CREATED: AtomicUsize = AtomicUsize::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let file = format!("torrap-redis-{}-{number}.pem", std::process::id());
        let file = std::env::temp_dir().join(file);
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { issuer, file }
    }

    /// A certificate for `name` and its key, as PEM.
    pub(super) fn certify(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A master that calls itself `name`.
    fn master(&self, name: &str) -> StandIn {
        let (certificate, key) = self.certify(name);
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        let config = Arc::new(config.unwrap());
        StandIn::serving(move |tcp| serve(config.clone(), tcp))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Answers commands until the client goes away, or as rustls does what is no TLS.
fn serve(config: Arc<ServerConfig>, tcp: TcpStream) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
    let (mut reader, mut bytes) = (ReplyReader::default(), [0; 4096]);
    loop {
        while let Some(words) = reader.poll_reply().unwrap().map(words) {
            if let Act::Answer(answer) = of_master(&words)
                && stream.write_all(&answer).is_err()
            {
                return;
            }
        }
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(length) => reader.feed(&bytes[..length]),
        }
    }
}

fn connector_with(url: &str, ca_file: Option<&Path>) -> Connector {
    Connector::new(&journal(url, None), ca_file).unwrap()
}

fn told(url: &str, ca_file: Option<&Path>) -> (String, bool) {
    let error = connector_with(url, ca_file).connect(None, within(AMPLE));
    let error = error.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    (line, error.is_definite())
}

#[test]
fn an_encrypted_connection_is_like_any_other() {
    let authority = Authority::create();
    for (name, host) in [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1")] {
        let server = authority.master(name);
        let url = format!("rediss://{host}:{}/3", server.at.port());
        let mut connector = connector_with(&url, Some(&authority.file));
        for _ in 0..2 {
            let mut connection = connector.connect(None, within(AMPLE)).unwrap();
            let text = "x".repeat(100_000);
            let mut request = Vec::new();
            encode(&[b"ECHO", text.as_bytes()], &mut request);
            for _ in 0..2 {
                let replies = connection.exchange(&request, 1, within(AMPLE)).unwrap();
                assert_eq!(replies, [Reply::Bulk(text.clone().into())]);
            }
        }
    }
}

#[test]
fn a_certificate_must_be_of_the_name_and_of_an_authority_that_is_trusted() {
    let (authority, other) = (Authority::create(), Authority::create());
    let server = authority.master("redis.example");
    let url = format!("rediss://127.0.0.1:{}", server.at.port());
    let (line, is_definite) = told(&url, Some(&authority.file));
    assert!(is_definite && line.contains("NotValidForName"), "{line}");
    assert!(
        line.contains("give the authority with --ca-file and the name"),
        "{line}"
    );

    let server = authority.master("127.0.0.1");
    let url = format!("rediss://127.0.0.1:{}", server.at.port());
    for ca_file in [None, Some(other.file.as_path())] {
        let (line, is_definite) = told(&url, ca_file);
        assert!(is_definite && line.contains("UnknownIssuer"), "{line}");
    }
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_named() {
    let url = "rediss://localhost";
    let error = Connector::new(&journal(url, None), Some(Path::new("/nowhere.pem")));
    let line = error.unwrap_err().to_string();
    assert!(
        line.starts_with("--ca-file (SSL_CERT_FILE) \"/nowhere.pem\""),
        "{line}"
    );
    // Without TLS it does not matter.
    assert!(Connector::new(&journal("redis://a", None), Some(Path::new("/nowhere.pem"))).is_ok());
}

#[test]
fn a_port_without_tls_is_told() {
    // Redis takes a handshake for a command: it says so, closes, or waits for the end of a line.
    let error = StandIn::serving(|mut stream| {
        let _ = stream.write_all(b"-ERR Protocol error: unbalanced quotes in request\r\n");
        hang(stream);
    });
    let (line, is_definite) = told(&error.url().replace("redis:", "rediss:"), None);
    assert!(
        is_definite && line.contains("it does not speak TLS; give its TLS port"),
        "{line}"
    );

    let closing = StandIn::serving(drop);
    let (line, is_definite) = told(&closing.url().replace("redis:", "rediss:"), None);
    assert!(
        !is_definite && line.contains("the handshake of TLS fails"),
        "{line}"
    );

    let hung = StandIn::serving(hang);
    let url = hung.url().replace("redis:", "rediss:");
    let mut connector = connector_with(&url, None);
    let error = connector.connect(None, within(SHORT)).unwrap_err();
    let line = error.to_string();
    assert!(
        line.contains("it does not answer the handshake of TLS in time"),
        "{line}"
    );
}

#[test]
fn a_port_of_tls_is_told() {
    let server = Authority::create().master("127.0.0.1");
    let (line, is_definite) = told(&server.url(), None);
    assert!(is_definite, "{line}");
    assert!(
        line.contains("it answers as a server of TLS does; give rediss://"),
        "{line}"
    );
}

/// The end of the deadline is noticed below TLS, whether the server is silent in the handshake or later.
#[test]
fn an_encrypted_server_that_hangs_is_given_up_at_the_deadline() {
    let authority = Authority::create();
    let server = authority.master("127.0.0.1");
    let url = format!("rediss://127.0.0.1:{}", server.at.port());
    let mut connector = connector_with(&url, Some(&authority.file));
    let mut connection = connector.connect(None, within(AMPLE)).unwrap();
    let mut request = Vec::new();
    encode(&[b"PING"], &mut request);
    let error = connection.exchange(&request, 2, within(SHORT)).unwrap_err();
    assert!(matches!(error, ExchangeError::TimedOut), "{error:?}");
}
