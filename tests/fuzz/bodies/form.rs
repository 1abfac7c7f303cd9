//! Forms, against `form_urlencoded`; and what an invocation makes of a signed one.

use torrap::slack::form;
use torrap::slack::invocation::{Error, Invocation, Scratch, is_certificate_check};
use torrap::slack::request::sign;
use torrap::slack::response_url::{Origin, ResponseUrl};
use torrap::slack::signature::Verifier;
use torrap::time::UnixTime;

/// The body: the content of a request.
pub fn check(content: &[u8]) {
    let raw: Vec<Raw<'_>> = split(content).collect();
    let decoded: Vec<Decoded> = raw
        .iter()
        .map(|pair| (decode(pair.0), decode(pair.1)))
        .collect();
    let lossy = decoded.iter().map(|(name, value)| {
        (
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value),
        )
    });
    assert!(lossy.eq(form_urlencoded::parse(content)));

    let pairs: Vec<form::Pair<'_>> = form::pairs(content).collect();
    assert_eq!(pairs.len(), raw.len());
    let names = decoded
        .iter()
        .filter_map(|pair| std::str::from_utf8(&pair.0).ok());
    for name in names.clone().chain(["command", "text", "a", ""]).take(16) {
        for (at, pair) in pairs.iter().enumerate() {
            let value = (decoded[at].0 == name.as_bytes()).then_some(raw[at].1);
            assert_eq!(pair.value_of(name), value, "{name:?} in pair {at}");
        }
        let first = decoded.iter().position(|pair| pair.0 == name.as_bytes());
        assert_eq!(
            form::find(content, name),
            first.map(|at| raw[at].1),
            "{name:?}"
        );
    }
    check_certificate(content, &decoded, &raw);
    check_invocation(content, &decoded);
}

/// A pair as it was sent, and what that means.
type Raw<'a> = (&'a [u8], &'a [u8]);
type Decoded = (Vec<u8>, Vec<u8>);

/// Pairs end at each `&`, names at the first `=`, and nothing is no pair.
fn split(content: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    let pairs = content
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let end = pair
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(pair.len());
        (&pair[..end], pair.get(end + 1..).unwrap_or_default())
    })
}

/// Byte for byte, and torrap's own decoding with it.
fn decode(raw: &[u8]) -> Vec<u8> {
    let mut expected = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let escaped = raw.get(at + 1..at + 3).filter(|_| raw[at] == b'%');
        let escaped = escaped.and_then(|digits| hex::decode(digits).ok());
        let plain = if raw[at] == b'+' { b' ' } else { raw[at] };
        at += if escaped.is_some() { 3 } else { 1 };
        expected.push(escaped.map_or(plain, |byte| byte[0]));
    }
    let mut out = [raw, b"behind"].concat();
    let len = form::decode(raw, &mut out);
    assert_eq!(out[..len], expected);
    assert!(
        out.ends_with(b"behind"),
        "it writes no further than it has to"
    );
    expected
}

/// Slack's check is exactly one `ssl_check`, plainly 1, and no command; no other request passes by it.
fn check_certificate(content: &[u8], decoded: &[Decoded], raw: &[Raw<'_>]) {
    let count = |name: &[u8]| decoded.iter().filter(|pair| pair.0 == name).count();
    let at = decoded.iter().position(|pair| pair.0 == b"ssl_check");
    let is_check = count(b"command") == 0
        && count(b"ssl_check") == 1
        && at.is_some_and(|at| raw[at].1 == b"1");
    assert_eq!(is_certificate_check(content), is_check);
}

fn check_invocation(content: &[u8], decoded: &[Decoded]) {
    let origins = ["https://hooks.slack.com", "http://[::1]:9"]
        .map(|origin| Origin::parse(origin).expect("a good origin"));
    let signature = sign(b"secret", 9, content);
    let verified = Verifier::new([b"secret".as_slice()], 0)
        .verify(
            Some(b"9"),
            Some(signature.as_bytes()),
            content,
            UnixTime(9_999),
        )
        .expect("signed right");
    let mut scratch = Scratch::default();
    let invocation = Invocation::parse(verified, &origins, &mut scratch);

    let first = |name: &str| {
        let pair = decoded.iter().find(|pair| pair.0 == name.as_bytes());
        pair.map(|pair| String::from_utf8_lossy(&pair.1))
    };
    let required = ["command", "response_url"];
    match invocation {
        Ok(invocation) => {
            assert_eq!(first("command").as_deref(), Some(invocation.command));
            assert_eq!(
                first("text").as_deref().unwrap_or_default(),
                invocation.text
            );
            let url = first("response_url").expect("it has been read");
            assert_eq!(
                ResponseUrl::parse(&url, &origins),
                Ok(invocation.response_url)
            );
        }
        Err(Error::MissingField(name)) => {
            let missing = required.into_iter().find(|name| first(name).is_none());
            assert_eq!(missing, Some(name));
        }
        Err(Error::ResponseUrl(error)) => {
            assert!(first("command").is_some());
            let url = first("response_url").expect("it has been read");
            assert_eq!(ResponseUrl::parse(&url, &origins), Err(error));
        }
    }
}

/// Slack's own, and everything that is odd about a form.
pub fn seeds() -> Vec<Vec<u8>> {
    let url = "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1%2F2%2Fx";
    let mut seeds: Vec<Vec<u8>> = [
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        "",
        "&&a=1&b&=2&=&c=3=4&",
        "%63ommand=%2Ft&te%78t=a+b%26%C3%A9%&text=2",
        "text=%&text=%f&text=%fg&text=%+1&text=%%41",
        "a%3Db=1&a=b&a%3Db",
        "ssl_check=1",
        "ssl_check=1&token=x",
        "token=x&ssl%5fcheck=1&",
        "ssl_check=%31",
        "ssl_check=1&command=%2Ftorrap",
        "%63ommand=&ssl_check=1",
        "ssl_check=1&ssl_check=1",
        "{\"command\": 1}",
    ]
    .map(|content| content.as_bytes().to_vec())
    .into();
    for odd in [
        "command=a&text=b&",
        "command=a&text=%FF&",
        "command=%ff&text=b&",
        "text=b&",
        "command=a&",
        "command=a%C3&text=%A9&",
        "command=a&text=%ED%A0%BD%ED%B8%80&",
        "token=t&team_id=T1&team_domain=d&enterprise_id=E1&enterprise_name=Globular%20Construct%20Inc&channel_id=D1&channel_name=directmessage&user_id=W1&user_name=u&command=%2Ftorrap&text=a&api_app_id=A1&is_enterprise_install=false&trigger_id=1.2.3&",
    ] {
        seeds.push(format!("{odd}{url}").into_bytes());
        seeds.push(format!("{url}&{odd}").into_bytes());
    }
    seeds.push(b"command=a&text=b&response_url=\xff\xfe".to_vec());
    seeds.push(b"command=a&text=b&response_url=https://hooks.slack.com.evil.example/x".to_vec());
    seeds
}
