//! Completions for bash, from version 4 on.

use super::{Flag, Shell, Subcommand, Value, all_flags, flags, words};

pub(super) fn script(slash: &str) -> String {
    let all = words(&Subcommand::ALL).join(" ");
    let with_value: Vec<_> = all_flags()
        .filter(|flag| flag.value != Value::None)
        .collect();
    let cases: String = Subcommand::ALL.map(case).concat();
    TEMPLATE
        .replace("{commands}", &all)
        .replace("{commands|}", &all.replace(' ', "|"))
        .replace("{with value|}", &pattern(&with_value, |_| true))
        .replace(
            "{files|}",
            &pattern(&with_value, |value| value == Value::File),
        )
        .replace(
            "{directories|}",
            &pattern(&with_value, |value| value == Value::Directory),
        )
        .replace(
            "{lists|}",
            &pattern(&with_value, |value| {
                matches!(value, Value::SlashCommand | Value::SlashCommands)
            }),
        )
        .replace("{slash commands}", slash)
        .replace("{flags}", &list(Subcommand::Serve))
        .replace("{cases}", &cases)
}

fn pattern(flags: &[Flag], is_meant: impl Fn(Value) -> bool) -> String {
    let flags = flags.iter().filter(|flag| is_meant(flag.value));
    flags.map(|flag| flag.flag).collect::<Vec<_>>().join("|")
}

fn list(command: Subcommand) -> String {
    let flags: Vec<_> = flags(command).map(|flag| flag.flag).collect();
    flags.join(" ")
}

/// What follows the word of a command.
fn case(command: Subcommand) -> String {
    let flags = list(command);
    let words = match command {
        Subcommand::Completions => Shell::ALL.map(Shell::name).join(" "),
        Subcommand::Help => words(&Subcommand::ALL).join(" "),
        _ => String::new(),
    };
    let directories = match command {
        Subcommand::Journal => "[[ $cur == -* ]] || { {function}_paths -d; return; }; ",
        _ => "",
    };
    let words = format!("{words} {flags}");
    let word = command.word();
    format!("        {word}) {directories}words='{}' ;;\n", words.trim())
}

const TEMPLATE: &str = r#"# Completions of bash for {name}, printed by `{name} completions bash`.

# Paths that begin as the current word does: -f for files, -d for directories.
{function}_paths() {
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
    compopt -o filenames 2>/dev/null
}

{function}() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' words=''
    local -i at
    COMPREPLY=()
    # bash takes --flag=value for three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
            {with value|})
                [[ ${COMP_WORDS[at + 1]} == = ]] && at+=1
                at+=1
                ;;
            {commands|})
                command=${COMP_WORDS[at]}
                break
                ;;
        esac
    done
    case $prev in
        {files|}) {function}_paths -f; return ;;
        {directories|}) {function}_paths -d; return ;;
        {lists|}) mapfile -t COMPREPLY < <(compgen -W '{slash commands}' -- "$cur"); return ;;
        {with value|}) return ;;
    esac
    case $command in
{cases}        *) words='{commands} {flags}' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$cur")
}

complete -F {function} {name}
"#;
