//! The command line: arguments and variables in, what to do out.

mod action;
mod completions;
mod env;
mod env_file;
mod error;
mod help;
mod line;
mod man;
mod misspelt;
mod options;
mod own;
mod subcommand;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use completions::{Shell, script as completions};
pub use env::Env;
use env_file::EnvFile;
pub use error::Error;
use help::Length;
use line::Line;
pub use man::page as manual_page;
pub use options::{OPTIONS, Opt, rows};
use own::Own;
use subcommand::Subcommand;

use std::ffi::{OsStr, OsString};

use lexopt::Arg::{Long, Short, Value};

use crate::config::clean;
use crate::host::is_name_or_ipv4;

/// Reads the command line, without the program's name, and the variables behind it.
///
/// Options may stand before and behind the command. If an option is repeated, the last one wins, so that a script's
/// defaults can be overridden at the end of its line.
///
/// # Errors
/// The first thing that is wrong. All of them are for exit code 2.
pub fn parse<I>(args: I, env: &Env<'_>) -> Result<Action, Error>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = lexopt::Parser::from_args(args);
    let mut line = Line::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') => return help(&line, &mut parser, env, Length::Short),
            Long("help") => return help(&line, &mut parser, env, Length::Long),
            Short('V') | Long("version") => return Ok(Action::Version),
            Long(name) => {
                if let Some(own) = own::with_flag(name) {
                    line.own.push((own, own_value(own, &mut parser)?));
                    continue;
                }
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
    let is_check = line.command == Some(Subcommand::Check);
    match with_env_file(line, env) {
        // A check reports everything that is wrong in the same form.
        Err(error) if is_check && error.is_of_settings() => Ok(Action::Check {
            config: Err(vec![error.to_string()]),
        }),
        action => action,
    }
}

/// What the line asks for in the environment of the process, to which the line's file of variables adds, if there is one.
fn with_env_file(line: Line, env: &Env<'_>) -> Result<Action, Error> {
    match line.env_file(env)? {
        None => line.into_action(env),
        Some((name, path)) => {
            EnvFile::read(name, &path, env.read_file)?.with(env, |env| line.into_action(env))
        }
    }
}

/// Help about the command that stands before `--help`, or right behind it.
fn help(
    line: &Line,
    parser: &mut lexopt::Parser,
    env: &Env<'_>,
    length: Length,
) -> Result<Action, Error> {
    let behind = || match parser.next() {
        Ok(Some(Value(word))) => Subcommand::with_word(word.to_str()?),
        _ => None,
    };
    let command = line.command.or_else(behind);
    Ok(Action::Help(help::text(command, length, env.commands)))
}

/// The value of an option of one command; `None` if it has none.
fn own_value(own: &Own, parser: &mut lexopt::Parser) -> Result<Option<String>, Error> {
    let value = if own.value.is_empty() {
        return Ok(None);
    } else if own.is_value_optional() {
        url(parser)?
    } else {
        let value = parser.value().map_err(|_| Error::NoOwnValue {
            option: own.flag,
            remedy: own.remedy,
        });
        Some(value?)
    };
    let Some(value) = value else {
        return Ok(None);
    };
    Ok(Some(clean(&into_text(value)?).to_owned()))
}

/// The URL behind an option: the next word, if that is more like a URL than like a command's text. An empty one counts as a
/// URL, so that a script's variable that is not set is a mistake and not a question to tunnels.
fn url(parser: &mut lexopt::Parser) -> Result<Option<OsString>, Error> {
    if let Some(url) = parser.optional_value() {
        return Ok(Some(url));
    }
    let is_url = |word: &OsStr| word.to_str().is_some_and(is_like_url);
    Ok(parser.raw_args()?.next_if(is_url))
}

/// Whether a word has a scheme, or is what stands behind one.
fn is_like_url(word: &str) -> bool {
    let word = clean(word);
    let authority = word.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let is_address = host.contains('.') || host == "localhost";
    word.is_empty() || word.contains("://") || is_address && is_name_or_ipv4(host)
}

fn into_text(word: OsString) -> Result<String, Error> {
    word.into_string().map_err(|word| Error::NotUtf8 {
        word: word.to_string_lossy().into(),
    })
}
