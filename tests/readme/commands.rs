//! The commands of the documents: they are shell, what they name exists, and what needs nothing else is run.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::process::Command;

use test_support::repository::{read, root, rust_files};
use test_support::{Binary, TunnelAgent};
use torrap::cli::{self, Action, Env};
use torrap::commands::Commands;

use crate::{GUIDES, README, code_spans, is_module, split};

const TORRAP: Binary<'static> = Binary(env!("CARGO_BIN_EXE_torrap"));

/// The commands of a document, one a line: those of its `sh` blocks, and what stands in backticks and
/// begins as a command.
fn commands(document: &str) -> Vec<String> {
    let (prose, blocks) = split(&read(document));
    let blocks = blocks.iter().filter(|(language, _)| language == "sh");
    let joined: String = blocks.map(|(_, block)| block.as_str()).collect();
    let lines = joined.replace("\\\n", " ");
    let lines = lines.lines().flat_map(|line| line.split("&&"));
    let lines = lines.map(|line| line.split(" # ").next().unwrap().trim().to_owned());
    let prose = prose.replace("\\|", "|");
    let spans = code_spans(&prose).filter(|span| span.starts_with("cargo "));
    let spans = spans.map(|span| span.split('|').next().unwrap().trim().to_owned());
    lines.chain(spans).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_first_commands_show_the_main_job_and_pass_the_tests() {
    let commands = commands(README);
    assert_eq!(commands[..2], ["cargo run --release -- try", "cargo test"]);
}

#[test]
fn the_blocks_are_shell() {
    for document in GUIDES {
        for (language, block) in split(&read(document)).1 {
            if language == "sh" {
                let status = Command::new("bash").args(["-n", "-c", &block]).status();
                assert!(status.unwrap().success(), "{document}: {block}");
            }
        }
    }
}

#[test]
fn the_commands_exist() {
    let mut of_the_bot = BTreeSet::new();
    for command in GUIDES.iter().flat_map(|document| commands(document)) {
        let words: Vec<&str> = command.split_whitespace().collect();
        if words[0] == "cargo" {
            check_cargo(&words, &command);
        }
        let is_bot = |word: &str| word == "torrap" || word.ends_with("release/torrap");
        // Behind the variables that it is given.
        let program = words.iter().position(|word| !word.contains('='));
        let args = match program.filter(|at| is_bot(words[*at])) {
            Some(at) => words[at + 1..]
                .split(|word| ["&", ">"].contains(word))
                .next(),
            None if words.starts_with(&["cargo", "run"]) && !words.contains(&"--example") => {
                words.split(|word| *word == "--").nth(1)
            }
            None => None,
        };
        if let Some(args) = args {
            of_the_bot.insert(args.join(" "));
            run(args, &command);
        }
    }
    assert!(of_the_bot.len() >= 8, "{of_the_bot:?}");
}

/// What a line for cargo names is there: targets, and modules that tests are chosen by.
fn check_cargo(words: &[&str], command: &str) {
    let verbs = [
        "bench", "build", "check", "doc", "run", "test", "tree", "install",
    ];
    assert!(verbs.contains(&words[1]), "{command}");
    let words = words.split(|word| *word == "--").next().unwrap();
    let value = |flag: &str| {
        let at = words.iter().position(|word| *word == flag)?;
        Some(words[at + 1])
    };
    if let Some(path) = value("--manifest-path") {
        read(path);
    }
    if let Some(bench) = value("--bench") {
        read(format!("benches/{bench}.rs"));
    }
    if let Some(example) = value("--example") {
        let name = format!("name = \"{example}\"");
        assert!(read("Cargo.toml").contains(&name), "{command}");
    }
    let folder = match value("--test") {
        Some(test) => {
            let folder = root().join("tests").join(test);
            assert!(
                folder.is_dir() || folder.with_extension("rs").exists(),
                "{command}"
            );
            folder
        }
        None => root().join("src"),
    };
    let is_choice = words[1] == "test" && (words.contains(&"--test") || words.contains(&"--lib"));
    let last = words.last().unwrap();
    if is_choice && !last.starts_with("--") && value("--test") != Some(last) {
        let module = folder.join(last.replace("::", "/"));
        let is_nested = rust_files("src").iter().any(|path| is_module(path, last));
        let exists = module.is_dir() || module.with_extension("rs").exists() || is_nested;
        assert!(exists, "{command}: {}", module.display());
    }
}

/// The command line is one on a machine where the secret is set. What needs nothing else is run.
fn run(args: &[&str], command: &str) {
    let env = Env {
        commands: &Commands::default(),
        variable: &|name| (name == "SLACK_SIGNING_SECRET").then(|| OsString::from("secret")),
        names: &[],
        read_file: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    let invocation = cli::parse(args, &env);
    let extra: &[&str] = match invocation {
        Ok(Action::Try { .. }) => &["--delay", "0"],
        Ok(Action::Manifest { .. } | Action::Help(_)) => &[],
        Ok(Action::Completions(_) | Action::Man | Action::Version) => &[],
        Ok(_) => return,
        // A build without the feature knows of the journal no more than how to be built with it.
        Err(error)
            if !cfg!(feature = "redis") && error.to_string().contains("--features redis") =>
        {
            return;
        }
        Err(error) => panic!("{command}: {error}"),
    };
    let tunnel = TunnelAgent::ngrok(&[("https://torrap.ngrok-free.dev", "http://127.0.0.1:8000")]);
    let mut process = TORRAP.command();
    process.env("TORRAP_TUNNEL_AGENTS", tunnel.address.to_string());
    let output = process.args(args).args(extra).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}

/// Numbers differ from run to run; words do not.
#[test]
fn the_picture_of_a_trial_is_what_it_prints() {
    let without_numbers = |text: &str| {
        let parts: Vec<&str> = text.split(|c: char| c.is_ascii_digit()).collect();
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts
            .flat_map(str::split_whitespace)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (_, blocks) = split(&read(README));
    let (_, picture) = blocks
        .iter()
        .find(|(language, _)| language == "text")
        .unwrap();
    let (command, shown) = picture.split_once('\n').unwrap();
    assert_eq!(command, "$ cargo run --release -- try");
    let output = TORRAP
        .command()
        .args(["try", "--delay", "0.001"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let simplified =
        |text: &str| without_numbers(&text.replace("0.001 s)", "5 s)").replace('.', ""));
    assert_eq!(simplified(&printed), simplified(shown));
}
