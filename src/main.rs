//! The torrap binary: the bot with torrap's own commands.

use std::process::ExitCode;

use torrap::commands::{REVERSE, SHOUT};

fn main() -> ExitCode {
    torrap::run(&[REVERSE, SHOUT])
}
