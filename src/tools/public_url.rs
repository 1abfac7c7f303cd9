//! The URL at which the bot is called: what can be one, and what Slack can never reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::ShownUrl;
use crate::slack::response_url::{Origin, OriginError, is_path};

/// Longest request URL that Slack takes, in bytes (github.com/slackapi/manifest-schema, `manifest.schema.1.0.0.json`).
pub const URL_BYTES_MAX: usize = 3000;

/// Where the bot takes slash commands.
const COMMAND_PATH: &str = "/slack";

/// The request URL that Slack calls for a bot whose public base URL is `url`: `url` with `/slack` behind it, unless that
/// is already there.
///
/// # Errors
/// If `url` is not a plain https URL (a host, perhaps a port and a path, and nothing else), if it is an example of a URL,
/// or if its host is none of the public network.
pub fn for_slack(url: &str) -> Result<String, Error> {
    let is_https = url
        .trim_end_matches('/')
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let judged = match is_https {
        true => parse(url).and_then(|(origin, request_url)| match unreachable(&origin.host()) {
            Some(place) => Err(Fault::Unreachable(place)),
            None => Ok(request_url),
        }),
        false => Err(Fault::NotHttps),
    };
    judged.map_err(|fault| Error {
        url: url.to_owned(),
        fault,
    })
}

/// The request URL of a bot that is called from this machine: as [`for_slack`], but also http, and also what only this
/// machine reaches.
///
/// # Errors
/// If `url` is more than a host, perhaps a port and a path, or if it is an example of a URL.
pub fn for_trial(url: &str) -> Result<String, Error> {
    parse(url)
        .map(|(_, request_url)| request_url)
        .map_err(|fault| Error {
            url: url.to_owned(),
            fault,
        })
}

/// Built from what was parsed, so that nothing in it can end the scalar it stands in, neither of YAML nor of JSON.
fn parse(url: &str) -> Result<(Origin, String), Fault> {
    let url = url.trim_end_matches('/');
    let host_start = url.find("://").map_or(0, |at| at + 3);
    let path_start = url[host_start..]
        .find('/')
        .map_or(url.len(), |at| at + host_start);
    let (origin, path) = url.split_at(path_start);
    let origin = Origin::parse(origin).map_err(Fault::Origin)?;
    let path = path
        .strip_suffix(COMMAND_PATH)
        .unwrap_or(path)
        .trim_end_matches('/');
    if path.contains(['?', '\'']) || !is_path(path) {
        return Err(Fault::Path);
    }
    if is_placeholder(&origin.host()) {
        return Err(Fault::Placeholder);
    }
    let request_url = format!("{origin}{path}{COMMAND_PATH}");
    if request_url.len() > URL_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    Ok((origin, request_url))
}

/// A URL that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    url: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NotHttps,
    Origin(OriginError),
    Path,
    TooLong,
    Placeholder,
    Unreachable(Place),
}

