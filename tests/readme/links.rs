//! What the documents name is there: links and anchors, paths, variables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use test_support::repository::{read, root, rust_files};
use torrap::cli;

use crate::{GUIDES, OPERATORS, README, TABLES, code_spans, split};

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(document: &Path) -> BTreeSet<String> {
    let (prose, _) = split(&read(document));
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let kept = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c => c.is_alphanumeric().then_some(c),
    };
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        heading.chars().filter_map(kept).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn the_links_lead_somewhere() {
    let mut links = BTreeMap::new();
    for document in GUIDES.iter().chain(&TABLES) {
        let document = Path::new(document);
        let (prose, _) = split(&read(document));
        for rest in prose.split("](").skip(1) {
            let link = rest.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.to_owned(),
                path => document.parent().unwrap().join(path),
            };
            let exists = root().join(&target).exists();
            assert!(exists, "{}: {link}", document.display());
            let is_there = anchor.is_empty() || anchors(&target).contains(anchor);
            assert!(is_there, "{}: {link}", document.display());
            *links.entry(document.to_owned()).or_insert(0) += 1;
        }
    }
    assert!(links[Path::new(README)] > 10 && links[Path::new(OPERATORS)] > 10);
}

/// A path from the root in backticks is that of a file or a folder.
#[test]
fn the_paths_exist() {
    let folders = ["src/", "tests/", "benches/", "deploy/", ".ci/", ".github/"];
    let mut paths = 0;
    for document in GUIDES.iter().chain(&TABLES) {
        let (prose, _) = split(&read(document));
        for span in code_spans(&prose) {
            let path = span.split_whitespace().next().unwrap_or_default();
            let is_pattern = path.contains(['*', '…']) || path.contains("NAME");
            if folders.iter().any(|folder| path.starts_with(folder)) && !is_pattern {
                assert!(root().join(path).exists(), "{document}: {path}");
                paths += 1;
            }
        }
    }
    assert!(paths > 40, "{paths} paths");
}

/// Also in prose and in blocks, no variable is named that neither the bot nor the tests read.
#[test]
fn the_variables_exist() {
    let read_by = ["src", "tests"].into_iter().flat_map(rust_files);
    let sources: String = read_by.map(read).collect();
    let known: BTreeSet<&str> = cli::rows().map(|row| row[1]).collect();
    for document in GUIDES {
        let text = read(document);
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        for word in words.filter(|word| word.starts_with("TORRAP_") || word.starts_with("SLACK_")) {
            let is_known = known.contains(word) || sources.contains(&format!("\"{word}\""));
            assert!(is_known, "{document}: {word}");
        }
    }
}
