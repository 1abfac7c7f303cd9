//! Pipelining, and clients that do not read their answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use super::{HEALTHZ, answers, get, post, read_to_end, responses};
use socket2::{Domain, Socket, Type};
use test_support::{Client, DEADLINE, Torrap};

/// More than the buffers of both kernels hold for a narrow client.
const FLOOD_BYTES_MAX: usize = 16 << 20;

/// Three requests with different answers.
fn round() -> (String, [u16; 3]) {
    let round = HEALTHZ.to_owned() + &post("Content-Length: 3\r\n", "abc") + &get("/slack", "");
    (round, [200, 404, 405])
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let torrap = Torrap::start();
    let (round, expected) = round();
    for (rounds, size) in [(1_000, usize::MAX), (10, 1), (100, 7), (300, 1_009)] {
        let input = round.repeat(rounds);
        let answers = answers(torrap.address, input.as_bytes(), size.min(input.len()));
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, expected.repeat(rounds), "cut into {size}");
    }
}

#[test]
fn pipelined_commands_are_all_carried_out() {
    let torrap = Torrap::start();
    let input: Vec<u8> = (0..300)
        .flat_map(|n| torrap.signed(&n.to_string()))
        .collect();
    let answers = answers(torrap.address, &input, input.len());
    assert_eq!(answers.len(), 300);
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 200 && answer.content.is_empty())
    );
    assert_eq!(torrap.posts(300).len(), 300);
}

/// A client whose kernel keeps little for it, so that a server it does not read from is blocked soon.
pub fn narrow(address: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    Client {
        stream: socket.into(),
    }
}

/// A write that waits for so long waits for a server that does not read, and not for one that has had no processor.
const STALL: Duration = Duration::from_secs(1);

/// Writes until the server does not read any more, and returns how much it took: its output is blocked,
/// and so it stops.
pub fn flood(client: &mut Client, round: &[u8]) -> usize {
    let input = round.repeat(4096 / round.len() + 1);
    client.stream.set_write_timeout(Some(STALL)).unwrap();
    let mut sent = 0;
    while sent < FLOOD_BYTES_MAX {
        match client.stream.write(&input[sent % round.len()..]) {
            Ok(len) => sent += len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return sent;
            }
            Err(error) => panic!("{error} after {sent} bytes"),
        }
    }
    panic!("the server reads on from a client that does not read its answers");
}

#[test]
fn a_client_that_reads_only_after_writing_gets_every_answer() {
    let torrap = Torrap::start();
    let (round, expected) = round();
    let mut client = narrow(torrap.address);
    let sent = flood(&mut client, round.as_bytes());
    // The rest of the round that broke off goes out while the answers are read. Then nothing more
    // comes: what is buffered must be answered without any new readiness to read.
    let rest = round.as_bytes()[sent % round.len()..].to_vec();
    let mut writer = client.stream.try_clone().unwrap();
    writer.set_write_timeout(Some(DEADLINE)).unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(&rest).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let wire = read_to_end(&mut client);
    writing.join().unwrap();
    let statuses: Vec<u16> = responses(&wire)
        .iter()
        .map(|answer| answer.status)
        .collect();
    let rounds = sent / round.len() + 1;
    assert!(rounds > 1_000, "only {rounds} rounds before it blocked");
    assert_eq!(statuses, expected.repeat(rounds));
}

#[test]
fn buffered_requests_are_answered_after_a_blocked_write_without_a_fin_either() {
    let torrap = Torrap::start();
    let one = answer_bytes(&torrap);
    let mut client = narrow(torrap.address);
    let sent = flood(&mut client, HEALTHZ.as_bytes());
    let count = sent / HEALTHZ.len();
    let mut wire = vec![0; one * count];
    client.stream.read_exact(&mut wire).unwrap();
    let answers = responses(&wire);
    assert_eq!(answers.len(), count);
    assert!(answers.iter().all(|answer| answer.status == 200));
}

/// How many bytes an answer to [`HEALTHZ`] has: always as many.
fn answer_bytes(torrap: &Torrap) -> usize {
    let answer = torrap.connect().exchange(HEALTHZ);
    answer.head.len() + answer.content.len()
}

#[test]
fn a_client_that_never_reads_holds_up_no_other() {
    let torrap = Torrap::start();
    let mut stuck: Vec<Client> = (0..2).map(|_| narrow(torrap.address)).collect();
    for client in &mut stuck {
        flood(client, HEALTHZ.as_bytes());
    }
    assert_eq!(torrap.command("eno rehto na").status, 200);
    assert_eq!(torrap.replies(1), ["an other one"]);
    // They leave without having read: what was kept for them is freed, too.
    drop(stuck);
    assert_eq!(torrap.command("x").status, 200);
}
