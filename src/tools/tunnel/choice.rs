//! Which of the tunnels is the bot's, or why none is.

use std::fmt;
use std::net::SocketAddr;

use super::answers::{Tunnel, port};
use crate::config::Shown;
use crate::tools::public_url;

/// Most URLs that a line names.
const NAMED_MAX: usize = 8;

/// What was found at an address.
pub(super) struct Look {
    pub(super) address: SocketAddr,
    pub(super) found: Found,
}

pub(super) enum Found {
    /// No program listens there.
    Nothing,
    /// A program listens there, and does not answer in time.
    Silence,
    /// What answers there is no program of tunnels.
    Foreign,
    /// The program and its tunnels.
    Tunnels(Program, Vec<Tunnel>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Ngrok,
    Cloudflared,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ngrok => "ngrok",
            Self::Cloudflared => "cloudflared",
        })
    }
}

/// Why there is no public URL: the rest of the sentence "the URL is missing".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// The port that a tunnel should lead to, if the settings say one.
    port: Option<u16>,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    NoPort,
    NoProgram {
        foreign: Vec<SocketAddr>,
        silent: Vec<SocketAddr>,
    },
    NoTunnel(Program, SocketAddr),
    OtherPort(Program, Tunnel),
    NotPublic(public_url::Error),
    Several(Vec<String>),
}

/// The public URL of the only tunnel that leads to one of these ports.
pub(super) fn choose(looks: &[Look], ports: &[u16]) -> Result<String, NotFound> {
    let not_found = |why| {
        Err(NotFound {
            port: ports.first().copied(),
            why,
        })
    };
    if ports.is_empty() {
        return not_found(Why::NoPort);
    }
    let tunnels = looks.iter().flat_map(|look| {
        let (program, tunnels) = match &look.found {
            Found::Tunnels(program, tunnels) => (*program, &tunnels[..]),
            _ => (Program::Ngrok, &[][..]),
        };
        tunnels.iter().map(move |tunnel| (program, tunnel))
    });
    let is_ours = |tunnel: &(Program, &Tunnel)| {
        port(&tunnel.1.upstream).is_some_and(|port| ports.contains(&port))
    };
    let (ours, others): (Vec<_>, Vec<_>) = tunnels.partition(is_ours);
    let (mut urls, mut called, mut unusable) = (Vec::new(), Vec::new(), None);
    for (_, tunnel) in ours {
        match public_url::for_slack(&tunnel.url) {
            // Endpoints of a pool share their URL, perhaps in another spelling.
            Ok(request_url) if called.contains(&request_url) => {}
            Ok(request_url) => {
                called.push(request_url);
                urls.push(tunnel.url.clone());
            }
            Err(error) => unusable = unusable.or(Some(error)),
        }
    }
    match (&mut urls[..], unusable, others.first()) {
        ([url], ..) => Ok(std::mem::take(url)),
        ([_, _, ..], ..) => not_found(Why::Several(urls)),
        ([], Some(error), _) => not_found(Why::NotPublic(error)),
        ([], None, Some((program, other))) => not_found(Why::OtherPort(*program, (*other).clone())),
        ([], None, None) => not_found(no_tunnel(looks)),
    }
}

