//! Completions for zsh.

use super::{Flag, Shell, Subcommand, Value, all_flags, flags, words};

pub(super) fn script(slash: &str) -> String {
    let with_value = all_flags().filter(|flag| flag.value != Value::None);
    let with_value: Vec<_> = with_value.map(|flag| flag.flag).collect();
    let summaries = Subcommand::ALL.map(|command| {
        let summary = escape(command.about().summary);
        format!("        '{}:{summary}'\n", command.word())
    });
    TEMPLATE
        .replace("{with value|}", &with_value.join("|"))
        .replace("{commands|}", &words(&Subcommand::ALL).join("|"))
        .replace("{summaries}", &summaries.concat())
        .replace(
            "{cases}",
            &Subcommand::ALL.map(|command| case(command, slash)).concat(),
        )
        .replace("{flags}", &list(Subcommand::Serve, slash))
}

fn list(command: Subcommand, slash: &str) -> String {
    flags(command).map(|flag| spec(&flag, slash)).collect()
}

/// What follows the word of a command.
fn case(command: Subcommand, slash: &str) -> String {
    let word = command.word();
    let behind = match command {
        Subcommand::Journal => "'2:DIR:_files -/'",
        Subcommand::Completions => {
            &format!("'2:SHELL:({})'", Shell::ALL.map(Shell::name).join(" "))
        }
        Subcommand::Help => "'2:COMMAND:{_describe -t commands command commands}'",
        // To say that any word may stand there would keep zsh from completing the options.
        _ => "",
    };
    format!(
        "        {word})\n            arguments+=('1: :' {behind}\n{}            )\n            ;;\n",
        list(command, slash)
    )
}

/// One option, as `_arguments` wants it.
fn spec(flag: &Flag, slash: &str) -> String {
    let help = escape(flag.help);
    let action = match flag.value {
        Value::None => return format!("                '{}[{help}]'\n", flag.flag),
        Value::Free => " ".to_owned(),
        Value::File => "_files".to_owned(),
        Value::Directory => "_files -/".to_owned(),
        Value::SlashCommand => format!("({slash})"),
        Value::SlashCommands => format!("_sequence compadd - {slash}"),
    };
    format!(
        "                '{}=[{help}]:{}:{action}'\n",
        flag.flag, flag.name
    )
}

/// Inside single quotes, and inside the brackets of an explanation.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\'' => out.push_str("'\\''"),
            '\\' | '[' | ']' | ':' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

const TEMPLATE: &str = r#"#compdef {name}
# Completions of zsh for {name}, printed by `{name} completions zsh`.

{function}() {
    local command=
    local -i at=2
    local -a commands=(
{summaries}    )
    local -a arguments=(
        '(- *)'{-h,--help}'[print help]'
        '(- *)'{-V,--version}'[print the version]'
    )
    while (( at < CURRENT )); do
        case ${words[at]} in
            ({with value|}) (( at += 1 )) ;;
            ({commands|}) command=${words[at]}; break ;;
        esac
        (( at += 1 ))
    done
    case $command in
{cases}        *)
            arguments+=('1: :{_describe -t commands command commands}'
{flags}            )
            ;;
    esac
    _arguments -s -S : $arguments
}

if [[ ${funcstack[1]} == {function} ]]; then
    {function} "$@"
else
    compdef {function} {name}
fi
"#;
