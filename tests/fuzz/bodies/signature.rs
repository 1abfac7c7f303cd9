//! No request with a wrong signature is accepted: the bot against HMAC and a strict reading of the two fields.
//! [`judge`] computes the signature by itself, since signer and verifier share their code.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::input::Input;
use torrap::app::Bot;
use torrap::config::{Config, Settings, SigningSecret};
use torrap::http::{Fields, Request, Version};
use torrap::slack::request::sign;
use torrap::slack::signature::{Error, Verifier};
use torrap::time::{Now, Tick, UnixTime};

const SECRETS: [&str; 2] = [
    "8f742231b10e8888abcd99yyyzzz85a5",
    "fa2c05deeef5a4077494e89f54394de0",
];
const TOLERANCE_MS: u64 = 60_000;
const COMMAND: &str =
    "command=%2Ftorrap&text=abc&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1%2F2%2Fx";

/// The body: a clock, which content, then fields by choices.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let now = UnixTime(1_531_420_618_000 + u64::from(input.u32() % 200_000));
    let extra = input.some();
    let is_command = !input.byte().is_multiple_of(4);
    let content = if is_command {
        [COMMAND.as_bytes(), b"&", extra].concat()
    } else {
        extra.to_vec()
    };
    let mut fields = Vec::new();
    while !input.is_empty() && fields.len() < 8 {
        fields.push(field(&mut input, now, &content));
    }
    let expected = judge(&fields, &content, now);
    check_verifier(&fields, &content, now, &expected);
    let has_reply = check_bot(&fields, &content, now, &expected);
    assert!(
        !has_reply || expected.is_ok(),
        "a reply to a request that is not verified"
    );
    assert!(!is_command || has_reply == expected.is_ok());
}

type Field = (&'static str, Vec<u8>);

/// A field by its name, with a value that is right, nearly right, or anything.
fn field(input: &mut Input<'_>, now: UnixTime, content: &[u8]) -> Field {
    let name = input.of(&[
        "X-Slack-Request-Timestamp",
        "X-Slack-Signature",
        "x-slack-signature",
        "x-slack-request-timestamp",
        "X-Slack-Signature2",
        "X_Slack_Signature",
    ]);
    let choice = input.byte();
    let signed_at = match choice / 4 % 4 {
        0 => now.secs() + u64::from(input.byte()),
        1 => now.secs().wrapping_sub(u64::from(input.byte())),
        2 => input.u64(),
        _ => now.secs(),
    };
    let secret = input.of(&[SECRETS[0], SECRETS[1], "another"]);
    let mut value = if name.to_ascii_lowercase().contains("timestamp") {
        signed_at.to_string().into_bytes()
    } else {
        sign(secret.as_bytes(), signed_at, content).into_bytes()
    };
    match choice % 4 {
        0 => value = input.some().to_vec(),
        1 => {
            let at = usize::from(input.byte()) % value.len().max(1);
            value[at] ^= input.byte();
        }
        _ if choice > 127 => value.iter_mut().skip(3).for_each(u8::make_ascii_uppercase),
        _ => {}
    }
    (name, value)
}

/// Whether these fields let this content in.
fn judge(fields: &[Field], content: &[u8], now: UnixTime) -> Result<u64, Error> {
    let [timestamp, signature] = ["x-slack-request-timestamp", "x-slack-signature"].map(|name| {
        let mut values = fields
            .iter()
            .filter(|field| field.0.to_ascii_lowercase() == name);
        (
            values.next().map(|field| &*field.1),
            values.next().is_some(),
        )
    });
    if timestamp.1 || signature.1 {
        return Err(Error::Malformed);
    }
    let timestamp = timestamp.0.ok_or(Error::MissingTimestamp)?;
    let signature = signature.0.ok_or(Error::MissingSignature)?;
    let text = std::str::from_utf8(signature).unwrap_or_default();
    let digits = text.strip_prefix("v0=").ok_or(Error::Malformed)?;
    let mac = hex::decode(digits).map_err(|_| Error::Malformed)?;
    if digits.chars().any(char::is_uppercase) || mac.len() != 32 {
        return Err(Error::Malformed);
    }
    let digits = std::str::from_utf8(timestamp).unwrap_or_default();
    let only_digits = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let secs = digits
        .parse::<u64>()
        .ok()
        .filter(|_| only_digits && digits.len() <= 18);
    let secs = secs.ok_or(Error::Malformed)?;
    let signed = [b"v0:", timestamp, b":", content].concat();
    let right = |secret: &&str| {
        let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        hmac.update(&signed);
        hmac.finalize().into_bytes().as_slice() == mac
    };
    if !SECRETS.iter().any(right) {
        return Err(Error::Mismatch);
    }
    let skew_secs = now.secs() as i64 - secs as i64;
    if skew_secs.unsigned_abs() > TOLERANCE_MS / 1000 {
        return Err(Error::Stale { skew_secs });
    }
    Ok(secs)
}

fn check_verifier(fields: &[Field], content: &[u8], now: UnixTime, expected: &Result<u64, Error>) {
    let verifier = Verifier::new(SECRETS.map(str::as_bytes), TOLERANCE_MS);
    let value = |name: &str| {
        let mut values = fields
            .iter()
            .filter(|field| field.0.eq_ignore_ascii_case(name));
        let first = values.next();
        (first.map(|field| &*field.1), values.next().is_some())
    };
    let (timestamp, signature) = (
        value("x-slack-request-timestamp"),
        value("x-slack-signature"),
    );
    if timestamp.1 || signature.1 {
        return;
    }
    let verified = verifier.verify(timestamp.0, signature.0, content, now);
    assert_eq!(&verified.map(|verified| verified.timestamp_secs), expected);
    if let Ok(verified) = verified {
        assert_eq!(verified.content(), content);
    }
}

/// The whole bot: 401 for every reason. Tells whether a reply is pending afterwards.
fn check_bot(
    fields: &[Field],
    content: &[u8],
    now: UnixTime,
    expected: &Result<u64, Error>,
) -> bool {
    let now = Now {
        tick: Tick(0),
        unix: now,
    };
    let mut bot = bot(now.tick);
    let headers = fields
        .iter()
        .map(|(name, value)| httparse::Header { name, value });
    let headers: Vec<_> = headers.chain([FORM]).collect();
    let request = Request {
        method: "POST",
        path: "/slack",
        query: None,
        version: Version::Http11,
        fields: Fields::new(&headers),
        content,
    };
    let response = bot.handle_request(&request, now);
    let is_check = torrap::slack::invocation::is_certificate_check(content);
    match (expected, response.status.code()) {
        (Ok(_), 200 | 400) => {}
        (Err(_), 401) => assert!(!is_check),
        (Err(_), 200) => assert!(is_check),
        (_, status) => panic!("{status}, though the signature is {expected:?}"),
    }
    let later = Now {
        tick: Tick(60_000),
        ..now
    };
    bot.handle_timeout(later, &mut 100);
    bot.has_delivery()
}

const FORM: httparse::Header<'_> = httparse::Header {
    name: "Content-Type",
    value: b"application/x-www-form-urlencoded",
};

