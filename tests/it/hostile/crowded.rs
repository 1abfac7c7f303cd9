//! All places are taken.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::{Client, DEADLINE, Torrap};
use torrap::tools::trial::stand_in::Answer;

use super::Ending;
use crate::http::pipelining::{flood, narrow};
use crate::http::{HEALTHZ, read_to_end, responses};

const PLACES: usize = 8;
/// A command without a reply.
const HELP: &str = "help";
/// After which a client's idle connection makes room for another.
const CROWDED_MS: u64 = 200;

/// A bot with few places, which closes connections that have been idle for so long when other clients wait.
fn with_places(crowded_ms: u64) -> Torrap {
    Torrap::with(
        |_| Answer::ok(),
        move |config| {
            config.max_connections = PLACES;
            config.allow_replays = true; // several clients send the same request in parts
            config.limits.crowded_timeout_ms = crowded_ms;
            config.limits.linger_timeout_ms = 60_000;
        },
    )
}

/// Waits until the bot has found all places busy while a client waits, and shows that the client still waits.
fn assert_waits(torrap: &Torrap, late: &mut Client) {
    torrap.log.wait_for("are taken and busy", 1);
    assert!(is_open(late), "it does not wait any more");
}

/// Authenticated clients: all have had an answer to a signed command. They were accepted one after the other.
fn take_places(torrap: &Torrap, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = torrap.connect();
        assert_eq!(client.exchange(torrap.signed(HELP)).status, 200);
        clients.push(client);
    }
    clients
}

/// Neither closed nor answered by now.
fn is_open(client: &mut Client) -> bool {
    client
        .stream
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let open = client
        .stream
        .peek(&mut [0])
        .is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    client.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    open
}

#[test]
fn the_connection_that_has_been_idle_longest_makes_room() {
    let torrap = with_places(CROWDED_MS);
    let mut idle = take_places(&torrap, PLACES);
    // The first is used again: now the second has been idle longest.
    assert_eq!(idle[0].exchange(HEALTHZ).status, 200);
    let begin = Instant::now();
    let mut late = torrap.connect();
    assert_eq!(late.exchange(torrap.signed("etal")).status, 200);
    println!("waited {:?} for a place", begin.elapsed());
    assert_eq!(read_to_end(&mut idle[1]), b"", "closed without a word");
    for (number, client) in idle
        .iter_mut()
        .enumerate()
        .filter(|(number, _)| *number != 1)
    {
        assert_eq!(client.exchange(HEALTHZ).status, 200, "idle client {number}");
    }
    assert_eq!(late.exchange(HEALTHZ).status, 200);
    assert_eq!(torrap.replies(1), ["late"]);
}

#[test]
fn places_taken_by_idle_clients_lock_no_client_out() {
    let torrap = with_places(CROWDED_MS / 4);
    let idle: Vec<Client> = (0..100).map(|_| torrap.connect()).collect();
    for _ in 0..20 {
        assert_eq!(torrap.command("x").status, 200);
    }
    drop(idle);
    assert_eq!(torrap.posts(20).len(), 20);
}

#[test]
fn a_connection_that_has_just_been_used_keeps_its_place() {
    let torrap = with_places(60_000);
    let mut used = take_places(&torrap, PLACES);
    let mut late = torrap.connect();
    late.send(torrap.signed("etal"));
    assert_waits(&torrap, &mut late);
    for client in &mut used {
        assert_eq!(client.exchange(HEALTHZ).status, 200);
    }
    assert!(is_open(&mut late), "it still waits after a turn for each");
    drop(used.pop());
    assert_eq!(late.receive().status, 200);
}

