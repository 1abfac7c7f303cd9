//! The settings, judged: what the bot runs with, every number within its bounds.
//!
//! Nothing here reads the environment or a file: [`Settings`] holds what was given, and
//! `cli` is where that comes from.

mod address;
mod bounds;
pub mod default;
mod error;
mod journal_place;
mod likeness;
mod log_format;
mod no_proxy;
mod notice;
mod pasted;
mod proxy;
#[cfg(feature = "redis")]
mod redis_password;
mod senders;
mod settings;
mod signing_secret;
mod tunnels;
mod value;

pub use address::AddressError;
pub use bounds::{DELAY_MS_MAX, ENTRIES_MAX};
pub use error::{Error, Expected};
pub(crate) use error::{Shown, ShownUrl};
pub use journal_place::JournalPlace;
#[cfg(feature = "redis")]
pub(crate) use journal_place::LEASE_VARIABLE;
#[cfg(feature = "redis")]
pub use journal_place::SharedJournal;
pub(crate) use journal_place::is_url;
pub use log_format::LogFormat;
pub use no_proxy::NoProxy;
pub use notice::Notice;
pub(crate) use pasted::clean;
pub use proxy::Proxy;
#[cfg(feature = "redis")]
pub use redis_password::RedisPassword;
pub(crate) use senders::runs_max;
pub use settings::{Setting, Settings};
pub use signing_secret::{SecretError, SigningSecret};
pub use tunnels::{PublicUrl, TunnelQuery};
pub(crate) use value::millis as millis_of_seconds;

use std::path::PathBuf;

use log::LevelFilter;

use crate::commands::Chosen;
use crate::http::Limits;
use crate::slack::response_url::Origin;
use bounds::{
    CONNECTIONS_MAX, DRAIN_MS_MAX, PENDING_MAX, SENDERS_MAX, TOLERANCE_MS_MAX, TOLERANCE_MS_MIN,
};

/// How much longer than the delay a graceful stop waits by default, in milliseconds.
const DRAIN_BEYOND_DELAY_MS: u64 = 30_000;

/// What the bot runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of the program, as people read it. No setting changes it.
    pub program: String,
    /// The secrets that a request may be signed with. With none every request is refused.
    pub signing_secrets: Vec<SigningSecret>,
    /// The least important level that is logged.
    pub log_level: LevelFilter,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Where to listen: `host:port` or `[IPv6]:port` as given, names not yet resolved.
    pub listen: Vec<String>,
    /// Where to serve `/metrics`, in the same form; nowhere if empty.
    pub metrics_listen: Vec<String>,
    /// Whether other processes may listen on the same addresses.
    pub reuse_port: bool,
    /// From a command to its reply, in milliseconds; at most [`DELAY_MS_MAX`].
    pub delay_ms: u64,
    /// The commands that are answered, and under which names.
    pub commands: Chosen,
    /// Whether everyone in the conversation sees the replies of every command.
    pub in_channel: bool,
    /// Whether a request is carried out again that is pending already.
    pub allow_replays: bool,
    /// How far a request's timestamp may be from now, both ways, in milliseconds.
    pub tolerance_ms: u64,
    /// The only origins that a `response_url` may have. With none every command is refused.
    pub reply_origins: Vec<Origin>,
    /// Most sender threads.
    pub senders: usize,
    /// Most jobs accepted and not settled.
    pub max_pending: usize,
    /// Most open client connections.
    pub max_connections: usize,
    /// How long a graceful stop waits for pending jobs, in milliseconds.
    pub drain_ms: u64,
    /// Where the journal is; without one, what is pending is lost with the process.
    pub journal: Option<JournalPlace>,
    /// PEM file of the authorities to trust for replies, instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// The proxy that replies go through.
    pub proxy: Option<Proxy>,
    /// What a client's connection may take up. No setting changes it.
    pub limits: Limits,
    /// Notices about these settings, for the log at the start and for `torrap check`.
    pub notices: Vec<Notice>,
}