fn no_tunnel(looks: &[Look]) -> Why {
    let mut programs = looks.iter().filter_map(|look| match look.found {
        Found::Tunnels(program, _) => Some(Why::NoTunnel(program, look.address)),
        _ => None,
    });
    let at = |is: fn(&Found) -> bool| {
        let looks = looks.iter().filter(|look| is(&look.found));
        looks.map(|look| look.address).collect()
    };
    programs.next().unwrap_or_else(|| Why::NoProgram {
        foreign: at(|found| matches!(found, Found::Foreign)),
        silent: at(|found| matches!(found, Found::Silence)),
    })
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the URL is missing; give the https URL")?;
        let port = self.port.unwrap_or_default();
        let start = |program| Start { program, port };
        match &self.why {
            Why::NoPort => f.write_str(
                ", or the port in --listen: with port 0 no tunnel can be told from others",
            ),
            Why::NoProgram { foreign, silent } => {
                write!(
                    f,
                    ", or start a tunnel with {}, or without an account {}; neither of them answers on this machine",
                    start(Program::Ngrok),
                    start(Program::Cloudflared)
                )?;
                if !foreign.is_empty() {
                    write!(f, "; another program does at {}", List(foreign))?;
                }
                if !silent.is_empty() {
                    write!(f, "; in time nothing does at {}", List(silent))?;
                }
                Ok(())
            }
            Why::NoTunnel(program, address) => {
                let start = start(*program);
                write!(
                    f,
                    ", or start a tunnel with {start}: {program} at {address} has no tunnel for HTTP"
                )
            }
            Why::OtherPort(program, tunnel) => {
                let start = start(*program);
                let (url, upstream) = (Shown(&tunnel.url), Shown(&tunnel.upstream));
                write!(
                    f,
                    ", or start a tunnel with {start}, or give --listen as to the bot: {url} leads to {upstream}, not to port {port}"
                )
            }
            Why::NotPublic(error) => {
                write!(f, ", since that of the tunnel cannot be used: {error}")
            }
            Why::Several(urls) => {
                let more = urls.len().saturating_sub(NAMED_MAX);
                let named: Vec<String> = urls
                    .iter()
                    .take(NAMED_MAX)
                    .map(|url| Shown(url).to_string())
                    .collect();
                write!(
                    f,
                    " of one of these tunnels to port {port}: {}",
                    named.join(", ")
                )?;
                match more {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

impl std::error::Error for NotFound {}

/// The command that starts a tunnel to a port.
struct Start {
    program: Program,
    port: u16,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match self.program {
            Program::Ngrok => write!(f, "`ngrok http 127.0.0.1:{port}`"),
            Program::Cloudflared => {
                write!(f, "`cloudflared tunnel --url http://127.0.0.1:{port}`")
            }
        }
    }
}

struct List<'a>(&'a [SocketAddr]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(SocketAddr::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NGROK: &str = "127.0.0.1:4040";
    const OTHER: &str = "127.0.0.1:20241";

    fn look(address: &str, found: Found) -> Look {
        let address = address.parse().unwrap();
        Look { address, found }
    }

    fn ngrok(tunnels: &[(&str, &str)]) -> Look {
        let tunnels = tunnels.iter().map(|(url, upstream)| Tunnel {
            url: (*url).to_owned(),
            upstream: (*upstream).to_owned(),
        });
        look(NGROK, Found::Tunnels(Program::Ngrok, tunnels.collect()))
    }

    fn chosen(looks: &[Look], ports: &[u16]) -> Result<String, String> {
        choose(looks, ports).map_err(|error| error.to_string())
    }

    #[test]
    fn the_tunnel_to_our_port_is_chosen() {
        let looks = [
            look(OTHER, Found::Nothing),
            ngrok(&[
                ("http://a.ngrok.app", "http://localhost:8000"),
                ("https://b.ngrok.app", "http://localhost:3000"),
                ("https://a.ngrok.app", "http://localhost:8000"),
                ("https://A.ngrok.app:443/", "http://127.0.0.1:8000"),
                ("https://a.internal", "http://127.0.0.1:8000"),
            ]),
        ];
        assert_eq!(chosen(&looks, &[8000]).unwrap(), "https://a.ngrok.app");
        assert_eq!(
            chosen(&looks, &[9000, 3000]).unwrap(),
            "https://b.ngrok.app"
        );
    }

    #[test]
    fn several_are_named_and_no_more_than_a_line_holds() {
        let tunnels: Vec<(String, &str)> = (0..11)
            .map(|n| (format!("https://{n}a.ngrok.app"), "8000"))
            .collect();
        let tunnels: Vec<_> = tunnels
            .iter()
            .map(|(url, to)| (url.as_str(), *to))
            .collect();
        let line = chosen(&[ngrok(&tunnels[..2])], &[8000]).unwrap_err();
        let start = "the URL is missing; give the https URL of one of these tunnels to port 8000: ";
        assert_eq!(
            line,
            format!("{start}\"https://0a.ngrok.app\", \"https://1a.ngrok.app\"")
        );
        let line = chosen(&[ngrok(&tunnels)], &[8000]).unwrap_err();
        assert!(
            line.ends_with("\"https://7a.ngrok.app\" and 3 more"),
            "{line}"
        );
    }

    #[test]
    fn what_keeps_a_tunnel_from_being_found_is_told() {
        let start = "start a tunnel with `ngrok http 127.0.0.1:8000`";
        let none = format!(
            "{start}, or without an account `cloudflared tunnel --url http://127.0.0.1:8000`; \
             neither of them answers on this machine"
        );
        for (looks, ports, expected) in [
            (vec![look(NGROK, Found::Nothing)], &[8000][..], format!(", or {none}")),
            (
                vec![look(NGROK, Found::Foreign), look(OTHER, Found::Silence)],
                &[8000],
                format!(", or {none}; another program does at {NGROK}; in time nothing does at {OTHER}"),
            ),
            (
                vec![look(OTHER, Found::Foreign), ngrok(&[])],
                &[8000],
                format!(", or {start}: ngrok at {NGROK} has no tunnel for HTTP"),
            ),
            (
                vec![look(OTHER, Found::Tunnels(Program::Cloudflared, Vec::new()))],
                &[8000],
                format!(
                    ", or start a tunnel with `cloudflared tunnel --url http://127.0.0.1:8000`: cloudflared at {OTHER} \
                     has no tunnel for HTTP"
                ),
            ),
            (
                vec![ngrok(&[("https://a.ngrok.app", "http://localhost:3000")])],
                &[8000],
                format!(
                    ", or {start}, or give --listen as to the bot: \"https://a.ngrok.app\" leads to \
                     \"http://localhost:3000\", not to port 8000"
                ),
            ),
            (
                vec![ngrok(&[("http://a.ngrok.app", "http://localhost:8000")])],
                &[8000],
                ", since that of the tunnel cannot be used: \"http://a.ngrok.app\" is not a URL that Slack can \
                 call: it must begin with https://; give the https URL that ngrok prints, such as \
                 https://NAME.ngrok-free.dev"
                    .to_owned(),
            ),
            (
                vec![ngrok(&[("https://a.ngrok.app", "http://localhost:8000")])],
                &[],
                ", or the port in --listen: with port 0 no tunnel can be told from others".to_owned(),
            ),
        ] {
            let line = chosen(&looks, ports).unwrap_err();
            assert_eq!(line, format!("the URL is missing; give the https URL{expected}"));
        }
    }
}
