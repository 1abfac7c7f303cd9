//! What the tables of the documents say: settings, limits, metrics, log lines.

use std::collections::BTreeSet;
use std::path::PathBuf;

use test_support::repository::{read, rust_files};
use torrap::app::refusals::{Refusal, Withdrawal};
use torrap::cli;
use torrap::jobs::Abandoned;
use torrap::slack::signature;

use crate::{OPERATORS, README, code_spans, is_module};

/// The rows of all tables of a document whose head ends with these cells; head and rule left out.
fn tables(document: &str, head: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let head = format!("| {head} |");
    let mut rows = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.ends_with(&head) {
            let table = lines
                .by_ref()
                .skip(1)
                .take_while(|line| line.starts_with('|'));
            rows.extend(table.map(cells));
        }
    }
    assert!(!rows.is_empty(), "{document}: no table with {head}");
    rows
}

fn cells(line: &str) -> Vec<String> {
    let line = line.replace("\\|", "\u{0}");
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

#[test]
fn the_settings_are_those_of_the_code() {
    let documented = [README, OPERATORS]
        .iter()
        .flat_map(|document| tables(document, "flag | variable | default | meaning"));
    let mut documented: Vec<[String; 3]> = documented
        .map(|row| std::array::from_fn(|cell| row[cell].trim_matches('`').to_owned()))
        .collect();
    let mut rows: Vec<[String; 3]> = cli::rows()
        .map(|row| std::array::from_fn(|cell| row[cell].to_owned()))
        .collect();
    documented.sort();
    rows.sort();
    assert_eq!(documented, rows);
}

#[test]
fn the_limits_are_those_of_the_code() {
    let sources: Vec<(PathBuf, String)> = rust_files("src")
        .into_iter()
        .map(|path| (path.clone(), read(path)))
        .collect();
    let rows = tables(OPERATORS, "value | constant");
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        let constant = row[2].trim_matches('`');
        let (module, name) = constant.split_once("::").expect("module::CONSTANT");
        let of_module = sources.iter().filter(|(path, _)| is_module(path, module));
        let defined: Vec<u64> = of_module
            .flat_map(|(_, source)| defined(source, name))
            .collect();
        let value = documented(&row[1]).unwrap_or_else(|| panic!("{row:?}: a value"));
        assert_eq!(defined, [value], "{row:?}");
    }
}

/// `16 KiB`, `30 s`, `100 ms` or `8,192`; durations in milliseconds.
fn documented(value: &str) -> Option<u64> {
    let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
    let unit = match unit {
        "" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "ms" => 1,
        "s" => 1000,
        "min" => 60 * 1000,
        _ => return None,
    };
    Some(number.replace(',', "").parse::<u64>().ok()? * unit)
}

/// What `source` gives to the constant, or to the field of a `Default`: a product of numbers;
/// durations in milliseconds.
fn defined(source: &str, name: &str) -> Vec<u64> {
    let values = source.lines().filter_map(|line| {
        let (before, value) = line.split_once(name)?;
        let begins = before.ends_with(' ') || before.is_empty();
        let value = value.strip_prefix(':')?;
        let value = value.split_once('=').map_or(value, |(_, value)| value);
        begins.then(|| evaluate(value.trim().trim_end_matches([',', ';'])))?
    });
    values.collect()
}

fn evaluate(expression: &str) -> Option<u64> {
    let secs = expression
        .strip_prefix("Duration::from_secs(")
        .and_then(|rest| rest.strip_suffix(')'));
    let (product, unit) = secs.map_or((expression, 1), |secs| (secs, 1000));
    let factors = product.split('*');
    let numbers = factors.map(|factor| factor.trim().replace('_', "").parse::<u64>().ok());
    numbers.product::<Option<u64>>().map(|value| value * unit)
}

#[test]
fn the_metrics_are_those_of_the_code() {
    let text = read(OPERATORS);
    let (_, section) = text.split_once("\n### Metrics\n").unwrap();
    let (section, _) = section.split_once("\n### Alerts\n").unwrap();
    let is_metric = |name: &&str| name.starts_with("torrap_") || name.starts_with("process_");
    let documented: BTreeSet<&str> = code_spans(section).filter(is_metric).collect();
    let sources = ["page.rs", "fleet.rs"].map(|file| read(format!("src/telemetry/metrics/{file}")));
    let codes = sources
        .iter()
        .map(|source| source.split_once("#[cfg(test)]").unwrap().0);
    let written: BTreeSet<&str> = codes
        .flat_map(|code| code.split('"').filter(is_metric))
        .collect();
    assert_eq!(documented, written);
    let labels = Abandoned::LABELS.into_iter().chain(Withdrawal::LABELS);
    for reason in Refusal::labels().chain(labels.map(str::to_owned)) {
        assert!(section.contains(&format!("`{reason}`")), "{reason}");
    }
    // Those of the dashboard's queries, whose histograms have suffixes.
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    for word in words.filter(|word| word.starts_with("torrap_")) {
        let name = word.strip_suffix("_bucket").unwrap_or(word);
        assert!(written.contains(name), "{word}");
    }
}

#[test]
fn the_log_says_what_is_quoted() {
    let refused = |refusal: Refusal| format!("refused with {refusal}\n");
    let mut said: String = [
        Refusal::NotFound,
        Refusal::MethodNotAllowed,
        Refusal::Busy,
        Refusal::Unverified(signature::Error::Mismatch),
        Refusal::Unverified(signature::Error::Stale { skew_secs: 312 }),
    ]
    .map(refused)
    .concat();
    said.extend(rust_files("src").iter().map(read));
    let slack = tables(OPERATORS, "Slack shows | it means | torrap's log");
    let log = tables(OPERATORS, "the log says | do");
    let cells = slack
        .iter()
        .map(|row| &row[2])
        .chain(log.iter().map(|row| &row[0]));
    let quotes: Vec<&str> = cells.flat_map(|cell| code_spans(cell)).collect();
    for quote in &quotes {
        assert!(said.contains(quote), "{quote}");
    }
    assert!(quotes.len() > 20, "{quotes:?}");
}
