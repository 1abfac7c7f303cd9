//! One attempt at posting a reply, with ureq.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::tls::TlsConfig;
use ureq::{Agent, http};

use super::monitor::AttemptMonitor;
use super::proxy::TunnelConnector;
use super::request::Requests;
use super::resolver::CachingResolver;
use super::transport::SharedConnector;
use super::{proxy, roots};
use crate::app::{Delivery, Report};
use crate::config::Config;
use crate::jobs::{Outcome, answer};
use crate::platform::Error;
use crate::time::millis;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole attempt may take, from the name look-up to the answer's last byte.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a kept connection is used again; front ends close idle ones after about a minute.
const IDLE_AGE: Duration = Duration::from_secs(30);
/// Bytes read of an answer; after a longer one the next reply takes a new connection.
const ANSWER_BYTES_MAX: usize = 4096;
/// ureq's buffers, each way; a reply is mostly smaller than a kilobyte.
const BUFFER_BYTES: usize = 16 * 1024;

/// How the bot calls itself, to receivers and proxies.
pub(crate) const USER_AGENT: &str = concat!("torrap/", env!("CARGO_PKG_VERSION"));

/// Kept connections of one sender thread: replies go to one or two names.
const KEPT_CONNECTIONS: usize = 2;

/// Makes an agent for each sender thread. ureq goes through all connections of an agent for each request, so each
/// keeps few; when a thread ends for want of work, its connections are closed with it.
#[derive(Debug)]
pub(crate) struct Agents {
    config: ureq::config::Config,
    connector: SharedConnector,
    resolver: CachingResolver,
}

impl Agents {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Self::with_resolver(config, CachingResolver::system())
    }

    fn with_resolver(config: &Config, resolver: CachingResolver) -> Result<Self, Error> {
        let tls = TlsConfig::builder().root_certs(roots::from_settings(config)?);
        let tls = tls.build();
        let client = |proxy| {
            Agent::config_builder()
                .proxy(proxy)
                .max_redirects(0)
                .http_status_as_error(false)
                .timeout_global(Some(ATTEMPT_TIMEOUT))
                .timeout_connect(Some(CONNECT_TIMEOUT))
                .input_buffer_size(BUFFER_BYTES)
                .output_buffer_size(BUFFER_BYTES)
                .max_idle_connections(KEPT_CONNECTIONS)
                .max_idle_connections_per_host(1)
                .max_idle_age(IDLE_AGE)
                .user_agent(USER_AGENT)
                .accept("") // any: no answer's content is used, so that the field would say nothing
                .tls_config(tls.clone())
                .build()
        };
        let no_proxy = config.proxy.as_ref().map(|proxy| proxy.no_proxy.clone());
        let no_proxy = no_proxy.unwrap_or_default();
        let tunnels = TunnelConnector::new(client(None), no_proxy, USER_AGENT);
        Ok(Self {
            config: client(proxy::from_settings(config)?),
            connector: SharedConnector::new(tunnels, resolver.clone()),
            resolver,
        })
    }

    pub(crate) fn make(&self) -> Poster {
        let (connector, monitor) = self.connector.for_agent();
        let resolver = self.resolver.for_agent();
        let agent = Agent::with_parts(self.config.clone(), connector, resolver.clone());
        Poster {
            agent,
            resolver,
            monitor,
            requests: Requests::default(),
            content: vec![0; ANSWER_BYTES_MAX],
            is_connection_kept: false,
        }
    }
}

/// What one sender thread posts with.
#[derive(Debug)]
pub(crate) struct Poster {
    agent: Agent,
    resolver: CachingResolver,
    monitor: AttemptMonitor,
    requests: Requests,
    /// Room for an answer's content.
    content: Vec<u8>,
    /// The last attempt was answered, so that its connection is probably kept.
    is_connection_kept: bool,
}

impl Poster {
    /// The client, so that another thread can interrupt an attempt.
    pub(crate) const fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Posts a reply, once.
    pub(crate) fn attempt(&mut self, delivery: &Delivery) -> Report {
        let begun = Instant::now();
        self.monitor.begin();
        self.resolver.begin(self.is_connection_kept);
        self.is_connection_kept = false; // unless this attempt is answered as well
        let (outcome, detail) = match self.post(delivery) {
            Ok(response) => {
                self.is_connection_kept = true;
                judge(response, &delivery.url, &mut self.content)
            }
            Err(error) => {
                self.mark_stale(&delivery.url);
                (self.outcome_of_failure(), explain(&error))
            }
        };
        Report {
            job: delivery.job,
            outcome,
            detail,
            took_ms: millis(begun.elapsed()),
        }
    }

    fn post(&mut self, delivery: &Delivery) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let request = self.requests.post(&delivery.url, &delivery.body)?;
        self.agent.run(request)
    }

    /// The outcome of an attempt without an answer. Whether the request was sent is known where requests are written: a
    /// name, a socket, a proxy, TLS or a certificate can fail in many ways, but only before that.
    pub(crate) fn outcome_of_failure(&self) -> Outcome {
        match self.monitor.is_sent() {
            true => Outcome::Unknown,
            false => Outcome::Unsent,
        }
    }

    /// The addresses and connections that are kept for the next attempt count as stale.
    fn mark_stale(&self, url: &str) {
        self.monitor.note_failed();
        if let Some(proxy) = self.agent.config().proxy() {
            self.resolver.mark_uri_stale(proxy.uri());
        }
        if let Ok(receiver) = url.parse() {
            self.resolver.mark_uri_stale(&receiver);
        }
    }
}

fn judge(
    mut response: http::Response<ureq::Body>,
    url: &str,
    content: &mut [u8],
) -> (Outcome, String) {
    // The answer is read to its end, so that the connection can be used again.
    let (len, is_whole) = read_content(&mut response.body_mut().as_reader(), content);
    let content = &content[..len];
    let status = response.status().as_u16();
    let retry_after = response.headers().get(http::header::RETRY_AFTER);
    let retry_after = retry_after.map(http::HeaderValue::as_bytes);
    let outcome = answer::outcome(status, retry_after, content);
    let detail = if outcome == Outcome::Delivered {
        String::new()
    } else if is_whole && !content.is_empty() {
        format!("status {status}: {}", answer::excerpt(content, url))
    } else {
        format!("status {status}")
    };
    (outcome, detail)
}

/// Reads an answer's content as far as it fits: its length, and whether reading has not failed.
fn read_content(reader: &mut impl Read, content: &mut [u8]) -> (usize, bool) {
    let mut len = 0;
    while len < content.len() {
        match reader.read(&mut content[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return (len, false),
        }
    }
    (len, true)
}

/// What has failed, without the URL.
fn explain(error: &ureq::Error) -> String {
    use ureq::Error as E;
    match error {
        E::BadUri(_) | E::Http(_) => "the response_url cannot be used".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
