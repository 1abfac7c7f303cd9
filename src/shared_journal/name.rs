//! The name of a job in the shared journal, which it keeps when another replica takes it over.

use std::fmt;

use crate::request_id::RequestId;

/// Names a job: the id of the request that has made it, so that a copy of that request is found wherever in the fleet
/// it has come; for a job without one, eight random bytes of its replica and a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    bytes: [u8; Self::LONG],
    len: u8,
}

impl Name {
    const SHORT: usize = 8;
    const LONG: usize = 16;
    /// How many bytes a name may have.
    pub const LENGTHS: [usize; 2] = [Self::SHORT, Self::LONG];

    /// The name of the job that this request has made.
    #[must_use]
    pub fn of_request(request: RequestId) -> Self {
        Self::from_slice(&request.0.to_le_bytes())
    }

    /// The name of a job that no request names.
    #[must_use]
    pub fn numbered(replica: [u8; 8], number: u64) -> Self {
        let mut bytes = [0; Self::LONG];
        bytes[..8].copy_from_slice(&replica);
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        Self::from_slice(&bytes)
    }

    /// A name that stands in Redis; `None` if it is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::LENGTHS
            .contains(&bytes.len())
            .then(|| Self::from_slice(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether copies of the request are known by it.
    #[must_use]
    pub const fn is_of_request(&self) -> bool {
        self.len as usize == Self::SHORT
    }

    fn from_slice(slice: &[u8]) -> Self {
        let mut bytes = [0; Self::LONG];
        bytes[..slice.len()].copy_from_slice(slice);
        Self {
            bytes,
            len: slice.len() as u8,
        }
    }
}

/// By hand: it may be a part of a signature, which must not stand in the log.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_written_and_nothing_else_is_a_name() {
        let of_request = Name::of_request(RequestId(7));
        let numbered = Name::numbered([1; 8], 7);
        for name in [of_request, numbered] {
            assert_eq!(Name::read(name.as_bytes()), Some(name));
        }
        assert!(of_request.is_of_request() && !numbered.is_of_request());
        assert_ne!(Name::numbered([1; 8], 8), numbered);
        for len in (0..40).filter(|len| ![8, 16].contains(len)) {
            assert_eq!(Name::read(&vec![7; len]), None, "{len}");
        }
        assert_eq!(format!("{of_request:?}"), "Name(..)");
    }
}
