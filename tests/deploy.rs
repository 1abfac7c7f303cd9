//! `deploy/` against the code: the settings it gives, the metrics it watches, the paths it asks for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may fail, and this one reads files

use std::collections::BTreeSet;
use std::fs;

use test_support::repository::root;
use torrap::cli;
use torrap::telemetry::metrics::{self, Counters, JournalCounters, Standing};

/// All files but the guide, which `readme.rs` reads.
fn folder() -> Vec<(String, String)> {
    let folder = root().join("deploy");
    let files = fs::read_dir(folder).unwrap().map(|file| {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    files.filter(|(name, _)| name != "README.md").collect()
}

/// All words of these characters that begin like this.
fn words<'a>(text: &'a str, start: &str, is_part: fn(char) -> bool) -> BTreeSet<&'a str> {
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with(start))
        .collect()
}

#[test]
fn every_setting_exists() {
    let known: BTreeSet<_> = cli::rows().map(|row| row[1]).collect();
    let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
    let mut used = BTreeSet::new();
    let files = folder();
    for (name, text) in &files {
        for start in ["TORRAP_", "SLACK_"] {
            for word in words(text, start, is_part) {
                assert!(known.contains(word), "{name}: {word}");
                used.insert(word);
            }
        }
    }
    for word in ["SLACK_SIGNING_SECRET_FILE", "TORRAP_JOURNAL"] {
        assert!(used.contains(word), "{word}");
    }
}

#[test]
fn every_metric_and_label_exists() {
    let journal = JournalCounters::default();
    let standing = Standing {
        journal: Some(&journal),
        ..Standing::default()
    };
    let page = metrics::render(&Counters::default(), &standing);
    let samples: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.split([' ', '{']).next())
        .collect();
    let files = folder();
    let rules: Vec<_> = files
        .iter()
        .filter(|(name, _)| name.starts_with("alerts."))
        .collect();
    assert_eq!(rules.len(), 2);
    for (name, text) in rules {
        let names = words(text, "torrap_", |c| c.is_ascii_lowercase() || c == '_');
        assert!(names.len() > 5, "{name}: {names:?}");
        for metric in names {
            assert!(samples.contains(metric), "{name}: {metric}");
        }
        for reason in text.split("reason=\"").skip(1) {
            let label = format!("{{reason=\"{}\"}}", reason.split('"').next().unwrap());
            assert!(page.contains(&label), "{name}: {label}");
        }
    }
}

/// What proxies and probes ask for is what the bot has; `tests/it/resources.rs` says what that is.
#[test]
fn every_path_exists() {
    let mut asked = BTreeSet::new();
    for (name, text) in folder() {
        let patterns = ["location = ", "{ path ", "httpchk GET ", "httpGet: {path: "];
        for pattern in patterns {
            for rest in text.split(pattern).skip(1) {
                let path = rest.split([' ', ',', '}', '\n']).next().unwrap();
                assert!(
                    ["/slack", "/healthz", "/readyz"].contains(&path),
                    "{name}: {path}"
                );
                asked.insert(format!("{name} {path}"));
            }
        }
    }
    for expected in [
        "haproxy.cfg /readyz",
        "haproxy.cfg /slack",
        "kubernetes.yaml /healthz",
        "kubernetes.yaml /readyz",
        "nginx-site.conf /slack",
        "nginx.conf /slack",
    ] {
        assert!(asked.contains(expected), "{expected}: {asked:?}");
    }
}

/// A core file has what is in memory: the signing secret, and what people have typed.
#[test]
fn a_crash_leaves_no_secret_on_the_disk() {
    let files = folder();
    let units = files.iter().filter(|(name, _)| name.ends_with(".service"));
    let lines = units.flat_map(|(_, text)| text.lines());
    let limits: Vec<_> = lines
        .filter(|line| line.starts_with("LimitCORE="))
        .collect();
    assert_eq!(limits, ["LimitCORE=0"]);
}
