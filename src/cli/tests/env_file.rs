//! `--env-file`: where its variables count, and what is said of a file that is wrong.

use super::*;

pub(super) const CONTENT: &str = "# of the bot\nSLACK_SIGNING_SECRET=8f742231b10e\nTORRAP_DELAY=3\n\
    TORRAP_COMMANDS=/shout\nTORRAP_LISTN=x\nHTTPS_PROXY=http://proxy.example:3128\n";

fn served(variables: &[(&str, &str)], args: &[&str]) -> Result<Config, String> {
    match parse_in(variables, args)? {
        Action::Serve(config) => Ok(config),
        other => panic!("{other:?}"),
    }
}

#[test]
fn its_variables_are_those_of_the_environment_as_far_as_that_has_none() {
    let by_flag = served(&[], &["--env-file", "/etc/env"]).unwrap();
    let by_variable = served(&[("TORRAP_ENV_FILE", "/etc/env")], &[]).unwrap();
    for config in [by_flag, by_variable] {
        assert_eq!(config.signing_secrets[0].as_bytes(), b"8f742231b10e");
        assert_eq!(
            (config.delay_ms, config.commands.to_string().as_str()),
            (3000, "/shout")
        );
        assert!(config.proxy.is_some());
        let misspelt = |notice: &crate::config::Notice| notice.line.contains("TORRAP_LISTEN?");
        assert!(config.notices.iter().any(misspelt));
    }
    let file = ["--env-file=/etc/env"];
    let delay = |variables, args: &[&str]| served(variables, args).unwrap().delay_ms;
    assert_eq!(delay(&[("TORRAP_DELAY", "4")], &file), 4000);
    assert_eq!(
        delay(&[("TORRAP_DELAY", "")], &file),
        5000,
        "set to nothing is the default"
    );
    assert_eq!(
        delay(&[], &["--delay", "2", "--env-file", "/etc/env"]),
        2000
    );
    assert_eq!(
        delay(&[], &["--env-file", "/nowhere", "--env-file", "/etc/env"]),
        3000
    );
}

#[test]
fn it_counts_for_every_command_that_reads_its_settings() {
    let check = parse_in(&[], &["check", "--env-file", "/etc/env"]).unwrap();
    assert!(matches!(check, Action::Check { config: Ok(config) } if config.delay_ms == 3000));
    let args = ["manifest", "--env-file", "/etc/env", "https://a.example"];
    let manifest = parse_in(&[], &args).unwrap();
    assert!(
        matches!(manifest, Action::Manifest { commands, .. } if commands.to_string() == "/shout")
    );
    // A trial heeds what it heeds of the environment.
    let (_, config) = try_in(&[], &["--env-file", "/etc/env"]).unwrap();
    assert_eq!((config.delay_ms, config.signing_secrets.len()), (3000, 0));
    let (_, config) = try_in(&[("TORRAP_ENV_FILE", "/nowhere")], &[]).unwrap();
    assert_eq!(config.delay_ms, 5000);
    let variable = [("TORRAP_ENV_FILE", "/etc/env")];
    let remote = parse_in(&variable, &["try", "--to", "https://a.example"]).unwrap();
    assert!(matches!(remote, Action::TryAt { config, .. } if config.signing_secrets.len() == 1));
    let line = parse_in(&[], &["journal", "j", "--env-file", "/etc/env"]).unwrap_err();
    assert_eq!(
        line,
        "--env-file: not an option of `torrap journal`; leave it out"
    );
    assert!(parse_in(&[("TORRAP_ENV_FILE", "/nowhere")], &["journal", "j"]).is_ok());
}

#[test]
fn a_file_that_is_wrong_is_one_line_that_shows_none_of_its_values() {
    let line = |args: &[&str]| parse_in(&[], args).unwrap_err();
    let yaml = r#"--env-file: line 1 of "/etc/yaml" is not NAME=value; give one variable a line, without blanks around the ="#;
    assert_eq!(line(&["--env-file", "/etc/yaml"]), yaml);
    assert_eq!(
        line(&["--env-file", "/no\nwhere"]),
        r#"--env-file: cannot read "/no\nwhere": no such file; give the path of a readable file"#
    );
    let variable = parse_in(&[("TORRAP_ENV_FILE", "/etc/yaml")], &[]).unwrap_err();
    assert_eq!(variable, yaml.replace("--env-file", "TORRAP_ENV_FILE"));
    assert_eq!(
        line(&["--env-file="]),
        r#"--env-file: "" is not a path; give the path of a file"#
    );
    let check = parse_in(&[], &["check", "--env-file", "/etc/yaml"]).unwrap();
    assert!(matches!(check, Action::Check { config: Err(lines) } if lines == [yaml]));
}
