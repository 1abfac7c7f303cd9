//! What must hold for any bytes: the bodies of the fuzz targets, and the seeds that a fuzzer begins
//! with. `tests/fuzz_corpus.rs` runs both without a fuzzer.
#![allow(unreachable_pub)] // public to the targets, which are another crate; not so in that test

pub mod answers;
pub mod chunked;
pub mod composed;
pub mod connection;
mod emoji;
mod files;
pub mod form;
mod input;
pub mod journal;
pub mod near;
#[cfg(feature = "redis")]
pub mod redis_replies;
#[cfg(feature = "redis")]
pub mod redis_url;
#[cfg(feature = "redis")]
pub mod redis_values;
pub mod response_url;
pub mod reversal;
mod segments;
pub mod signature;
pub mod timing_wheel;
pub mod wire;

/// A property and where a search for a counterexample begins.
pub struct Body {
    /// As its target and its folder of finds are called.
    pub name: &'static str,
    /// Panics on a counterexample.
    pub check: fn(&[u8]),
    /// Inputs that reach deep.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! bodies {
    ($($(#[$condition:meta])? $name:ident)*) => {
        /// All of them.
        pub const BODIES: &[Body] = &[$($(#[$condition])? Body {
            name: stringify!($name),
            check: $name::check,
            seeds: $name::seeds,
        }),*];
    };
}

bodies! {
    answers chunked composed connection form journal
    #[cfg(feature = "redis")] redis_replies
    #[cfg(feature = "redis")] redis_url
    #[cfg(feature = "redis")] redis_values
    response_url reversal signature timing_wheel
}
