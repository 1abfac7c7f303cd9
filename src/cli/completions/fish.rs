//! Completions for fish.

use super::{Flag, Shell, Subcommand, Value, all_flags, flags, words};

pub(super) fn script(slash: &str) -> String {
    let mut out = "# Completions of fish for {name}, printed by `{name} completions fish`.\n\
                   complete -c {name} -f\n\
                   complete -c {name} -s h -l help -d 'print help'\n\
                   complete -c {name} -s V -l version -d 'print the version'\n"
        .to_owned();
    let all = words(&Subcommand::ALL);
    let none_yet = format!("not __fish_seen_subcommand_from {}", all.join(" "));
    for command in Subcommand::ALL {
        let summary = escape(command.about().summary);
        out += &format!(
            "complete -c {{name}} -n '{none_yet}' -a {} -d '{summary}'\n",
            command.word()
        );
    }
    for (command, proposed) in [
        (Subcommand::Help, all.join(" ")),
        (
            Subcommand::Completions,
            Shell::ALL.map(Shell::name).join(" "),
        ),
        (
            Subcommand::Journal,
            "(__fish_complete_directories)".to_owned(),
        ),
    ] {
        let seen = format!("__fish_seen_subcommand_from {}", command.word());
        out += &format!("complete -c {{name}} -n '{seen}' -a '{proposed}'\n");
    }
    all_flags().for_each(|flag| out += &line(&flag, slash));
    out
}

/// One option, where it may stand: behind the commands that take it, and before any if the bot itself takes it.
fn line(flag: &Flag, slash: &str) -> String {
    let takes = |command: &Subcommand| flags(*command).any(|other| other.flag == flag.flag);
    let (takers, others): (Vec<_>, Vec<_>) = Subcommand::ALL.into_iter().partition(takes);
    let condition = match takers.contains(&Subcommand::Serve) {
        true => format!(
            "not __fish_seen_subcommand_from {}",
            words(&others).join(" ")
        ),
        false => format!("__fish_seen_subcommand_from {}", words(&takers).join(" ")),
    };
    let value = match flag.value {
        Value::None => String::new(),
        Value::Free => "-x ".to_owned(),
        Value::File => "-r -F ".to_owned(),
        Value::Directory => "-x -a '(__fish_complete_directories)' ".to_owned(),
        Value::SlashCommand | Value::SlashCommands => format!("-x -a '{slash}' "),
    };
    let (name, help) = (flag.flag.trim_start_matches('-'), escape(flag.help));
    format!("complete -c {{name}} -n '{condition}' -l {name} {value}-d '{help}'\n")
}

/// Inside single quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
