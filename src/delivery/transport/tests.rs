//! Sockets on loopback, and what a peer sees of them.

use std::net::TcpListener;

use super::*;

fn pair() -> (Tcp, TcpStream) {
    pair_that_reads(16 * 1024)
}

/// One that reads at most so many bytes at once.
fn pair_that_reads(bytes: usize) -> (Tcp, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    let buffers = LazyBuffers::new(bytes, 16 * 1024);
    (Tcp::new(Arc::new(Stream(stream)), buffers), peer)
}

fn within(timeout: Duration) -> NextTimeout {
    NextTimeout {
        after: timeout.into(),
        ..NextTimeout::default()
    }
}

const LONG: Duration = Duration::from_secs(10);

fn put(tcp: &mut Tcp, bytes: &[u8]) {
    tcp.buffers().output()[..bytes.len()].copy_from_slice(bytes);
    tcp.transmit_output(bytes.len(), within(LONG)).unwrap();
}

#[test]
fn what_is_written_goes_out_in_one_piece_when_the_answer_is_waited_for() {
    let (mut tcp, mut peer) = pair();
    put(&mut tcp, b"head ");
    put(&mut tcp, b"content");
    peer.set_nonblocking(true).unwrap();
    let early = peer.read(&mut [0; 64]).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    peer.set_nonblocking(false).unwrap();
    peer.write_all(b"ok").unwrap();
    assert!(tcp.await_input(within(LONG)).unwrap());
    assert_eq!(tcp.buffers().input(), b"ok");
    let mut received = [0; 64];
    let len = peer.read(&mut received).unwrap();
    assert_eq!(&received[..len], b"head content");
}

#[test]
fn much_output_is_sent_before_its_room_runs_out() {
    let (mut tcp, mut peer) = pair();
    let mut sent = Vec::new();
    for round in 0..40_u8 {
        let piece = [round; 1000];
        put(&mut tcp, &piece);
        assert!(tcp.buffers().output().len() >= OUTPUT_ROOM_MIN);
        sent.extend_from_slice(&piece);
    }
    tcp.flush(within(LONG)).unwrap();
    let mut received = vec![0; sent.len()];
    peer.read_exact(&mut received).unwrap();
    assert_eq!(received, sent);
}

#[test]
fn a_connection_is_open_until_its_peer_closes_it_or_speaks_unasked() {
    let (mut tcp, peer) = pair();
    assert!(tcp.is_open());
    drop(peer);
    assert!(!wait_for_change(&mut tcp));
    let (mut tcp, mut peer) = pair();
    peer.write_all(b"HTTP/1.1 408 ").unwrap();
    assert!(!wait_for_change(&mut tcp));
}

/// Loopback delivers a FIN or a byte at once, but from another thread of the kernel's.
fn wait_for_change(tcp: &mut Tcp) -> bool {
    tcp.stream.0.peek(&mut [0]).unwrap();
    tcp.is_open()
}

#[test]
fn a_fresh_answer_spares_one_look_and_no_more() {
    let (mut tcp, mut peer) = pair();
    peer.write_all(b"ok").unwrap();
    tcp.await_input(within(LONG)).unwrap();
    drop(peer);
    tcp.stream.0.peek(&mut [0]).unwrap();
    assert!(tcp.is_open(), "the look when it goes back to the pool");
    assert!(!tcp.is_open(), "the look when it is taken again");
}

/// The clock is the system's: the connection's last answer is set to what it would be.
#[test]
fn no_look_is_made_at_a_connection_that_has_just_served_again() {
    let (mut tcp, mut peer) = pair();
    for _ in 0..PROVEN_ANSWERS {
        peer.write_all(b"ok").unwrap();
        tcp.await_input(within(LONG)).unwrap();
        assert!(tcp.is_open(), "when it goes back to the pool");
    }
    drop(peer);
    tcp.stream.0.peek(&mut [0]).unwrap();
    tcp.answered_at = Instant::now().checked_add(LONG);
    assert!(tcp.is_open(), "just now");
    tcp.answered_at = Instant::now().checked_sub(PROVEN_AGE);
    assert!(!tcp.is_open(), "a while ago");
    tcp.answers = PROVEN_ANSWERS - 1;
    tcp.answered_at = Instant::now().checked_add(LONG);
    assert!(!tcp.is_open(), "its receiver may close after each answer");
}

