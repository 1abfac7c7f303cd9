//! What only this fleet's replicas can read: the texts of a job, sealed.
//!
//! Redis, its append-only file, `MONITOR` and `SLOWLOG` would show the texts and `response_url`s of all pending jobs to
//! everything that may read there. So a value is sealed by ChaCha20-Poly1305 (RFC 8439) with a key that HKDF-SHA256 (RFC 5869)
//! derives from the signing secret, which all replicas of a fleet have, and the fleet's name.
//!
//! | field | bytes | |
//! | --- | --- | --- |
//! | sealer | 8 | random, chosen anew by each process: the key is derived from it, too |
//! | count | 8 | of this sealer's values: the nonce, so that none comes twice without a random number for each job |
//! | ciphertext | | of the texts |
//! | tag | 16 | authenticates the texts, the job's name and the format |
//!
//! The name is authenticated so that a value cannot be moved to another name: a job that is settled stays so.
//!
//! The first secret of a rotation list seals, all of them open. Replicas of which one has a newer list than the other hand
//! each other what they cannot open; see `Replica`.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};

use super::name::Name;
use super::value::{FORMAT, Head, VALUE_BYTES_MAX, Value};
use crate::journal::{Entry, JournalTime};

/// What is sealed is longer than its content by this.
pub(super) const OVERHEAD_BYTES: usize = SEALER_BYTES + COUNT_BYTES + TAG_BYTES;

const SEALER_BYTES: usize = 8;
const COUNT_BYTES: usize = 8;
const TAG_BYTES: usize = 16;

/// Fills a buffer with random bytes.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// Seals and opens values.
pub struct Sealer {
    fleet: Box<str>,
    secrets: Vec<Secret>,
    id: [u8; SEALER_BYTES],
    key: LessSafeKey,
    /// Values sealed so far.
    count: u64,
    /// The key of the other sealer whose values were opened last: those of a dead replica come one after the other.
    opener: Option<Opener>,
}

/// A signing secret, extracted, and the hint at it in values.
struct Secret {
    prk: Prk,
    hint: u8,
}

struct Opener {
    secret: usize,
    sealer: [u8; SEALER_BYTES],
    key: LessSafeKey,
}

impl Sealer {
    /// Of a fleet with these signing secrets, of which the first one seals.
    ///
    /// # Panics
    /// If there is no secret: no configuration is without one.
    #[must_use]
    pub fn new<'a>(
        secrets: impl IntoIterator<Item = &'a [u8]>,
        fleet: &str,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Self {
        let salt = Salt::new(HKDF_SHA256, b"torrap shared journal");
        let secrets: Vec<_> = secrets
            .into_iter()
            .map(|secret| {
                let prk = salt.extract(secret);
                let hint = derive(&prk, b"hint", fleet, &[0; SEALER_BYTES]);
                Secret {
                    hint: hint_of(&LessSafeKey::new(hint)),
                    prk,
                }
            })
            .collect();
        let mut id = [0; SEALER_BYTES];
        random(&mut id);
        let first = secrets.first().expect("a configuration has a secret");
        Self {
            key: LessSafeKey::new(derive(&first.prk, b"value", fleet, &id)),
            fleet: fleet.into(),
            secrets,
            id,
            count: 0,
            opener: None,
        }
    }

