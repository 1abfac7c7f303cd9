//! Every setting: default, flag, variable, and the line that each kind of mistake gets.

use std::path::PathBuf;

use super::super::*;
use super::rows::ROWS;
use super::{SECRET, parse_in};
use crate::config::{Config, JournalPlace, Setting};

fn serve_in(variables: &[(&str, &str)], args: &[&str]) -> Result<Config, String> {
    let variables = [variables, &[SECRET]].concat();
    match parse_in(&variables, args)? {
        Action::Serve(config) => Ok(config),
        other => panic!("{other:?}"),
    }
}

/// What a setting came to, as text.
fn shown(config: &Config, setting: Setting) -> String {
    match setting {
        Setting::SigningSecrets | Setting::SigningSecretsFile => {
            let secrets = config
                .signing_secrets
                .iter()
                .map(|s| str::from_utf8(s.as_bytes()));
            secrets.collect::<Result<Vec<_>, _>>().unwrap().join(",")
        }
        Setting::EnvFile => "no setting of the bot's own".to_owned(),
        Setting::LogLevel => config.log_level.to_string(),
        Setting::LogFormat => format!("{:?}", config.log_format),
        Setting::Listen => config.listen.join(","),
        Setting::Delay => config.delay_ms.to_string(),
        Setting::Tolerance => config.tolerance_ms.to_string(),
        Setting::ReplyOrigins => config
            .reply_origins
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
        Setting::Senders => config.senders.to_string(),
        Setting::MaxPending => config.max_pending.to_string(),
        Setting::MaxConnections => config.max_connections.to_string(),
        Setting::Drain => config.drain_ms.to_string(),
        Setting::Journal => shown_path(config.journal.as_ref().and_then(JournalPlace::directory)),
        Setting::RedisPassword | Setting::RedisPasswordFile => "of a journal in Redis".to_owned(),
        Setting::CaFile => shown_path(config.ca_file.as_ref()),
        Setting::MetricsListen => config.metrics_listen.join(","),
        Setting::ReusePort => config.reuse_port.to_string(),
        Setting::Commands => config.commands.to_string(),
        Setting::InChannel => config.in_channel.to_string(),
        Setting::TunnelAgents => unreachable!("the bot has nothing of it"),
        Setting::AllowReplays => config.allow_replays.to_string(),
    }
}

fn shown_path(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "none".into(), |path| path.display().to_string())
}

#[test]
fn every_setting_with_a_flag_is_read_and_its_mistakes_are_named() {
    let is_own = |opt: &&Opt| opt.setting != Setting::EnvFile;
    let with_value = |opt: &&Opt| opt.flag.is_some() && !opt.is_switch() && is_own(opt);
    for opt in OPTIONS.iter().filter(with_value) {
        let row = ROWS.iter().find(|row| row.setting == opt.setting).unwrap();
        let (flag, variable) = (opt.flag.unwrap(), opt.variable);
        let value = |config: Result<Config, String>| shown(&config.unwrap(), row.setting);
        let [(first, first_shown), (second, second_shown)] = row.good;

        assert_eq!(value(serve_in(&[], &[])), row.default);
        assert_eq!(value(serve_in(&[(variable, "")], &[])), row.default);
        assert_eq!(value(serve_in(&[], &[flag, first])), first_shown);
        assert_eq!(
            value(serve_in(&[], &["serve", &format!("{flag}={first}")])),
            first_shown
        );
        assert_eq!(value(serve_in(&[(variable, first)], &[])), first_shown);
        assert_eq!(
            value(serve_in(&[(variable, second)], &[flag, first])),
            first_shown
        );
        assert_eq!(
            value(serve_in(&[], &[flag, first, flag, second])),
            second_shown
        );
        for (bad, line) in row.bad {
            let by_flag = serve_in(&[], &[flag, bad]).unwrap_err();
            let by_variable = serve_in(&[(variable, bad)], &[]).unwrap_err();
            let expected = match line.strip_prefix('"') {
                Some(_) => (*line).to_owned(),
                None => format!("{bad:?} is not {line}"),
            };
            assert!(
                by_flag.starts_with(&format!("{flag}: {expected}")),
                "{by_flag}"
            );
            assert_eq!(by_variable, by_flag.replacen(flag, variable, 1));
        }
        let error = serve_in(&[], &[flag]).unwrap_err();
        assert_eq!(
            error,
            format!("{flag}: the value is missing; give {flag} {}", opt.value)
        );
    }
}

