//! A private authority, certificates of its own making, and a stand-in for Slack that shows one.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};
use test_support::DEADLINE;
use torrap::tools::trial::stand_in::{Answer, Post, SlackStandIn, Stream};

/// An authority whose certificate lies in a file for as long as it lives.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub file: PathBuf,
}

impl Authority {
    pub fn create() -> Self {
        static CREATED: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let name = format!("torrap-it-{}-{number}.pem", std::process::id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, format!("An authority for one test.\n{pem}")).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    /// What a server needs to call itself `name`.
    fn server(&self, name: &str) -> Arc<ServerConfig> {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = builder
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }

    /// A stand-in whose certificate is for `name`, and what came of its handshakes.
    pub fn stand_in(&self, name: &str) -> (SlackStandIn, Handshakes) {
        self.stand_in_answering(name, |_| Answer::ok())
    }

    /// The same with other answers.
    pub fn stand_in_answering(
        &self,
        name: &str,
        script: impl Fn(&Post) -> Answer + Send + Sync + 'static,
    ) -> (SlackStandIn, Handshakes) {
        let (config, handshakes) = (self.server(name), Handshakes::default());
        let shaken = handshakes.clone();
        let wrap = move |mut socket: TcpStream| -> io::Result<Box<dyn Stream>> {
            let mut tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            while tls.is_handshaking() {
                if let Err(error) = tls.complete_io(&mut socket) {
                    shaken.push(Err(error.to_string()));
                    return Err(error);
                }
            }
            shaken.push(Ok(tls.handshake_kind()));
            Ok(Box::new(StreamOwned::new(tls, socket)))
        };
        let stand_in = SlackStandIn::start_wrapped(script, wrap).unwrap();
        (stand_in, handshakes)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// What came of a handshake: whether it was a full one, or resumed an earlier session.
type Outcome = Result<Option<HandshakeKind>, String>;

/// What came of each handshake; a clone sees the same ones.
#[derive(Clone, Default)]
pub struct Handshakes(Arc<(Mutex<Vec<Outcome>>, Condvar)>);

impl Handshakes {
    fn push(&self, outcome: Outcome) {
        self.0.0.lock().unwrap().push(outcome);
        self.0.1.notify_all();
    }

    /// All of them, once there are `count`.
    pub fn wait_for(&self, count: usize) -> Vec<Outcome> {
        let (outcomes, pushed) = &*self.0;
        let is_short = |outcomes: &mut Vec<_>| outcomes.len() < count;
        let waited = pushed.wait_timeout_while(outcomes.lock().unwrap(), DEADLINE, is_short);
        let outcomes = waited.unwrap().0.clone();
        assert!(outcomes.len() >= count, "{outcomes:?}");
        outcomes
    }
}
