//! Name look-ups for the senders: cached, one at a time for a name, and never longer than a sender
//! may wait.
//!
//! ureq's own resolver asks the system for every request, on a thread started for it, even where a
//! connection is kept. Replies go to one or two names: a look-up a minute is enough.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// How long a look-up is good for.
const FRESH: Duration = Duration::from_secs(60);

/// Addresses kept of one name; ureq takes no more.
const ADDRESSES_MAX: usize = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct CachingResolver {
    names: Arc<Names>,
}

#[derive(Debug, Default)]
struct Names {
    entries: Mutex<HashMap<String, Entry>>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Entry {
    /// Kept when a later look-up fails: better an old address than none.
    addresses: Vec<SocketAddr>,
    looked_up: Option<Instant>,
    in_flight: bool,
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host_and_port = uri
            .scheme()
            .zip(uri.authority())
            .and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority))
            .ok_or(Error::HostNotFound)?;
        let addresses = match host_and_port.parse() {
            Ok(literal) => vec![literal],
            Err(_) => self.look_up(&host_and_port, *timeout.after)?,
        };
        let mut resolved = self.empty();
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            resolved.push(address);
        }
        if resolved.is_empty() {
            Err(Error::HostNotFound)
        } else {
            Ok(resolved)
        }
    }
}

impl CachingResolver {
    fn look_up(&self, name: &str, patience: Duration) -> Result<Vec<SocketAddr>, Error> {
        let deadline = Instant::now() + patience.min(FRESH);
        let names = &self.names;
        let mut entries = names.entries.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let entry = entries.entry(name.to_owned()).or_default();
            if entry.looked_up.is_some_and(|at| at.elapsed() < FRESH) {
                return Ok(entry.addresses.clone());
            }
            if !entry.in_flight {
                Names::start_look_up(names, name)?;
                entry.in_flight = true;
            }
            // An old answer serves while a new one is fetched.
            if !entry.addresses.is_empty() {
                return Ok(entry.addresses.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout(Timeout::Resolve));
            }
            let waited = names.changed.wait_timeout(entries, left);
            entries = waited.unwrap_or_else(PoisonError::into_inner).0;
            // A look-up that has just failed is an answer as well.
            if entries
                .get(name)
                .is_some_and(|entry| !entry.in_flight && entry.addresses.is_empty())
            {
                return Err(Error::HostNotFound);
            }
        }
    }
}

impl Names {
    /// Looks a name up on a thread of its own: the system gives no way to interrupt a look-up.
    fn start_look_up(names: &Arc<Self>, name: &str) -> Result<(), Error> {
        let (names, name) = (names.clone(), name.to_owned());
        let thread = thread::Builder::new().name("resolver".to_owned());
        thread.spawn(move || names.finish_look_up(&name, name.to_socket_addrs().ok()))?;
        Ok(())
    }

    fn finish_look_up(&self, name: &str, found: Option<std::vec::IntoIter<SocketAddr>>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(name.to_owned()).or_default();
        entry.in_flight = false;
        if let Some(found) = found {
            entry.addresses = found.collect();
            entry.looked_up = (!entry.addresses.is_empty()).then(Instant::now);
        }
        self.changed.notify_all();
    }
}
