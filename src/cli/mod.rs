//! The command line: arguments and variables in, what to do out.

mod command;
mod env;
mod error;
mod help;
mod invocation;
mod line;
mod misspelt;
mod options;
#[cfg(test)]
mod tests;

pub use env::Env;
pub use error::Error;
pub use invocation::{Invocation, TRIAL_TEXT};
use line::Line;
pub use options::{OPTIONS, Opt, rows};

use std::ffi::OsString;

use lexopt::Arg::{Long, Short, Value};

use crate::config::clean;

/// Reads the command line, without the program's name, and the variables behind it.
///
/// Options may stand before and behind the command. If an option is repeated, the last one wins, so that a script's
/// defaults can be overridden at the end of its line.
///
/// # Errors
/// The first thing that is wrong. All of them are for exit code 2.
pub fn parse<I>(args: I, env: &Env<'_>) -> Result<Invocation, Error>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = lexopt::Parser::from_args(args);
    let mut line = Line::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Invocation::Help(help::text(env.commands))),
            Short('V') | Long("version") => return Ok(Invocation::Version),
            Long("to") => {
                let url = into_text(parser.value().map_err(|_| Error::NoTarget)?)?;
                line.to = Some(clean(&url).to_owned());
            }
            Long("link") => line.is_link = true,
            Long("jobs") => line.jobs = true,
            Long(name) => {
                let opt = options::with_flag(name)
                    .ok_or_else(|| Error::no_option(&format!("--{name}"), line.command))?;
                let value = if opt.is_switch() {
                    parser.optional_value().unwrap_or_else(|| "yes".into())
                } else {
                    parser.value().map_err(|_| Error::NoValue { opt })?
                };
                line.flags.push((opt, value));
            }
            Short(letter) => return Err(Error::no_option(&format!("-{letter}"), line.command)),
            Value(word) => line.push(into_text(word)?)?,
        }
    }
    line.into_invocation(env)
}

fn into_text(word: OsString) -> Result<String, Error> {
    word.into_string().map_err(|word| Error::NotUtf8 {
        word: word.to_string_lossy().into(),
    })
}
