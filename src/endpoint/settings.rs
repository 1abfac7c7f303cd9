//! What the two addresses of a bot differ in.

use super::source::Role;
use crate::http::Limits;

/// The settings of one address.
pub(crate) struct Settings {
    pub(crate) role: Role,
    /// What limits the places, as an operator knows it.
    pub(crate) places: &'static str,
    /// How many places there are.
    pub(crate) capacity: usize,
    pub(crate) limits: Limits,
    /// Sessions of each kind that have a turn at most, in one turn of the loop: new input, more input, closed by
    /// the client.
    pub(crate) turns_max: usize,
}
