//! What the literature on request smuggling sends, and what RFC 9112 has something to say about.

use crate::bodies::{chunked, connection};

/// The bodies' own wires, and those below.
pub fn seeds() -> Vec<Vec<u8>> {
    let fields = FIELDS.iter().flat_map(|fields| {
        [
            format!(
                "POST /slack HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n5\r\nabcde\r\n0\r\n\r\n{NEXT}"
            ),
            format!(
                "POST /slack HTTP/1.0\r\nHost: x\r\n{fields}\r\n\r\n5\r\nabcde\r\n0\r\n\r\n{NEXT}"
            ),
        ]
    });
    let chunks = chunked::WIRES.iter().map(|chunks| {
        format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{NEXT}")
    });
    let lines = LINES
        .iter()
        .map(|line| format!("{line}\r\nHost: h\r\nContent-Length: 2\r\n\r\nab{NEXT}"));
    let wires = connection::WIRES.iter().map(|wire| (*wire).to_owned());
    let others = [
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno-field\r"
            .to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno field".to_owned(),
        format!(
            "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n{NEXT}",
            "a".repeat(9_000)
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n{NEXT}",
            "A: b\r\n".repeat(70)
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n{NEXT}",
            "b".repeat(17_000)
        ),
    ];
    let all = fields.chain(chunks).chain(lines).chain(wires).chain(others);
    all.map(String::into_bytes).collect()
}

/// What is smuggled, if something is.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";

/// Fields between Host and the end of a head.
const FIELDS: &[&str] = &[
    // CL.CL
    "Content-Length: 5",
    "Content-Length: 005",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 0",
    "Content-Length: 5, 5",
    "Content-Length: 5,0",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 0x5",
    "Content-Length: 5 0",
    "Content-Length: 5;",
    "Content-Length: \u{b}5",
    "Content-Length: 5\u{a0}",
    "Content-Length:",
    "Content-Length",
    "Content-Length : 5",
    "Content-Length\t: 5",
    " Content-Length: 5",
    "Content-Length: 18446744073709551621",
    "Content-Length: 9223372036854775807",
    "Content-Length: 18446744073709551615",
    "Content_Length: 5",
    "content-length: 5",
    "Content-Length: 5\r\n 0",
    "A: b\r\n\tContent-Length: 5",
    "A: b\rContent-Length: 5",
    "A: b\nContent-Length: 5",
    "A: b\0\r\nContent-Length: 5",
    // CL.TE and TE.CL
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 0\r\nTransfer-Encoding: chunked",
    "Content-Length: 5\r\nTransfer-Encoding: identity",
    // TE.TE
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: CHUNKED",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding:\u{a0}chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: chun\u{212a}ed",
    "Transfer-Encoding: chunked\u{0}",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: , chunked,",
    "Transfer-Encoding:",
    "Transfer-Encoding:\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    " Transfer-Encoding: chunked",
    "Transfer_Encoding: chunked",
    "Transfer-Encoding: chunked\r\n ",
    "Transfer-Encoding:\r\n chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "X: y\r\rTransfer-Encoding: chunked",
    "Transfer\u{2d}Encoding: chunked",
    "Transfer-Encoding\0: chunked",
    "\u{b}Transfer-Encoding: chunked",
    // What else a head says of the connection
    "Connection: close",
    "Connection: keep-alive",
    "Connection: keep-alive, close",
    "Connection: keep-alive\r\nConnection: close",
    "Connection: close\r\nConnection: keep-alive",
    "Connection: \u{e9}, close",
    "Connection: \u{e9}, keep-alive\r\nContent-Length: 5",
    "Connection: close;",
    "Connection: Content-Length\r\nContent-Length: 5",
    "Connection: Upgrade\r\nUpgrade: h2c",
    "Expect: 100-continue\r\nContent-Length: 5",
    "Expect: 100-Continue\r\nTransfer-Encoding: chunked",
    "Expect: tea\r\nContent-Length: 5",
    "Expect:\r\nContent-Length: 5",
    "Expect: 100-continue\r\nExpect: 100-continue",
    "Content-Encoding: gzip\r\nContent-Length: 5",
    "Host: y",
    "Host : y",
    "host: x",
    "X-Forwarded-Host: y",
    ": y",
    "A",
    "A: \u{7f}",
    "A: \u{e9}\t",
    "(): b",
];

/// Request lines.
const LINES: &[&str] = &[
    "POST / HTTP/1.1",
    "GET / HTTP/1.1",
    "HEAD / HTTP/1.1",
    "DELETE / HTTP/1.1",
    "get / HTTP/1.1",
    "GE\u{54} / HTTP/1.1",
    "G(T / HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET * HTTP/1.1",
    "CONNECT h:1 HTTP/1.1",
    "CONNECT / HTTP/1.1",
    "CONNECT http://h/ HTTP/1.1",
    "CONNECT h HTTP/1.1",
    "CONNECT u@h:1 HTTP/1.1",
    "CONNECT %h:1 HTTP/1.1",
    "CONNECT %61:1 HTTP/1.1",
    "CONNECT [::1]:1 HTTP/1.1",
    "CONNECT [::1%25x]:1 HTTP/1.1",
    "CONNECT [::::::::::]:1 HTTP/1.1",
    "CONNECT [1:2:3:4:5:6:7:8]:1 HTTP/1.1",
    "CONNECT h:99999999 HTTP/1.1",
    "GET http://%61/ HTTP/1.1",
    "GET http://[v1.a]/ HTTP/1.1",
    "GET http://[1:2:3:4:5:6:7:8:9]/ HTTP/1.1",
    "GET http://h/a?b HTTP/1.1",
    "GET http://other/ HTTP/1.1",
    "GET HTTPS://h HTTP/1.1",
    "GET http://h?x HTTP/1.1",
    "GET http://u:p@h/ HTTP/1.1",
    "GET http:///a HTTP/1.1",
    "GET http://h:x/ HTTP/1.1",
    "GET http://h:/ HTTP/1.1",
    "GET http://[::1/ HTTP/1.1",
    "GET http://a b/ HTTP/1.1",
    "GET http://h\\x/ HTTP/1.1",
    "GET http:/h/ HTTP/1.1",
    "GET ftp://h/ HTTP/1.1",
    "GET a HTTP/1.1",
    "GET ?a HTTP/1.1",
    "GET h:1 HTTP/1.1",
    "GET //h/a HTTP/1.1",
    "GET /a/../b HTTP/1.1",
    "GET /%2e%2e/%00%zz HTTP/1.1",
    "GET /a?b?c=d&/ HTTP/1.1",
    "GET /a#b HTTP/1.1",
    "GET /a?b#c HTTP/1.1",
    "GET /\"<>[]\\^`{|}~ HTTP/1.1",
    "GET /?\"<>[]\\^`{|}~ HTTP/1.1",
    "GET /\u{e9} HTTP/1.1",
    "GET /\u{7f} HTTP/1.1",
    "GET /\0 HTTP/1.1",
    "GET /a\tb HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    "GET\t/ HTTP/1.1",
    "GET / HTTP/1.1 ",
    " GET / HTTP/1.1",
    "\r\nGET / HTTP/1.1",
    "\nGET / HTTP/1.1",
    "\rGET / HTTP/1.1",
    "GET /",
    "GET / ",
    "GET / HTTP/0.9",
    "GET / HTTP/1.0",
    "GET / HTTP/1.2",
    "GET / HTTP/2.0",
    "GET / http/1.1",
    "GET / HTTP/1.10",
    "GET / HTTP/1,1",
    "PRI * HTTP/2.0",
];