#[test]
fn a_switch_says_yes_by_itself_and_can_be_told_otherwise() {
    for opt in OPTIONS.iter().filter(|opt| opt.is_switch()) {
        let (flag, variable) = (opt.flag.unwrap(), opt.variable);
        let value = |config: Result<Config, String>| shown(&config.unwrap(), opt.setting);
        assert_eq!(value(serve_in(&[], &[])), "false");
        assert_eq!(value(serve_in(&[], &[flag])), "true");
        assert_eq!(value(serve_in(&[], &[flag, "--delay", "1"])), "true");
        let no = format!("{flag}=no");
        assert_eq!(value(serve_in(&[(variable, "yes")], &[&no])), "false");
        for (text, shown) in [
            ("Yes", "true"),
            ("1", "true"),
            ("off", "false"),
            ("", "false"),
        ] {
            assert_eq!(value(serve_in(&[(variable, text)], &[])), shown);
        }
        assert_eq!(
            serve_in(&[(variable, "maybe")], &[]).unwrap_err(),
            format!("{variable}: \"maybe\" is not yes or no; give one")
        );
        let error = serve_in(&[], &[flag, "yes"]).unwrap_err();
        assert!(error.contains("yes"), "a switch takes no word: {error}");
    }
}

#[test]
fn a_line_about_a_mistake_is_complete() {
    let line = |args| serve_in(&[], args).unwrap_err();
    assert_eq!(
        line(&["--delay", "5s"]),
        r#"--delay: "5s" is not a number of seconds from 0 to 1500; give one such as 5 or 2.5"#
    );
    assert_eq!(
        line(&["--listen", "::1:80"]),
        "--listen: \"::1:80\" is not an address to listen on: an IPv6 address must stand in \
         brackets; give one such as localhost:8000, 0.0.0.0:8000 or [::]:8000"
    );
    assert_eq!(
        line(&["--reply-origin", "hooks.slack.com"]),
        "--reply-origin: \"hooks.slack.com\" is not an origin: it must begin with https:// or \
         http://; give one such as https://hooks.slack.com"
    );
    assert_eq!(
        line(&["--ca-file="]),
        r#"--ca-file: "" is not a path; give the path of a PEM file"#
    );
    assert_eq!(
        line(&["--listen", &"a:1,".repeat(16)]),
        "--listen: the list has more than 16 entries; give fewer"
    );
}

#[test]
fn the_log_level_is_a_variable() {
    let level = |level| serve_in(&[("LOG_LEVEL", level)], &[]);
    let shown = |config: Result<Config, String>| shown(&config.unwrap(), Setting::LogLevel);
    assert_eq!(shown(serve_in(&[], &[])), "INFO");
    for (text, expected) in [
        ("debug", "DEBUG"),
        ("TRACE", "TRACE"),
        ("Off", "OFF"),
        ("warning", "WARN"),
        ("\"Warning\"", "WARN"),
        ("", "INFO"),
    ] {
        assert_eq!(shown(level(text)), expected);
    }
    assert_eq!(
        level("loud").unwrap_err(),
        "LOG_LEVEL: \"loud\" is not a log level; give error, warn, info, debug, trace or off"
    );
}

#[test]
fn the_logs_format_is_a_variable() {
    let format = |format| {
        let config = serve_in(&[("LOG_FORMAT", format)], &[])?;
        Ok::<_, String>(shown(&config, Setting::LogFormat))
    };
    for (text, expected) in [
        ("", "Text"),
        ("text", "Text"),
        ("json", "Json"),
        ("\"JSON\"", "Json"),
    ] {
        assert_eq!(format(text).unwrap(), expected);
    }
    let line = "LOG_FORMAT: \"logfmt\" is not a format of the log; give text or json";
    assert_eq!(format("logfmt").unwrap_err(), line);
    let line = parse_in(&[SECRET], &["--log-format=json"]).unwrap_err();
    assert_eq!(
        line,
        "unknown option \"--log-format\"; set the variable LOG_FORMAT instead"
    );
}

