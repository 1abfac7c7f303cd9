//! Commands and replies on a connection that is ready, and what ends it.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::stand_in::{Act, StandIn, bulk};
use super::*;
use crate::redis::{ProtocolError, Reply, encode};

/// So many `PING`s.
fn pings(count: usize) -> Vec<u8> {
    let mut requests = Vec::new();
    (0..count).for_each(|_| encode(&[b"PING"], &mut requests));
    requests
}

/// The system delivers bytes when it comes to it.
fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = within(AMPLE);
    while !is_so() {
        assert!(Instant::now() < deadline, "nothing comes");
        std::thread::yield_now();
    }
}

fn pong() -> Reply {
    Reply::Status("PONG".to_owned())
}

/// What comes of a `PING` that is answered like this. Afterwards the connection is closed.
fn failure(answer: &'static [u8]) -> ExchangeError {
    let server = StandIn::acting(move |words| (words[0] == "PING").then(|| answer.into()));
    let mut connection = connect(server.at).unwrap();
    let error = connection
        .exchange(&pings(1), 1, within(SHORT))
        .unwrap_err();
    let again = connection.exchange(&pings(1), 1, within(AMPLE));
    assert!(matches!(again, Err(ExchangeError::Closed)), "{again:?}");
    error
}

#[test]
fn replies_come_in_the_order_of_the_commands() {
    let server = StandIn::master();
    let mut connection = connect(server.at).unwrap();
    let mut requests = Vec::new();
    let texts = ["a", "", "c\r\nd"];
    for text in texts {
        encode(&[b"ECHO", text.as_bytes()], &mut requests);
    }
    encode(&[b"PING"], &mut requests);
    for _ in 0..3 {
        let replies = connection.exchange(&requests, 4, within(AMPLE)).unwrap();
        let echoes = texts.map(|text| Reply::Bulk(text.into()));
        assert_eq!(replies, [&echoes[..], &[pong()]].concat());
    }
    assert_eq!(connection.exchange(&[], 0, within(AMPLE)).unwrap(), []);
    assert_eq!(server.accepted(), 1);
}

/// More than the buffers of both sockets hold, both ways.
#[test]
fn large_pipelines_and_replies_go_through() {
    let server = StandIn::master();
    let mut connection = connect(server.at).unwrap();
    let text = "x".repeat(500_000);
    let mut requests = Vec::new();
    for _ in 0..16 {
        encode(&[b"ECHO", text.as_bytes()], &mut requests);
        encode(&[b"PING"], &mut requests);
    }
    // A server that reads on while its replies are not read, as Redis does, is needed for more at once.
    for request in requests.chunks(requests.len() / 16) {
        let replies = connection.exchange(request, 2, within(AMPLE)).unwrap();
        assert_eq!(replies, [Reply::Bulk(text.as_bytes().into()), pong()]);
    }
}

#[test]
fn a_reply_may_come_byte_by_byte() {
    let server = StandIn::serving(|mut stream| {
        stream.set_nodelay(true).unwrap();
        let mut all = b"+OK\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_vec();
        all.extend(bulk("redis_version:7.0.15\r\n"));
        all.extend(b"$-1\r\n$-1\r\n");
        let (after, mut bytes) = (all.len(), [0; 4096]);
        all.extend(b"+PONG\r\n");
        for (sent, byte) in all.iter().enumerate() {
            // What follows the set-up waits for its command.
            if sent == 0 || sent == after {
                let _ = stream.read(&mut bytes);
            }
            stream.write_all(&[*byte]).unwrap();
        }
        let _ = stream.read(&mut bytes);
    });
    let url = format!("redis://{}/1", server.at);
    let mut connection = connector(&url, None).connect(None, within(AMPLE)).unwrap();
    let replies = connection.exchange(&pings(1), 1, within(AMPLE));
    assert_eq!(replies.unwrap(), [pong()]);
}

