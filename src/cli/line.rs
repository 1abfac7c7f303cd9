//! A command line, sorted into its parts, and the action that they ask for.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::action::Action;
use super::completions::Shell;
use super::env::Env;
use super::error::Error;
use super::help::{self, Length};
use super::misspelt;
use super::options::{OPTIONS, Opt};
use super::own::{Name, Own};
use super::subcommand::Subcommand;
use crate::commands::{Chosen, is_blank};
#[cfg(feature = "redis")]
use crate::config::LEASE_VARIABLE;
use crate::config::{
    self, Config, Expected, JournalPlace, Proxy, PublicUrl, Setting, Settings, clean,
};
#[cfg(feature = "redis")]
use crate::tools::fleet_journal;
use crate::tools::manifest;

/// What `torrap try` logs unless `LOG_LEVEL` says otherwise: it prints its own transcript.
const TRIAL_LOG_LEVEL: &str = "warn";

/// Where `torrap try` listens unless `--listen` says otherwise: a free port, this machine only.
const TRIAL_LISTEN: &str = "127.0.0.1:0";

/// Set by systemd for a unit with `StateDirectory=`: paths, separated by colons.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// A command line, sorted into its parts.
#[derive(Default)]
pub(super) struct Line {
    pub(super) command: Option<Subcommand>,
    pub(super) flags: Vec<(&'static Opt, OsString)>,
    pub(super) words: Vec<String>,
    /// Options of one command, each with its value if it has one.
    pub(super) own: Vec<(&'static Own, Option<String>)>,
}

impl Line {
    pub(super) fn push(&mut self, word: String) -> Result<(), Error> {
        if self.command.is_some() {
            self.words.push(word);
            return Ok(());
        }
        let command = Subcommand::with_word(&word);
        self.command = Some(command.ok_or_else(|| Error::no_command(word))?);
        Ok(())
    }

    /// What an option of one command was given, if it is there: the last one wins.
    fn own(&self, name: Name) -> Option<Option<&str>> {
        let mut given = self.own.iter().rev();
        let found = given.find(|(own, _)| own.name == name);
        found.map(|(_, value)| value.as_deref())
    }

    fn has(&self, name: Name) -> bool {
        self.own(name).is_some()
    }

    /// The file of variables, and the flag or variable that gives it.
    pub(super) fn env_file(&self, env: &Env<'_>) -> Result<Option<(&'static str, PathBuf)>, Error> {
        let is_it = |opt: &Opt| opt.setting == Setting::EnvFile;
        let command = self.command.unwrap_or(Subcommand::Serve);
        let flags = self.flags.iter().filter(|(opt, _)| is_it(opt)).cloned();
        let is_taken = OPTIONS.iter().any(|opt| is_it(opt) && command.takes(opt));
        if !is_taken || self.is_journal_in_directory() {
            return Ok(None);
        }
        let is_trial = command == Subcommand::Try && !self.has(Name::To);
        let heeds = |opt: &Opt| is_it(opt) && (!is_trial || opt.variable_in_trial);
        let settings = gather(flags.collect(), env, heeds);
        Ok(settings.env_file()?)
    }

    pub(super) fn into_action(self, env: &Env<'_>) -> Result<Action, Error> {
        let command = self.command.unwrap_or(Subcommand::Serve);
        if let Some((own, _)) = self.own.iter().find(|(own, _)| own.command != command) {
            return Err(Error::OptionOf {
                option: own.flag,
                command: own.command.word(),
            });
        }
        match command {
            Subcommand::Serve => self.into_config(env).map(Action::Serve),
            Subcommand::Check => self.into_check(env),
            Subcommand::Try => self.into_try(env),
            Subcommand::Manifest => self.into_manifest(env),
            Subcommand::Journal => self.into_journal(env),
            Subcommand::Help => self.into_help(env),
            Subcommand::Completions => {
                let word = self.into_only_word(command)?.ok_or(Error::NoShell)?;
                match Shell::with_name(&word) {
                    Some(shell) => Ok(Action::Completions(shell)),
                    None => Err(Error::UnknownShell { word }),
                }
            }
            Subcommand::Man => {
                self.no_settings(command)?;
                self.no_words()?;
                Ok(Action::Man)
            }
        }
    }

    /// What the bot runs with.
    fn into_config(self, env: &Env<'_>) -> Result<Config, Error> {
        self.no_words()?;
        let mut settings = gather(self.flags, env, |_| true);
        if !settings.has(Setting::Journal)
            && let Some(directory) = state_directory(env)
        {
            settings.give(Setting::Journal, STATE_DIRECTORY, directory);
        }
        let secrets = settings.signing_secrets(env.read_file);
        let secrets = secrets.map_err(|error| misspelt::explain(error, env))?;
        let mut config = Config::from_settings(&settings, secrets)?;
        #[cfg(feature = "redis")]
        match &mut config.journal {
            Some(JournalPlace::Shared(journal)) => {
                journal.password = settings.redis_password(env.read_file)?;
                if let Some(lease) = (env.variable)(LEASE_VARIABLE) {
                    journal.set_lease(&lease)?;
                }
                config.notices.extend(journal.notice());
            }
            _ => config.notices.extend(settings.unused_password()),
        }
        config.proxy = Proxy::from_variables(env.variable);
        let proxy = config.proxy.iter().flat_map(Proxy::notices);
        config.notices.extend(proxy);
        config.notices.extend(misspelt::notices(env));
        Ok(config)
    }

    /// Help about the command that is named, or about all.
    fn into_help(mut self, env: &Env<'_>) -> Result<Action, Error> {
        self.no_settings(Subcommand::Help)?;
        let command = match self.words.is_empty() {
            true => None,
            false => {
                let word = self.words.remove(0);
                Some(Subcommand::with_word(&word).ok_or_else(|| Error::no_command(word))?)
            }
        };
        self.no_words()?;
        Ok(Action::Help(help::text(
            command,
            Length::Long,
            env.commands,
        )))
    }

    fn into_manifest(mut self, env: &Env<'_>) -> Result<Action, Error> {
        let options = manifest::Options {
            form: match (self.has(Name::Link), self.has(Name::Json)) {
                (true, _) => manifest::Form::Link,
                (false, true) => manifest::Form::Json,
                (false, false) => manifest::Form::Yaml,
            },
            is_gov: self.has(Name::Gov),
        };
        self.no_settings(Subcommand::Manifest)?;
        let flags = std::mem::take(&mut self.flags);
        let url = self.into_only_word(Subcommand::Manifest)?;
        let settings = gather(flags, env, |opt| Subcommand::Manifest.takes(opt));
        Ok(Action::Manifest {
            commands: settings.commands()?,
            url: public_url(url, &settings)?,
            options,
        })
    }

    /// Whether it is about a journal that needs no setting to be read.
    fn is_journal_in_directory(&self) -> bool {
        let is_url = |word: &String| config::is_url(clean(word));
        self.command == Some(Subcommand::Journal) && !self.words.first().is_some_and(is_url)
    }

    fn into_journal(mut self, env: &Env<'_>) -> Result<Action, Error> {
        let jobs = self.has(Name::Jobs);
        match self.flags.first() {
            Some((opt, _)) if self.is_journal_in_directory() => {
                return Err(Error::option_of_serve(opt, Subcommand::Journal));
            }
            _ => self.no_settings(Subcommand::Journal)?,
        }
        let flags = std::mem::take(&mut self.flags);
        let place = self.into_only_word(Subcommand::Journal)?;
        let place = place.ok_or(Error::NoDirectory)?;
        let mut settings = gather(flags, env, |opt| Subcommand::Journal.takes(opt));
        settings.give(Setting::Journal, Subcommand::Journal.word(), place.into());
        match settings.journal_place()?.ok_or(Error::NoDirectory)? {
            JournalPlace::Directory(directory) => Ok(Action::Journal { directory, jobs }),
            #[cfg(feature = "redis")]
            JournalPlace::Shared(mut journal) => {
                journal.password = settings.redis_password(env.read_file)?;
                let signing_secrets = match settings.signing_secrets(env.read_file) {
                    // What is not sealed can be shown without one.
                    Err(config::Error::SecretMissing) => Vec::new(),
                    secrets => secrets?,
                };
                Ok(Action::FleetJournal(Box::new(fleet_journal::Query {
                    journal: *journal,
                    ca_file: settings.ca_file()?,
                    signing_secrets,
                    jobs,
                })))
            }
        }
    }

    fn into_check(self, env: &Env<'_>) -> Result<Action, Error> {
        let settings = gather(self.flags.clone(), env, |_| true);
        let first = match self.into_config(env) {
            Ok(config) => return Ok(Action::Check { config: Ok(config) }),
            Err(error) if error.is_of_settings() => error.to_string(),
            Err(error) => return Err(error),
        };
        let others = config::faults(&settings).map(|error| error.to_string());
        let others: Vec<_> = others.filter(|other| *other != first).collect();
        Ok(Action::Check {
            config: Err([vec![first], others].concat()),
        })
    }

    fn into_try(self, env: &Env<'_>) -> Result<Action, Error> {
        let text = (!self.words.is_empty()).then(|| self.words.join(" "));
        if text.as_deref().is_some_and(is_blank) {
            return Err(Error::BlankText);
        }
        let name = self.own(Name::Command).flatten().map(str::to_owned);
        if let Some(url) = self.own(Name::To).map(|url| url.map(str::to_owned)) {
            let is_about_tunnels =
                |opt: &Opt| matches!(opt.setting, Setting::Listen | Setting::TunnelAgents);
            let settings = gather(self.flags.clone(), env, is_about_tunnels);
            let url = public_url(url, &settings)?;
            let line = Self {
                flags: self.flags,
                ..Self::default()
            };
            let mut config = line.into_config(env)?;
            let text = choose(name, text, &mut config.commands)?;
            return Ok(Action::TryAt { url, text, config });
        }
        let mut settings = gather(self.flags, env, |opt| opt.variable_in_trial);
        if !settings.has(Setting::Listen) {
            settings.give(Setting::Listen, "--listen", TRIAL_LISTEN.into());
        }
        if !settings.has(Setting::LogLevel) {
            settings.give(Setting::LogLevel, "LOG_LEVEL", TRIAL_LOG_LEVEL.into());
        }
        let mut config = Config::from_settings(&settings, Vec::new())?;
        config.reply_origins.clear();
        let text = choose(name, text, &mut config.commands)?;
        Ok(Action::Try { text, config })
    }

    /// Refuses the bot's options, but for those that the command takes.
    fn no_settings(&self, command: Subcommand) -> Result<(), Error> {
        match self.flags.iter().find(|(opt, _)| !command.takes(opt)) {
            None => Ok(()),
            Some((opt, _)) => Err(Error::option_of_serve(opt, command)),
        }
    }

    /// Refuses a word behind the command.
    fn no_words(&self) -> Result<(), Error> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(Error::SuperfluousWord { word: word.clone() }),
        }
    }

