//! The public URL of a tunnel that leads to the bot: asked from the tunnel's own program on this machine.
//!
//! ngrok's agent lists its endpoints (<https://ngrok.com/docs/agent/api>); cloudflared says beside its metrics which name a
//! quick tunnel has, and what its names lead to (github.com/cloudflare/cloudflared, `metrics/metrics.go`).
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // it asks other programs

mod answers;
mod choice;

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::answers::Tunnel;
pub use self::choice::NotFound;
use self::choice::{Found, Look, Program};
use crate::config::{PublicUrl, TunnelQuery};

/// How long one answer may take: the program is on this machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long all of them may take together.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(4);

/// The most that is read of an answer. An endpoint of ngrok's comes with its traffic policy.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// The public base URL of the bot.
///
/// # Errors
/// It is not given, and not exactly one tunnel leads to the bot.
pub fn resolve(url: &PublicUrl) -> Result<Cow<'_, str>, NotFound> {
    match url {
        PublicUrl::Given(url) => Ok(Cow::Borrowed(url)),
        PublicUrl::OfTunnel(query) => find(query).map(Cow::Owned),
    }
}

fn find(query: &TunnelQuery) -> Result<String, NotFound> {
    let deadline = Instant::now() + SEARCH_TIMEOUT;
    let client = Client::new(deadline);
    let looks: Vec<Look> = query
        .agents
        .iter()
        .map(|address| Look {
            address: *address,
            found: client.look(*address),
        })
        .collect();
    choice::choose(&looks, &query.ports)
}

struct Client {
    agent: ureq::Agent,
    deadline: Instant,
}

/// Why there is no answer with a status of 200.
enum Refusal {
    /// No program listens at the address.
    NotListening,
    /// The answer did not come in time.
    Late,
    /// The answer is another one.
    Foreign,
}

impl Client {
    /// Neither through a proxy nor elsewhere by a redirect: what answers is on this machine.
    fn new(deadline: Instant) -> Self {
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        Self {
            agent: config.into(),
            deadline,
        }
    }

    /// What the program at this address says of its tunnels.
    fn look(&self, address: SocketAddr) -> Found {
        match self.ngrok(address) {
            Ok(tunnels) => Found::Tunnels(Program::Ngrok, tunnels),
            Err(Refusal::NotListening) => Found::Nothing,
            Err(Refusal::Late) => Found::Silence,
            Err(Refusal::Foreign) => match self.cloudflared(address) {
                Ok(tunnels) => Found::Tunnels(Program::Cloudflared, tunnels),
                Err(Refusal::Late) => Found::Silence,
                Err(_) => Found::Foreign,
            },
        }
    }

    /// Agents before 3.30 have only the second list.
    fn ngrok(&self, address: SocketAddr) -> Result<Vec<Tunnel>, Refusal> {
        let endpoints = self.get(address, "/api/endpoints").and_then(|answer| {
            let listed = answers::ngrok_endpoints(&answer);
            listed.ok_or(Refusal::Foreign)
        });
        let is_decided = match &endpoints {
            Ok(tunnels) => !tunnels.is_empty(),
            Err(refusal) => !matches!(refusal, Refusal::Foreign),
        };
        if is_decided {
            return endpoints;
        }
        let tunnels = self.get(address, "/api/tunnels").and_then(|answer| {
            let listed = answers::ngrok_tunnels(&answer);
            listed.ok_or(Refusal::Foreign)
        });
        match (endpoints, tunnels) {
            // An agent without the older list has said that it has no endpoint.
            (Ok(none), Err(Refusal::Foreign)) => Ok(none),
            (_, tunnels) => tunnels,
        }
    }

    fn cloudflared(&self, address: SocketAddr) -> Result<Vec<Tunnel>, Refusal> {
        let answer = self.get(address, "/quicktunnel")?;
        let quick = answers::cloudflared_name(&answer).ok_or(Refusal::Foreign)?;
        let answer = self.get(address, "/config")?;
        answers::cloudflared_rules(&answer, &quick).ok_or(Refusal::Foreign)
    }

    fn get(&self, address: SocketAddr, path: &str) -> Result<Vec<u8>, Refusal> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Refusal::Late);
        }
        let request = self.agent.get(format!("http://{address}{path}"));
        let request = request
            .config()
            .timeout_global(Some(left.min(ANSWER_TIMEOUT)));
        let mut response = request.build().call().map_err(|error| refusal(&error))?;
        if response.status() != 200 {
            return Err(Refusal::Foreign);
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        body.read_to_vec().map_err(|error| refusal(&error))
    }
}

fn refusal(error: &ureq::Error) -> Refusal {
    match error {
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Refusal::NotListening
        }
        ureq::Error::Timeout(_) => Refusal::Late,
        _ => Refusal::Foreign,
    }
}
