//! The torrap binary: the bot with torrap's own commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    torrap::run(torrap::commands::BUILT_IN)
}