    /// The word of a command that takes one word at most.
    fn into_only_word(self, command: Subcommand) -> Result<Option<String>, Error> {
        self.no_settings(command)?;
        let mut words = self.words.into_iter();
        let word = words.next();
        match words.next() {
            Some(word) => Err(Error::SuperfluousWord { word }),
            None => Ok(word.map(|word| clean(&word).to_owned())),
        }
    }
}

/// Puts the command that a trial is to send at the front of those that are chosen: the one that is named, or else the one
/// whose name the text begins with, as in Slack. Gives the text behind that name, if there is any.
fn choose(
    name: Option<String>,
    text: Option<String>,
    chosen: &mut Chosen,
) -> Result<Option<String>, Error> {
    let (name, text) = match (name, text) {
        (None, Some(text)) => {
            let typed = text.trim_start();
            let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
            if !chosen.has(word) {
                return Ok(Some(text));
            }
            let rest = rest.trim_start();
            (word.to_owned(), (!is_blank(rest)).then(|| rest.to_owned()))
        }
        (Some(name), text) => (name, text),
        (None, None) => return Ok(None),
    };
    chosen
        .put_first(&name)
        .map_err(|error| config::Error::Invalid {
            name: "--command",
            value: name,
            expected: Expected::Command(error),
        })?;
    Ok(text)
}

