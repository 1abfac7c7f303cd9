//! What tells a request from all others.

use std::fmt;

/// The beginning of a request's signature, which is a hash of its timestamp and its content: copies of a request have the
/// same one, and two different requests with a probability of 2^-64.
///
/// A part of a computed signature must not stand in the log, so that `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub u64);

impl RequestId {
    /// The id of the request that has this signature.
    #[must_use]
    pub const fn of(signature: &[u8; 32]) -> Self {
        let (beginning, _) = signature
            .split_first_chunk()
            .expect("a signature has 32 bytes");
        Self(u64::from_le_bytes(*beginning))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_beginning_of_the_signature_and_never_shown() {
        let signature = std::array::from_fn(|at| at as u8);
        let id = RequestId::of(&signature);
        assert_eq!(id.0.to_le_bytes(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(format!("{id:?}"), "RequestId(..)");
    }
}
