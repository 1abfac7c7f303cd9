//! The bot's public URL: given, or that of a tunnel on this machine.

use std::net::SocketAddr;

/// The public base URL of the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicUrl {
    /// As given, not yet judged.
    Given(String),
    /// That of a tunnel that leads to the bot.
    OfTunnel(TunnelQuery),
}

/// Where to ask for tunnels, and which of them lead to the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelQuery {
    /// Addresses of this machine at which the program of a tunnel may answer.
    pub agents: Vec<SocketAddr>,
    /// The ports that the bot listens on, as far as the settings say them: port 0 says none.
    pub ports: Vec<u16>,
}

/// The port of an address to listen on.
pub(super) fn port(address: &str) -> Option<u16> {
    let (_, port) = address.rsplit_once(':')?;
    port.parse().ok().filter(|port| *port != 0)
}