/// The bot's public URL: the one that is given, or that of a tunnel.
fn public_url(given: Option<String>, settings: &Settings) -> Result<PublicUrl, Error> {
    match given {
        Some(url) => Ok(PublicUrl::Given(url)),
        None => Ok(PublicUrl::OfTunnel(settings.tunnel_query()?)),
    }
}

/// The directory that systemd has made for the service's state: the first, of several.
fn state_directory(env: &Env<'_>) -> Option<OsString> {
    let directories = (env.variable)(STATE_DIRECTORY)?;
    let first = directories.as_bytes().split(|b| *b == b':').next()?;
    (!first.is_empty()).then(|| OsStr::from_bytes(first).to_owned())
}

/// Collects the variables that `heeds` accepts, then the flags, which override them.
fn gather(
    flags: Vec<(&'static Opt, OsString)>,
    env: &Env<'_>,
    heeds: impl Fn(&Opt) -> bool,
) -> Settings {
    let mut settings = Settings::of(env.commands.clone());
    for opt in OPTIONS.iter().filter(|opt| heeds(opt)) {
        // Compose files and unit files set variables to nothing to unset them, but an empty secret is a mistake in
        // a deployment, and must not be taken for an unset one.
        let is_empty = |value: &OsString| {
            let text = value.to_str().map(clean);
            value.is_empty() || text.is_some_and(str::is_empty)
        };
        let is_set = |value: &OsString| opt.setting == Setting::SigningSecrets || !is_empty(value);
        if let Some(value) = (env.variable)(opt.variable).filter(is_set) {
            settings.give(opt.setting, opt.variable, value);
        }
    }
    for (opt, value) in flags {
        settings.give(opt.setting, opt.flag.unwrap_or(opt.variable), value);
    }
    settings
}
