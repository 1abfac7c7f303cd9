//! Hostile and broken clients in great number: meanwhile a good one's commands are answered, and
//! afterwards nothing is left of the others.

mod crowded;
#[cfg(target_os = "linux")] // which has /proc to look at
mod descriptors;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::garbage::garbage;
use test_support::generator::Generator;
use test_support::{Client, DEADLINE, Torrap};

use crate::http::{HEALTHZ, responses};

/// Sets a flag also when the test fails, so that no thread goes on for ever.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Has a person give one command after the other, on new connections and on a kept one, while
/// `hostility` lasts and while what it returns is held.
fn under_attack<T>(name: &str, hostility: impl FnOnce(&Torrap) -> T) {
    let torrap = Torrap::start();
    let over = AtomicBool::new(false);
    let (count, worst) = thread::scope(|scope| {
        let ending = Ending(&over);
        let person = scope.spawn(|| give_commands(&torrap, &over));
        let held = hostility(&torrap);
        time_command(&torrap, &mut torrap.connect());
        drop(ending);
        let result = person.join().unwrap();
        drop(held);
        result
    });
    println!("{name}: {count} commands, worst wait {worst:?}");
    assert!(worst < DEADLINE, "{name}: {worst:?}");
    assert!(torrap.replies(count + 1).iter().all(|text| text == "ping"));
}

fn give_commands(torrap: &Torrap, over: &AtomicBool) -> (usize, Duration) {
    let mut kept = torrap.connect();
    let (mut count, mut worst) = (0, Duration::ZERO);
    while !over.load(Ordering::Acquire) {
        worst = worst.max(time_command(torrap, &mut kept));
        worst = worst.max(time_command(torrap, &mut torrap.connect()));
        count += 2;
    }
    (count, worst)
}

fn time_command(torrap: &Torrap, client: &mut Client) -> Duration {
    let begin = Instant::now();
    assert_eq!(client.exchange(torrap.signed("gnip")).status, 200);
    begin.elapsed()
}

#[test]
fn five_hundred_half_open_slow_clients() {
    under_attack("slow clients", |torrap| {
        let request = torrap.signed("wols");
        let mut clients: Vec<Client> = (0..500).map(|_| torrap.connect()).collect();
        for at in 0..10 {
            for client in &mut clients {
                client.send(&request[at..=at]);
            }
        }
        for client in clients.iter().step_by(2) {
            client.stream.shutdown(Shutdown::Write).unwrap();
        }
        clients
    });
}

#[test]
fn two_thousand_connections_that_come_and_go() {
    under_attack("churn", |torrap| {
        for number in 0..2_000 {
            let mut client = torrap.connect();
            match number % 4 {
                0 => {}
                1 => client.reset(),
                2 => drop(client.send("GET /x HTT").stream.shutdown(Shutdown::Write)),
                _ => {
                    client.send(HEALTHZ);
                    client.reset();
                }
            }
        }
    });
}

#[test]
fn pipelined_floods() {
    under_attack("pipelined floods", |torrap| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut client = torrap.connect();
                    let mut reader = client.stream.try_clone().unwrap();
                    let reading = scope.spawn(move || {
                        let mut wire = Vec::new();
                        reader.read_to_end(&mut wire).unwrap();
                        responses(&wire).len()
                    });
                    client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(5_000));
                    client.stream.shutdown(Shutdown::Write).unwrap();
                    assert_eq!(reading.join().unwrap(), 5_000);
                });
            }
        });
    });
}

#[test]
fn sizes_extensions_and_trailers_without_end() {
    under_attack("endless chunks", |torrap| {
        let head = "POST /slack HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let endless = [
            ("", "0"),
            ("1;", "a"),
            ("", "1\r\na\r\n"),
            ("0\r\n", "A: b\r\n"),
            ("1 ", " "),
        ];
        for (begin, piece) in endless.iter().cycle().take(20) {
            let mut client = torrap.connect();
            client.send(format!("{head}{begin}"));
            client.send(piece.repeat(600_000 / piece.len()));
            let status = client.receive().status;
            assert!([413, 431].contains(&status), "{piece:?}: {status}");
        }
    });
}

#[test]
fn random_bytes() {
    under_attack("random bytes", |torrap| {
        for seed in 1..=200 {
            let mut generator = Generator::new(seed);
            let input = garbage(&mut generator);
            let mut client = torrap.connect();
            let mut rest = input.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(generator.index(rest.len()) + 1);
                client.send(piece);
                rest = after;
            }
            client.stream.shutdown(Shutdown::Write).unwrap();
            for response in responses(&crate::http::read_to_end(&mut client)) {
                assert!(
                    response.status < 500 || [501, 505].contains(&response.status),
                    "{seed}"
                );
            }
        }
    });
}

#[test]
fn resets_at_every_byte_of_a_request() {
    under_attack("resets", |torrap| {
        let request = torrap.signed("gnip");
        for len in 0..request.len() {
            let mut client = torrap.connect();
            client.send(&request[..len]);
            client.reset();
        }
    });
}

#[test]
fn uploads_that_stall_at_the_last_byte() {
    under_attack("stalled uploads", |torrap| {
        let content = vec![b'a'; 256 * 1024];
        let head = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n";
        let mut clients: Vec<Client> = (0..40).map(|_| torrap.connect()).collect();
        for client in &mut clients {
            client.send(head).stream.write_all(&content[1..]).unwrap();
        }
        for client in &mut clients {
            assert_eq!(client.exchange("a").status, 404);
        }
        clients
    });
}
