//! Commands, words and options; the settings behind them are in `settings`.

mod env_file;
mod help;
mod public_url;
mod rows;
mod settings;
mod trial;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use super::*;
use crate::commands::Commands;
use crate::config::Config;

const SECRET: (&str, &str) = ("SLACK_SIGNING_SECRET", "8f742231b10e");

/// Parses a line in an environment of `variables` and one file, `/run/secret`.
fn parse_in(variables: &[(&str, &str)], args: &[&str]) -> Result<Action, String> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let read_file = |path: &Path| match path.to_str() {
        Some("/run/secret") => Ok(b"e6b19c573432\n".to_vec()),
        Some("/etc/env") => Ok(env_file::CONTENT.into()),
        Some("/etc/yaml") => Ok(b"SLACK_SIGNING_SECRET: 8f742231b10e\n".to_vec()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
    };
    let names: Vec<_> = variables.iter().map(|(name, _)| name.into()).collect();
    let env = Env {
        commands: &Commands::default(),
        variable: &variable,
        names: &names,
        read_file: &read_file,
    };
    let action = parse(args, &env).map_err(|error| error.to_string());
    if let Err(line) = &action {
        assert!(
            !line.chars().any(char::is_control),
            "{line:?} is not one plain line"
        );
        assert!(!line.contains(SECRET.1), "{line:?} shows a secret");
    }
    action
}

