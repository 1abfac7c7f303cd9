//! The one table of settings: it feeds the parser, the help and the README.

use strsim::osa_distance;

use crate::config::{Setting, default};

/// Longest word that is compared with names, in characters.
const WORD_CHARS_MAX: usize = 32;

/// One setting as users know it.
#[derive(Debug)]
pub struct Opt {
    /// What it sets.
    pub setting: Setting,
    /// The flag, dashes included; none where a value must not or need not stand in a command line.
    pub flag: Option<&'static str>,
    /// The environment variable, which the flag overrides.
    pub variable: &'static str,
    /// What the flag's value is called in the help; empty for a [switch](Self::is_switch).
    pub value: &'static str,
    /// What holds if nothing is given: the value itself, or words for it.
    pub default: &'static str,
    /// Whether `torrap try` reads the variable. It does not if the variable is about something that the trial
    /// replaces: a trial must work wherever the bot is set up.
    pub variable_in_trial: bool,
    /// What it means, as plain text without a full stop.
    pub help: &'static str,
}

impl Opt {
    /// Whether the flag alone says yes, and needs no value.
    #[must_use]
    pub const fn is_switch(&self) -> bool {
        self.value.is_empty()
    }
}

/// All settings, in the order of the help.
pub const OPTIONS: &[Opt] = &[
    Opt {
        setting: Setting::SigningSecrets,
        flag: None,
        variable: "SLACK_SIGNING_SECRET",
        value: "SECRETS",
        default: "required",
        variable_in_trial: false,
        help: "signing secret of the Slack app; a list while rotating, each is tried; never a \
               flag, since flags show in ps",
    },
    Opt {
        setting: Setting::SigningSecretsFile,
        flag: None,
        variable: "SLACK_SIGNING_SECRET_FILE",
        value: "PATH",
        default: "none",
        variable_in_trial: false,
        help: "file that holds the signing secret, instead of the variable",
    },
    Opt {
        setting: Setting::EnvFile,
        flag: Some("--env-file"),
        variable: "TORRAP_ENV_FILE",
        value: "PATH",
        default: "none",
        variable_in_trial: false,
        help: "file of variables, NAME=value a line; those that are set in the environment win",
    },
    Opt {
        setting: Setting::LogLevel,
        flag: None,
        variable: "LOG_LEVEL",
        value: "LEVEL",
        default: default::LOG_LEVEL,
        variable_in_trial: true,
        help: "error, warn, info, debug, trace or off",
    },
    Opt {
        setting: Setting::LogFormat,
        flag: None,
        variable: "LOG_FORMAT",
        value: "FORMAT",
        default: default::LOG_FORMAT,
        variable_in_trial: true,
        help: "text, or json for one object a line; where the journal of systemd reads the log, both have levels \
               as it reads them",
    },
    Opt {
        setting: Setting::Listen,
        flag: Some("--listen"),
        variable: "TORRAP_LISTEN",
        value: "ADDRESSES",
        default: default::LISTEN,
        variable_in_trial: false,
        help: "list of host:port; a name listens on every address it resolves to, :port on all \
               addresses, a port alone on localhost; port 0 picks one",
    },
    Opt {
        setting: Setting::Delay,
        flag: Some("--delay"),
        variable: "TORRAP_DELAY",
        value: "SECONDS",
        default: default::DELAY,
        variable_in_trial: true,
        help: "\"thinking\" time before the reply, 0 to 1500",
    },
    Opt {
        setting: Setting::Tolerance,
        flag: Some("--tolerance"),
        variable: "TORRAP_TOLERANCE",
        value: "SECONDS",
        default: default::TOLERANCE,
        variable_in_trial: true,
        help: "how far a request's timestamp may be from now, both ways (Slack advises 300)",
    },
    Opt {
        setting: Setting::ReplyOrigins,
        flag: Some("--reply-origin"),
        variable: "TORRAP_REPLY_ORIGINS",
        value: "ORIGINS",
        default: default::REPLY_ORIGINS,
        variable_in_trial: false,
        help: "list of the only origins (scheme, host, port) that a response_url may have",
    },
    Opt {
        setting: Setting::Senders,
        flag: Some("--senders"),
        variable: "TORRAP_SENDERS",
        value: "COUNT",
        default: default::SENDERS,
        variable_in_trial: true,
        help: "most sender threads; they start when needed and end when idle; blocking commands never take the last 8 \
               (of fewer than 16, the last half)",
    },
    Opt {
        setting: Setting::MaxPending,
        flag: Some("--max-pending"),
        variable: "TORRAP_MAX_PENDING",
        value: "COUNT",
        default: default::MAX_PENDING,
        variable_in_trial: true,
        help: "most pending replies",
    },
    Opt {
        setting: Setting::MaxConnections,
        flag: Some("--max-connections"),
        variable: "TORRAP_MAX_CONNECTIONS",
        value: "COUNT",
        default: default::MAX_CONNECTIONS,
        variable_in_trial: true,
        help: "most open client connections; lowered to what the descriptor limit allows",
    },
    Opt {
        setting: Setting::Drain,
        flag: Some("--drain"),
        variable: "TORRAP_DRAIN",
        value: "SECONDS",
        default: "the delay + 30",
        variable_in_trial: true,
        help: "how long a graceful stop waits for pending replies; with a journal they are left to the next start",
    },
    Opt {
        setting: Setting::Journal,
        flag: Some("--journal"),
        variable: "TORRAP_JOURNAL",
        value: "DIR",
        default: "off, or systemd's $STATE_DIRECTORY",
        variable_in_trial: false,
        help: JOURNAL_HELP,
    },
    #[cfg(feature = "redis")]
    REDIS_PASSWORD,
    #[cfg(feature = "redis")]
    REDIS_PASSWORD_FILE,
    Opt {
        setting: Setting::CaFile,
        flag: Some("--ca-file"),
        variable: "SSL_CERT_FILE",
        value: "PATH",
        default: "built-in roots",
        variable_in_trial: false,
        help: "PEM file of the authorities to trust for replies, instead of the built-in ones",
    },
    Opt {
        setting: Setting::MetricsListen,
        flag: Some("--metrics-listen"),
        variable: "TORRAP_METRICS_LISTEN",
        value: "ADDRESSES",
        default: "none",
        variable_in_trial: false,
        help: "list of host:port that serve /metrics for Prometheus, and the health checks",
    },
    Opt {
        setting: Setting::ReusePort,
        flag: Some("--reuse-port"),
        variable: "TORRAP_REUSE_PORT",
        value: "",
        default: default::NO,
        variable_in_trial: false,
        help: "share the addresses with other processes of the same user, one for each core; \
               not for upgrades: a stop may reset connections that just begin",
    },
    Opt {
        setting: Setting::Commands,
        flag: Some("--commands"),
        variable: "TORRAP_COMMANDS",
        value: "COMMANDS",
        default: "the first one",
        variable_in_trial: true,
        help: "list of the slash commands to answer; NAME=OTHER gives one another name",
    },
    Opt {
        setting: Setting::InChannel,
        flag: Some("--in-channel"),
        variable: "TORRAP_IN_CHANNEL",
        value: "",
        default: default::NO,
        variable_in_trial: true,
        help: "show the replies of every command to everyone in the conversation",
    },
    Opt {
        setting: Setting::AllowReplays,
        flag: Some("--allow-replays"),
        variable: "TORRAP_ALLOW_REPLAYS",
        value: "",
        default: default::NO,
        variable_in_trial: true,
        help: "carry out a request again while its reply is pending; for load tests, which send one \
               signed request many times",
    },
    Opt {
        setting: Setting::TunnelAgents,
        flag: None,
        variable: "TORRAP_TUNNEL_AGENTS",
        value: "PORTS",
        default: default::TUNNEL_AGENTS,
        variable_in_trial: false,
        help: "list of ports of this machine at which ngrok and cloudflared are asked for a URL that is not given",
    },
];