fn bot(now: Tick) -> Bot {
    let secrets = SECRETS.map(|secret| SigningSecret::new(secret).expect("a good secret"));
    let mut config = Config::from_settings(&Settings::default(), secrets.into()).expect("good");
    config.tolerance_ms = TOLERANCE_MS;
    Bot::new(&config, now)
}

/// Right ones, at each end of the window, and each way of being nearly right.
pub fn seeds() -> Vec<Vec<u8>> {
    let timestamp = |choice: u8, skew: u8| [0, choice, skew, 0];
    let signature = |choice: u8, skew: u8, secret: u8| [1, choice, skew, secret];
    let with = |fields: &[&[u8]]| [b"\0\0\0\0\0\x01", &*fields.concat()].concat();
    let mut seeds = vec![
        with(&[]),
        with(&[&timestamp(2, 0)]),
        with(&[&signature(2, 0, 0)]),
        with(&[&timestamp(2, 0), &signature(2, 0, 2)]),
        with(&[&timestamp(2, 0), &signature(142, 0, 0)]),
        with(&[&timestamp(2, 0), &signature(1, 0, 0), b"\x05\x01"]),
        with(&[&timestamp(2, 0), &signature(1, 0, 0), b"\x02\x20"]),
        with(&[&timestamp(1, 0), b"\x00\x01", &signature(2, 0, 0)]),
        with(&[&timestamp(2, 0), &timestamp(2, 0), &signature(2, 0, 0)]),
        with(&[&timestamp(2, 0), &signature(2, 0, 0), &[2, 14, 0]]),
        with(&[&[0, 0, 0, 0], b"\x0b01531420618", &signature(2, 0, 0)]),
        with(&[
            &[0, 0, 0, 0],
            b"\x13999999999999999999",
            &signature(2, 0, 0),
        ]),
        with(&[&[0, 0, 0, 0], b"\x00", &signature(2, 0, 0)]),
        [b"\0\0\0\0\x0bssl_check=1\0".as_slice(), &timestamp(2, 0)].concat(),
        [
            b"\0\0\0\0\x14&text=x&command=%2Fy\x01",
            &timestamp(2, 0)[..],
            &signature(2, 0, 1),
        ]
        .concat(),
    ];
    for choice in [2, 6] {
        for skew in [0, 59, 60, 61, 255] {
            for secret in [0, 1] {
                let fields = [
                    &timestamp(choice, skew)[..],
                    &signature(choice, skew, secret),
                ];
                seeds.push(with(&fields));
            }
        }
    }
    seeds
}
