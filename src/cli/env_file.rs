//! A file of variables, as `EnvironmentFile=` of systemd and `--env-file` of container tools read it.
//!
//! Those read quotes and backslashes within a value in different ways (systemd.exec(5); docs.docker.com/reference/cli), so
//! that a value with them is refused rather than read in one of the ways.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::env::Env;
use super::error::Error;
use crate::config;

/// The variables of a file. They may be secrets: their memory is overwritten at the end.
#[derive(Default)]
pub(super) struct EnvFile {
    variables: Vec<(String, Zeroizing<String>)>,
}

/// What is wrong with a line. The line is not shown: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NotUtf8,
    /// It is no variable with a value.
    NotAVariable,
    /// Its value would be read in different ways by different programs.
    Ambiguous,
}

impl Fault {
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::NotUtf8 => "is not valid UTF-8; give plain text",
            Self::NotAVariable => {
                "is not NAME=value; give one variable a line, without blanks around the ="
            }
            Self::Ambiguous => {
                "has a quote or a backslash within its value; leave it out, or put quotes around the whole value"
            }
        }
    }
}

impl EnvFile {
    /// Reads the file that the option or variable `name` gives.
    pub(super) fn read(
        name: &'static str,
        path: &Path,
        read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, Error> {
        let content = read_file(path);
        let content = content.map_err(|error| config::Error::unreadable(name, path, &error))?;
        Self::parse(&Zeroizing::new(content)).map_err(|(line, fault)| Error::EnvFileLine {
            name,
            path: path.display().to_string(),
            line,
            why: fault.remedy(),
        })
    }

    /// The variables of a file's content, or the number of the line that is wrong, and why.
    fn parse(content: &[u8]) -> Result<Self, (usize, Fault)> {
        let mut file = Self::default();
        // An editor of Windows leaves a byte order mark.
        let unmarked = content.strip_prefix("\u{feff}".as_bytes());
        let content = unmarked.unwrap_or(content);
        for (index, line) in content.split(|b| *b == b'\n').enumerate() {
            let variable = str::from_utf8(line).map_err(|_| Fault::NotUtf8);
            match variable.and_then(variable_of) {
                Ok(Some((name, value))) => {
                    let value = Zeroizing::new(value.to_owned());
                    file.variables.push((name.to_owned(), value));
                }
                Ok(None) => {}
                Err(fault) => return Err((index + 1, fault)),
            }
        }
        Ok(file)
    }

    /// The value of a variable: if it is given twice, the last one wins.
    fn get(&self, name: &str) -> Option<OsString> {
        let mut given = self.variables.iter().rev();
        let found = given.find(|(given, _)| given == name);
        found.map(|(_, value)| OsStr::new(value.as_str()).to_owned())
    }

    /// Calls `run` with an environment to which the file adds the variables that are not set already.
    pub(super) fn with<T>(&self, env: &Env<'_>, run: impl FnOnce(&Env<'_>) -> T) -> T {
        let own = self.variables.iter().map(|(name, _)| OsString::from(name));
        let names: Vec<_> = env.names.iter().cloned().chain(own).collect();
        run(&Env {
            commands: env.commands,
            variable: &|name| (env.variable)(name).or_else(|| self.get(name)),
            names: &names,
            read_file: env.read_file,
        })
    }
}

/// The name and the value on a line; `None` for a blank line and a comment.
fn variable_of(line: &str) -> Result<Option<(&str, &str)>, Fault> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';']) {
        return Ok(None);
    }
    // For those who have a shell read the file as well.
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=').ok_or(Fault::NotAVariable)?;
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.bytes().all(is_word) {
        return Err(Fault::NotAVariable);
    }
    let value = value.trim();
    let inner = ['"', '\''].iter().find_map(|quote| {
        let inner = value.strip_prefix(*quote)?;
        inner.strip_suffix(*quote)
    });
    let value = inner.unwrap_or(value);
    match value.contains(['"', '\'', '\\']) {
        true => Err(Fault::Ambiguous),
        false => Ok(Some((name, value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_systemd_and_containers_read_them() {
        let file = "\u{feff}# a comment\r\n\n ; another = one\nA=1\r\n  B = \nexport C=x y\nD=\"q # \"\nE='$A'\nF=a=b\n_g=\nA=2";
        let wrong = EnvFile::parse(file.as_bytes()).err();
        assert_eq!(
            wrong,
            Some((5, Fault::NotAVariable)),
            "a blank before the ="
        );
        let file = EnvFile::parse(file.replace("B = ", "B=").as_bytes()).unwrap_or_default();
        for (name, value) in [
            ("A", "2"),
            ("B", ""),
            ("C", "x y"),
            ("D", "q # "),
            ("E", "$A"),
            ("F", "a=b"),
            ("_g", ""),
        ] {
            assert_eq!(file.get(name), Some(value.into()), "{name}");
        }
        assert_eq!(file.get("another"), None);
    }

    #[test]
    fn what_programs_read_in_different_ways_is_refused_by_the_number_of_its_line() {
        for (line, fault) in [
            (&b"A"[..], Fault::NotAVariable),
            (b"A: b", Fault::NotAVariable),
            (b"=b", Fault::NotAVariable),
            (b"1A=b", Fault::NotAVariable),
            (b"A-B=c", Fault::NotAVariable),
            (b"A=\xff", Fault::NotUtf8),
            (b"A=b\\", Fault::Ambiguous),
            (b"A=\"b\" c", Fault::Ambiguous),
            (b"A=\"b", Fault::Ambiguous),
            (b"A=it's", Fault::Ambiguous),
            (b"A='it'\"s\"", Fault::Ambiguous),
            (b"A=\"a\\nb\"", Fault::Ambiguous),
        ] {
            let content = [b"X=1\n\n".as_slice(), line, b"\nY=2\n"].concat();
            assert_eq!(EnvFile::parse(&content).err(), Some((3, fault)), "{line:?}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = EnvFile::parse(b"A=file\nB=file\nC=file").unwrap_or_default();
        let env = Env {
            commands: &crate::commands::Commands::default(),
            variable: &|name| match name {
                "A" => Some("env".into()),
                "B" => Some("".into()),
                _ => None,
            },
            names: &["A".into(), "B".into()],
            read_file: &|_| Err(io::ErrorKind::NotFound.into()),
        };
        let get = |name| file.with(&env, |env| (env.variable)(name));
        assert_eq!(get("A"), Some("env".into()));
        assert_eq!(get("B"), Some("".into()), "set to nothing is set");
        assert_eq!(get("C"), Some("file".into()));
        assert_eq!(get("D"), None);
        assert_eq!(file.with(&env, |env| env.names.len()), 5);
    }
}