fn try_in(variables: &[(&str, &str)], args: &[&str]) -> Result<(Option<String>, Config), String> {
    match parse_in(variables, &[&["try"], args].concat())? {
        Action::Try { text, config } => Ok((text, config)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_secret_is_never_taken_from_a_flag() {
    for args in [
        &["--signing-secret", SECRET.1][..],
        &["--secret=8f742231b10e"],
        &["--slack-signing-secret", SECRET.1],
        &["try", "--secret", SECRET.1],
    ] {
        let line = parse_in(&[], args).unwrap_err();
        let why = "a secret is taken only from the environment, since flags show in ps; set \
                   SLACK_SIGNING_SECRET or SLACK_SIGNING_SECRET_FILE";
        assert!(
            line.starts_with("option \"--") && line.ends_with(why),
            "{line}"
        );
    }
    assert_eq!(
        parse_in(&[], &["--log-level", "debug"]).unwrap_err(),
        "unknown option \"--log-level\"; set the variable LOG_LEVEL instead"
    );
}

#[test]
fn unknown_words_are_named_and_the_nearest_suggested() {
    for (args, expected) in [
        (
            &["--dealy", "5"][..],
            r#"unknown option "--dealy"; did you mean --delay? See"#,
        ),
        (
            &["--reply-origins=x"],
            r#"unknown option "--reply-origins"; did you mean --reply-origin?"#,
        ),
        (
            &["--port", "8000"],
            r#"unknown option "--port"; did you mean --listen? See"#,
        ),
        (
            &["-p8000"],
            r#"unknown option "-p"; did you mean --listen? See"#,
        ),
        (
            &["--verbose"],
            r#"unknown option "--verbose"; set the variable LOG_LEVEL instead"#,
        ),
        (
            &["--frobnicate"],
            r#"unknown option "--frobnicate"; see `torrap --help`"#,
        ),
        (&["-x"], r#"unknown option "-x"; see `torrap --help`"#),
        (
            &["--a\nb"],
            r#"unknown option "--a\nb"; see `torrap --help`"#,
        ),
        (
            &["sevre"],
            r#"unknown command "sevre"; did you mean serve? See `torrap --help`"#,
        ),
        (
            &["frobnicate"],
            r#"unknown command "frobnicate"; see `torrap --help`"#,
        ),
        (&[""], r#"unknown command ""; see `torrap --help`"#),
        (
            &["serve", "now"],
            r#"unexpected argument "now"; see `torrap --help`"#,
        ),
        (
            &["manifest", "a", "b"],
            r#"unexpected argument "b"; see `torrap --help`"#,
        ),
        (
            &["manifest", "a", "--delay", "1"],
            "--delay: not an option of `torrap manifest`; leave",
        ),
        (
            &["journal"],
            "journal: the directory is missing; give the one that the bot was given",
        ),
        (
            &["journal", "a", "b"],
            r#"unexpected argument "b"; see `torrap --help`"#,
        ),
        (
            &["journal", "a", "--journal", "b"],
            "--journal: not an option of `torrap journal`; leave",
        ),
        (
            &["check", "--json"],
            "--json: only an option of `torrap manifest`; leave it out",
        ),
        (
            &["--gov"],
            "--gov: only an option of `torrap manifest`; leave it out",
        ),
        (
            &["--jobs"],
            "--jobs: only an option of `torrap journal`; leave it out",
        ),
        (
            &["try", " "],
            "try: the text is blank; give some, or none at all",
        ),
        (&["try", "\u{200b}"], "try: the text is blank; give some"),
        (
            &["try", "-x"],
            r#"unknown option "-x"; see `torrap --help`; text that begins with - "#,
        ),
    ] {
        let line = parse_in(&[SECRET], args).unwrap_err();
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn the_manifest_follows_the_choice_of_commands() {
    let commands = |variables, args: &[&str]| {
        let args = [&["manifest", "https://a.example"], args].concat();
        match parse_in(variables, &args) {
            Ok(Action::Manifest { commands, .. }) => commands.to_string(),
            Ok(other) => panic!("{other:?}"),
            Err(line) => line,
        }
    };
    let variables = [
        ("TORRAP_COMMANDS", "/shout"),
        ("TORRAP_DELAY", "of the bot alone"),
    ];
    assert_eq!(commands(&[], &[]), "/torrap");
    assert_eq!(commands(&variables, &[]), "/shout");
    assert_eq!(
        commands(&variables, &["--commands", "/torrap,/shout=/yell"]),
        "/torrap, /yell (/shout)"
    );
    let line = commands(&[], &["--commands=/yell"]);
    assert!(
        line.starts_with("--commands: \"/yell\" is not a command to answer"),
        "{line}"
    );
}

#[test]
fn the_journals_directory_is_handed_on() {
    for (args, expected) in [
        (&["journal", "j"][..], false),
        (&["--jobs", "journal", "j"], true),
    ] {
        let action = parse_in(&[], args).unwrap();
        assert!(
            matches!(&action, Action::Journal { directory, jobs }
                if directory == Path::new("j") && *jobs == expected),
            "{action:?}"
        );
    }
}

#[cfg(not(feature = "redis"))]
#[test]
fn a_fleets_journal_needs_another_build() {
    let line = parse_in(&[], &["journal", "redis://a"]).unwrap_err();
    assert!(
        line.starts_with("journal: this torrap is built without"),
        "{line}"
    );
}

#[cfg(feature = "redis")]
#[test]
fn a_fleets_journal_is_read_with_what_leads_to_it() {
    let query = |variables: &[_], args: &[&str]| {
        let args = [&["journal"], args].concat();
        match parse_in(variables, &args)? {
            Action::FleetJournal(query) => Ok(*query),
            action => Err(format!("{action:?}")),
        }
    };
    let found = query(
        &[],
        &["--jobs", "rediss://bot@a?fleet=b", "--ca-file", "/ca.pem"],
    )
    .unwrap();
    assert_eq!(
        found.journal.url.to_string(),
        "rediss://bot@a:6379/0?fleet=b"
    );
    assert_eq!(found.ca_file.as_deref(), Some(Path::new("/ca.pem")));
    assert!(found.jobs && found.signing_secrets.is_empty() && found.journal.password.is_none());
    let variables = [SECRET, ("TORRAP_REDIS_PASSWORD", "hunter2")];
    let found = query(&variables, &["redis://a"]).unwrap();
    assert_eq!(found.signing_secrets.len(), 1);
    assert!(found.journal.password.is_some() && !format!("{found:?}").contains("hunter2"));
    for (variables, args, start) in [
        (
            &[][..],
            &["redis://:hunter2@a"][..],
            "journal: the URL holds a password",
        ),
        (
            &[("TORRAP_REDIS_PASSWORD_FILE", "/nowhere")],
            &["redis://a"],
            "TORRAP_REDIS_PASSWORD_FILE: cannot read",
        ),
        (
            &[("SLACK_SIGNING_SECRET_FILE", "/nowhere")],
            &["redis://a"],
            "SLACK_SIGNING_SECRET_FILE: cannot read",
        ),
        (
            &[],
            &["redis://a", "--delay", "1"],
            "--delay: not an option of `torrap journal`",
        ),
        (
            &[],
            &["/j", "--ca-file", "/ca.pem"],
            "--ca-file: not an option of `torrap journal`",
        ),
        (
            &[("TORRAP_ENV_FILE", "/nowhere")],
            &["redis://a"],
            "TORRAP_ENV_FILE: ",
        ),
    ] {
        let line = query(variables, args).unwrap_err();
        assert!(
            line.starts_with(start) && !line.contains("hunter2"),
            "{line}"
        );
    }
}

#[test]
fn a_trial_takes_words_options_and_nothing_from_the_bots_world() {
    assert_eq!(try_in(&[], &[]).unwrap().0, None);
    let text = |args: &[&str]| try_in(&[], args).unwrap().0.unwrap();
    assert_eq!(text(&["olleh"]), "olleh");
    assert_eq!(text(&["olleh", "dlrow"]), "olleh dlrow");
    assert_eq!(text(&["a", "--delay", "0", "b"]), "a b");
    assert_eq!(text(&["--delay", "0", "--", "--delay", "-x"]), "--delay -x");

    let (_, config) = try_in(&[], &[]).unwrap();
    assert!(config.signing_secrets.is_empty() && config.reply_origins.is_empty());
    assert_eq!(config.listen, ["127.0.0.1:0"]);
    let (_, config) = try_in(&[], &["--delay", "0", "--listen", "[::1]:0"]).unwrap();
    assert_eq!(
        (config.delay_ms, config.listen),
        (0, vec!["[::1]:0".to_owned()])
    );

    let of_the_bot = [
        ("SLACK_SIGNING_SECRET", ""),
        ("SLACK_SIGNING_SECRET_FILE", "/run/none"),
        ("TORRAP_LISTEN", "0.0.0.0:80"),
        ("TORRAP_REPLY_ORIGINS", "wrong"),
        ("SSL_CERT_FILE", "/run/none"),
        ("TORRAP_JOURNAL", "/run/none"),
        ("STATE_DIRECTORY", "/run/none"),
        ("TORRAP_DELAY", "0.25"),
    ];
    let (_, config) = try_in(&of_the_bot, &[]).unwrap();
    assert_eq!(config.listen, ["127.0.0.1:0"]);
    assert_eq!((config.ca_file, config.delay_ms), (None, 250));
    assert_eq!(config.journal, None);
}

#[test]
fn a_trial_logs_warnings_unless_told_otherwise() {
    let level = |variables| try_in(variables, &[]).unwrap().1.log_level;
    assert_eq!(level(&[]), log::LevelFilter::Warn);
    assert_eq!(level(&[("LOG_LEVEL", "debug")]), log::LevelFilter::Debug);
}

#[test]
fn options_may_stand_before_the_command() {
    let action = parse_in(&[], &["--delay", "0", "try", "olleh"]).unwrap();
    assert!(matches!(action, Action::Try { text, config }
        if text.as_deref() == Some("olleh") && config.delay_ms == 0));
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_refused_except_in_a_path() {
    use std::os::unix::ffi::OsStrExt;
    let bad = OsStr::from_bytes(b"\xff").to_owned();
    let env = |name: &str| {
        let secret = || Some(OsString::from(SECRET.1));
        if name == SECRET.0 { secret() } else { None }
    };
    let read_file = |_: &Path| Ok(Vec::new());
    let env = Env {
        commands: &Commands::default(),
        variable: &env,
        names: &[],
        read_file: &read_file,
    };
    let line = |args: [&OsStr; 2]| parse(args, &env).map_err(|error| error.to_string());

    let error = line(["--delay".as_ref(), &bad]).unwrap_err();
    assert_eq!(
        error,
        "--delay: the value is not valid UTF-8; give plain text"
    );
    let error = line(["try".as_ref(), &bad]).unwrap_err();
    assert_eq!(
        error,
        "argument \"\u{fffd}\" is not valid UTF-8; give plain text"
    );
    let action = line(["--ca-file".as_ref(), &bad]).unwrap();
    assert!(matches!(action, Action::Serve(config) if config.ca_file == Some(bad.into())));
}