impl Config {
    /// Judges what was given and fills in the defaults.
    ///
    /// The secrets come on their own, from [`Settings::signing_secrets`], and so does the proxy,
    /// since a trial runs without the operator's.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn from_settings(
        settings: &Settings,
        signing_secrets: Vec<SigningSecret>,
    ) -> Result<Self, Error> {
        use Setting as S;
        let value = |setting, default| settings.value(setting, default);
        let delay_ms = value(S::Delay, default::DELAY)?.millis(0..=DELAY_MS_MAX)?;
        let reply_origins = value(S::ReplyOrigins, default::REPLY_ORIGINS)?.origins()?;
        let commands = settings.commands()?;
        let senders = value(S::Senders, default::SENDERS)?.count(SENDERS_MAX)?;
        let mut notices = notices(settings, &signing_secrets, &reply_origins);
        let name = settings.name(S::Senders).unwrap_or("--senders");
        notices.extend(senders::notice(name, senders, &commands));
        Ok(Self {
            program: default::PROGRAM.to_owned(),
            notices,
            signing_secrets,
            log_level: value(S::LogLevel, default::LOG_LEVEL)?.level()?,
            log_format: value(S::LogFormat, default::LOG_FORMAT)?.log_format()?,
            listen: value(S::Listen, default::LISTEN)?.addresses()?,
            metrics_listen: match settings.given(S::MetricsListen)? {
                Some(addresses) => addresses.addresses()?,
                None => Vec::new(),
            },
            commands,
            in_channel: value(S::InChannel, default::NO)?.switch()?,
            allow_replays: value(S::AllowReplays, default::NO)?.switch()?,
            reuse_port: value(S::ReusePort, default::NO)?.switch()?,
            delay_ms,
            tolerance_ms: value(S::Tolerance, default::TOLERANCE)?
                .millis(TOLERANCE_MS_MIN..=TOLERANCE_MS_MAX)?,
            reply_origins,
            senders,
            max_pending: value(S::MaxPending, default::MAX_PENDING)?.count(PENDING_MAX)?,
            max_connections: value(S::MaxConnections, default::MAX_CONNECTIONS)?
                .count(CONNECTIONS_MAX)?,
            drain_ms: match settings.given(S::Drain)? {
                Some(drain) => drain.millis(0..=DRAIN_MS_MAX)?,
                None => delay_ms + DRAIN_BEYOND_DELAY_MS,
            },
            journal: settings.journal_place()?,
            ca_file: settings.ca_file()?,
            proxy: None,
            limits: Limits::default(),
        })
    }
}

/// An error for each setting that is wrong, but for the secrets.
pub fn faults(settings: &Settings) -> impl Iterator<Item = Error> {
    let alone = settings.each_alone();
    alone.filter_map(|setting| Config::from_settings(&setting, Vec::new()).err())
}

