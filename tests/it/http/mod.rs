//! HTTP/1.1 at the socket: each sentence of what a hand-rolled server gets wrong has its test here.
//!
//! A case is bytes in and statuses out. It runs whole and with one byte in each write, because what a
//! request means must not depend on how the network cuts it.

mod chunked;
mod endings;
mod expect;
mod framing;
mod heads;
mod limits;
mod persistence;
pub mod pipelining;
mod timing;
mod verification;

use std::io::Read;
use std::net::{Shutdown, SocketAddr};

use test_support::{Client, Torrap};
use torrap::tools::trial::command::Response;

/// A request that is answered with 200; after another one, the proof that nothing of that was left.
pub const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// All that a connection got for its input.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// The statuses in order, without 100.
    pub statuses: Vec<u16>,
    /// Whether the last answer says that it is the last.
    pub closing: bool,
}

/// A request without content.
pub fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")
}

/// A request for a path that there is not, with these lines and content.
pub fn post(lines: &str, content: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: x\r\n{lines}\r\n{content}")
}

/// Runs a case whole and byte by byte.
pub fn exchange(torrap: &Torrap, input: impl AsRef<[u8]>) -> Seen {
    exchange_cut(torrap, input, 1)
}

/// Runs a case whole and cut into pieces of `size` bytes.
pub fn exchange_cut(torrap: &Torrap, input: impl AsRef<[u8]>, size: usize) -> Seen {
    let input = input.as_ref();
    let whole = seen(&answers(torrap.address, input, input.len().max(1)));
    let cut = seen(&answers(torrap.address, input, size));
    assert_eq!(whole, cut, "whole and cut: {}", excerpt(input));
    whole
}

/// The statuses that a case gets; all but the last answer keep the connection open, as that one does.
#[track_caller]
pub fn assert_statuses(torrap: &Torrap, input: impl AsRef<[u8]>, statuses: &[u16]) {
    let seen = exchange(torrap, input.as_ref());
    let excerpt = excerpt(input.as_ref());
    assert_eq!(seen.statuses, statuses, "{excerpt}");
    assert!(!seen.closing, "closed after {excerpt}");
}

/// A case that is refused with `status`, after which the server closes without being asked to.
#[track_caller]
pub fn assert_refused(torrap: &Torrap, input: impl AsRef<[u8]>, status: u16) {
    let input = input.as_ref();
    let excerpt = excerpt(input);
    let seen = exchange(torrap, [input, HEALTHZ.as_bytes()].concat());
    assert_eq!(seen.statuses, [status], "{excerpt}");
    assert!(seen.closing, "not closed after {excerpt}");
    let mut client = torrap.connect();
    assert_eq!(client.exchange(input).status, status, "{excerpt}");
    assert_eq!(read_to_end(&mut client), b"", "{excerpt}");
}

/// Sends `input` in pieces of `size` bytes, then a FIN, and reads to the end. Writing must not fail and
/// reading must not meet a reset, whatever the server thinks of the input.
pub fn answers(address: SocketAddr, input: &[u8], size: usize) -> Vec<Response> {
    let mut client = Client::connect(address);
    for piece in input.chunks(size) {
        client.send(piece);
    }
    client.stream.shutdown(Shutdown::Write).unwrap();
    responses(&read_to_end(&mut client))
}

/// Everything up to the server's FIN; a reset fails.
pub fn read_to_end(client: &mut Client) -> Vec<u8> {
    let mut wire = Vec::new();
    client.stream.read_to_end(&mut wire).unwrap();
    wire
}

/// The responses on the wire, to the last byte. Content here is JSON or the line for people with a browser; where neither
/// follows, a response to HEAD has left it out.
pub fn responses(mut wire: &[u8]) -> Vec<Response> {
    let mut responses = Vec::new();
    while !wire.is_empty() {
        let end = wire
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap()
            + 4;
        let head = String::from_utf8(wire[..end].to_vec()).unwrap();
        wire = &wire[end..];
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3]
            .parse()
            .unwrap();
        let mut lines = head.split("\r\n");
        let length = lines.find_map(|line| line.strip_prefix("Content-Length: "));
        assert!(status == 100 || length.is_some(), "{head}");
        let has_content = wire.starts_with(b"{") || wire.starts_with(b"This is torrap");
        let length = if has_content {
            length.unwrap().parse().unwrap()
        } else {
            0
        };
        let content = wire[..length].to_vec();
        wire = &wire[length..];
        responses.push(Response {
            status,
            head,
            content,
        });
    }
    responses
}

fn seen(responses: &[Response]) -> Seen {
    let says_close = |response: &Response| response.head.contains("\r\nConnection: close\r\n");
    if let Some((_, earlier)) = responses.split_last() {
        assert!(!earlier.iter().any(says_close), "answers after the last");
    }
    let statuses = responses.iter().map(|response| response.status);
    Seen {
        statuses: statuses.filter(|status| *status != 100).collect(),
        closing: responses.last().is_some_and(says_close),
    }
}

/// The start of some input, for a failure's message.
pub fn excerpt(input: &[u8]) -> String {
    input[..input.len().min(300)].escape_ascii().to_string()
}
