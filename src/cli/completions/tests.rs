//! Completions have what the tables have; `tests/process/completions.rs` runs them in the shells.

use super::*;

#[test]
fn each_shell_completes_every_command_and_option() {
    for shell in Shell::ALL {
        assert_eq!(Shell::with_name(shell.name()), Some(shell));
        let script = script(shell, "torrap", &Commands::default());
        for command in Subcommand::ALL {
            assert!(script.contains(command.word()), "{shell:?} {command:?}");
        }
        for flag in all_flags() {
            let name = flag.flag.trim_start_matches("--");
            let spelt = match shell {
                Shell::Fish => format!(" -l {name} "),
                _ => flag.flag.to_owned(),
            };
            assert!(script.contains(&spelt), "{shell:?}: {spelt}");
        }
        assert!(script.contains("/shout"), "{shell:?}");
        assert!(!script.contains(['{']) || shell != Shell::Fish, "{shell:?}");
        for placeholder in [
            "{with",
            "{flags",
            "{commands}",
            "{commands|",
            "{cases",
            "{lists",
        ] {
            assert!(!script.contains(placeholder), "{shell:?}: {placeholder}");
        }
    }
    assert_eq!(Shell::with_name("ksh"), None);
}

#[test]
fn a_bot_with_another_name_has_its_own() {
    for shell in Shell::ALL {
        let script = script(shell, "my-bot.2", &Commands::default());
        let (line, function) = match shell {
            Shell::Bash => ("complete -F _my_bot_2 my-bot.2\n", "\n_my_bot_2() {"),
            Shell::Zsh => ("#compdef my-bot.2\n", "\n_my_bot_2() {"),
            Shell::Fish => ("\ncomplete -c my-bot.2 -f\n", ""),
        };
        assert!(
            script.contains(line) && script.contains(function),
            "{script}"
        );
        assert!(!script.contains("_torrap"), "{script}");
    }
}

#[test]
fn a_value_is_completed_by_what_it_is_called() {
    let value = |flag| all_flags().find(|f| f.flag == flag).unwrap().value;
    assert_eq!(value("--ca-file"), Value::File);
    assert_eq!(value("--journal"), Value::Directory);
    assert_eq!(value("--commands"), Value::SlashCommands);
    assert_eq!(value("--command"), Value::SlashCommand);
    assert_eq!(value("--to"), Value::None);
    assert_eq!(value("--delay"), Value::Free);
    assert_eq!(value("--in-channel"), Value::None);
}