#[test]
fn a_peer_that_is_silent_is_a_timeout_with_its_reason() {
    let (mut tcp, _peer) = pair();
    let error = tcp
        .await_input(within(Duration::from_millis(1)))
        .unwrap_err();
    assert!(matches!(error, Error::Timeout(Timeout::Global)), "{error}");
    let error = tcp.await_input(within(Duration::ZERO)).unwrap_err();
    assert!(matches!(error, Error::Timeout(Timeout::Global)), "{error}");
}

#[test]
fn an_answer_that_has_come_is_taken_though_the_time_is_over() {
    let (mut tcp, mut peer) = pair();
    peer.write_all(b"ok").unwrap();
    tcp.stream.0.peek(&mut [0]).unwrap();
    assert!(tcp.await_input(within(Duration::ZERO)).unwrap());
    assert_eq!(tcp.buffers().input(), b"ok");
    let error = tcp.await_input(within(Duration::ZERO)).unwrap_err();
    assert!(matches!(error, Error::Timeout(Timeout::Global)), "{error}");
    // And the next answer is waited for.
    let late = std::thread::spawn(move || {
        peer.write_all(b"!").unwrap();
        peer
    });
    assert!(tcp.await_input(within(LONG)).unwrap());
    drop(late.join().unwrap());
}

#[test]
fn a_peer_that_always_has_more_is_not_read_for_ever_when_the_time_is_over() {
    const PIECES: usize = 100;
    let (mut tcp, mut peer) = pair_that_reads(64);
    peer.write_all(&[b'x'; 64 * PIECES]).unwrap();
    let mut seen = [0; 64 * PIECES];
    while tcp.stream.0.peek(&mut seen).unwrap() < seen.len() {}
    let mut read = |timeout| {
        let result = tcp.await_input(within(timeout));
        let len = tcp.buffers().input().len();
        tcp.buffers().input_consume(len);
        result
    };
    for _ in 0..2 {
        let pieces = (0..PIECES).take_while(|_| read(Duration::ZERO).is_ok());
        assert_eq!(pieces.count(), READS_AFTER_TIMEOUT);
        let error = read(Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::Timeout(Timeout::Global)), "{error}");
        assert!(read(LONG).unwrap(), "the next attempt has time");
    }
}

#[test]
fn timeouts_are_rounded_up_to_a_step() {
    for (left_ms, step_ms) in [(1, 250), (250, 250), (251, 500), (9_990, 10_000)] {
        let steps = in_steps(within(Duration::from_millis(left_ms))).unwrap();
        assert_eq!(steps, Some(Duration::from_millis(step_ms)), "{left_ms} ms");
    }
    assert_eq!(in_steps(NextTimeout::default()).unwrap(), None);
    assert!(in_steps(within(Duration::ZERO)).is_err());
}

#[test]
fn of_several_addresses_the_first_that_answers_is_taken() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let mut failed = Vec::new();
    let stream = connect_any(&[gone, here], within(LONG), |addr| failed.push(addr)).unwrap();
    assert_eq!(failed, [gone]);
    assert_eq!(stream.peer_addr().unwrap(), here);
    let refused = connect_any(&[gone], within(LONG), |_| {}).unwrap_err();
    assert!(matches!(&refused, Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused));
}

#[test]
fn a_piece_has_what_the_pieces_before_it_have_left() {
    let ten = within(Duration::from_secs(10));
    for (elapsed_ms, left_ms) in [(0, 10_000), (1, 10_000), (4_000, 6_000), (9_900, 250)] {
        let steps = in_steps(left(ten, Duration::from_millis(elapsed_ms))).unwrap();
        assert_eq!(steps, Some(Duration::from_millis(left_ms)));
    }
    assert!(in_steps(left(ten, Duration::from_secs(10))).is_err());
    let endless = left(NextTimeout::default(), Duration::from_secs(10));
    assert_eq!(in_steps(endless).unwrap(), None);
}
