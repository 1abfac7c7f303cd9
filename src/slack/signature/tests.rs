//! Slack's own example, and what must not pass.

use super::*;
use crate::slack::request::sign;

pub(in crate::slack) const SECRET: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";
pub(in crate::slack) const TIMESTAMP: u64 = 1_531_420_618;
/// The example on Slack's page.
pub(in crate::slack) const OFFICIAL: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
pub(in crate::slack) const OFFICIAL_SIGNATURE: &str =
    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

fn verify_at(now_secs: u64, timestamp: &str, signature: &str) -> Result<(), Error> {
    let verifier = Verifier::new([b"another".as_slice(), SECRET], 60_000);
    let now = UnixTime(now_secs * 1000 + 999);
    let (timestamp, signature) = (timestamp.as_bytes(), signature.as_bytes());
    verifier
        .verify(Some(timestamp), Some(signature), OFFICIAL.as_bytes(), now)
        .map(|_| ())
}

#[test]
fn slacks_own_vector() {
    assert_eq!(
        verify_at(TIMESTAMP, "1531420618", OFFICIAL_SIGNATURE),
        Ok(())
    );
}

#[test]
fn the_tolerance_holds_both_ways_and_the_skew_is_told() {
    let at = |now_secs| verify_at(now_secs, "1531420618", OFFICIAL_SIGNATURE);
    assert_eq!(at(TIMESTAMP + 60), Ok(()));
    assert_eq!(at(TIMESTAMP - 60), Ok(()));
    assert_eq!(at(TIMESTAMP + 61), Err(Error::Stale { skew_secs: 61 }));
    assert_eq!(at(TIMESTAMP - 61), Err(Error::Stale { skew_secs: -61 }));
}

/// The log says of a stale request that the clock may be wrong: only a client that has the secret can cause that
/// line.
#[test]
fn what_is_not_signed_is_never_stale() {
    let wrong = OFFICIAL_SIGNATURE.replace('a', "b");
    for now_secs in [0, TIMESTAMP, TIMESTAMP + 61, u64::MAX / 2000] {
        let verified = verify_at(now_secs, "1531420618", &wrong);
        assert_eq!(verified, Err(Error::Mismatch));
    }
}

#[test]
fn odd_timestamps_neither_panic_nor_pass() {
    let with = |timestamp: &str| verify_at(TIMESTAMP, timestamp, OFFICIAL_SIGNATURE);
    for odd in [
        "",
        "abc",
        "-1531420618",
        "+1531420618",
        "1531420618.0",
        " 1531420618",
        "\u{663}",
    ] {
        assert_eq!(with(odd), Err(Error::Malformed), "{odd:?}");
    }
    assert_eq!(with("99999999999999999999999"), Err(Error::Malformed));
    for other in ["999999999999999999", "0"] {
        assert_eq!(with(other), Err(Error::Mismatch), "not what was signed");
        let signed = sign(SECRET, other.parse().unwrap(), OFFICIAL.as_bytes());
        assert!(matches!(
            verify_at(TIMESTAMP, other, &signed),
            Err(Error::Stale { .. })
        ));
    }
    assert_eq!(
        with("01531420618"),
        Err(Error::Mismatch),
        "signed as received, not as a number"
    );
}

#[test]
fn odd_signatures_neither_panic_nor_pass() {
    let with = |signature: &str| verify_at(TIMESTAMP, "1531420618", signature);
    let digits = &OFFICIAL_SIGNATURE[3..];
    for odd in [
        String::new(),
        digits.to_owned(),
        "v0=".to_owned(),
        format!("v1={digits}"),
        format!("V0={digits}"),
        format!("v0={}", digits.to_uppercase()),
        format!("v0={digits}00"),
        format!("v0={}", &digits[..63]),
        format!("v0={}\u{e9}", &digits[..62]),
    ] {
        assert_eq!(with(&odd), Err(Error::Malformed), "{odd:?}");
    }
    let wrong = format!("v0=b{}", &digits[1..]);
    assert_eq!(with(&wrong), Err(Error::Mismatch));
}

#[test]
fn a_missing_field_is_named() {
    let verifier = Verifier::new([SECRET], 60_000);
    let verify = |t, s| verifier.verify(t, s, b"", UnixTime(0)).map(|_| ());
    assert_eq!(
        verify(None, Some(b"v0=".as_slice())),
        Err(Error::MissingTimestamp)
    );
    assert_eq!(
        verify(Some(b"0".as_slice()), None),
        Err(Error::MissingSignature)
    );
}

#[test]
fn debug_shows_no_secret() {
    let verifier = Verifier::new([SECRET], 1);
    assert_eq!(
        format!("{verifier:?}"),
        "Verifier { secrets: 1, tolerance_ms: 1 }"
    );
}
