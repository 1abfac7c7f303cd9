//! Slack's v0 request signature (docs.slack.dev/authentication/verifying-requests-from-slack).
//!
//! `v0=` and the lower-case hex of HMAC-SHA256 over `v0:<timestamp>:<content>`, keyed with the signing
//! secret as text. The content is hashed as it was received: content that was decoded first has another signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::request_id::RequestId;
use crate::time::UnixTime;

/// The header field that says when a request was signed, in seconds since 1970.
pub const TIMESTAMP_FIELD: &str = "X-Slack-Request-Timestamp";

/// The header field that holds the signature.
pub const SIGNATURE_FIELD: &str = "X-Slack-Signature";

/// Content whose signature was right: there is no other way to make one.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    content: &'a [u8],
    /// The timestamp that was signed, in seconds since 1970.
    pub timestamp_secs: u64,
    /// The same for all copies of the request.
    pub request: RequestId,
}

impl<'a> Verified<'a> {
    /// The content, byte for byte as Slack signed it.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.content
    }
}

/// Why a request was not verified. The peer is never told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No `X-Slack-Request-Timestamp`.
    MissingTimestamp,
    /// No `X-Slack-Signature`.
    MissingSignature,
    /// A field that is there twice, or not in the form that Slack writes.
    Malformed,
    /// Signed with a secret of ours, and a timestamp too far from now; the clock's skew in seconds, positive if we
    /// are ahead.
    Stale {
        /// Now less the timestamp, in seconds.
        skew_secs: i64,
    },
    /// The right form and the wrong value.
    Mismatch,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MissingTimestamp => f.write_str("X-Slack-Request-Timestamp is missing"),
            Self::MissingSignature => f.write_str("X-Slack-Signature is missing"),
            Self::Malformed => f.write_str("a signature field is repeated or malformed"),
            Self::Stale { skew_secs } => {
                write!(f, "the timestamp is stale, clock skew {skew_secs:+} s (is the clock right?)")
            }
            Self::Mismatch => f.write_str(
                "the signature does not match (another signing secret, or content altered by a proxy?)",
            ),
        }
    }
}

impl std::error::Error for Error {}

/// Verifies requests with one or, while secrets are rotated, several signing secrets.
pub struct Verifier {
    /// For each secret what [`keyed`] gives, cloned for each request.
    keyed: Vec<Hmac<Sha256>>,
    tolerance_ms: u64,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Verifier {{ secrets: {}, tolerance_ms: {} }}",
            self.keyed.len(),
            self.tolerance_ms
        )
    }
}

impl Verifier {
    /// A verifier for these secrets, which takes timestamps up to `tolerance_ms` from now, both ways.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>, tolerance_ms: u64) -> Self {
        Self {
            keyed: secrets.into_iter().map(keyed).collect(),
            tolerance_ms,
        }
    }

    /// Verifies `content` by the values of the two fields of Slack's, `None` where one is missing.
    ///
    /// # Errors
    /// What is wrong, for the log alone: one answer must serve all reasons.
    pub fn verify<'a>(
        &self,
        timestamp: Option<&[u8]>,
        signature: Option<&[u8]>,
        content: &'a [u8],
        now: UnixTime,
    ) -> Result<Verified<'a>, Error> {
        let timestamp = timestamp.ok_or(Error::MissingTimestamp)?;
        let signature = parse_signature(signature.ok_or(Error::MissingSignature)?)?;
        let timestamp_secs = parse_timestamp(timestamp)?;
        // Each secret is tried, with a comparison in constant time.
        let matches = |keyed: &Hmac<Sha256>| {
            base_string(keyed, timestamp, content)
                .verify_slice(&signature)
                .is_ok()
        };
        // The signature is judged first: what the log says about the clock must come from Slack, and not from an
        // unauthenticated client that sends a wrong timestamp.
        if !self.keyed.iter().any(matches) {
            return Err(Error::Mismatch);
        }
        if timestamp_secs.abs_diff(now.secs()).saturating_mul(1000) > self.tolerance_ms {
            return Err(Error::Stale {
                skew_secs: skew(now.secs(), timestamp_secs),
            });
        }
        Ok(Verified {
            content,
            timestamp_secs,
            request: RequestId::of(&signature),
        })
    }
}

/// The state of HMAC after its key block and the beginning of every signature base string.
pub(super) fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.chain_update(b"v0:")
}

/// The rest of the signature base string, hashed: `<timestamp>:<content>`.
pub(super) fn base_string(keyed: &Hmac<Sha256>, timestamp: &[u8], content: &[u8]) -> Hmac<Sha256> {
    let mut mac = keyed.clone();
    mac.update(timestamp);
    mac.update(b":");
    mac.update(content);
    mac
}

/// `v0=` and 64 lower-case digits, as Slack writes it. Other verifiers accept more, and no request of Slack's needs it.
fn parse_signature(value: &[u8]) -> Result<[u8; 32], Error> {
    let digits = value.strip_prefix(b"v0=").ok_or(Error::Malformed)?;
    let digits = digits.try_into().map_err(|_| Error::Malformed)?;
    decode_hex(digits).ok_or(Error::Malformed)
}

/// Digits are read without a branch: they are random, and a branch on each would be mispredicted at a third of them,
/// which costs as much as half of the HMAC. First come all values, then the bytes, so that the compiler takes sixteen
/// digits at once; where it inlines this, it does not. The hex crate needs 1,100 instructions more (`benches/count`).
#[inline(never)]
fn decode_hex(digits: &[u8; 64]) -> Option<[u8; 32]> {
    let (mut values, mut seen) = ([0; 64], 0);
    for (value, digit) in values.iter_mut().zip(digits) {
        *value = digit_value(*digit);
        seen |= *value;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(values.as_chunks().0) {
        let pair = u16::from_le_bytes(*pair);
        *byte = (pair << 4 | pair >> 8) as u8;
    }
    (seen != NO_DIGIT).then_some(bytes)
}

/// What [`digit_value`] gives for a byte that is none.
const NO_DIGIT: u8 = 0xff;

/// The value of a lower-case hexadecimal digit.
const fn digit_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => NO_DIGIT,
    }
}

/// Decimal digits alone, few enough not to overflow.
fn parse_timestamp(value: &[u8]) -> Result<u64, Error> {
    if value.is_empty() || value.len() > 18 {
        return Err(Error::Malformed);
    }
    value.iter().try_fold(0, |secs, byte| {
        let digit = byte.wrapping_sub(b'0');
        let is_digit = digit < 10;
        is_digit
            .then_some(secs * 10 + u64::from(digit))
            .ok_or(Error::Malformed)
    })
}

fn skew(now_secs: u64, timestamp_secs: u64) -> i64 {
    let distance = i64::try_from(now_secs.abs_diff(timestamp_secs)).unwrap_or(i64::MAX);
    if now_secs < timestamp_secs {
        -distance
    } else {
        distance
    }
}

#[cfg(test)]
pub(super) mod tests;