#[test]
fn a_check_gets_every_setting_that_is_wrong_and_the_bot_the_first() {
    let variables = [
        ("TORRAP_DELAY", "x"),
        ("LOG_LEVEL", "loud"),
        ("TORRAP_SIGNING_SECRET", SECRET.1),
    ];
    let args = ["--senders", "0", "--listen", "localhost:0"];
    let Ok(Action::Check { config: Err(lines) }) =
        parse_in(&variables, &[&["check"][..], &args].concat())
    else {
        panic!("a check that tells")
    };
    let starts = [
        "SLACK_SIGNING_SECRET is not set, but \"TORRAP_SIGNING_SECRET\" is; rename it",
        "LOG_LEVEL: \"loud\" is not",
        "TORRAP_DELAY: \"x\" is not",
        "--senders: \"0\" is not",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
        assert!(!line.contains(SECRET.1), "{line}");
    }
    let line = parse_in(&variables, &args).unwrap_err();
    assert_eq!(line, lines[0]);
}

#[test]
fn the_secret_comes_from_its_variable_or_a_file() {
    let serve = |variables: &[(&str, &str)]| match parse_in(variables, &[]) {
        Ok(Action::Serve(config)) => Ok(shown(&config, Setting::SigningSecrets)),
        Ok(other) => panic!("{other:?}"),
        Err(line) => Err(line),
    };
    let file = ("SLACK_SIGNING_SECRET_FILE", "/run/secret");
    assert_eq!(serve(&[SECRET]).unwrap(), SECRET.1);
    assert_eq!(serve(&[("SLACK_SIGNING_SECRET", "a, b")]).unwrap(), "a,b");
    assert_eq!(serve(&[file]).unwrap(), "e6b19c573432");
    assert_eq!(
        serve(&[SECRET, ("SLACK_SIGNING_SECRET_FILE", "")]).unwrap(),
        SECRET.1
    );
    for (variables, start) in [
        (
            vec![],
            "SLACK_SIGNING_SECRET is not set; copy the signing secret from",
        ),
        (
            vec![("SLACK_SIGNING_SECRET", "")],
            "SLACK_SIGNING_SECRET: a secret is empty or blank;",
        ),
        (
            vec![("SLACK_SIGNING_SECRET", " \n")],
            "SLACK_SIGNING_SECRET: a secret is empty or",
        ),
        (
            vec![("SLACK_SIGNING_SECRET", "a,,b")],
            "SLACK_SIGNING_SECRET: a secret is empty or",
        ),
        (
            vec![SECRET, file],
            "SLACK_SIGNING_SECRET and SLACK_SIGNING_SECRET_FILE are both set;",
        ),
        (
            vec![("SLACK_SIGNING_SECRET_FILE", "/run/none")],
            r#"SLACK_SIGNING_SECRET_FILE: cannot read "/run/none": no such file; give the path"#,
        ),
    ] {
        let line = serve(&variables).unwrap_err();
        assert!(line.starts_with(start), "{line}");
    }
}

/// Whatever is wrong with the URL of a journal, no part of it is shown: it may hold a password.
#[test]
fn a_journals_url_is_read_or_refused_without_being_shown() {
    for url in ["redis://:hunter2@a", "valkey://hunter2", "redis:hunter2"] {
        let by_flag = serve_in(&[], &["--journal", url]).unwrap_err();
        assert!(by_flag.starts_with("--journal: "), "{by_flag}");
        assert!(!by_flag.contains("hunter2"), "{by_flag}");
        let by_variable = serve_in(&[("TORRAP_JOURNAL", url)], &[]).unwrap_err();
        assert_eq!(
            by_variable,
            by_flag.replacen("--journal", "TORRAP_JOURNAL", 1)
        );
    }
    let of = |url| serve_in(&[], &["--journal", url]);
    match cfg!(feature = "redis") {
        true => assert!(of("redis://a").is_ok()),
        false => assert!(of("redis://a").unwrap_err().contains("--features redis")),
    }
}