/// A byte now and then does not give the server more time.
#[test]
fn the_deadline_is_one_for_all_bytes() {
    let server = StandIn::acting(|words| (words[0] == "ECHO").then_some(Act::Trickle));
    let mut connection = connect(server.at).unwrap();
    let mut request = Vec::new();
    encode(&[b"ECHO", b"x"], &mut request);
    let begun = Instant::now();
    let error = connection.exchange(&request, 1, within(SHORT)).unwrap_err();
    assert!(matches!(error, ExchangeError::TimedOut), "{error:?}");
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < AMPLE);
}

#[test]
fn what_is_no_reply_ends_the_connection() {
    for (answer, expected) in [
        (&b"HTTP/1.1 400\r\n"[..], ProtocolError::Kind(b'H')),
        (b"$9999999\r\n", ProtocolError::TooLarge),
        (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", ProtocolError::TooDeep),
        (b"*65537\r\n", ProtocolError::TooManyElements),
        (b":x\r\n", ProtocolError::Integer),
    ] {
        match failure(answer) {
            ExchangeError::Protocol(error) => assert_eq!(error, expected),
            error => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_server_that_hangs_is_given_up_at_the_deadline() {
    for answer in [
        &b""[..],
        b"+PON",
        b"+PONG\r",
        b"$4\r\nPO",
        b"*2\r\n+PONG\r\n",
    ] {
        let error = failure(answer);
        assert!(matches!(error, ExchangeError::TimedOut), "{error:?}");
    }
}

#[test]
fn more_replies_than_commands_are_out_of_step() {
    for answer in [
        &b"+PONG\r\n+PONG\r\n"[..],
        b"+PONG\r\n-",
        b"+PONG\r\n$4\r\nxx",
    ] {
        let error = failure(answer);
        assert!(matches!(error, ExchangeError::OutOfStep), "{error:?}");
    }
}

/// What comes between two exchanges is not taken for the reply of the second one.
#[test]
fn a_late_reply_is_out_of_step() {
    let (go, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let server = StandIn::acting_with(move |words, stream| {
        if words[0] == "PING" {
            stream.write_all(b"+PONG\r\n").unwrap();
            gate.lock().unwrap().recv().unwrap();
            stream.write_all(b"+LATE\r\n").unwrap();
            return Some(Act::Answer(Vec::new()));
        }
        None
    });
    let mut connection = connect(server.at).unwrap();
    let replies = connection.exchange(&pings(1), 1, within(AMPLE));
    assert_eq!(replies.unwrap(), [pong()]);
    go.send(()).unwrap();
    wait_until(|| connection.has_unread());
    let error = connection.exchange(&pings(1), 1, within(AMPLE));
    assert!(matches!(error, Err(ExchangeError::OutOfStep)), "{error:?}");
    assert_eq!(
        server.commands().iter().filter(|it| *it == "PING").count(),
        1
    );
}

#[test]
fn a_server_that_closes_is_noticed_before_and_after_a_command() {
    let server = StandIn::acting(|words| (words[0] == "PING").then_some(Act::Close));
    let mut connection = connect(server.at).unwrap();
    let error = connection.exchange(&pings(1), 1, within(AMPLE));
    assert!(matches!(error, Err(ExchangeError::Closed)), "{error:?}");

    let server = StandIn::acting_with(move |words, stream| {
        (words[0] == "ECHO").then(|| {
            stream.write_all(&bulk(&words[1])).unwrap();
            stream.shutdown(std::net::Shutdown::Both).unwrap();
            Act::Close
        })
    });
    let mut connection = connect(server.at).unwrap();
    let mut request = Vec::new();
    encode(&[b"ECHO", b"x"], &mut request);
    assert!(connection.exchange(&request, 1, within(AMPLE)).is_ok());
    wait_until(|| connection.has_unread());
    let error = connection.exchange(&pings(1), 1, within(AMPLE));
    assert!(matches!(error, Err(ExchangeError::Closed)), "{error:?}");
    assert!(!server.commands().contains(&"PING".to_owned()));
}

#[test]
fn a_deadline_that_is_over_ends_the_connection() {
    let server = StandIn::master();
    let mut connection = connect(server.at).unwrap();
    let error = connection.exchange(&pings(1), 1, within(Duration::ZERO));
    assert!(matches!(error, Err(ExchangeError::TimedOut)), "{error:?}");
}
