//! A stand-in for Slack that shows a certificate of a private authority.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};

use rustls::{HandshakeKind, ServerConnection, StreamOwned};
use test_support::{Authority, DEADLINE};
use torrap::tools::trial::stand_in::{Answer, Post, SlackStandIn, Stream};

/// A stand-in whose certificate is for `name`, and what came of its handshakes.
pub fn stand_in(authority: &Authority, name: &str) -> (SlackStandIn, Handshakes) {
    stand_in_answering(authority, name, |_| Answer::ok())
}

/// The same with other answers.
pub fn stand_in_answering(
    authority: &Authority,
    name: &str,
    script: impl Fn(&Post) -> Answer + Send + Sync + 'static,
) -> (SlackStandIn, Handshakes) {
    let (config, handshakes) = (authority.server(name), Handshakes::default());
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
