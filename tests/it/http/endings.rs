//! FINs, resets, and clients that speak something else.

use std::net::Shutdown;

use test_support::{SECRET, Torrap, signed};

use super::{HEALTHZ, answers, excerpt, exchange, post, read_to_end, responses};

#[test]
fn a_fin_after_complete_requests_still_gets_every_answer() {
    let torrap = Torrap::start();
    for count in [1, 2, 63, 64, 65, 128, 500] {
        let mut client = torrap.connect();
        client.send(HEALTHZ.repeat(count));
        client.stream.shutdown(Shutdown::Write).unwrap();
        let answers = responses(&read_to_end(&mut client));
        assert_eq!(answers.len(), count);
        assert!(answers.iter().all(|answer| answer.status == 200));
    }
    let mut client = torrap.connect();
    client.send(torrap.signed("nif"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(responses(&read_to_end(&mut client))[0].status, 200);
    assert_eq!(torrap.replies(1), ["fin"]);
}

#[test]
fn a_fin_in_the_middle_of_a_request_just_closes() {
    let torrap = Torrap::start();
    let known = post("Content-Length: 5\r\n", "abcde");
    let chunked = post(
        "Transfer-Encoding: chunked\r\n",
        "5;x\r\nabcde\r\n0\r\nA: b\r\n\r\n",
    );
    for request in [known, chunked] {
        for len in 0..request.len() {
            let cut = &request.as_bytes()[..len];
            assert!(
                answers(torrap.address, cut, len.max(1)).is_empty(),
                "{}",
                excerpt(cut)
            );
        }
        // After complete ones, those are answered.
        let half = request.len() / 2;
        let seen = exchange(&torrap, HEALTHZ.repeat(2) + &request[..half]);
        assert_eq!((seen.statuses, seen.closing), (vec![200, 200], false));
    }
}

#[test]
fn a_fin_in_the_middle_of_a_command_does_not_carry_it_out() {
    let torrap = Torrap::start();
    let command = torrap.signed("half");
    let last = command.len() - 1;
    assert!(answers(torrap.address, &command[..last], last).is_empty());
    assert_eq!(torrap.command("elohw").status, 200);
    assert_eq!(torrap.replies(1), ["whole"]);
}

#[test]
fn other_protocols_are_told_so_and_closed() {
    let torrap = Torrap::start();
    let tls_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xa5\x00\x0d\x0a\x0d\x0a\x0d\x0a";
    for (input, status) in [
        (tls_hello.as_slice(), 400),
        (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 400), // SSL 2
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n", 400),
        (b"PROXY UNKNOWN\r\n", 400),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 400), // PROXY protocol, version 2
        (b"SSH-2.0-OpenSSH_9.9\r\n", 400),
        (b"EHLO example.com\r\n", 400),
        (b"*1\r\n$4\r\nPING\r\n", 400),
        (b"\0\0\0\0", 400),
    ] {
        super::assert_refused(&torrap, input, status);
    }
}

/// Each is a mistake in a proxy's settings: the log says which, and what to change there.
#[test]
fn the_log_names_another_protocol_and_what_to_change() {
    let torrap = Torrap::start();
    for (input, line) in [
        (
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".as_slice(),
            "INFO refused with 400: TLS at a port for plain HTTP: let the proxy or tunnel end TLS, and use http://",
        ),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            "INFO refused with 505: HTTP/2 at a port for HTTP/1.1: let the proxy use HTTP/1.1",
        ),
        (
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "INFO refused with 400: PROXY protocol before a request: turn it off",
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
            "INFO refused with 400: PROXY protocol before a request: turn it off",
        ),
    ] {
        let before = torrap.log.all().len();
        let _ = answers(torrap.address, input, input.len());
        torrap.log.wait_for(line, 1);
        let _ = answers(torrap.address, input, 1);
        torrap.log.wait_for(line, 2);
        assert!(torrap.log.all().len() >= before + 2);
    }
}

#[test]
fn a_reset_at_any_byte_leaves_a_server_that_serves() {
    let torrap = Torrap::start();
    let request = signed(SECRET, "teser", &format!("{}/x", torrap.slack.origin()));
    for len in (0..=request.len()).step_by(3) {
        let mut client = torrap.connect();
        client.send(&request[..len]);
        client.reset();
    }
    // With an answer that was never read on the way, and in the middle of pipelined ones.
    for count in [1, 10, 1_000] {
        let mut client = torrap.connect();
        client.send(HEALTHZ.repeat(count));
        client.reset();
    }
    assert_eq!(torrap.command("evila").status, 200);
    let replies = torrap.replies(1);
    assert!(
        replies
            .iter()
            .all(|text| text == "alive" || text == "reset"),
        "{replies:?}"
    );
}

#[test]
fn what_is_sent_beyond_the_content_is_the_next_request() {
    let torrap = Torrap::with_replays();
    let command = torrap.signed("erom");
    let seen = exchange(&torrap, [&command[..], b"&text"].concat());
    assert_eq!((seen.statuses, seen.closing), (vec![200], false));
    let seen = exchange(&torrap, [&command[..], b"&text=less"].concat());
    assert_eq!((seen.statuses, seen.closing), (vec![200, 400], true));
    assert_eq!(torrap.replies(4), ["more"; 4]); // each whole and byte by byte
}