    /// Seals the texts of a job. Its head says the times and attempts; the hint in it is filled in here.
    #[must_use]
    pub fn seal(&mut self, name: &Name, entry: &Entry<'_>, head: &Head) -> Value {
        let head = Head {
            hint: self.secrets[0].hint,
            ..*head
        };
        let mut bytes = head.to_bytes().to_vec();
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.count.to_be_bytes());
        let start = bytes.len();
        entry.append_texts(&mut bytes);
        assert!(
            bytes.len() + TAG_BYTES <= VALUE_BYTES_MAX,
            "what HTTP lets through fits a value"
        );
        let nonce = nonce(self.count);
        self.count += 1;
        let aad = Aad::from(associated(name));
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, aad, &mut bytes[start..]);
        let tag = tag.expect("a value is far shorter than the cipher's limit");
        bytes.extend_from_slice(tag.as_ref());
        Value::read(bytes).expect("it was just made")
    }

    /// The content of a value of this name; `None` if none of the secrets opens it.
    #[must_use]
    pub fn open(&mut self, name: &Name, value: &Value) -> Option<Opened> {
        let hint = value.head().hint;
        let (sealer, rest) = value.sealed().split_first_chunk()?;
        let (count, sealed) = rest.split_first_chunk()?;
        let count = u64::from_be_bytes(*count);
        (0..self.secrets.len())
            .filter(|at| self.secrets[*at].hint == hint)
            .collect::<Vec<_>>()
            .into_iter()
            .find_map(|at| {
                let mut bytes = sealed.to_vec();
                let aad = Aad::from(associated(name));
                let key = self.opener(at, sealer);
                let len = key.open_in_place(nonce(count), aad, &mut bytes).ok()?.len();
                bytes.truncate(len);
                Some(Opened(bytes))
            })
    }

    fn opener(&mut self, secret: usize, sealer: &[u8; SEALER_BYTES]) -> &LessSafeKey {
        let is_it = |opener: &Opener| opener.secret == secret && opener.sealer == *sealer;
        let opener = match self.opener.take().filter(is_it) {
            Some(opener) => opener,
            None => Opener {
                secret,
                sealer: *sealer,
                key: LessSafeKey::new(derive(
                    &self.secrets[secret].prk,
                    b"value",
                    &self.fleet,
                    sealer,
                )),
            },
        };
        &self.opener.insert(opener).key
    }
}

/// By hand: keys are secrets.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(hidden)")
    }
}

/// The texts of a value.
pub struct Opened(Vec<u8>);

impl Opened {
    /// What they are, with the times and attempts of this head; `None` if the sealer wrote something else.
    #[must_use]
    pub fn entry(&self, head: &Head) -> Option<Entry<'_>> {
        let [due, expires] = [head.due, head.expires].map(|time| JournalTime(time.0));
        let mut entry = Entry::without_texts(due, expires, head.attempts);
        entry.read_texts(&self.0)?;
        Some(entry)
    }
}

fn derive(prk: &Prk, label: &[u8], fleet: &str, sealer: &[u8; SEALER_BYTES]) -> UnboundKey {
    // No two lists of parts are the same bytes: the label ends with the zero, the sealer has its length.
    let info = [label, &[0], fleet.as_bytes(), sealer];
    let okm = prk.expand(&info, &CHACHA20_POLY1305);
    UnboundKey::from(okm.expect("a key is shorter than HKDF's limit"))
}

/// Four bits that say nothing of the secret: of the tag of an empty message under a key of its own.
fn hint_of(key: &LessSafeKey) -> u8 {
    let tag = key.seal_in_place_separate_tag(nonce(0), Aad::empty(), &mut []);
    tag.expect("nothing is shorter").as_ref()[0] & 15
}

