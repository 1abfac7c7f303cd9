//! What prints and ends: help, completions, the manual page.

use super::*;

fn help(args: &[&str]) -> String {
    match parse_in(&[("TORRAP_DELAY", "wrong")], args) {
        Ok(Action::Help(text)) => text,
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn help_and_version_stand_anywhere_and_need_no_settings() {
    for (command, start) in [
        (&[][..], "A Slack slash command"),
        (&["serve"], "torrap serve: run the bot\n"),
        (&["try"], "torrap try: "),
        (&["try", "text"], "torrap try: "),
        (&["--delay", "x", "manifest", "a", "b"], "torrap manifest: "),
        (&["journal", "--jobs"], "torrap journal: "),
        (&["completions", "ksh"], "torrap completions: "),
    ] {
        let [short, long] = ["-h", "--help"].map(|flag| help(&[command, &[flag]].concat()));
        assert!(
            short.starts_with(start) && long.starts_with(start),
            "{long}"
        );
        assert_ne!(short, long, "{command:?}");
        for flag in ["-V", "--version"] {
            let args = [command, &[flag]].concat();
            let version = parse_in(&[("TORRAP_DELAY", "wrong")], &args).unwrap();
            assert!(matches!(version, Action::Version));
        }
    }
}

#[test]
fn help_is_a_command_as_well() {
    assert_eq!(help(&["help"]), help(&["--help"]));
    assert_eq!(help(&["help", "try"]), help(&["try", "--help"]));
    assert_eq!(help(&["--help", "try"]), help(&["try", "--help"]));
    assert_eq!(help(&["-h", "journal"]), help(&["journal", "-h"]));
    assert_eq!(help(&["help", "help"]), help(&["help", "--help"]));
    // An error in what stands behind it is no matter for a person who asks for help.
    assert_eq!(help(&["--help", "--frobnicate"]), help(&["--help"]));
    for (args, line) in [
        (
            &["help", "run"][..],
            r#"unknown command "run"; did you mean serve? See `torrap --help`"#,
        ),
        (
            &["help", "try", "it"],
            r#"unexpected argument "it"; see `torrap --help`"#,
        ),
        (
            &["help", "--delay", "1"],
            "--delay: not an option of `torrap help`; leave it out",
        ),
        (
            &["help", "--to", "x"],
            "--to: only an option of `torrap try`; leave it out",
        ),
    ] {
        assert_eq!(parse_in(&[], args).unwrap_err(), line);
    }
}

#[test]
fn what_other_programs_call_it_is_understood_in_the_hint() {
    for (word, meant) in [
        ("run", "serve"),
        ("start", "serve"),
        ("Doctor", "check"),
        ("version", "--version"),
        ("completion", "completions"),
    ] {
        let line = parse_in(&[SECRET], &[word]).unwrap_err();
        let expected =
            format!("unknown command {word:?}; did you mean {meant}? See `torrap --help`");
        assert_eq!(line, expected);
    }
}

#[test]
fn completions_and_the_manual_page_need_no_settings() {
    let parse = |args: &[&str]| parse_in(&[("TORRAP_DELAY", "wrong")], args);
    assert!(matches!(parse(&["man"]), Ok(Action::Man)));
    for (name, shell) in [
        ("bash", Shell::Bash),
        ("zsh", Shell::Zsh),
        ("fish", Shell::Fish),
    ] {
        let action = parse(&["completions", name]);
        assert!(matches!(action, Ok(Action::Completions(found)) if found == shell));
    }
    for (args, line) in [
        (
            &["completions"][..],
            "completions: the shell is missing; give bash, zsh or fish, such as ",
        ),
        (
            &["completions", "ksh"],
            "completions: \"ksh\" is not a shell that there are completions for; give bash",
        ),
        (&["completions", "bash", "x"], "unexpected argument \"x\""),
        (&["man", "bash"], "unexpected argument \"bash\""),
        (
            &["man", "--delay=1"],
            "--delay: not an option of `torrap man`",
        ),
        (
            &["--jobs", "man"],
            "--jobs: only an option of `torrap journal`",
        ),
        (
            &["try", "--command"],
            "--command: the value is missing; give a slash command, such as /torrap",
        ),
    ] {
        let error = parse(args).unwrap_err();
        assert!(error.starts_with(line), "{error}");
    }
}
