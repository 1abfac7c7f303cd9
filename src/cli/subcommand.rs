//! The commands of the command line, and what help, manual page and completions say of each.

use super::options::{Opt, nearest};
use crate::config::Setting;

/// A word that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subcommand {
    Serve,
    Try,
    Check,
    Manifest,
    Journal,
    Help,
    Completions,
    Man,
}

/// What help, manual page and completions say of a command.
pub(super) struct About {
    pub(super) word: &'static str,
    /// What it does, in a few words.
    pub(super) summary: &'static str,
    /// Its forms: what stands behind `torrap`, and what that does.
    pub(super) forms: &'static [(&'static str, &'static str)],
    /// What a person must know who uses it; a paragraph.
    pub(super) details: &'static str,
    /// At most three lines.
    pub(super) examples: &'static [&'static str],
}

/// Words of other programs for what a command does here.
const SYNONYMS: &[(&[&str], &str)] = &[
    (
        &[
            "run", "start", "server", "listen", "daemon", "up", "bot", "launch",
        ],
        "serve",
    ),
    (&["test", "trial", "demo", "ping", "send"], "try"),
    (
        &["doctor", "verify", "validate", "diagnose", "status"],
        "check",
    ),
    (&["app", "yaml", "setup", "install"], "manifest"),
    (&["queue", "pending", "jobs", "inspect"], "journal"),
    (&["complete", "completion"], "completions"),
    (&["manual", "manpage"], "man"),
    (&["usage", "options", "commands"], "help"),
    (&["version"], "--version"),
];

impl Subcommand {
    pub(super) const ALL: [Self; 8] = [
        Self::Serve,
        Self::Try,
        Self::Check,
        Self::Manifest,
        Self::Journal,
        Self::Completions,
        Self::Man,
        Self::Help,
    ];

    pub(super) fn with_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.word() == word)
    }

    pub(super) const fn word(self) -> &'static str {
        self.about().word
    }

    /// What was probably meant by this word: a command, or `--version`.
    pub(super) fn nearest(word: &str) -> Option<&'static str> {
        let lower = word.to_lowercase();
        let means = |(words, _): &&(&[&str], &str)| words.contains(&lower.as_str());
        let synonym = SYNONYMS.iter().find(means).map(|(_, meant)| *meant);
        synonym.or_else(|| nearest(&lower, Self::ALL.map(Self::word)))
    }

    /// Whether the command takes this option of the bot's.
    pub(super) fn takes(self, opt: &Opt) -> bool {
        match self {
            Self::Serve | Self::Check => opt.setting != Setting::TunnelAgents,
            Self::Try => true,
            Self::Manifest => matches!(
                opt.setting,
                Setting::Commands | Setting::Listen | Setting::EnvFile | Setting::TunnelAgents
            ),
            // A journal in a directory needs none of them. A fleet's needs those that lead to its server and open its jobs.
            Self::Journal => {
                cfg!(feature = "redis")
                    && matches!(
                        opt.setting,
                        Setting::SigningSecrets
                            | Setting::SigningSecretsFile
                            | Setting::EnvFile
                            | Setting::RedisPassword
                            | Setting::RedisPasswordFile
                            | Setting::CaFile
                    )
            }
            Self::Help | Self::Completions | Self::Man => false,
        }
    }

    pub(super) const fn about(self) -> &'static About {
        match self {
            Self::Serve => &SERVE,
            Self::Try => &TRY,
            Self::Check => &CHECK,
            Self::Manifest => &MANIFEST,
            Self::Journal => &JOURNAL,
            Self::Help => &HELP,
            Self::Completions => &COMPLETIONS,
            Self::Man => &MAN,
        }
    }
}

const SERVE: About = About {
    word: "serve",
    summary: "run the bot",
    forms: &[("[serve] [OPTIONS]", "run the bot")],
    details: "It runs until it is stopped: Ctrl-C, SIGTERM and SIGHUP stop it when its pending replies are posted, \
              a second one at once. It needs SLACK_SIGNING_SECRET or SLACK_SIGNING_SECRET_FILE.",
    examples: &[
        "SLACK_SIGNING_SECRET_FILE=/run/secrets/slack torrap --listen 0.0.0.0:8000",
        "torrap serve --delay 2 --listen 0.0.0.0:8000",
        "torrap --journal /var/lib/torrap --metrics-listen 127.0.0.1:9100",
    ],
};

