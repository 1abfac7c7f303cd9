//! Completions in the shells themselves, and the manual page in front of those who read it. A shell or a reader that is
//! not installed is left out, and the test says so.

use std::io::Write;
use std::process::{Command, Stdio};

use test_support::{Scratch, finish};

use crate::TORRAP;

fn printed(args: &[&str]) -> String {
    let finished = finish(TORRAP.command().args(args));
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    finished.stdout
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program} >/dev/null")])
        .status();
    let is_there = found.unwrap().success();
    if !is_there {
        eprintln!("skipped: {program} is not installed");
    }
    is_there
}

/// What a script of a shell prints that is given a file of completions and these arguments.
fn completed(shell: &[&str], script: &str, args: &[&str]) -> Vec<String> {
    let directory = Scratch::new(&format!("completions-{}", shell[0]));
    std::fs::create_dir_all(directory.path()).unwrap();
    let file = directory.join("_torrap");
    std::fs::write(&file, printed(&["completions", shell[0]])).unwrap();
    let mut command = Command::new(shell[0]);
    // What a person has set up must not matter, and fish looks at the home directory.
    command.env("HOME", directory.path()).env("TERM", "xterm");
    command.args(&shell[1..]).arg(script).arg(file).args(args);
    let finished = finish(command.stdin(Stdio::null()));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout.lines().map(str::to_owned).collect()
}

/// Words that complete a line, each with what must be among them and what must not. A line ends with a blank or with the
/// beginning of a word.
const CASES: [(&str, &[&str], &[&str]); 12] = [
    (
        "torrap ",
        &["serve", "try", "manifest", "help"],
        &["--to", "bash"],
    ),
    ("torrap tr", &["try"], &["serve"]),
    ("torrap --de", &["--delay"], &["--drain"]),
    ("torrap try --t", &["--to", "--tolerance"], &["--delay"]),
    (
        "torrap manifest --",
        &["--link", "--commands"],
        &["--delay", "--jobs"],
    ),
    ("torrap --delay 0 jour", &["journal"], &["serve"]),
    ("torrap completions ", &["bash", "zsh", "fish"], &["serve"]),
    ("torrap help m", &["manifest", "man"], &["serve"]),
    ("torrap --commands /s", &["/shout"], &["/torrap"]),
    ("torrap try --command /s", &["/shout"], &["/torrap"]),
    (
        "torrap try --to https://a.example --comm",
        &["--command", "--commands"],
        &["--to"],
    ),
    ("torrap journal /us", &["/usr"], &["/etc"]),
];

/// The cases against what a shell proposes, one line for each.
fn assert_completed(lines: &[String]) {
    assert_eq!(lines.len(), CASES.len(), "{lines:#?}");
    for ((line, wanted, unwanted), proposed) in CASES.iter().zip(lines) {
        let words: Vec<_> = proposed
            .split_whitespace()
            .map(|word| word.trim_end_matches('/'))
            .collect();
        for word in *wanted {
            assert!(words.contains(word), "{line:?}: no {word} in {proposed}");
        }
        for word in *unwanted {
            assert!(!words.contains(word), "{line:?}: {word} in {proposed}");
        }
    }
}

/// A bot of one's own has another name.
#[test]
fn they_are_for_the_program_that_prints_them() {
    let directory = Scratch::new("completions-name");
    std::fs::create_dir_all(directory.path()).unwrap();
    let path = directory.join("my-bot");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_torrap"), &path).unwrap();
    let printed = |args: &[&str]| finish(Command::new(&path).env_clear().args(args)).stdout;
    for (shell, line) in [
        ("bash", "complete -F _my_bot my-bot\n"),
        ("zsh", "#compdef my-bot\n"),
        ("fish", "\ncomplete -c my-bot -f\n"),
    ] {
        assert!(printed(&["completions", shell]).contains(line), "{shell}");
    }
    let page = printed(&["man"]);
    assert!(
        page.contains("\n.TH MY\\-BOT 1 ") && page.contains("\nmy-bot answers "),
        "{page}"
    );
    assert!(!page.contains("\ntorrap "), "{page}");
}

