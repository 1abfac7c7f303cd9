//! `Expect: 100-continue` (RFC 9110 section 10.1.1).

use std::io::Read;

use test_support::{Client, Torrap};

use super::{HEALTHZ, answers, assert_refused, assert_statuses, responses};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn expecting(version: &str, framing: &str) -> String {
    format!("POST /x HTTP/{version}\r\nHost: x\r\nExpect: 100-Continue\r\n{framing}\r\n\r\n")
}

/// The next bytes, as many as the interim response has.
fn interim(client: &mut Client) -> Vec<u8> {
    let mut bytes = vec![0; CONTINUE.len()];
    client.stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_client_that_waits_gets_100_at_once_and_then_its_answer() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    for (framing, content) in [
        ("Content-Length: 5", "abcde"),
        ("Transfer-Encoding: chunked", "5\r\nabcde\r\n0\r\n\r\n"),
    ] {
        client.send(expecting("1.1", framing));
        assert_eq!(interim(&mut client), CONTINUE, "{framing}");
        client.send(&content[..2]).send(&content[2..]);
        assert_eq!(client.receive().status, 404, "{framing}"); // and no second 100
    }
    assert_eq!(client.exchange(HEALTHZ).status, 200);
}

#[test]
fn a_signed_command_that_waits_for_100_is_carried_out() {
    let torrap = Torrap::start();
    let command = String::from_utf8(torrap.signed("deunitnoc")).unwrap();
    let command = command.replace("Accept: */*", "Expect: 100-continue");
    let (head, content) = command.split_once("\r\n\r\n").unwrap();
    let mut client = torrap.connect();
    client.send(format!("{head}\r\n\r\n"));
    assert_eq!(interim(&mut client), CONTINUE);
    assert_eq!(client.exchange(content).status, 200);
    assert_eq!(torrap.replies(1), ["continued"]);
}

#[test]
fn content_that_comes_anyway_is_taken() {
    let torrap = Torrap::start();
    let known = expecting("1.1", "Content-Length: 5") + "abcde";
    assert_statuses(&torrap, known.clone() + HEALTHZ, &[404, 200]);
    let chunked = expecting("1.1", "Transfer-Encoding: chunked") + "5\r\nabcde\r\n0\r\n\r\n";
    assert_statuses(&torrap, chunked + HEALTHZ, &[404, 200]);
    // With the content there already, or its beginning, 100 would say nothing.
    let wire = answers(torrap.address, known.as_bytes(), known.len());
    assert_eq!(wire.len(), 1);
    let wire = answers(torrap.address, known.as_bytes(), known.len() - 1);
    assert_eq!(wire.len(), 1);
    // Without content there is nothing to wait for.
    for size in [1, 1000] {
        let none = expecting("1.1", "Content-Length: 0");
        assert_eq!(answers(torrap.address, none.as_bytes(), size).len(), 1);
    }
}

#[test]
fn http_1_0_never_gets_100() {
    let torrap = Torrap::start();
    let case = expecting("1.0", "Connection: keep-alive\r\nContent-Length: 5") + "abcde" + HEALTHZ;
    for size in [1, case.len()] {
        let answers = answers(torrap.address, case.as_bytes(), size);
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [404, 200], "cut into {size}");
    }
    let mut client = torrap.connect();
    client.send(expecting("1.0", "Content-Length: 5"));
    // Answered after the server has seen that head.
    assert_eq!(torrap.connect().exchange(HEALTHZ).status, 200);
    assert_eq!(client.exchange("abcde").status, 404);
}

#[test]
fn a_final_answer_comes_instead_of_100_where_content_will_not_be_taken() {
    let torrap = Torrap::start();
    for (framing, status) in [
        ("Content-Length: 262145", 413),
        ("Content-Length: 5\r\nContent-Encoding: gzip", 415),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: gzip", 400),
    ] {
        let mut client = torrap.connect();
        client.send(expecting("1.1", framing));
        let answers = responses(&super::read_to_end(&mut client));
        assert_eq!(answers.len(), 1, "{framing}");
        assert_eq!(answers[0].status, status, "{framing}");
    }
}

#[test]
fn an_unknown_expectation_gets_417() {
    let torrap = Torrap::start();
    for unknown in [
        "tea",
        "100",
        "100-continued",
        "200-ok",
        "",
        "100-continue, tea",
    ] {
        let lines = format!("Expect: {unknown}\r\nContent-Length: 5\r\n");
        assert_refused(&torrap, super::post(&lines, "abcde"), 417);
    }
}
