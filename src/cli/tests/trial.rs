//! Which command and which text a trial sends.

use super::{SECRET, parse_in, try_in};
use crate::cli::Action;
use crate::config::Config;

fn tried(variables: &[(&str, &str)], args: &[&str]) -> (String, Option<String>) {
    let (text, config) = try_in(variables, args).unwrap();
    (config.commands.to_string(), text)
}

#[test]
fn the_command_is_the_first_the_named_or_the_one_that_the_text_begins_with() {
    let both = [("TORRAP_COMMANDS", "/torrap,/shout=/yell")];
    let only = [];
    for (variables, args, commands, text) in [
        (&only[..], &[][..], "/torrap", None),
        (
            &only,
            &["--command", "/shout", "hi"],
            "/shout, /torrap",
            Some("hi"),
        ),
        (&only, &["--command=shout"], "/shout, /torrap", None),
        (&only, &["/shout", "hi"], "/shout, /torrap", Some("hi")),
        (
            &only,
            &[" /shout\t hi  there"],
            "/shout, /torrap",
            Some("hi  there"),
        ),
        (&only, &["/shout"], "/shout, /torrap", None),
        (&only, &["/torrap \u{200b}"], "/torrap", None),
        (&only, &["/yell hi"], "/torrap", Some("/yell hi")),
        (&only, &["/shouted hi"], "/torrap", Some("/shouted hi")),
        (&only, &["hi /shout"], "/torrap", Some("hi /shout")),
        (&both, &["hi"], "/torrap, /yell (/shout)", Some("hi")),
        (&both, &["/yell hi"], "/yell (/shout), /torrap", Some("hi")),
        (&both, &["/shout hi"], "/yell (/shout), /torrap", Some("hi")),
        (
            &both,
            &["--command", " '/yell'\n", "/torrap hi"],
            "/yell (/shout), /torrap",
            Some("/torrap hi"),
        ),
    ] {
        let expected = (commands.to_owned(), text.map(str::to_owned));
        assert_eq!(tried(variables, args), expected, "{args:?}");
    }
    let args = [
        "try",
        "--to",
        "http://a.b",
        "--command",
        "/shout",
        "--",
        "/torrap",
    ];
    match parse_in(&[SECRET], &args) {
        Ok(Action::TryAt {
            text,
            config: Config { commands, .. },
            ..
        }) => {
            assert_eq!(commands.to_string(), "/shout, /torrap");
            assert_eq!(text.as_deref(), Some("/torrap"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_that_does_not_exist_is_refused() {
    for name in ["/yell", "yell", "", "/"] {
        let line = parse_in(&[], &["try", "--command", name, "hi"]).unwrap_err();
        let start = format!("--command: {name:?} is not a command to answer: there are /torrap");
        assert!(line.starts_with(&start), "{line}");
    }
    let line = parse_in(&[SECRET], &["--command", "/shout"]).unwrap_err();
    assert_eq!(
        line,
        "--command: only an option of `torrap try`; leave it out"
    );
    let line = parse_in(&[], &["try", "--command"]).unwrap_err();
    let expected = "--command: the value is missing; give a slash command, such as /torrap";
    assert_eq!(line, expected);
}