const JOURNAL_HELP: &str = if cfg!(feature = "redis") {
    "directory of the journal: what was acknowledged is answered even after a crash; or the Redis that a fleet shares, where \
     it is answered even after the loss of a machine: \
     redis://[USER@]HOST[:PORT][,...]/DATABASE?fleet=NAME&wait=N&sentinel=NAME, or rediss:// with TLS"
} else {
    "directory of the journal: what was acknowledged is answered even after a crash"
};

const REDIS_PASSWORD: Opt = Opt {
    setting: Setting::RedisPassword,
    flag: None,
    variable: "TORRAP_REDIS_PASSWORD",
    value: "PASSWORD",
    default: "none",
    variable_in_trial: false,
    help: "password for a journal in Redis",
};

const REDIS_PASSWORD_FILE: Opt = Opt {
    setting: Setting::RedisPasswordFile,
    flag: None,
    variable: "TORRAP_REDIS_PASSWORD_FILE",
    value: "PATH",
    default: "none",
    variable_in_trial: false,
    help: "file that holds the password, instead of the variable",
};

/// Options that a build has only with a feature.
const OF_FEATURES: [&Opt; 2] = [&REDIS_PASSWORD, &REDIS_PASSWORD_FILE];

/// The option with a flag, given without its dashes.
pub(super) fn with_flag(name: &str) -> Option<&'static Opt> {
    OPTIONS
        .iter()
        .find(|opt| opt.flag.and_then(|flag| flag.strip_prefix("--")) == Some(name))
}