/// Notices about settings with which the bot can run.
fn notices(settings: &Settings, secrets: &[SigningSecret], origins: &[Origin]) -> Vec<Notice> {
    let secrets_from = [Setting::SigningSecrets, Setting::SigningSecretsFile];
    let name = secrets_from.iter().find_map(|from| settings.name(*from));
    let mut notices: Vec<_> =
        SigningSecret::notices(secrets, name.unwrap_or("signing secret")).collect();
    let exposed = origins.iter().filter(|origin| origin.is_exposed());
    let name = settings.name(Setting::ReplyOrigins);
    let name = name.unwrap_or("--reply-origin");
    notices.extend(exposed.map(|origin| {
        Notice::warning(format!(
            "{name}: replies to {origin} cross the network without encryption, and anyone on the way can \
             read and use their response_urls; give an https:// origin"
        ))
    }));
    // An origin of this machine is a stand-in for Slack.
    let is_of_slack = |text: &String| default::REPLY_ORIGINS.split(',').any(|own| own == text);
    let is_known = |origin: &Origin| origin.is_local() || is_of_slack(&origin.to_string());
    if !origins.is_empty() && !origins.iter().any(is_known) {
        notices.push(Notice::warning(format!(
            "{name}: neither of Slack's origins ({}) is in the list, and commands from Slack would be refused; add it",
            default::REPLY_ORIGINS.replace(',', ", ")
        )));
    }
    // The flag was given to torrap alone; the variable may be set for every program of the machine.
    if settings.name(Setting::CaFile) == Some("SSL_CERT_FILE")
        && let Ok(Some(path)) = settings.path(Setting::CaFile, Expected::PemFile)
    {
        notices.push(Notice::info(format!(
            "SSL_CERT_FILE is set: for replies the authorities in {} are trusted, and not the built-in ones",
            Shown(&path.to_string_lossy())
        )));
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_documented_ones() {
        let config = Config::from_settings(&Settings::default(), Vec::new()).unwrap();
        assert!(config.signing_secrets.is_empty());
        assert_eq!(config.log_level, LevelFilter::Info);
        assert_eq!(config.log_format, LogFormat::Text);
        assert_eq!(config.listen, ["localhost:8000"]);
        assert_eq!(config.delay_ms, 5000);
        assert_eq!(config.tolerance_ms, 60_000);
        let origins: Vec<_> = config.reply_origins.iter().map(Origin::to_string).collect();
        assert_eq!(
            origins,
            ["https://hooks.slack.com", "https://hooks.slack-gov.com"]
        );
        assert_eq!(config.senders, 64);
        assert_eq!(config.max_pending, 100_000);
        assert_eq!(config.max_connections, 8192);
        assert_eq!(config.drain_ms, 35_000);
        assert_eq!(config.ca_file, None);
        assert_eq!(config.commands.to_string(), "/torrap");
    }

    #[test]
    fn the_drain_time_follows_the_delay_unless_given() {
        let mut settings = Settings::default();
        settings.give(Setting::Delay, "--delay", "0.25".into());
        let drain_ms = |s: &Settings| Config::from_settings(s, Vec::new()).unwrap().drain_ms;
        assert_eq!(drain_ms(&settings), 30_250);
        settings.give(Setting::Drain, "--drain", "0".into());
        assert_eq!(drain_ms(&settings), 0);
    }

    #[test]
    fn an_origin_beyond_this_machine_gets_a_warning_unless_it_is_encrypted() {
        let mut settings = Settings::default();
        let origins = "http://127.0.0.1:9000,http://localhost,http://[::1]:1,https://a.example,\
                       http://b.example:80,http://10.0.0.1";
        settings.give(Setting::ReplyOrigins, "--reply-origin", origins.into());
        let notices = Config::from_settings(&settings, Vec::new())
            .unwrap()
            .notices;
        let lines: Vec<_> = notices.iter().map(|notice| notice.line.as_str()).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("--reply-origin: replies to http://b.example cross"));
        assert!(lines[1].starts_with("--reply-origin: replies to http://10.0.0.1 cross"));
        assert!(notices.iter().all(Notice::is_warning));
    }

    #[test]
    fn a_list_without_slacks_origins_gets_a_warning_unless_it_is_for_a_stand_in() {
        let told = |origins: &str| {
            let mut settings = Settings::default();
            settings.give(
                Setting::ReplyOrigins,
                "TORRAP_REPLY_ORIGINS",
                origins.into(),
            );
            let config = Config::from_settings(&settings, Vec::new()).unwrap();
            config
                .notices
                .into_iter()
                .map(|notice| notice.line)
                .collect::<Vec<_>>()
        };
        for origins in [
            "https://hooks.slack.com",
            "https://a.example,https://hooks.slack-gov.com:443",
            "http://127.0.0.1:9000",
            "https://a.example,https://localhost",
        ] {
            assert_eq!(told(origins), [""; 0], "{origins}");
        }
        for origins in [
            "https://slack.com",
            "https://hooks.slack.com:8443",
            "https://a.example",
        ] {
            let line = "TORRAP_REPLY_ORIGINS: neither of Slack's origins (https://hooks.slack.com, \
                        https://hooks.slack-gov.com) is in the list, and commands from Slack would be refused; add it";
            assert_eq!(told(origins), [line], "{origins}");
        }
    }

    #[test]
    fn authorities_that_the_environment_has_set_are_told() {
        let told = |name| {
            let mut settings = Settings::default();
            settings.give(Setting::CaFile, name, " \"/etc/ca.pem\"\n".into());
            let config = Config::from_settings(&settings, Vec::new()).unwrap();
            assert_eq!(config.ca_file, Some("/etc/ca.pem".into()));
            config.notices
        };
        assert!(told("--ca-file").is_empty());
        let [notice] = &told("SSL_CERT_FILE")[..] else {
            panic!("one line")
        };
        assert!(!notice.is_warning() && notice.line.contains("\"/etc/ca.pem\""));
    }
}