/// Unauthenticated connections are closed sooner than authenticated ones, whatever was answered on them.
#[test]
fn unauthenticated_connections_make_room_before_authenticated_ones() {
    let torrap = with_places(60_000);
    let mut clients = take_places(&torrap, PLACES / 2);
    let mut unauthenticated: Vec<Client> = (0..10 * PLACES).map(|_| torrap.connect()).collect();
    for (number, connection) in unauthenticated.iter_mut().enumerate() {
        // The kernel takes it, however soon the bot closes them.
        let _ = match number % 3 {
            0 => connection.stream.write(&HEALTHZ.as_bytes()[..20]),
            1 => connection.stream.write(HEALTHZ.as_bytes()),
            _ => Ok(0),
        };
    }
    for _ in 0..3 {
        assert_eq!(torrap.command("x").status, 200);
    }
    for client in &mut clients {
        assert_eq!(client.exchange(torrap.signed(HELP)).status, 200);
    }
    assert_eq!(torrap.posts(3).len(), 3);
}

#[test]
fn without_need_no_idle_connection_is_closed() {
    let torrap = with_places(1);
    let mut idle = take_places(&torrap, PLACES);
    for client in &mut idle {
        assert!(is_open(client));
    }
    for _ in 0..3 {
        for client in &mut idle {
            assert_eq!(client.exchange(HEALTHZ).status, 200);
        }
    }
}

#[test]
fn a_busy_client_keeps_its_place_and_the_others_wait_their_turn() {
    let torrap = with_places(60_000);
    let request = torrap.signed("ysub");
    let half = request.len() / 2;
    let mut busy = take_places(&torrap, PLACES);
    for (number, client) in busy.iter_mut().enumerate() {
        // half a head, half a content
        client.send(&request[..if number % 2 == 0 { 40 } else { half }]);
    }
    for client in &mut busy {
        assert!(is_open(client));
    }
    let mut late = torrap.connect();
    late.send(torrap.signed("etal"));
    assert_waits(&torrap, &mut late);
    // One of them leaves: the place is free, at once.
    drop(busy.pop());
    assert_eq!(late.receive().status, 200);
    for (number, client) in busy.iter_mut().enumerate() {
        let rest = &request[if number % 2 == 0 { 40 } else { half }..];
        assert_eq!(client.exchange(rest).status, 200, "busy client {number}");
    }
    assert_eq!(torrap.posts(PLACES).len(), PLACES);
}

#[test]
fn the_request_that_has_stalled_longest_makes_room() {
    let torrap = with_places(1);
    let request = torrap.signed("delllats");
    let half = request.len() / 2;
    let mut idle = take_places(&torrap, 2);
    let mut stalled = take_places(&torrap, PLACES - 2);
    for (number, client) in stalled.iter_mut().enumerate() {
        client.send(&request[..if number % 2 == 0 { 40 } else { half }]);
        // An answer on another connection: it has come. The first has been idle for longer than any.
        assert_eq!(idle[1].exchange(HEALTHZ).status, 200);
    }
    assert_eq!(torrap.command("etal").status, 200);
    let [refusal] = &responses(&read_to_end(&mut stalled[0]))[..] else {
        panic!("one answer");
    };
    assert_eq!(refusal.status, 503);
    for client in &mut idle {
        assert_eq!(client.exchange(HEALTHZ).status, 200, "an idle one went");
    }
    for (number, client) in stalled.iter_mut().enumerate().skip(1) {
        let rest = &request[if number % 2 == 0 { 40 } else { half }..];
        assert_eq!(client.exchange(rest).status, 200, "client {number}");
    }
    assert_eq!(torrap.posts(PLACES - 2).len(), PLACES - 2);
}

/// Fills all places and shows that others are served nevertheless, though no limit but the crowded one
/// would ever be reached.
fn assert_lock_no_client_out(mut hold: impl FnMut(&Torrap) -> Vec<Client>) {
    let torrap = with_places(CROWDED_MS);
    let held = hold(&torrap);
    assert!(held.len() >= PLACES);
    for _ in 0..3 {
        assert_eq!(torrap.command("x").status, 200);
    }
    drop(held);
    assert_eq!(torrap.posts(3).len(), 3);
}