/// What other servers call options, and what they are called here.
const OTHER_NAMES: [(&str, &[&str]); 2] = [
    (
        "--listen",
        &["address", "addr", "bind", "host", "port", "p"],
    ),
    ("LOG_LEVEL", &["debug", "log", "quiet", "q", "verbose"]),
];

/// What other servers call `name`, without dashes, by its name here.
pub(super) fn called_elsewhere(name: &str) -> Option<&'static str> {
    let is_it = |(_, names): &&(_, &[&str])| names.contains(&name);
    OTHER_NAMES.iter().find(is_it).map(|(ours, _)| *ours)
}

/// The option that has no flag, but that `name` (without dashes) was meant to be: `log-level`,
/// `signing-secret`, `secret`, `verbose`.
pub(super) fn without_flag(name: &str) -> Option<&'static Opt> {
    let meant = called_elsewhere(name);
    OPTIONS.iter().filter(|opt| opt.flag.is_none()).find(|opt| {
        if meant == Some(opt.variable) {
            return true;
        }
        let likely = opt.variable.to_ascii_lowercase().replace('_', "-");
        let front = likely.strip_suffix(&name.to_ascii_lowercase());
        !name.is_empty() && front.is_some_and(|front| front.is_empty() || front.ends_with('-'))
    })
}

/// The one of `candidates` that `word` was probably meant to be: at most two edits away, and fewer than half of
/// its own length.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // The cost grows with the product of both lengths, and no candidate is this long.
    if word.chars().nth(WORD_CHARS_MAX).is_some() {
        return None;
    }
    let near = candidates
        .into_iter()
        .map(|candidate| (osa_distance(word, candidate), candidate));
    near.filter(|(edits, candidate)| *edits <= 2 && edits * 2 < candidate.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The table as the documents show it: flag, variable, default, meaning. They are about all builds.
pub fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    let is_left_out = |opt: &&Opt| OPTIONS.iter().all(|other| other.setting != opt.setting);
    let left_out = OF_FEATURES.into_iter().filter(is_left_out);
    OPTIONS
        .iter()
        .chain(left_out)
        .map(|opt| [opt.flag.unwrap_or("–"), opt.variable, opt.default, opt.help])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_name_is_used_twice() {
        let names: Vec<_> = OPTIONS
            .iter()
            .flat_map(|o| o.flag.into_iter().chain([o.variable]))
            .collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(
            OPTIONS
                .iter()
                .all(|opt| opt.flag.is_none_or(|flag| flag.starts_with("--")))
        );
    }

    #[test]
    fn options_are_found_by_their_names() {
        assert_eq!(with_flag("delay").unwrap().setting, Setting::Delay);
        assert!(with_flag("--delay").is_none() && with_flag("").is_none());
        for name in ["slack-signing-secret", "signing-secret", "secret", "SECRET"] {
            assert_eq!(without_flag(name).unwrap().setting, Setting::SigningSecrets);
        }
        assert_eq!(
            without_flag("log-level").unwrap().setting,
            Setting::LogLevel
        );
        assert!(
            ["", "t", "-", "ecret", "delay"]
                .iter()
                .all(|name| without_flag(name).is_none())
        );
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let words = ["serve", "try", "manifest"];
        assert_eq!(nearest("manifset", words), Some("manifest"));
        assert_eq!(nearest("servr", words), Some("serve"));
        assert_eq!(nearest("tyr", words), Some("try"));
        assert_eq!(nearest("tri", words), Some("try"));
        assert_eq!(nearest("foo", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest(&"manifest".repeat(1_000_000), words), None);
    }

    #[test]
    fn rows_fit_a_markdown_table() {
        assert!(rows().count() >= OPTIONS.len());
        for cell in rows().flatten() {
            assert!(!cell.is_empty() && !cell.contains(['|', '\n']), "{cell}");
        }
        let delay = rows().find(|row| row[1] == "TORRAP_DELAY").unwrap();
        assert_eq!(delay[..3], ["--delay", "TORRAP_DELAY", "5"]);
    }
}
