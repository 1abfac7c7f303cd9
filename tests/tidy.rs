//! What no compiler checks: the top level, the size of files, their first lines, words that mean "not done".
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may fail, and this one reads files

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use test_support::repository::{read, root, rust_files};

fn sources() -> impl Iterator<Item = PathBuf> {
    let all = ["src", "tests", "benches"];
    all.into_iter().flat_map(rust_files)
}

#[test]
fn the_changes_begin_with_this_version() {
    let changes = read(".github/CHANGELOG.md");
    let newest = changes.lines().find_map(|line| line.strip_prefix("## "));
    let (version, _) = newest.unwrap().split_once(',').unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

/// What is meant for people who only look at the top of the repository is there and little.
#[test]
fn the_top_level_is_bare() {
    let entries = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let shown: BTreeSet<String> = entries
        .map(|name| name.into_string().unwrap())
        .filter(|name| {
            // What builds and failing properties leave behind.
            !name.starts_with('.') && name != "target" && name != "proptest-regressions"
        })
        .collect();
    let expected = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "benches",
        "deploy",
        "src",
        "tests",
    ];
    assert_eq!(shown, expected.map(str::to_owned).into());
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    for path in sources() {
        let lines = read(&path).lines().count();
        assert!(lines <= 400, "{}: {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TO", "FIX", "XX"].map(|half| {
        format!(
            "{half}{}",
            if half == "FIX" {
                "ME"
            } else if half == "TO" {
                "DO"
            } else {
                "X"
            }
        )
    });
    for path in sources() {
        let text = read(&path);
        for word in words
            .iter()
            .map(String::as_str)
            .chain(["unimplemented!", "todo!("])
        {
            let here = path.ends_with("tidy.rs") || !text.contains(word);
            assert!(here, "{}: {word}", path.display());
        }
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for path in sources() {
        let text = read(&path);
        assert!(
            text.starts_with("//!") || text.starts_with("#!"),
            "{}",
            path.display()
        );
    }
}

/// Words that hide who does what, or a picture in place of the field's term; see `.github/CONTRIBUTING.md`.
const UNWANTED: [&str; 17] = [
    "whoever",
    "somebody",
    "someone",
    "nobody",
    "anybody",
    "everybody",
    "stranger",
    "strangers",
    "owed",
    "owes",
    "owe",
    "door",
    "doors",
    "patience",
    "he",
    "him",
    "his",
];

#[test]
fn comments_name_who_does_what() {
    for path in sources() {
        for line in read(&path).lines() {
            let (code, comment) = line.split_once("//").unwrap_or_default();
            // The slashes of a URL in a string begin no comment.
            if code.contains('"') {
                continue;
            }
            let comment = comment.replace("such as", "");
            let mut words = comment.split(|c: char| !c.is_alphanumeric());
            let found = words.find(|word| {
                let word = word.to_lowercase();
                word == "such" || UNWANTED.contains(&word.as_str())
            });
            assert_eq!(found, None, "{}: {line}", path.display());
        }
    }
}
