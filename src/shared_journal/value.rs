//! The value of a job in the shared journal, as bytes.
//!
//! | field | bytes | |
//! | --- | --- | --- |
//! | format | 1 | upper half: 1, the version of all this; lower half: a hint at the secret that has sealed it |
//! | take-overs | 1 | from how many dead replicas it was taken over |
//! | expiry | 8 | by Redis's clock, ms |
//! | due | 8 | the same |
//! | attempts | 1 | posts that may have reached the receiver |
//! | marks | 1 | bit 0: an acknowledgement stands behind it besides that of the replica that has it |
//! | sealed | | see `seal.rs`: the texts, as a record of the local journal has them |
//!
//! Numbers are big-endian, as the scripts unpack them. Format and expiry stand in these places in every format to come: a script of
//! this one leaves a newer value where it is until it has expired.
//!
//! The fields before the sealed part are the head. Scripts read and change it, and so may everything else that can write
//! to Redis: it is not authenticated. With it a job can be delayed, dropped, or posted again while its `response_url`
//! lives: for all of that a right to write suffices anyway. Where it is posted and what, only the sealed part says.

use super::RedisTime;

/// The version of the format.
pub(super) const FORMAT: u8 = 1;

/// How long the head is.
pub(super) const HEAD_BYTES: usize = 20;

/// What a script checks: a value is never shorter.
pub(super) const VALUE_BYTES_MIN: usize = HEAD_BYTES + super::seal::OVERHEAD_BYTES;

/// No value is longer: what HTTP lets through has half of this.
pub(super) const VALUE_BYTES_MAX: usize = 512 * 1024;

const RELIED_ON: u8 = 1;

/// What stands before the sealed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which secret has sealed it: below 16, and perhaps the same for two secrets.
    pub hint: u8,
    /// From how many dead replicas it was taken over.
    pub takeovers: u8,
    /// When its `response_url` stops serving.
    pub expires: RedisTime,
    /// When its next attempt is due.
    pub due: RedisTime,
    /// Posts that may have reached the receiver.
    pub attempts: u8,
    /// Whether an acknowledgement stands behind it besides that of the replica that has it: it was taken over, or another
    /// replica has acknowledged a copy of its request.
    pub is_relied_on: bool,
}

impl Head {
    /// Whether it says the same of the job: take-overs and marks are the scripts'.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let of = |head: &Self| (head.expires, head.due, head.attempts);
        of(self) == of(other)
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[0] = FORMAT << 4 | self.hint & 15;
        bytes[1] = self.takeovers;
        bytes[2..10].copy_from_slice(&self.expires.0.to_be_bytes());
        bytes[10..18].copy_from_slice(&self.due.0.to_be_bytes());
        bytes[18] = self.attempts;
        bytes[19] = u8::from(self.is_relied_on) * RELIED_ON;
        bytes
    }

    /// The head of a value; `None` if it is too short for any, or of another format.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD_BYTES] = value.first_chunk()?;
        let time = |at: usize| {
            let bytes = head[at..at + 8].try_into();
            RedisTime(u64::from_be_bytes(bytes.expect("eight of them")))
        };
        (head[0] >> 4 == FORMAT).then(|| Self {
            hint: head[0] & 15,
            takeovers: head[1],
            expires: time(2),
            due: time(10),
            attempts: head[18],
            is_relied_on: head[19] & RELIED_ON != 0,
        })
    }
}

/// A whole value: a head and a sealed part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(Box<[u8]>);

impl Value {
    /// A value that stands in Redis; `None` if it cannot be one of this format.
    #[must_use]
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        let is_possible = (VALUE_BYTES_MIN..=VALUE_BYTES_MAX).contains(&bytes.len());
        Head::read(&bytes).filter(|_| is_possible)?;
        Some(Self(bytes.into()))
    }

    /// All of it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its head.
    #[must_use]
    pub fn head(&self) -> Head {
        Head::read(&self.0).expect("a value has one")
    }

    /// Replaces its head. It stays sealed as it is.
    pub fn set_head(&mut self, head: &Head) {
        self.0[..HEAD_BYTES].copy_from_slice(&head.to_bytes());
    }

    /// What follows the head.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        &self.0[HEAD_BYTES..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn head() -> Head {
        Head {
            hint: 5,
            takeovers: 2,
            expires: RedisTime(0x0102_0304_0506_0708),
            due: RedisTime(9),
            attempts: 3,
            is_relied_on: true,
        }
    }

    /// The scripts read these places.
    #[test]
    fn the_head_stands_where_the_scripts_look_for_it() {
        let bytes = head().to_bytes();
        let expected = [
            0x15, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9, 3, 1,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(Head::read(&bytes), Some(head()));
    }

    #[test]
    fn what_is_too_short_too_long_or_of_another_format_is_no_value() {
        let mut bytes = head().to_bytes().to_vec();
        bytes.resize(VALUE_BYTES_MIN, 0);
        assert!(Value::read(bytes.clone()).is_some());
        assert_eq!(Value::read(bytes[..VALUE_BYTES_MIN - 1].to_vec()), None);
        let mut long = bytes.clone();
        long.resize(VALUE_BYTES_MAX + 1, 0);
        assert_eq!(Value::read(long), None);
        for format in (0..16).filter(|format| *format != FORMAT) {
            bytes[0] = format << 4 | 5;
            assert_eq!(Value::read(bytes.clone()), None, "format {format}");
        }
    }

    #[test]
    fn another_head_leaves_what_is_sealed() {
        let mut bytes = head().to_bytes().to_vec();
        bytes.extend(0..100);
        let mut value = Value::read(bytes).unwrap();
        let later = Head {
            attempts: 4,
            due: RedisTime(10),
            ..head()
        };
        value.set_head(&later);
        assert_eq!(value.head(), later);
        assert!(value.sealed().iter().copied().eq(0..100));
        assert_eq!(value.as_bytes().len(), HEAD_BYTES + 100);
    }
}
