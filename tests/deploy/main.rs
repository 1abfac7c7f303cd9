//! `deploy/` against the code: the settings it gives, the metrics it watches, the paths it asks for.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types
)] // a test may fail, and this one reads files and starts processes

mod dashboard;

use std::collections::BTreeSet;

use test_support::repository::{files_below, read};
use torrap::cli;
use torrap::telemetry::metrics::{self, Counters, JournalCounters, Standing};

/// All files but the guide, which `readme` reads.
fn folder() -> Vec<(String, String)> {
    let files = files_below("deploy").into_iter().map(|path| {
        let name = path.strip_prefix("deploy").unwrap().to_str().unwrap();
        (name.to_owned(), read(&path))
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
    let samples = samples(&page);
    let alerts = folder()
        .into_iter()
        .filter(|(name, _)| name.starts_with("alerts."));
    let panels = dashboard::queries()
        .into_iter()
        .map(|(panel, query)| (format!("grafana.json, {panel}"), query));
    let mut watched = BTreeSet::new();
    for (name, text) in alerts.chain(panels) {
        let names = words(&text, "torrap_", |c| c.is_ascii_lowercase() || c == '_');
        for metric in names {
            assert!(samples.contains(metric), "{name}: {metric}");
            watched.insert(metric.to_owned());
        }
        for reason in text.split("reason=\"").skip(1) {
            let label = format!("{{reason=\"{}\"}}", reason.split('"').next().unwrap());
            assert!(page.contains(&label), "{name}: {label}");
        }
    }
    assert!(watched.len() > 25, "{watched:?}");
}

fn samples(page: &str) -> BTreeSet<&str> {
    page.lines()
        .filter_map(|line| line.split([' ', '{']).next())
        .collect()
}

#[cfg(feature = "redis")]
#[test]
fn every_metric_of_a_fleet_exists() {
    let fleet = metrics::FleetCounters::default();
    let standing = Standing {
        fleet: Some(&fleet),
        ..Standing::default()
    };
    let page = metrics::render(&Counters::default(), &standing);
    let samples = samples(&page);
    let mut watched = BTreeSet::new();
    let rules = folder()
        .into_iter()
        .filter(|(name, _)| name.starts_with("fleet/alerts."));
    for (name, text) in rules {
        for metric in words(&text, "torrap_", |c| c.is_ascii_lowercase() || c == '_') {
            assert!(samples.contains(metric), "{name}: {metric}");
            watched.insert(metric.to_owned());
        }
    }
    assert!(watched.len() > 5, "{watched:?}");
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