#[test]
fn half_heads_on_every_place_lock_no_client_out() {
    assert_lock_no_client_out(|torrap| {
        let mut clients: Vec<Client> = (0..3 * PLACES).map(|_| torrap.connect()).collect();
        for client in &mut clients {
            client.send(&HEALTHZ[..20]);
        }
        clients
    });
}

#[test]
fn clients_that_trickle_on_lock_no_client_out() {
    let torrap = with_places(CROWDED_MS);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ending = Ending(&over);
        for _ in 0..PLACES {
            let mut client = torrap.connect();
            client.send("GET / HTTP/1.1\r\nA: ");
            scope.spawn(|| {
                let mut client = client;
                // The pace of the trickle; nothing is waited for.
                while !over.load(Ordering::Acquire) && client.stream.write_all(b"a").is_ok() {
                    thread::park_timeout(Duration::from_millis(20));
                }
            });
        }
        assert_eq!(torrap.command("x").status, 200);
        drop(ending);
    });
}

#[test]
fn clients_that_do_not_go_after_a_refusal_lock_no_client_out() {
    assert_lock_no_client_out(|torrap| {
        let mut clients: Vec<Client> = (0..PLACES).map(|_| torrap.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.exchange("nonsense\r\n\r\n").status, 400);
        }
        clients
    });
}

#[test]
fn clients_that_do_not_read_lock_no_client_out() {
    assert_lock_no_client_out(|torrap| {
        let mut clients: Vec<Client> = (0..PLACES).map(|_| narrow(torrap.address)).collect();
        for client in &mut clients {
            flood(client, HEALTHZ.as_bytes());
        }
        clients
    });
}

/// What they send and do not read lies in the kernel, and is bounded there as well.
#[test]
#[cfg(target_os = "linux")] // which tells how much that is
fn clients_that_do_not_read_fill_no_large_buffers() {
    // Linux doubles the sizes, and compares before it adds: one packet, of 64 KiB on a loopback, may be more.
    const BYTES_MAX: usize = (2 * (32 + 16) + 64) * 1024;
    let torrap = Torrap::start();
    let mut clients: Vec<Client> = (0..PLACES).map(|_| torrap.connect()).collect();
    // All at the same time: one after the other would take longer than the first of them may leave its answers unread.
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| flood(client, HEALTHZ.as_bytes()));
        }
    });
    let looks = std::iter::repeat_with(|| test_support::kernel::queued_at(torrap.address.port()));
    let mut looks = looks.take(1_000);
    let queued = looks.find(|queued| queued.len() == PLACES).unwrap();
    for bytes in queued {
        assert!((1..=BYTES_MAX).contains(&bytes), "{bytes} bytes");
    }
    assert_eq!(torrap.command("x").status, 200);
}

#[test]
fn places_that_are_all_taken_are_no_shortage_while_no_client_waits() {
    let torrap = with_places(CROWDED_MS);
    let mut busy: Vec<Client> = take_places(&torrap, PLACES);
    for client in &mut busy {
        client.send(&HEALTHZ[..20]);
    }
    for client in &mut busy {
        assert_eq!(client.exchange(&HEALTHZ[20..]).status, 200);
    }
    let lines = torrap.log.all();
    assert!(
        !lines.iter().any(|line| line.contains("taken")),
        "{lines:?}"
    );
}

#[test]
fn incomplete_requests_are_held_up_to_a_limit_for_all_together() {
    let torrap = Torrap::start();
    let mut part = b"POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n".to_vec();
    part.resize(part.len() + 262_143, b'a');
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..300 {
        let mut client = torrap.connect();
        client.send(&part);
        clients.push(client);
    }
    // 75 MiB in all. Who is refused depends on how the kernel hands them over.
    torrap.log.wait_for("503: too many incomplete requests", 1);
    assert_eq!(
        torrap.command("olleh").status,
        200,
        "what is complete is served"
    );
    assert_eq!(torrap.replies(1), ["hello"]);
}
