//! Verified first, parsed afterwards: signatures, times and forms at their oddest.

use test_support::{SECRET, Torrap, unix_secs};
use torrap::slack::request::{self, sign};

use super::{HEALTHZ, assert_statuses, exchange};

/// A request with these lines, whose content is a good form.
fn with_lines(lines: &[u8], content: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n",
        content.len()
    );
    [head.as_bytes(), lines, b"\r\n", content].concat()
}

fn signed_content(content: &[u8]) -> Vec<u8> {
    request::signed(SECRET.as_bytes(), unix_secs(), content)
}

fn form() -> String {
    request::form("/torrap", "x", "http://127.0.0.1:9/x")
}

#[test]
fn what_is_not_signed_right_gets_401_whatever_is_odd_about_it() {
    let torrap = Torrap::start();
    let form = form();
    let content = form.as_bytes();
    let now = unix_secs();
    let signature = sign(SECRET.as_bytes(), now, content);
    let good = format!("X-Slack-Signature: {signature}\r\n");
    let time = format!("X-Slack-Request-Timestamp: {now}\r\n");
    let mut cases: Vec<Vec<u8>> = vec![
        vec![],
        good.clone().into(),
        time.clone().into(),
        (good.clone() + &good + &time).into(),
        (good.clone() + &time + &time).into(),
        (good.to_lowercase() + &good + &time).into(),
        [time.as_bytes(), b"X-Slack-Signature: \xff\xfe\r\n"].concat(),
        [good.as_bytes(), b"X-Slack-Request-Timestamp: 1\xff\r\n"].concat(),
        [good.as_bytes(), b"X_Slack_Request_Timestamp: 1\r\n"].concat(),
    ];
    let digits = &signature[3..];
    for odd in [
        "",
        "v0=",
        "v1=",
        digits,
        &signature[..66],
        &format!("{signature}0"),
        &format!("v1={digits}"),
        &format!("V0={digits}"),
        &format!("v0={}", "g".repeat(64)),
        &format!("v0={}", "0".repeat(64)),
        &format!("v0={}", "\u{e9}".repeat(32)),
        &format!("v0=0{}", &digits[..63]),
        &format!("\"{signature}\""),
        &format!("{signature},{signature}"),
    ] {
        cases.push(format!("X-Slack-Signature: {odd}\r\n{time}").into());
    }
    for odd in [
        "",
        "-1",
        "0",
        "1",
        "+5",
        "now",
        "1e9",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "\u{661}",
        "0x1",
        &"9".repeat(400),
        &format!("{now}.0"),
        &format!("{now} 0"),
        &format!("-{now}"),
        &(now - 3_600).to_string(),
        &(now + 3_600).to_string(),
    ] {
        cases.push(format!("{good}X-Slack-Request-Timestamp: {odd}\r\n").into());
    }
    for lines in cases {
        let case = [with_lines(&lines, content).as_slice(), HEALTHZ.as_bytes()].concat();
        assert_statuses(&torrap, case, &[401, 200]);
    }
    // Signed for another second or over another content.
    let early = sign(SECRET.as_bytes(), now - 1, content);
    let lines = format!("X-Slack-Signature: {early}\r\n{time}");
    assert_statuses(&torrap, with_lines(lines.as_bytes(), content), &[401]);
    let other = [form.as_bytes(), b"&"].concat();
    assert_statuses(
        &torrap,
        with_lines((good + &time).as_bytes(), &other),
        &[401],
    );
    assert!(torrap.slack.posts().is_empty());
}

#[test]
fn a_signature_counts_for_one_request_and_not_for_its_connection() {
    let torrap = Torrap::with_replays();
    let good = torrap.signed("doog");
    let content = form();
    let bad = with_lines(b"", content.as_bytes());
    let all = [&good[..], &bad, &good, &bad].concat();
    let seen = super::exchange_cut(&torrap, all, 100);
    assert_eq!(
        (seen.statuses, seen.closing),
        (vec![200, 401, 200, 401], false)
    );
    assert_eq!(torrap.posts(4).len(), 4); // of the good ones, whole and cut
}

#[test]
fn times_at_the_ends_of_their_range_are_refused_even_when_signed() {
    let torrap = Torrap::start();
    for time in [
        0,
        1,
        u64::MAX,
        u64::MAX - 1,
        i64::MAX as u64,
        1 << 63,
        u64::MAX / 1000,
    ] {
        let request = request::signed(SECRET.as_bytes(), time, form().as_bytes());
        assert_statuses(&torrap, request, &[401]);
    }
}

#[test]
fn a_signed_form_that_is_odd_never_gives_a_5xx() {
    let torrap = Torrap::start();
    let url = "response_url=https%3A%2F%2Fhooks.slack.com%2Fx";
    for content in [
        b"".as_slice(),
        b"&",
        b"=",
        b"&&&===",
        b"command",
        b"command=",
        b"command=/torrap",
        b"command=%2Ftorrap&text=x",
        b"text=x&response_url=x",
        b"%",
        b"%zz=%",
        b"%00=%00",
        b"\0\0\0",
        b"\xff\xfe\xfd",
        b"command=%ff&text=%ff&response_url=%ff",
        b"{\"a\":1}",
        b"<xml/>",
        b"a=b\r\n\r\nGET /",
        b"command=%2Ftorrap&text=%F0%9F&response_url=http%3A%2F%2Fx",
        format!("command=%2Funknown&text=x&{url}").as_bytes(),
        format!("command=%2Ftorrap&text=x&{url}&{url}").as_bytes(),
        "a=b&".repeat(40_000).as_bytes(),
        "%".repeat(100_000).as_bytes(),
        &[b'&'; 200_000],
    ] {
        let request = signed_content(content);
        let seen = super::exchange_cut(&torrap, &request, request.len().div_ceil(300));
        let excerpt = super::excerpt(content);
        assert!(
            [200, 400].contains(&seen.statuses[0]),
            "{seen:?}: {excerpt}"
        );
        assert_eq!((seen.statuses.len(), seen.closing), (1, false), "{excerpt}");
    }
    assert!(torrap.slack.posts().is_empty());
}

#[test]
fn a_response_url_is_compared_by_its_parts() {
    let torrap = Torrap::start();
    let origin = torrap.slack.origin();
    let port = torrap.slack.address().port();
    for url in [
        String::new(),
        "x".into(),
        "/x".into(),
        "//127.0.0.1/x".into(),
        format!("{origin}.example/x"),
        format!("{origin}@example.com/x"),
        format!("{origin}0/x"),
        format!("http://u@127.0.0.1:{port}/x"),
        format!("http://u:p@127.0.0.1:{port}/x"),
        format!("http://example.com/{origin}/x"),
        format!("https://127.0.0.1:{port}/x"),
        format!("http://127.0.0.1:{}/x", port ^ 1),
        "http://127.0.0.1/x".into(),
        format!("http://localhost:{port}/x"),
        format!("{origin}\\@example.com/x"),
        format!("{origin}/x#y"),
        format!("{origin}/x y"),
        format!("{origin}/x\r\nHost: y"),
        format!("{origin}/x\0"),
        format!("ftp://127.0.0.1:{port}/x"),
        format!(" {origin}/x"),
        format!("{origin}/\u{e9}"),
        format!("http:/127.0.0.1:{port}/x"),
    ] {
        let request = signed_content(request::form("/torrap", "x", &url).as_bytes());
        let seen = exchange(&torrap, &request);
        assert_eq!(seen.statuses, [400], "{url:?}");
    }
    assert_eq!(torrap.command("good").status, 200);
    assert_eq!(torrap.replies(1), ["doog"]);
}
