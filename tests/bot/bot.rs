//! A bot with commands of its own: a crate like this needs `torrap` as its only dependency.
//!
//! `cargo run --example bot -- try --delay 0 sos`

mod busy;
mod spell;

use std::process::ExitCode;

fn main() -> ExitCode {
    torrap::run(&[spell::SPELL, busy::BUSY])
}