#[test]
fn bash_completes() {
    if !is_there("bash") {
        return;
    }
    let script = r#"
        source "$0"
        complete -p torrap >/dev/null
        for line in "$@"; do
            read -ra COMP_WORDS <<<"$line"
            [[ $line == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _torrap
            echo "${COMPREPLY[*]}"
        done"#;
    let complete = |lines: &[&str]| completed(&["bash", "--norc", "-uc"], script, lines);
    assert_completed(&complete(&CASES.map(|(line, ..)| line)));
    let lines = complete(&[
        "torrap --ca-file /etc/pass",
        "torrap --ca-file = /etc/pass", // as bash splits --ca-file=/etc/pass
        "torrap --delay ",
        "torrap --journal serve jour",
        "torrap --journal = serve jour",
    ]);
    let expected = ["/etc/passwd", "/etc/passwd", "", "journal", "journal"];
    for (line, expected) in lines.iter().zip(expected) {
        let is_in = line.split(' ').any(|word| word == expected);
        assert!(
            is_in && (line.is_empty() == expected.is_empty()),
            "{lines:#?}"
        );
    }
}

#[test]
fn fish_completes() {
    if !is_there("fish") {
        return;
    }
    let script = r#"
        source $argv[1]
        for line in $argv[2..-1]
            complete -C "$line" | string replace -r '\t.*' '' | string join ' '
        end
        true # joining one word counts as a failure"#;
    let lines = CASES.map(|(line, ..)| line);
    assert_completed(&completed(&["fish", "--no-config", "-c"], script, &lines));
}

/// The line editor of zsh completes only on a terminal: a shell inside the shell has one.
#[test]
fn zsh_completes() {
    if !is_there("zsh") {
        return;
    }
    let script = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "PS1=; stty -echo; autoload -Uz compinit; compinit -u -D; source $0
            bindkey '^I' complete-word
            tell() { print -r \"<<\$BUFFER>>\"; BUFFER=; zle accept-line }
            zle -N tell; bindkey '^X' tell; print ready"
        zpty -r shell output '*ready*'
        for line in "$@"; do
            zpty -w -n shell "$line"$'\t\x18'
            zpty -r shell output '*>>*'
            print -r -- ${${output##*<<}%%>>*}
        done
        zpty -d shell"#;
    let cases = [
        ("torrap tr", "torrap try "),
        ("torrap --de", "torrap --delay="),
        ("torrap manifest --lin", "torrap manifest --link "),
        ("torrap manifest --del", "torrap manifest --del"),
        ("torrap try a b --sen", "torrap try a b --senders="),
        ("torrap --delay 0 jour", "torrap --delay 0 journal "),
        (
            "torrap --journal serve jour",
            "torrap --journal serve journal ",
        ),
        ("torrap completions f", "torrap completions fish "),
        ("torrap help comp", "torrap help completions "),
        ("torrap --commands /s", "torrap --commands /shout,"),
        (
            "torrap --ca-file /etc/passw",
            "torrap --ca-file /etc/passwd",
        ),
        ("torrap try --command /s", "torrap try --command /shout "),
        ("torrap try --to --comma", "torrap try --to --command"),
        ("torrap journal /us", "torrap journal /usr/"),
    ];
    let lines = completed(&["zsh", "-f", "-c"], script, &cases.map(|(line, _)| line));
    assert_eq!(lines.len(), cases.len(), "{lines:#?}");
    for ((line, expected), completed) in cases.iter().zip(&lines) {
        assert!(completed.starts_with(expected), "{line:?}: {completed:?}");
    }
}

#[test]
fn the_manual_page_is_read_without_a_complaint() {
    let page = printed(&["man"]);
    // mandoc(1) wants a date, and a page that is printed at any time has none that is true.
    let has_no_date = |line: &str| line.contains("missing date, using \"\"");
    for reader in [
        &["mandoc", "-Tlint"][..],
        &["groff", "-ww", "-b", "-man", "-Tutf8"],
    ] {
        if !is_there(reader[0]) {
            continue;
        }
        let mut child = Command::new(reader[0])
            .args(&reader[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let source = page.clone();
        let writer = std::thread::spawn(move || input.write_all(source.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        // The lint of mandoc goes to its standard output.
        let complaints = match reader[0] {
            "mandoc" => stdout.lines().chain(stderr.lines()).collect(),
            _ => stderr.lines().collect::<Vec<_>>(),
        };
        let mut complaints = complaints.into_iter().filter(|line| !has_no_date(line));
        assert_eq!(complaints.next(), None, "{}", reader[0]);
    }
}
