//! How replies reach Slack: a small pool of threads, each of which posts one reply at a time and waits for the answer.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // threads that wait on sockets are its purpose

pub(crate) mod agent;
mod monitor;
mod pem;
pub(crate) mod proxy;
mod request;
pub(crate) mod resolver;
pub(crate) mod roots;
pub(crate) mod senders;
mod timeout;
mod transport;

use self::agent::Agents;
use crate::config::Config;
use crate::platform::Error;

/// The client that replies are posted with, for `torrap check` to try.
///
/// # Errors
/// The authorities or the proxy of the settings cannot be used.
pub(crate) fn client(config: &Config) -> Result<ureq::Agent, Error> {
    Ok(Agents::new(config)?.make().agent().clone())
}

/// The certificate authorities that are trusted for replies, for people to read.
///
/// # Errors
/// The file of the settings cannot be used.
pub(crate) fn roots_in_use(config: &Config) -> Result<String, Error> {
    roots::name(config)
}

/// Whether replies can go through the proxy of the settings, if there is one.
///
/// # Errors
/// It cannot be used.
pub(crate) fn probe_proxy(config: &Config) -> Result<(), Error> {
    proxy::from_settings(config).map(|_| ())
}
