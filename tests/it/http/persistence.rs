//! How long a connection lives: Connection lists, HTTP/1.0, nothing after the last answer.

use test_support::Torrap;

use super::{HEALTHZ, answers, assert_statuses, exchange, get, post};

#[test]
fn connection_is_a_list_in_any_case_across_lines() {
    let torrap = Torrap::start();
    for closing in [
        "Connection: close\r\n",
        "Connection: CLOSE\r\n",
        "connection:close\r\n",
        "Connection: x ,\tClose , y\r\n",
        "Connection: ,,close\r\n",
        "Connection: keep-alive\r\nConnection: close\r\n",
        "Connection: close\r\nConnection: keep-alive\r\n",
        "Connection: keep-alive, close\r\n",
    ] {
        let seen = exchange(&torrap, get("/healthz", closing) + HEALTHZ);
        assert_eq!(
            (seen.statuses, seen.closing),
            (vec![200], true),
            "{closing}"
        );
    }
    for open in [
        "",
        "Connection: keep-alive\r\n",
        "Connection: closed\r\n",
        "Connection: \"close\"\r\n",
        "Connection: not close\r\n",
        "Connection:\r\n",
        "Proxy-Connection: close\r\n",
        "X: close\r\n",
    ] {
        assert_statuses(&torrap, get("/healthz", open) + HEALTHZ, &[200, 200]);
    }
}

#[test]
fn http_1_0_closes_unless_it_asks_not_to() {
    let torrap = Torrap::start();
    let old = |lines: &str| format!("GET /healthz HTTP/1.0\r\n{lines}\r\n");
    for lines in [
        "",
        "Connection: close\r\n",
        "Connection: keep-alive, close\r\n",
        "Host: x\r\n",
    ] {
        let seen = exchange(&torrap, old(lines) + HEALTHZ);
        assert_eq!((seen.statuses, seen.closing), (vec![200], true), "{lines}");
    }
    let asked = old("Connection: Keep-Alive\r\n");
    assert_statuses(&torrap, asked.clone() + &asked + HEALTHZ, &[200, 200, 200]);
    let told = answers(torrap.address, asked.as_bytes(), asked.len());
    assert!(told[0].head.contains("\r\nConnection: keep-alive\r\n"));
    assert!(told[0].head.starts_with("HTTP/1.1 200 ")); // our own version, as section 2.3 asks
}

#[test]
fn nothing_after_a_closing_request_is_processed() {
    let torrap = Torrap::with_replays();
    let mut case = torrap.signed("eno");
    let end = b"Host: torrap.example\r\n".as_slice();
    let at = case.windows(end.len()).position(|w| w == end).unwrap();
    let command = case.clone();
    case.splice(at..at, b"Connection: close\r\n".iter().copied());
    case.extend_from_slice(&command.repeat(3));
    let seen = exchange(&torrap, &case);
    assert_eq!((seen.statuses, seen.closing), (vec![200], true));
    assert_eq!(torrap.command("last").status, 200);
    // The last command's reply is the third: what followed the closing ones was not carried out.
    assert_eq!(torrap.posts(3).len(), 3);
}

#[test]
fn a_connection_is_used_again_many_times() {
    let torrap = Torrap::start();
    let mut client = torrap.connect();
    for number in 0..200 {
        let response = client.exchange(torrap.signed(&number.to_string()));
        assert_eq!(response.status, 200);
        assert!(!response.head.contains("Connection"));
    }
    assert_eq!(torrap.posts(200).len(), 200);
}

#[test]
fn responses_have_a_date_and_their_length() {
    let torrap = Torrap::start();
    for target in ["/healthz", "/slack", "/x"] {
        let case = get(target, "");
        let answers = answers(torrap.address, case.as_bytes(), case.len());
        let head = &answers[0].head;
        let date = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("Date: "));
        let date = httpdate::parse_http_date(date.unwrap()).unwrap();
        assert!(date.elapsed().unwrap().as_secs() < 60, "{head}");
        let length = format!("\r\nContent-Length: {}\r\n", answers[0].content.len());
        assert!(head.contains(&length), "{head}");
        assert!(!head.contains("Transfer-Encoding"));
    }
}

#[test]
fn an_upgrade_is_not_taken() {
    let torrap = Torrap::start();
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Upgrade: TLS/1.3\r\n",
    ] {
        assert_statuses(&torrap, get("/healthz", lines) + HEALTHZ, &[200, 200]);
    }
}

#[test]
fn connections_whose_bytes_alternate_have_nothing_in_common() {
    let torrap = Torrap::start();
    let content = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let known = post(&format!("Content-Length: {}\r\n", content.len()), content);
    let chunks = format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len());
    let cases = [
        (torrap.signed("tsrif"), [200, 200]),
        ((known + HEALTHZ).into_bytes(), [404, 200]),
        (torrap.signed("dnoces"), [200, 200]),
        (
            (post("Transfer-Encoding: chunked\r\n", &chunks) + HEALTHZ).into(),
            [404, 200],
        ),
        (HEALTHZ.repeat(2).into(), [200, 200]),
    ];
    let mut clients = cases.map(|(wire, statuses)| (torrap.connect(), wire, statuses));
    let longest = clients.iter().map(|(_, wire, _)| wire.len()).max().unwrap();
    for at in 0..longest {
        for (client, wire, _) in &mut clients {
            if let Some(byte) = wire.get(at) {
                client.send([*byte]);
            }
        }
    }
    for (client, wire, [first, second]) in &mut clients {
        assert_eq!(client.receive().status, *first);
        if !wire.starts_with(b"POST /slack") {
            assert_eq!(client.receive().status, *second);
        }
        assert_eq!(client.exchange(HEALTHZ).status, 200);
    }
    let mut replies = torrap.replies(2);
    replies.sort();
    assert_eq!(replies, ["first", "second"]);
}