#[cfg(feature = "redis")]
#[test]
fn the_password_of_redis_stands_beside_its_url() {
    use crate::config::{RedisPassword, SharedJournal};
    let journal = |variables: &[_], url| -> Result<(SharedJournal, Vec<String>), String> {
        let config = serve_in(variables, &["--journal", url])?;
        let lines = config.notices.into_iter().map(|notice| notice.line);
        let lines = lines.filter(|line| !line.starts_with("SLACK_SIGNING_SECRET"));
        match config.journal {
            Some(JournalPlace::Shared(journal)) => Ok((*journal, lines.collect())),
            place => panic!("{place:?}"),
        }
    };
    let word = [("TORRAP_REDIS_PASSWORD", "hunter2")];
    let (shared, lines) = journal(&word, "rediss://bot@a?fleet=b").unwrap();
    assert_eq!(shared.url.to_string(), "rediss://bot@a:6379/0?fleet=b");
    let password = shared.password.as_ref().map(RedisPassword::as_bytes);
    assert_eq!(password, Some(&b"hunter2"[..]));
    assert!(lines.is_empty() && !format!("{shared:?}").contains("hunter2"));

    let (shared, lines) = journal(&[], "redis://a").unwrap();
    assert!(shared.password.is_none() && lines.is_empty());
    let (_, lines) = journal(&word, "redis://localhost,127.0.0.1,[::1]").unwrap();
    assert!(lines.is_empty(), "{lines:?}");
    let (_, lines) = journal(&word, "redis://localhost,10.0.0.1:7000").unwrap();
    assert_eq!(
        lines,
        [
            "--journal: the password of Redis crosses the network to 10.0.0.1:7000 without encryption; give \
          rediss:// and have Redis listen with TLS"
        ]
    );

    let lease = |text| journal(&[("TORRAP_REDIS_LEASE_MS", text)], "redis://a");
    assert_eq!(journal(&[], "redis://a").unwrap().0.lease_ms, 5000);
    let (shared, lines) = lease("500").unwrap();
    assert!(shared.lease_ms == 500 && lines.is_empty(), "{lines:?}");
    for text in ["199", "60001", "1s", ""] {
        assert!(
            lease(text)
                .unwrap_err()
                .starts_with("TORRAP_REDIS_LEASE_MS: not a number")
        );
    }

    let file = ("TORRAP_REDIS_PASSWORD_FILE", "/run/none");
    let error = journal(&[file], "redis://a").unwrap_err();
    assert!(
        error.starts_with("TORRAP_REDIS_PASSWORD_FILE: cannot read"),
        "{error}"
    );
    let error = journal(&[word[0], file], "redis://a").unwrap_err();
    assert!(error.contains("are both set"), "{error}");
    // Without a journal in Redis the file is not read.
    for arguments in [&["--journal", "/j"][..], &[]] {
        let notices = serve_in(&[file], arguments).unwrap().notices;
        let mut lines = notices.iter().map(|notice| notice.line.as_str());
        let expected =
            "TORRAP_REDIS_PASSWORD_FILE has no effect: the journal is not in Redis; give --journal";
        assert!(lines.any(|line| line.starts_with(expected)), "{notices:?}");
    }
}

#[test]
fn the_journal_is_where_systemd_keeps_state_unless_told_otherwise() {
    let of = |variables: &[_], args: &[_]| serve_in(variables, args).unwrap().journal;
    let path = |path: &str| Some(JournalPlace::Directory(path.into()));
    let systemd = |value| [("STATE_DIRECTORY", value)];
    assert_eq!(
        of(&systemd("/var/lib/torrap"), &[]),
        path("/var/lib/torrap")
    );
    assert_eq!(
        of(&systemd("/a:/b:/c"), &[]),
        path("/a"),
        "the first of several"
    );
    assert_eq!(of(&systemd(""), &[]), None);
    assert_eq!(of(&systemd("/a"), &["--journal", "/j"]), path("/j"));
    let both = [("STATE_DIRECTORY", "/a"), ("TORRAP_JOURNAL", "/j")];
    assert_eq!(of(&both, &[]), path("/j"));
    let error = serve_in(&[], &["--journal="]).unwrap_err();
    assert_eq!(
        error,
        r#"--journal: "" is not a path; give the path of a directory"#
    );
}
