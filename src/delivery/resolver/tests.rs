//! Look-ups that are shared, late, stale or in vain.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(20);

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn one_look_up_serves_all_threads_that_wait_and_later_ones() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (open, gate) = channel::<()>();
    let (counter, gate) = (asked.clone(), Mutex::new(gate));
    let resolver = CachingResolver::asking(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        gate.lock().unwrap().recv().map_err(io::Error::other)?;
        Ok(vec![address(7)])
    });
    thread::scope(|scope| {
        let look_up = || resolver.look_up("slack:7", TIMEOUT).unwrap();
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
    let resolver = CachingResolver::asking(move |_| match counter.fetch_add(1, Ordering::SeqCst) {
        0 => Err(io::ErrorKind::NotFound.into()),
        1 => Ok(Vec::new()),
        _ => Ok(vec![address(9)]),
    });
    for _ in 0..2 {
        assert!(matches!(
            resolver.look_up("slack:9", TIMEOUT),
            Err(Error::HostNotFound)
        ));
    }
    assert_eq!(resolver.look_up("slack:9", TIMEOUT).unwrap(), [address(9)]);
}

#[test]
fn a_wait_is_bounded_and_a_hung_look_up_is_not_repeated() {
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

/// Answers with these addresses, one look-up after the other, and then with none.
fn resolver_of(answers: &[&[SocketAddr]]) -> (CachingResolver, Arc<AtomicUsize>) {
    let answers: Vec<Vec<SocketAddr>> = answers.iter().map(|found| found.to_vec()).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let resolver = CachingResolver::asking(move |_| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        Ok(answers.get(number).cloned().unwrap_or_default())
    });
    (resolver, asked)
}

#[test]
fn a_failed_connection_makes_the_addresses_of_its_name_stale_at_once() {
    let (resolver, asked) = resolver_of(&[&[address(1)], &[address(9)], &[address(2)]]);
    let look_up = |name: &str| resolver.look_up(name, TIMEOUT).unwrap();
    assert_eq!(look_up("slack:1"), [address(1)]);
    assert_eq!(look_up("other:1"), [address(9)]);
    resolver.mark_uri_stale(&Uri::from_static("http://slack:1/x"));
    assert_eq!(look_up("slack:1"), [address(2)]);
    assert_eq!(look_up("slack:1"), [address(2)]);
    assert_eq!(look_up("other:1"), [address(9)], "another name");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[test]
fn a_look_up_that_is_put_off_is_made_when_it_is_asked_for_again() {
    let (resolver, asked) = resolver_of(&[&[address(1)]]);
    let uri = Uri::from_static("http://slack:1/x");
    let config = Config::default();
    let resolve = || resolver.resolve(&uri, &config, NextTimeout::default());
    resolver.begin(true);
    assert!(resolve().unwrap().is_empty());
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(resolve().unwrap()[..], [address(1)]);
    resolver.begin(false);
    assert_eq!(resolve().unwrap()[..], [address(1)]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_stale_address_is_better_than_none() {
    let (resolver, asked) = resolver_of(&[&[address(1)]]);
    let look_up = || resolver.look_up("slack:1", TIMEOUT).unwrap();
    assert_eq!(look_up(), [address(1)]);
    for round in 0..3 {
        resolver.names.mark_stale("slack:1");
        assert_eq!(look_up(), [address(1)]);
        assert_eq!(look_up(), [address(1)], "they stay stale");
        assert_eq!(asked.load(Ordering::SeqCst), 3 + 2 * round);
    }
}

#[test]
fn a_hung_look_up_leaves_time_for_the_stale_address() {
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let resolver = CachingResolver::asking(move |_| {
        gate.lock().unwrap().recv().map_err(io::Error::other)?;
        Ok(vec![address(1)])
    });
    open.send(()).unwrap();
    let begun = Instant::now();
    resolver.look_up("slack:1", TIMEOUT).unwrap();
    resolver.names.mark_stale("slack:1");
    let found = resolver.look_up("slack:1", TIMEOUT);
    assert_eq!(found.unwrap(), [address(1)]);
    assert!(begun.elapsed() < TIMEOUT);
}

#[test]
fn an_address_that_failed_is_tried_last() {
    let all = [address(1), address(2), address(3)];
    let (resolver, _) = resolver_of(&[&all]);
    let look_up = || resolver.look_up("slack:1", TIMEOUT).unwrap();
    assert_eq!(look_up(), all);
    resolver.demote(address(1));
    resolver.demote(address(7));
    assert_eq!(look_up(), [address(2), address(3), address(1)]);
}
