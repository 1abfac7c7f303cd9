//! Name look-ups for the senders: cached, one at a time for a name, and never longer than a sender
//! may wait.
//!
//! ureq's own resolver asks the system for every request, on a thread started for it, even where a
//! connection is kept. Replies go to one or two names: a look-up a minute is enough.

use std::collections::HashMap;
use std::fmt;
use std::io;
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

/// Asks for the addresses of `host:port`, however long that takes.
type LookUp = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

#[derive(Clone, Debug)]
pub(super) struct CachingResolver {
    names: Arc<Names>,
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

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl CachingResolver {
    /// A resolver that asks the system.
    pub(super) fn system() -> Self {
        Self::asking(|name| name.to_socket_addrs().map(Iterator::collect))
    }

    fn asking(
        look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        let names = Names {
            look_up: Box::new(look_up),
            entries: Mutex::default(),
            changed: Condvar::new(),
        };
        Self {
            names: Arc::new(names),
        }
    }

    fn look_up(&self, name: &str, patience: Duration) -> Result<Vec<SocketAddr>, Error> {
        // An endless patience cannot be added to an instant.
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
        thread.spawn(move || {
            let found = (names.look_up)(&name);
            names.finish_look_up(&name, found.unwrap_or_default());
        })?;
        Ok(())
    }

    fn finish_look_up(&self, name: &str, found: Vec<SocketAddr>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(name.to_owned()).or_default();
        entry.in_flight = false;
        if !found.is_empty() {
            entry.addresses = found;
            entry.looked_up = Some(Instant::now());
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn one_look_up_serves_all_who_wait_and_those_who_come_later() {
        let asked = Arc::new(AtomicUsize::new(0));
        let (open, gate) = channel::<()>();
        let (counter, gate) = (asked.clone(), Mutex::new(gate));
        let resolver = CachingResolver::asking(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            gate.lock().unwrap().recv().map_err(io::Error::other)?;
            Ok(vec![address(7)])
        });
        thread::scope(|scope| {
            let look_up = || resolver.look_up("slack:7", PATIENCE).unwrap();
            let waiting: Vec<_> = (0..8).map(|_| scope.spawn(look_up)).collect();
            open.send(()).unwrap();
            for thread in waiting {
                assert_eq!(thread.join().unwrap(), [address(7)]);
            }
            assert_eq!(look_up(), [address(7)]);
        });
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_name_without_addresses_is_an_answer_and_asked_for_again() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let resolver =
            CachingResolver::asking(move |_| match counter.fetch_add(1, Ordering::SeqCst) {
                0 => Err(io::ErrorKind::NotFound.into()),
                1 => Ok(Vec::new()),
                _ => Ok(vec![address(9)]),
            });
        for _ in 0..2 {
            assert!(matches!(
                resolver.look_up("slack:9", PATIENCE),
                Err(Error::HostNotFound)
            ));
        }
        assert_eq!(resolver.look_up("slack:9", PATIENCE).unwrap(), [address(9)]);
    }

    #[test]
    fn nobody_waits_longer_than_allowed_and_a_hung_look_up_is_not_asked_twice() {
        let (_open, gate) = channel::<()>();
        let (asked, count) = (Arc::new(AtomicUsize::new(0)), Mutex::new(gate));
        let counter = asked.clone();
        let resolver = CachingResolver::asking(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            count.lock().unwrap().recv().map_err(io::Error::other)?;
            Ok(Vec::new())
        });
        for _ in 0..2 {
            let answer = resolver.look_up("slack:1", Duration::from_millis(20));
            assert!(matches!(answer, Err(Error::Timeout(Timeout::Resolve))));
        }
        assert!(asked.load(Ordering::SeqCst) <= 1);
    }
}