const TRY: About = About {
    word: "try",
    summary: "send one command to the bot, and show each step",
    forms: &[
        (
            "try [OPTIONS] [TEXT]",
            "run it for one command, on a free port and against a stand-in for Slack: needs no Slack and no settings",
        ),
        (
            "try --to [URL] [TEXT]",
            "send a signed command to a running bot",
        ),
    ],
    details: "It takes the bot's options. Without --to it leaves out the variables of what it brings along itself: \
              secret, addresses, reply origins, authorities and journal. It exits with 0 if the answer was right. \
              Text that begins with - goes behind --. Text that begins with the name of a slash command is for that one.",
    examples: &[
        "torrap try --delay 0.5 olleh",
        "torrap try /shout hello",
        "torrap try --to https://parrot.ngrok-free.dev",
    ],
};

const CHECK: About = About {
    word: "check",
    summary: "find out whether the bot can run here",
    forms: &[(
        "check [OPTIONS]",
        "find out whether the bot can run here with these settings",
    )],
    details: "It looks at settings, clock, addresses, journal, proxy and the way to Slack, and posts nothing. Each line \
              begins with ok, warning or failed. It exits with 0 if none has failed.",
    examples: &["torrap check --listen 127.0.0.1:8000"],
};

const MANIFEST: About = About {
    word: "manifest",
    summary: "print the manifest of the Slack app",
    forms: &[
        (
            "manifest [URL]",
            "print the Slack app manifest (YAML) for a public https URL, or for the one that ngrok or cloudflared on this \
             machine has, and the --commands that the bot answers",
        ),
        (
            "manifest --link [URL]",
            "print the link that creates that app",
        ),
    ],
    details: "Slack takes it under \"Create New App\", \"From a manifest\" at https://api.slack.com/apps. The request URL \
              in it is the URL with /slack behind it. Without URL it is that of the tunnel that leads to --listen.",
    examples: &[
        "torrap manifest https://parrot.ngrok-free.dev",
        "torrap manifest --link https://parrot.ngrok-free.dev",
    ],
};

const JOURNAL: About = About {
    word: "journal",
    summary: "print what a journal holds",
    forms: if cfg!(feature = "redis") {
        &[IN_DIRECTORY, IN_REDIS]
    } else {
        &[IN_DIRECTORY]
    },
    details: if cfg!(feature = "redis") {
        "It changes nothing, and may be used while a bot runs. It prints no text and no secret. What lies in Redis is sealed: \
         the signing secret is needed to show the command of each pending job."
    } else {
        "It changes nothing, and may be used while a bot runs. It prints no text and no secret."
    },
    examples: if cfg!(feature = "redis") {
        &[
            "torrap journal --jobs /var/lib/torrap",
            "torrap journal redis://bot@10.0.0.1:6379/0?fleet=torrap",
        ]
    } else {
        &["torrap journal --jobs /var/lib/torrap"]
    },
};

const IN_DIRECTORY: (&str, &str) = (
    "journal DIR [--jobs]",
    "print what a journal holds, and each pending job",
);

const IN_REDIS: (&str, &str) = (
    "journal URL [--jobs]",
    "print what the journal of a fleet holds, and each pending job",
);

const HELP: About = About {
    word: "help",
    summary: "print help, also about one command",
    forms: &[(
        "help [COMMAND]",
        "print this, or all about one command; -h behind a command prints less, --help all",
    )],
    details: "It is the same as --help behind the command.",
    examples: &["torrap help try"],
};

const COMPLETIONS: About = About {
    word: "completions",
    summary: "print completions for a shell",
    forms: &[(
        "completions SHELL",
        "print completions for bash, zsh or fish",
    )],
    details: "The examples are for one session. For all of them, put what it prints where the shell looks for completions, \
              under the name that the shell expects.",
    examples: &[
        "source <(torrap completions bash)",
        "source <(torrap completions zsh)",
        "torrap completions fish | source",
    ],
};

const MAN: About = About {
    word: "man",
    summary: "print the manual page",
    forms: &[("man", "print the manual page")],
    details: "The page is in the man(7) language of roff.",
    examples: &["torrap man > page.1; man ./page.1"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_one_command_and_no_synonym_is_one() {
        for command in Subcommand::ALL {
            assert_eq!(Subcommand::with_word(command.word()), Some(command));
            assert!((1..=3).contains(&command.about().examples.len()));
        }
        for (words, meant) in SYNONYMS {
            assert!(*meant == "--version" || Subcommand::with_word(meant).is_some());
            for word in *words {
                assert!(Subcommand::with_word(word).is_none(), "{word}");
                assert_eq!(Subcommand::nearest(word), Some(*meant));
            }
        }
        for (word, meant) in [
            ("Start", Some("serve")),
            ("sevre", Some("serve")),
            ("hlep", Some("help")),
            ("SERVE", Some("serve")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(Subcommand::nearest(word), meant, "{word}");
        }
    }
}
