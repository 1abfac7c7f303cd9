//! Name look-ups for the senders: cached, one at a time for a name, and bounded by the time of an attempt.
//!
//! ureq's own resolver asks the system for every request, on a thread started for it, even where a
//! connection is kept. Replies go to one or two names: a look-up a minute is enough.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// How long a look-up is good for.
const FRESH_MAX: Duration = Duration::from_secs(60);

/// How long an attempt waits for the look-up of a name whose addresses are stale, before it uses them all the same: longer
/// than a look-up takes, and short enough to leave time for the attempt.
const STALE_WAIT: Duration = Duration::from_secs(2);

/// Addresses kept of one name; ureq takes no more.
const ADDRESSES_MAX: usize = 16;

/// Asks for the addresses of `host:port`, however long that takes.
type LookUp = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The names that all agents share, and what one agent's attempt needs of them.
#[derive(Clone, Debug)]
pub(crate) struct CachingResolver {
    names: Arc<Names>,
    /// The next look-up is put off.
    is_put_off: Arc<AtomicBool>,
}

struct Names {
    look_up: Box<LookUp>,
    entries: Mutex<HashMap<String, Entry>>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Entry {
    /// Kept when a later look-up fails: better an old address than none.
    addresses: Vec<SocketAddr>,
    looked_up: Option<Instant>,
    /// A connection to them has failed since: the name is looked up anew before they are used again.
    is_stale: bool,
    in_flight: bool,
}

impl Entry {
    fn is_fresh(&self) -> bool {
        !self.is_stale && self.looked_up.is_some_and(|at| at.elapsed() < FRESH_MAX)
    }

    /// What is left when the name cannot be looked up now.
    fn fallback(&self, error: Error) -> Result<Vec<SocketAddr>, Error> {
        match self.addresses.is_empty() {
            true => Err(error),
            false => Ok(self.addresses.clone()),
        }
    }
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        if self.is_put_off.swap(false, Ordering::Relaxed) {
            return Ok(self.empty());
        }
        let host_and_port = host_and_port(uri).ok_or(Error::HostNotFound)?;
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

fn host_and_port(uri: &Uri) -> Option<String> {
    let (scheme, authority) = uri.scheme().zip(uri.authority())?;
    DefaultResolver::host_and_port(scheme, authority)
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl CachingResolver {
    /// A resolver that asks the system.
    pub(crate) fn system() -> Self {
        Self::asking(|name| name.to_socket_addrs().map(Iterator::collect))
    }

    pub(crate) fn asking(
        look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        let names = Names {
            look_up: Box::new(look_up),
            entries: Mutex::default(),
            changed: Condvar::new(),
        };
        Self {
            names: Arc::new(names),
            is_put_off: Arc::default(),
        }
    }

    /// One for another agent, which knows the same names.
    pub(crate) fn for_agent(&self) -> Self {
        Self {
            names: self.names.clone(),
            is_put_off: Arc::default(),
        }
    }

    /// Another attempt begins. ureq asks for addresses before it sees whether a connection is kept, which needs none. If one
    /// probably is, that look-up is put off until a connection is made after all, where it has the time of connecting.
    pub(crate) fn begin(&self, is_connection_kept: bool) {
        self.is_put_off.store(is_connection_kept, Ordering::Relaxed);
    }

    /// An attempt has failed that went to this receiver or proxy: its addresses are stale.
    pub(crate) fn mark_uri_stale(&self, uri: &Uri) {
        if let Some(name) = host_and_port(uri) {
            self.names.mark_stale(&name);
        }
    }

    /// A connection to the addresses of this name has failed.
    #[cfg(feature = "redis")]
    pub(crate) fn mark_stale(&self, name: &str) {
        self.names.mark_stale(name);
    }

    /// A connection to this address has failed where others may be tried: it is the last one of its names
    /// from now on.
    pub(crate) fn demote(&self, address: SocketAddr) {
        for entry in self.names.lock().values_mut() {
            if let Some(at) = entry.addresses.iter().position(|other| *other == address) {
                entry.addresses[at..].rotate_left(1);
            }
        }
    }

    /// The addresses of `host:port`, which may be a minute old unless they are stale.
    pub(crate) fn look_up(&self, name: &str, timeout: Duration) -> Result<Vec<SocketAddr>, Error> {
        // An endless time-out cannot be added to an instant.
        let begun = Instant::now();
        let names = &self.names;
        let mut entries = names.lock();
        let mut has_waited = false;
        loop {
            let entry = entries.entry(name.to_owned()).or_default();
            if entry.is_fresh() {
                return Ok(entry.addresses.clone());
            }
            // A look-up that has just failed is an answer as well, which holds for this attempt only.
            if has_waited && !entry.in_flight {
                return entry.fallback(Error::HostNotFound);
            }
            if !entry.in_flight {
                if let Err(error) = Names::start_look_up(names, name) {
                    return entry.fallback(error.into()); // there is no thread for it
                }
                entry.in_flight = true;
            }
            // An old answer serves while a new one is fetched, unless it has proved wrong.
            if !entry.addresses.is_empty() && !entry.is_stale {
                return Ok(entry.addresses.clone());
            }
            let timeout = match entry.addresses.is_empty() {
                true => timeout.min(FRESH_MAX),
                false => timeout.min(STALE_WAIT),
            };
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return entry.fallback(Error::Timeout(Timeout::Resolve));
            }
            let waited = names.changed.wait_timeout(entries, left);
            entries = waited.unwrap_or_else(PoisonError::into_inner).0;
            has_waited = true;
        }
    }
}

impl Names {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark_stale(&self, name: &str) {
        if let Some(entry) = self.lock().get_mut(name) {
            entry.is_stale = !entry.addresses.is_empty();
        }
    }

    /// Looks a name up on a thread of its own: the system gives no way to interrupt a look-up.
    fn start_look_up(names: &Arc<Self>, name: &str) -> io::Result<()> {
        let (names, name) = (names.clone(), name.to_owned());
        let thread = thread::Builder::new().name("resolver".to_owned());
        thread.spawn(move || {
            let found = (names.look_up)(&name);
            names.finish_look_up(&name, found.unwrap_or_default());
        })?;
        Ok(())
    }

    fn finish_look_up(&self, name: &str, found: Vec<SocketAddr>) {
        let mut entries = self.lock();
        let entry = entries.entry(name.to_owned()).or_default();
        entry.in_flight = false;
        if !found.is_empty() {
            entry.addresses = found;
            entry.looked_up = Some(Instant::now());
            entry.is_stale = false;
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
