//! TLS: whom it trusts, and what speaks another language.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
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

    /// Its own certificate.
    fn root(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.file).unwrap()
    }

    /// A certificate for `name` and its key.
    pub(super) fn certify(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        self.sign(CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    fn sign(&self, params: CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A master that calls itself `name`.
    fn master(&self, name: &str) -> StandIn {
        self.serving(CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    /// A master with this certificate.
    fn serving(&self, params: CertificateParams) -> StandIn {
        self.serving_with(params, WebPkiClientVerifier::no_client_auth())
    }

    /// A master with this certificate, which looks at those of its clients.
    fn serving_with(
        &self,
        params: CertificateParams,
        clients: Arc<dyn ClientCertVerifier>,
    ) -> StandIn {
        let (certificate, key) = self.sign(params);
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
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

/// What is told of a certificate for 127.0.0.1, but for what a test changes, or of an authority that is not trusted.
fn told_of(change: impl FnOnce(&mut CertificateParams)) -> String {
    let authority = Authority::create();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let server = authority.serving(params);
    let url = format!("rediss://127.0.0.1:{}", server.at.port());
    let (line, is_definite) = told(&url, Some(&authority.file));
    assert!(is_definite, "{line}");
    let (line, start) = (line.as_str(), format!("127.0.0.1:{}: ", server.at.port()));
    line.strip_prefix(&start).unwrap().to_owned()
}

#[test]
fn a_certificate_must_be_of_the_name() {
    let named = |names: &[&str]| {
        let params =
            CertificateParams::new(names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        told_of(|it| it.subject_alt_names = params.unwrap().subject_alt_names)
    };
    assert_eq!(
        named(&["redis.example", "10.0.0.1"]),
        "its certificate is for redis.example, 10.0.0.1, and not for 127.0.0.1; give a name that it has in the URL, or make one \
         for 127.0.0.1"
    );
    assert_eq!(
        named(&[]),
        "its certificate has no names (subjectAltName); make one for 127.0.0.1"
    );
    let many: Vec<_> = (0..60)
        .map(|number| format!("host-{number}.example"))
        .collect();
    let line = named(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(line.contains("host-3.example, …, and not for"), "{line}");
    assert!(line.len() < 300, "{line}");
}

#[test]
fn a_certificate_must_be_valid_now_and_for_a_server() {
    let line = told_of(|it| {
        (it.not_before, it.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 2, 3));
    });
    assert_eq!(
        line,
        "its certificate was valid until 2001-02-03T00:00:00Z; renew it, or set the clock of this machine"
    );
    let line = told_of(|it| it.not_before = date_time_ymd(2999, 1, 1));
    assert_eq!(
        line,
        "its certificate is valid from 2999-01-01T00:00:00Z on; set the clock of this machine, or renew it"
    );
    let line = told_of(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    assert_eq!(
        line,
        "its certificate is not that of a server; make one with extendedKeyUsage serverAuth"
    );
    // As `openssl req -x509` makes them.
    let line = told_of(|it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert!(
        line.starts_with("its certificate is that of an authority; make one"),
        "{line}"
    );
}

#[test]
fn a_certificate_must_be_of_an_authority_that_is_trusted() {
    let (authority, other) = (Authority::create(), Authority::create());
    let server = authority.master("127.0.0.1");
    let url = format!("rediss://127.0.0.1:{}", server.at.port());
    for ca_file in [None, Some(other.file.as_path())] {
        let (line, is_definite) = told(&url, ca_file);
        let part = "no authority that is trusted has signed its certificate; name the file";
        assert!(is_definite && line.contains(part), "{line}");
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_is_told() {
    let authority = Authority::create();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.root()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = authority.serving_with(params, verifier.build().unwrap());
    let url = format!("rediss://127.0.0.1:{}", server.at.port());
    let (line, is_definite) = told(&url, Some(&authority.file));
    let end = "it asks for a certificate, and torrap has none; set tls-auth-clients no there";
    assert!(is_definite && line.ends_with(end), "{line}");
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
        !is_definite
            && line.contains("the handshake of TLS fails")
            && line.ends_with("or redis:// without TLS"),
        "{line}"
    );

    let hung = StandIn::serving(hang);
    let url = hung.url().replace("redis:", "rediss:");
    let mut connector = connector_with(&url, None);
    let error = connector.connect(None, within(SHORT)).unwrap_err();
    let line = error.to_string();
    assert!(
        line.ends_with("the handshake of TLS in time; give its TLS port, or redis:// without TLS"),
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

    // Redis closes, without an alert.
    let closing = StandIn::serving(drop);
    for url in [
        closing.url(),
        format!("{}/3", closing.url()),
        format!("{}?sentinel=x", closing.url()),
    ] {
        let (line, is_definite) = told(&url, None);
        let end = "it closes the connection at once; if it is a port of TLS, give rediss:// in place of redis://";
        assert!(!is_definite && line.ends_with(end), "{line}");
    }
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
