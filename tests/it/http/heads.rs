//! Request lines and header fields.

use test_support::Torrap;

use super::{HEALTHZ, answers, assert_refused, assert_statuses, exchange, get};

#[test]
fn request_targets_in_all_four_forms() {
    let torrap = Torrap::start();
    for (line, status) in [
        ("GET /healthz", 200),
        ("GET /healthz?a=b?c", 200),
        ("GET /healthz?", 200),
        ("GET http://any.example/healthz", 200),
        ("GET http://any.example:81/healthz?x", 200),
        ("GET HTTPS://[::1]/healthz", 200),
        ("GET http://any.example", 404),
        ("GET http://any.example?x", 404),
        ("GET /", 404),
        ("GET //healthz", 404),
        ("GET /healthz/", 404),
        ("GET /%68ealthz", 404),
        ("GET /../healthz", 404),
        ("OPTIONS *", 200),
        ("OPTIONS /slack", 405),
        ("CONNECT any.example:443", 405),
        ("POST http://any.example/slack", 401),
    ] {
        let case = format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n{HEALTHZ}");
        assert_statuses(&torrap, case, &[status, 200]);
    }
    for target in [
        "*",
        "healthz",
        "any.example:443",
        "ftp://h/healthz",
        "http:///healthz",
        "http://u@h/healthz",
        "http://%68/healthz",
        "http://[:::]/healthz",
        "/healthz#x",
        "/\u{e9}",
        "/a b",
        "",
        "?",
        "://x",
    ] {
        assert_refused(&torrap, get(target, ""), 400);
    }
    for target in ["/", "*", "h", ":1", "u@h:1", "h:x", "h:1/", "http://h:1"] {
        let case = format!("CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_refused(&torrap, case, 400);
    }
}

#[test]
fn methods_that_a_resource_does_not_have_get_405_with_allow() {
    let torrap = Torrap::start();
    for (method, path, allow) in [
        ("GET", "/slack", "POST"),
        ("HEAD", "/slack", "POST"),
        ("BREW", "/slack", "POST"),
        ("post", "/slack", "POST"),
        ("M-SEARCH", "/healthz", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("get", "/healthz", "GET, HEAD"),
        ("PRI", "/healthz", "GET, HEAD"),
        ("TRACE", "/healthz", "GET, HEAD"),
    ] {
        let case = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(exchange(&torrap, &case).statuses, [405], "{case}");
        let answers = answers(torrap.address, case.as_bytes(), case.len());
        let field = format!("\r\nAllow: {allow}\r\n");
        assert!(answers[0].head.contains(&field), "{}", answers[0].head);
        // A browser is told what this is.
        assert_eq!(answers[0].content.is_empty(), method != "GET");
    }
    let options = b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n";
    let answers = answers(torrap.address, options, options.len());
    assert!(
        answers[0]
            .head
            .contains("\r\nAllow: GET, HEAD, POST, OPTIONS\r\n")
    );
}

#[test]
fn head_has_the_fields_of_get_and_never_content() {
    let torrap = Torrap::start();
    let case = format!("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n{HEALTHZ}");
    for size in [1, case.len()] {
        let answers = answers(torrap.address, case.as_bytes(), size);
        let [head, get] = answers.as_slice() else {
            panic!("{answers:?}")
        };
        assert_eq!((head.status, get.status), (200, 200));
        assert!(head.content.is_empty() && get.content.starts_with(b"{\"success\":true,"));
        assert!(head.head.contains("\r\nContent-Type: application/json\r\n"));
        let length = format!("\r\nContent-Length: {}\r\n", get.content.len());
        assert!(head.head.contains(&length), "{}", head.head);
    }
}

#[test]
fn versions_other_than_1_0_and_1_1_get_505_and_no_version_400() {
    let torrap = Torrap::start();
    let line = |version: &str| format!("GET /healthz {version}\r\nHost: x\r\n\r\n");
    for other in [
        "HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0", "HTTP/2",
    ] {
        assert_refused(&torrap, line(other), 505);
    }
    for none in [
        "HTTP/1",
        "HTTP/1.x",
        "http/1.1",
        "HTTP /1.1",
        "HTTP/1.1 ",
        "HTP/1.1",
        "",
    ] {
        assert_refused(&torrap, line(none), 400);
    }
    assert_refused(&torrap, "GET /healthz\r\n\r\n", 400); // HTTP/0.9
}

#[test]
fn host_stands_once_and_is_a_host() {
    let torrap = Torrap::start();
    let hosted = |lines: &str| format!("GET /healthz HTTP/1.1\r\n{lines}\r\n");
    for good in [
        "x",
        "X:80",
        "x:",
        "1.2.3.4:5",
        "[::1]",
        "[::1]:80",
        "a_b.c-d",
        "",
        "xn--nxasmq6b",
    ] {
        assert_statuses(&torrap, hosted(&format!("hOST: {good}\r\n")), &[200]);
    }
    for bad in [
        "",
        "Host: x\r\nHost: x\r\n",
        "Host: x\r\nhost: y\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: u@h\r\n",
        "Host: x:8a\r\n",
        "Host: [::1\r\n",
        "Host: x:1:2\r\n",
        "Host: \u{e9}\r\n",
        "Host: x, y\r\n",
        "Host: a\\b\r\n",
        "Host: http://x\r\n",
        "Host: %78\r\n",
        "Host: []\r\n",
        "Host: [::1%25x]\r\n",
        "Host: [1:2:3:4:5:6:7:8:9]\r\n",
        "Host : x\r\n",
    ] {
        assert_refused(&torrap, hosted(bad), 400);
    }
    // A target that names the host takes its place, and does not make up for it
    let absolute = |lines: &str| format!("GET http://a/healthz HTTP/1.1\r\n{lines}\r\n");
    assert_statuses(&torrap, absolute("Host: b\r\n"), &[200]);
    assert_refused(&torrap, absolute(""), 400);
    assert_refused(&torrap, absolute("Host: a b\r\n"), 400);
    // HTTP/1.0 needs none, but has none that is no host
    let old = |lines: &str| format!("GET /healthz HTTP/1.0\r\n{lines}\r\n");
    assert_eq!(exchange(&torrap, old("")).statuses, [200]);
    assert_refused(&torrap, old("Host: x\r\nHost: x\r\n"), 400);
    assert_refused(&torrap, old("Host: a b\r\n"), 400);
}

#[test]
fn fields_that_break_the_grammar_are_refused() {
    let torrap = Torrap::start();
    for bad in [
        "A : b",
        "A\t: b",
        " A: b",
        "A: b\r\n c",
        "A: b\r\n\tc",
        "A: b\rc",
        "A: b\r",
        "A: b\0",
        "A: \x7f",
        "A: \x08",
        "A\0: b",
        "A",
        ": b",
        "A b: c",
        "A(: b",
        "\u{e9}: b",
        "A: b\nC: d",
        "\r: b",
        "A: b\n",
    ] {
        assert_refused(&torrap, get("/healthz", &format!("{bad}\r\n")), 400);
        let first = format!("GET /healthz HTTP/1.1\r\n{bad}\r\nHost: x\r\n\r\n");
        assert_refused(&torrap, first, 400);
    }
    for good in [
        "A:b",
        "A:",
        "A: \t b \t",
        "A: b\tc",
        "!#$%&'*+-.^_`|~0: b",
        "A: \u{e9}",
        "A: :",
    ] {
        assert_statuses(&torrap, get("/healthz", &format!("{good}\r\n")), &[200]);
    }
}

#[test]
fn a_line_ends_in_cr_lf_and_nothing_else() {
    let torrap = Torrap::start();
    for bad in [
        "GET /healthz HTTP/1.1\nHost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\n",
        "GET /healthz HTTP/1.1\nHost: x\n\n",
        "GET /healthz HTTP/1.1\rHost: x\r\n\r\n",
        "\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\rGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        " GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET\t/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "G@T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        assert_refused(&torrap, bad, 400);
    }
    // some clients send empty lines before a request line (section 2.2)
    let case = format!("\r\n\r\n{HEALTHZ}\r\n{HEALTHZ}\r\n\r\n");
    assert_statuses(&torrap, case, &[200, 200]);
}
