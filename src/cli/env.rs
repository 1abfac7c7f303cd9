//! What the meaning of a command line depends on besides.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::commands::Commands;

/// The program and the environment of its process, handed in so that nothing here depends on the process.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// The slash commands that the bot is made of.
    pub commands: &'a Commands,
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The names of all environment variables.
    pub names: &'a [OsString],
    /// The content of a file.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}
