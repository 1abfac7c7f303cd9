//! The README against the code: its settings, its limits, its commands, and the log lines it quotes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may fail, and this one reads files

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use torrap::cli::{self, Surroundings};
use torrap::jobs::Abandoned;
use torrap::refusals::Refusal;
use torrap::slack::signature;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table whose head begins with these cells, head and rule left out.
fn table(head: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let (_, table) = readme.split_once(&format!("\n| {head} |")).expect(head);
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let line = line.replace("\\|", "\u{0}");
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner
            .split('|')
            .map(|cell| cell.trim().replace('\u{0}', "|"))
            .collect()
    };
    rows.map(cells).collect()
}

/// What stands in backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The lines of all `sh` blocks, continued ones joined.
fn commands() -> Vec<String> {
    let readme = read("README.md");
    let mut lines = Vec::new();
    let mut in_block = false;
    for line in readme.lines().map(str::trim) {
        match line {
            "```sh" => in_block = true,
            "```" => in_block = false,
            line if in_block && !line.is_empty() => lines.push(line.to_owned()),
            _ => {}
        }
    }
    lines
        .join("\n")
        .replace("\\\n", " ")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_settings_are_those_of_the_code() {
    let documented = table("flag | variable | default | meaning");
    let plain = |cell: &String| cell.trim_matches('`').to_owned();
    let documented: Vec<Vec<String>> = documented
        .iter()
        .map(|row| row.iter().map(plain).collect())
        .collect();
    let rows: Vec<[&str; 4]> = cli::rows().collect();
    for (documented, row) in documented.iter().zip(&rows) {
        assert_eq!(documented, row);
    }
    assert_eq!(documented.len(), rows.len());
}

#[test]
fn the_limits_are_those_of_the_code() {
    let rows = table("limit | value | constant");
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in rows {
        let spans: Vec<&str> = code_spans(&row[2]).collect();
        let [name, file] = spans[..] else {
            panic!("{row:?}: a constant and its file");
        };
        let value = documented(&row[1]).unwrap_or_else(|| panic!("{row:?}: a value"));
        assert_eq!(value, defined(&read(file), name), "{row:?}");
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
fn defined(source: &str, name: &str) -> u64 {
    let values = source.lines().filter_map(|line| {
        let (before, value) = line.split_once(name)?;
        let begins = before.ends_with(' ') || before.is_empty();
        let value = value.strip_prefix(':')?;
        let value = value.split_once('=').map_or(value, |(_, value)| value);
        begins.then(|| evaluate(value.trim().trim_end_matches([',', ';'])))?
    });
    let values: Vec<u64> = values.collect();
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0]
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
fn the_worked_example_of_a_command_is_the_code() {
    let source = read("src/commands/shout.rs");
    let (code, _) = source.split_once("\n#[cfg(test)]").unwrap();
    let block = format!("```rust\n{}\n```\n", code.trim_end());
    assert!(read("README.md").contains(&block));
}

#[test]
fn the_metrics_are_those_of_the_code() {
    let readme = read("README.md");
    let (_, section) = readme.split_once("## Watching it").unwrap();
    let (section, _) = section.split_once("## How it works").unwrap();
    let is_metric = |name: &&str| name.starts_with("torrap_") || name.starts_with("process_");
    let documented: BTreeSet<&str> = code_spans(section).filter(is_metric).collect();
    let source = read("src/metrics/page.rs");
    let (code, _) = source.split_once("#[cfg(test)]").unwrap();
    let written: BTreeSet<&str> = code.split('"').filter(is_metric).collect();
    assert_eq!(documented, written);
    for reason in Refusal::labels().chain(Abandoned::LABELS.map(str::to_owned)) {
        assert!(section.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn the_first_commands_show_the_main_job_and_pass_the_tests() {
    let commands = commands();
    assert_eq!(commands[..2], ["cargo run --release -- try", "cargo test"]);
}

#[test]
fn the_commands_exist() {
    let mut bots = 0;
    for command in commands() {
        let words: Vec<&str> = command.split_whitespace().collect();
        let bot = words
            .iter()
            .position(|word| *word == "target/release/torrap");
        let args = match (words[0], bot) {
            ("cargo", _) => {
                assert!(["build", "run", "test"].contains(&words[1]), "{command}");
                let is_of_a_test = words.contains(&"--example");
                words
                    .split(|word| *word == "--")
                    .nth(1)
                    .filter(|_| !is_of_a_test)
            }
            ("install", _) => None,
            (_, Some(at)) => words[at + 1..].split(|word| *word == "&").next(),
            (".ci/run", _) => {
                read(".ci/run");
                None
            }
            _ => None,
        };
        if let Some(args) = args {
            bots += 1;
            assert!(is_understood(args), "{command}");
        }
    }
    assert!(bots >= 4, "{bots} commands of the bot's own");
}

/// Whether the command line is one, on a machine where the secret is set.
fn is_understood(args: &[&str]) -> bool {
    let surroundings = Surroundings {
        variable: &|name| (name == "SLACK_SIGNING_SECRET").then(|| OsString::from("secret")),
        names: &[],
        read_file: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    let invocation = cli::parse(args, &surroundings);
    match &invocation {
        Ok(cli::Invocation::Manifest { url, commands, .. }) => {
            torrap::manifest::render(url, commands).is_ok()
        }
        Ok(_) => true,
        Err(error) => panic!("{error}"),
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
    for file in [
        "src/bot.rs",
        "src/bot/replies.rs",
        "src/refusals.rs",
        "src/http/mod.rs",
        "src/slack/signature.rs",
        "src/slack/response_url/mod.rs",
        "src/jobs/retry.rs",
        "src/server/mod.rs",
        "src/server/directory/segments.rs",
        "src/server/doors.rs",
        "src/server/error.rs",
        "src/server/admission.rs",
        "src/server/agent.rs",
        "src/console/mod.rs",
        "src/journal/log.rs",
        "src/journal/open.rs",
        "src/server/journal.rs",
    ] {
        said.push_str(&read(file));
    }
    let slack = table("Slack shows | it means | torrap's log");
    let log = table("the log says | do");
    let cells = slack
        .iter()
        .map(|row| &row[2])
        .chain(log.iter().map(|row| &row[0]));
    let mut quotes = 0;
    for quote in cells.flat_map(|cell| code_spans(cell)) {
        quotes += 1;
        assert!(said.contains(quote), "{quote}");
    }
    assert!(quotes > 20, "{quotes} quotes");
}
