//! The proxy that replies go through: the check of its setting, and the tunnel through it.
//!
//! ureq 3.5 has a connector for this. It refuses answers with more than 20 fields or with another status
//! than 200, gives each read the whole time-out anew, and compares `NO_PROXY` without ports and ranges.

use std::fmt;
use std::io::Write;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::config::Config as ClientConfig;
use ureq::http::Uri;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport, TransportAdapter,
};
use ureq::{Error, Proxy, ProxyProtocol};

use super::timeout::left;
use crate::config::{Config, NoProxy};
use crate::platform::error::Error as ServerError;

/// Most fields of the proxy's answer. Its bytes are bounded by ureq's input buffer.
const ANSWER_FIELDS_MAX: usize = 256;

/// The proxy of the settings, if there is one.
pub(crate) fn from_settings(config: &Config) -> Result<Option<Proxy>, ServerError> {
    let Some(setting) = &config.proxy else {
        return Ok(None);
    };
    let refused = |reason| ServerError::Proxy {
        variable: setting.variable,
        reason,
    };
    let proxy = Proxy::new(&setting.url).map_err(|_| refused("not a proxy URL"))?;
    // Without its feature for them ureq panics at the first request.
    if !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
        return Err(refused("SOCKS proxies cannot be used"));
    }
    if !has_good_port(&proxy) {
        return Err(refused("its port is not a number from 1 to 65535"));
    }
    Ok(Some(proxy))
}

/// Whether there is no port or a good one; ureq takes the default in place of a bad one.
fn has_good_port(proxy: &Proxy) -> bool {
    proxy.uri().authority().is_some_and(|authority| {
        let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
        host_and_port == authority.host() || authority.port_u16().is_some_and(|port| port > 0)
    })
}

/// Opens tunnels through the proxy, except to the hosts of `NO_PROXY`.
pub(crate) struct TunnelConnector {
    /// The client's settings without the proxy, for the connection to the proxy itself.
    direct: ClientConfig,
    no_proxy: NoProxy,
    user_agent: &'static str,
}

impl TunnelConnector {
    pub(crate) const fn new(
        direct: ClientConfig,
        no_proxy: NoProxy,
        user_agent: &'static str,
    ) -> Self {
        Self {
            direct,
            no_proxy,
            user_agent,
        }
    }
}

impl fmt::Debug for TunnelConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelConnector").finish_non_exhaustive()
    }
}

impl<In: Transport> Connector<In> for TunnelConnector {
    type Out = Either<In, Tunnel>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let Some(proxy) = details.config.proxy() else {
            return Ok(None);
        };
        let (host, port) = host_and_port(details.uri).ok_or(Error::HostNotFound)?;
        if self.no_proxy.covers(host, port) {
            return Ok(None);
        }
        let begun = Instant::now();
        let addrs = details
            .resolver
            .resolve(proxy.uri(), &self.direct, details.timeout)?;
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs,
            config: &self.direct,
            request_level: details.request_level,
            resolver: details.resolver,
            now: (details.current_time)(),
            timeout: left(details.timeout, begun.elapsed()),
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let transport = (details.run_connector)(&to_proxy)?;
        let mut adapter = TransportAdapter::new(transport, details.current_time.clone());
        adapter.set_timeout(left(details.timeout, begun.elapsed()));
        adapter.write_all(request(proxy, host, port, self.user_agent).as_bytes())?;
        adapter.flush()?;
        let mut tunnel = Tunnel(adapter.into_inner());
        match read_answer(&mut tunnel, details.timeout, begun)? {
            200..=299 => Ok(Some(Either::B(tunnel))),
            status => Err(failed(&format!("the proxy answers {status}"))),
        }
    }
}

fn host_and_port(uri: &Uri) -> Option<(&str, u16)> {
    let default = match uri.scheme_str()? {
        "https" => 443,
        _ => 80,
    };
    Some((uri.host()?, uri.port_u16().unwrap_or(default)))
}

/// The request for a tunnel (RFC 9110, section 9.3.6).
fn request(proxy: &Proxy, host: &str, port: u16, user_agent: &str) -> String {
    let mut head = format!(
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {user_agent}\r\n"
    );
    if proxy.username().is_some() || proxy.password().is_some() {
        let (user, password) = (proxy.username(), proxy.password());
        let userinfo = format!(
            "{}:{}",
            user.unwrap_or_default(),
            password.unwrap_or_default()
        );
        let credentials = BASE64_STANDARD.encode(userinfo);
        head.push_str("Proxy-Authorization: Basic ");
        head.push_str(&credentials);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head
}

/// The status of the proxy's last answer. What comes behind its head belongs to the tunnel already.
fn read_answer(tunnel: &mut Tunnel, timeout: NextTimeout, begun: Instant) -> Result<u16, Error> {
    loop {
        let is_more = tunnel.maybe_await_input(left(timeout, begun.elapsed()))?;
        let buffers = tunnel.buffers();
        match parse_answer(buffers.input()) {
            Ok(Some((len, status))) => {
                buffers.input_consume(len);
                // Interim answers (RFC 9110, section 15.2) come before the one that counts.
                if !(100..=199).contains(&status) {
                    return Ok(status);
                }
            }
            // So that the next look at the buffer waits for more.
            Ok(None) if is_more => buffers.input_consume(0),
            Ok(None) if buffers.input().is_empty() => {
                return Err(failed("the proxy closes the connection"));
            }
            Ok(None) => return Err(failed("the proxy's answer ends early or is too long")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(failed("the proxy's answer has too many fields"));
            }
            Err(_) => return Err(failed("the proxy does not answer in HTTP")),
        }
    }
}

/// Length and status of a whole head; `None` if there must be more of it.
fn parse_answer(input: &[u8]) -> Result<Option<(usize, u16)>, httparse::Error> {
    let mut fields = [httparse::EMPTY_HEADER; ANSWER_FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut fields);
    Ok(match answer.parse(input)? {
        httparse::Status::Complete(len) => answer.code.map(|status| (len, status)),
        httparse::Status::Partial => None,
    })
}

fn failed(reason: &str) -> Error {
    Error::ConnectProxyFailed(reason.to_owned())
}

/// A connection to the proxy that leads through it: whether it has TLS says nothing about its other end.
#[derive(Debug)]
pub(crate) struct Tunnel(Box<dyn Transport>);

impl Transport for Tunnel {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_empty_line_and_not_before() {
        let many = format!(
            "HTTP/1.1 204 x\r\n{}\r\n",
            "a: b\r\n".repeat(ANSWER_FIELDS_MAX)
        );
        assert_eq!(parse_answer(many.as_bytes()), Ok(Some((many.len(), 204))));
        for len in 0..many.len() {
            assert_eq!(parse_answer(&many.as_bytes()[..len]), Ok(None), "{len}");
        }
        let more = format!(
            "HTTP/1.1 200 x\r\na: b\r\n{}\r\n",
            "a: b\r\n".repeat(ANSWER_FIELDS_MAX)
        );
        assert_eq!(
            parse_answer(more.as_bytes()),
            Err(httparse::Error::TooManyHeaders)
        );
        let (len, status) = parse_answer(b"HTTP/1.0 200\r\n\r\ntunnel")
            .unwrap()
            .unwrap();
        assert_eq!((len, status), (16, 200));
    }
}