fn nonce(count: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - COUNT_BYTES..].copy_from_slice(&count.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// What is authenticated besides the texts.
fn associated(name: &Name) -> Vec<u8> {
    [&[FORMAT], name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::RedisTime;
    use super::*;
    use crate::request_id::RequestId;

    const SECRETS: [&[u8]; 2] = [b"8f742231b10e8888abcd99yyyzzz85a5", b"another"];

    fn entry() -> Entry<'static> {
        Entry {
            due: JournalTime(5),
            expires_at: JournalTime(1_800_000),
            attempts: 1,
            command: "/torrap",
            origin: "https://hooks.slack.com",
            path: "/commands/T1/secret",
            text: "olleh 日本",
            fields: "\u{2}\u{2}U1",
            is_late: true,
            request: Some(RequestId(7)),
        }
    }

    fn head() -> Head {
        Head {
            hint: 0,
            takeovers: 0,
            expires: RedisTime(1_800_000),
            due: RedisTime(5),
            attempts: 1,
            is_relied_on: false,
        }
    }

    fn name() -> Name {
        Name::of_request(RequestId(7))
    }

    fn sealer(secrets: &[&'static [u8]], fleet: &str, id: u8) -> Sealer {
        Sealer::new(secrets.iter().copied(), fleet, &mut |bytes| bytes.fill(id))
    }

    #[test]
    fn another_replica_of_the_fleet_opens_what_one_has_sealed() {
        let mut one = sealer(&SECRETS[..1], "bots", 1);
        let mut other = sealer(&SECRETS[..1], "bots", 2);
        for _ in 0..3 {
            let value = one.seal(&name(), &entry(), &head());
            for sealer in [&mut one, &mut other] {
                let opened = sealer.open(&name(), &value).unwrap();
                assert_eq!(opened.entry(&value.head()), Some(entry()));
            }
        }
    }

    #[test]
    fn nothing_of_a_text_is_seen_and_no_value_comes_twice() {
        let mut sealer = sealer(&SECRETS, "bots", 1);
        let first = sealer.seal(&name(), &entry(), &head());
        let second = sealer.seal(&name(), &entry(), &head());
        assert_ne!(first, second);
        for text in ["/torrap", "hooks", "secret", "olleh", "U1"] {
            let bytes = first.as_bytes();
            let is_seen = bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes());
            assert!(!is_seen, "{text}");
        }
        assert_eq!(format!("{sealer:?}"), "Sealer(hidden)");
    }

    #[test]
    fn other_secrets_fleets_names_and_changed_bytes_open_nothing() {
        let mut one = sealer(&SECRETS[..1], "bots", 1);
        let value = one.seal(&name(), &entry(), &head());
        let mut other_secret = sealer(&SECRETS[1..], "bots", 1);
        // The hint may be the same for two secrets: the tag decides.
        let mut hinted = value.clone();
        hinted.set_head(&Head {
            hint: other_secret.secrets[0].hint,
            ..value.head()
        });
        assert!(other_secret.open(&name(), &hinted).is_none());
        let mut other_fleet = sealer(&SECRETS[..1], "others", 1);
        let mut hinted = value.clone();
        hinted.set_head(&Head {
            hint: other_fleet.secrets[0].hint,
            ..value.head()
        });
        assert!(other_fleet.open(&name(), &hinted).is_none());
        let other_name = Name::of_request(RequestId(8));
        assert!(one.open(&other_name, &value).is_none());
        for at in super::super::value::HEAD_BYTES..value.as_bytes().len() {
            let mut bytes = value.as_bytes().to_vec();
            bytes[at] ^= 1;
            let changed = Value::read(bytes).unwrap();
            assert!(one.open(&name(), &changed).is_none(), "byte {at}");
        }
    }

    #[test]
    fn a_rotation_list_opens_what_its_older_secrets_have_sealed() {
        let mut old = sealer(&SECRETS[1..], "bots", 1);
        let value = old.seal(&name(), &entry(), &head());
        let mut both = sealer(&SECRETS, "bots", 2);
        assert!(both.open(&name(), &value).is_some());
        let newer = both.seal(&name(), &entry(), &head());
        let mut first = sealer(&SECRETS[..1], "bots", 3);
        assert!(first.open(&name(), &newer).is_some(), "the first one seals");
    }

    #[test]
    fn a_head_may_change_while_the_rest_stays_sealed() {
        let mut sealer = sealer(&SECRETS, "bots", 1);
        let mut value = sealer.seal(&name(), &entry(), &head());
        let later = Head {
            takeovers: 1,
            attempts: 2,
            ..value.head()
        };
        value.set_head(&later);
        let opened = sealer.open(&name(), &value).unwrap();
        assert_eq!(opened.entry(&later).unwrap().attempts, 2);
    }
}
