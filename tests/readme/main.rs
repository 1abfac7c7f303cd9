//! The documents against the code: settings, limits, metrics, commands, quoted log lines, links; and that
//! the README stays short and the words plain.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may fail, and this one reads files

mod commands;
mod links;
mod tables;

use std::path::Path;

use test_support::repository::read;

const README: &str = "README.md";
const OPERATORS: &str = "deploy/README.md";
/// All documents that people read from beginning to end.
const GUIDES: [&str; 9] = [
    README,
    OPERATORS,
    "deploy/fleet/README.md",
    "tests/README.md",
    "benches/README.md",
    "benches/RESULTS.md",
    ".github/CHANGELOG.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
];
/// Tables of requirements: their links and paths are checked as well.
const TABLES: [&str; 2] = [
    "tests/it/RFC9112.md",
    "tests/fuzz/differential/DIFFERENCES.md",
];
const README_LINES_MAX: usize = 250;

/// A document's lines outside its fenced blocks, and the blocks with their languages.
fn split(text: &str) -> (String, Vec<(String, String)>) {
    let (mut prose, mut blocks) = (String::new(), Vec::new());
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.trim().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (None, Some((_, block))) => *block += &format!("{line}\n"),
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block that does not end");
    (prose, blocks)
}

/// Whether a file is the module of that name: `http/mod.rs` is `http`, `jobs/retry.rs` is `retry`.
fn is_module(path: &Path, module: &str) -> bool {
    let stem = path.file_stem().unwrap();
    if stem == "mod" {
        path.parent().unwrap().ends_with(module)
    } else {
        stem == module
    }
}

/// What stands in backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_readme_is_short() {
    let lines = read(README).lines().count();
    assert!(lines <= README_LINES_MAX, "{lines} lines");
}

#[test]
fn the_worked_example_of_a_command_is_the_code() {
    let source = read("src/commands/shout.rs");
    let (code, _) = source.split_once("\n#[cfg(test)]").unwrap();
    let block = format!("```rust\n{}\n```\n", code.trim_end());
    assert!(read(README).contains(&block));
}

/// Words that hide who does what; see CONTRIBUTING.
#[test]
fn the_words_are_plain() {
    let unwanted = [
        "whoever",
        "whom",
        "somebody",
        "someone",
        "nobody",
        "anybody",
        "everybody",
        "such",
        "stranger",
        "strangers",
        "owed",
        "owes",
    ];
    for document in GUIDES {
        let (prose, _) = split(&read(document));
        let plain: String = prose.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let words = plain.split(|c: char| !c.is_alphabetic());
        for word in words.map(str::to_lowercase) {
            assert!(!unwanted.contains(&word.as_str()), "{document}: {word}");
        }
    }
}
