//! Where content ends: a request that could be read in two ways is refused, and no byte of one request is ever
//! taken for the next.

use test_support::Torrap;

use super::{HEALTHZ, assert_refused, assert_statuses, exchange, get, post};

/// Content that would be answered with 200 if it were taken for a request.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn content_of_any_answer_is_drained() {
    let torrap = Torrap::start();
    let length = format!("Content-Length: {}\r\n", SMUGGLED.len());
    let chunks = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    for (request_line, status) in [
        ("POST /x", 404),
        ("GET /x", 404),
        ("GET /slack", 405),
        ("PUT /slack", 405),
        ("POST /healthz", 405),
        ("POST /slack", 401),
        ("GET /healthz", 200),
        ("HEAD /healthz", 200),
        ("HEAD /slack", 405),
        ("DELETE /x", 404),
        ("BREW /slack", 405),
        ("OPTIONS *", 200),
        ("CONNECT h:443", 405),
    ] {
        let head = format!("{request_line} HTTP/1.1\r\nHost: x\r\n");
        let known = format!("{head}{length}\r\n{SMUGGLED}{HEALTHZ}");
        assert_statuses(&torrap, known, &[status, 200]);
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}{HEALTHZ}");
        assert_statuses(&torrap, chunked, &[status, 200]);
    }
}

#[test]
fn content_length_is_digits_and_stands_once() {
    let torrap = Torrap::start();
    for good in ["5", "05", "0000000000000000000000005", " 5", "5\t ", "\t5"] {
        let case = post(&format!("Content-Length:{good}\r\n"), "abcde");
        assert_statuses(&torrap, case + HEALTHZ, &[404, 200]);
    }
    for bad in [
        "", " ", "+5", "-5", "-0", "5, 5", "5,6", "5;6", "0x5", "5 5", "5.", "5e0", "five",
        "\"5\"", "\u{a0}5", "5\u{a0}", "\u{665}", "\u{ff15}", "5\u{85}",
    ] {
        assert_refused(
            &torrap,
            post(&format!("Content-Length: {bad}\r\n"), "abcde"),
            400,
        );
    }
    for twice in [
        "5\r\nContent-Length: 6",
        "5\r\nContent-Length: 5",
        "5\r\ncontent-length: 0",
    ] {
        assert_refused(
            &torrap,
            post(&format!("Content-Length: {twice}\r\n"), "abcde"),
            400,
        );
    }
    // 2^32 + 5, 2^64 + 5 and 10^40: what overflows must not come round to a small number
    for large in [
        "4294967301",
        "18446744073709551621",
        &format!("1{}", "0".repeat(40)),
    ] {
        assert_refused(
            &torrap,
            post(&format!("Content-Length: {large}\r\n"), "abcde"),
            413,
        );
    }
}

#[test]
fn a_length_together_with_a_coding_is_refused() {
    let torrap = Torrap::start();
    let both = |first: &str, second: &str, content: &str| {
        assert_refused(
            &torrap,
            post(&format!("{first}\r\n{second}\r\n"), content),
            400,
        );
    };
    let inner = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    // CL.TE: the front takes the length, the back the chunks; TE.CL: the other way round
    both(
        "Content-Length: 6",
        "Transfer-Encoding: chunked",
        "0\r\n\r\nG",
    );
    both("Transfer-Encoding: chunked", "Content-Length: 4", &inner);
    both("Transfer-Encoding: identity", "Content-Length: 5", "abcde");
    both("Transfer-Encoding:", "Content-Length: 5", "abcde");
    both(
        "Transfer-Encoding: chunked",
        "Content-Length: nonsense",
        "0\r\n\r\n",
    );
    // TE.0 and CL.0
    both("Transfer-Encoding: chunked", "Content-Length: 0", &inner);
}

#[test]
fn a_coding_other_than_chunked_alone_is_refused() {
    let torrap = Torrap::start();
    let coded = |lines: &str, status| {
        let content = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
        assert_refused(&torrap, post(&format!("{lines}\r\n"), &content), status);
    };
    // chunked comes last, and what is below it is not known here
    for unknown in ["gzip, chunked", "identity,chunked", "x, y, CHUNKED"] {
        coded(&format!("Transfer-Encoding: {unknown}"), 501);
    }
    coded("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", 501);
    // chunked does not come last, once: where the content ends is not known
    for ambiguous in [
        "",
        ",",
        ", chunked",
        "chunked,",
        "chunked, chunked",
        "chunked, gzip",
        "chunked, identity",
        "gzip, chunked, chunked",
        "gzip",
        "gzip, br",
        "identity",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        // KELVIN SIGN folds to k in Unicode, never in ASCII
        "chun\u{212a}ed",
    ] {
        coded(&format!("Transfer-Encoding: {ambiguous}"), 400);
    }
    coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", 400);
    coded(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        400,
    );
    // and LONG S to s
    coded("Tran\u{17f}fer-Encoding: chunked", 400);
    for good in ["chunked", "CHUNKED", "\tchunked ", "chUnked"] {
        let case = post(&format!("Transfer-Encoding:{good}\r\n"), "0\r\n\r\n");
        assert_statuses(&torrap, case + HEALTHZ, &[404, 200]);
    }
}

#[test]
fn names_that_only_some_would_take_for_framing_are_refused() {
    let torrap = Torrap::start();
    for name in [
        "Transfer-Encoding :",
        "Transfer-Encoding\t:",
        " Transfer-Encoding:",
        "Transfer_Encoding:",
        "Transfer-Encoding\0:",
        "Transfer-Encoding\x0b:",
        "X: y\nTransfer-Encoding:",
        "X: y\rTransfer-Encoding:",
        "X: y\r\n Transfer-Encoding:",
        "Transfer-Encoding:\x0b",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding:\n",
    ] {
        let case = post(&format!("{name} chunked\r\n"), "0\r\n\r\n");
        assert_refused(&torrap, case, 400);
    }
    for name in [
        "Content-Length :",
        "Content_Length:",
        " Content-Length:",
        "Content-Length\x0c:",
    ] {
        assert_refused(&torrap, post(&format!("{name} 5\r\n"), "abcde"), 400);
    }
}

#[test]
fn a_coding_on_http_1_0_is_refused_and_so_is_content_without_a_length() {
    let torrap = Torrap::start();
    let old = |lines: &str| format!("POST /x HTTP/1.0\r\n{lines}\r\n0\r\n\r\n");
    assert_refused(&torrap, old("Transfer-Encoding: chunked\r\n"), 400);
    assert_refused(
        &torrap,
        old("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"),
        400,
    );
    assert_refused(&torrap, old("Connection: keep-alive\r\n"), 411);
    // HTTP/1.1 without either has no content: what follows is the next request
    assert_statuses(&torrap, post("", HEALTHZ), &[404, 200]);
}

#[test]
fn a_content_coding_is_refused_since_the_signature_covers_what_was_sent() {
    let torrap = Torrap::start();
    assert_refused(
        &torrap,
        post("Content-Encoding: gzip\r\nContent-Length: 5\r\n", "abcde"),
        415,
    );
    let seen = exchange(&torrap, get("/healthz", "Content-Encoding: identity\r\n"));
    assert_eq!(seen.statuses, [200]);
}