/// Where a host is that Slack cannot reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    ThisMachine,
    PrivateNetwork,
    Nowhere,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = ShownUrl(&self.url);
        write!(f, "{url} is not a URL that Slack can call: ")?;
        match self.fault {
            Fault::NotHttps => f.write_str(
                "it must begin with https://; give the https URL that ngrok prints, \
                 such as https://NAME.ngrok-free.dev",
            ),
            // A query or a fragment right behind the host is the same mistake as one behind a path.
            Fault::Path | Fault::Origin(OriginError::Path) => f.write_str(
                "give it without query, fragment, quotes, white space and other special characters",
            ),
            Fault::Origin(error) => {
                write!(f, "{error}; give one such as https://NAME.ngrok-free.dev")
            }
            Fault::TooLong => write!(
                f,
                "it is longer than {URL_BYTES_MAX} bytes; give a shorter one"
            ),
            Fault::Placeholder => {
                f.write_str("it is only an example; give the https URL of your own tunnel or proxy")
            }
            Fault::Unreachable(place) => {
                let place = match place {
                    Place::ThisMachine => "its host is this machine, for Slack another one",
                    Place::PrivateNetwork => "its host is in a private network",
                    Place::Nowhere => "its host is not in the public network",
                };
                write!(
                    f,
                    "{place}; give the https URL of a tunnel or a proxy that leads there"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

/// Domains in which tunnels have names.
const TUNNEL_DOMAINS: [&str; 6] = [
    "ngrok-free.dev",
    "ngrok-free.app",
    "ngrok.app",
    "ngrok.dev",
    "ngrok.io",
    "trycloudflare.com",
];

/// What documents write where a name of one's own belongs, below the domain of a tunnel.
const TUNNEL_PLACEHOLDERS: [&str; 4] = ["name", "domain", "subdomain", "random"];

/// What documents write where a name of one's own belongs, anywhere.
const PLACEHOLDERS: [&str; 12] = [
    "your-app",
    "your-domain",
    "your-host",
    "your-name",
    "your-subdomain",
    "your-url",
    "yourapp",
    "yourdomain",
    "yourhost",
    "yourname",
    "yoursubdomain",
    "yoururl",
];

/// Reserved for examples (RFC 2606, section 3). Names below `.example` pass, although they are reserved likewise: the
/// documents of torrap and its tests print manifests with them.
const EXAMPLES: [&str; 3] = ["example.com", "example.net", "example.org"];

/// Whether the host of a URL, in lower case, is one of a document that was not replaced.
fn is_placeholder(host: &str) -> bool {
    let name = host.strip_prefix("www.").unwrap_or(host);
    if EXAMPLES.contains(&name) || host.split('.').any(|label| PLACEHOLDERS.contains(&label)) {
        return true;
    }
    let Some((label, domain)) = host.split_once('.') else {
        return false;
    };
    let is_crossed = label.len() >= 3 && label.bytes().all(|b| matches!(b, b'x' | b'-'));
    TUNNEL_DOMAINS.contains(&domain) && (is_crossed || TUNNEL_PLACEHOLDERS.contains(&label))
}

/// Domains of private networks: RFC 6762 with its appendix G, RFC 8375 (`home.arpa`), and `localdomain`, which many
/// systems give themselves.
const LOCAL_DOMAINS: [&str; 9] = [
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "home.arpa",
    "lan",
];

/// Domains that no public name server knows (RFC 6761, RFC 7686).
const RESERVED_DOMAINS: [&str; 3] = ["test", "invalid", "onion"];

/// Where the host of a URL is, in lower case and with the brackets of an IPv6 address, if Slack cannot reach it.
fn unreachable(host: &str) -> Option<Place> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return match address {
            IpAddr::V4(address) => unreachable_v4(address),
            IpAddr::V6(address) => unreachable_v6(address),
        };
    }
    let is_below = |domain: &&str| {
        let above = host.strip_suffix(*domain);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    if is_below(&"localhost") {
        return Some(Place::ThisMachine);
    }
    if LOCAL_DOMAINS.iter().any(&is_below) || !host.contains('.') {
        return Some(Place::PrivateNetwork);
    }
    let is_reserved = RESERVED_DOMAINS.iter().any(is_below);
    is_reserved.then_some(Place::Nowhere)
}

/// The blocks that the registry of special-purpose addresses does not call globally reachable
/// (iana.org/assignments/iana-ipv4-special-registry).
fn unreachable_v4(address: Ipv4Addr) -> Option<Place> {
    match address.octets() {
        [127, ..] | [0, ..] => Some(Place::ThisMachine),
        // Carrier-grade NAT (RFC 6598) is private, too.
        [100, 64..=127, ..] => Some(Place::PrivateNetwork),
        _ if address.is_private() || address.is_link_local() => Some(Place::PrivateNetwork),
        [192, 0, 0, _] | [198, 18..=19, ..] | [224..=255, ..] => Some(Place::Nowhere),
        _ if address.is_documentation() => Some(Place::Nowhere),
        _ => None,
    }
}

/// Likewise (iana.org/assignments/iana-ipv6-special-registry). An IPv4 address in an IPv6 one counts as itself.
fn unreachable_v6(address: Ipv6Addr) -> Option<Place> {
    if let Some(address) = address.to_ipv4_mapped() {
        return unreachable_v4(address);
    }
    match address.segments() {
        _ if address.is_loopback() || address.is_unspecified() => Some(Place::ThisMachine),
        _ if address.is_unique_local() || address.is_unicast_link_local() => {
            Some(Place::PrivateNetwork)
        }
        // Site-local addresses, which RFC 3879 has deprecated.
        [0xfec0..=0xfeff, ..] => Some(Place::PrivateNetwork),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x100, 0, 0, 0, ..] => {
            Some(Place::Nowhere)
        }
        _ if address.is_multicast() => Some(Place::Nowhere),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
