//! The metrics as Prometheus' own tools judge them. Without `promtool` the strict reader among the
//! socket tests must do; `.ci/run` installs it where it can.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use test_support::{Client, Process, Scratch, poll_for};

use crate::TORRAP;

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: torrap\r\n\r\n";

/// Runs `promtool` on this input; `None` where it is not installed.
fn promtool(args: &[&str], input: &[u8]) -> Option<(bool, String)> {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

/// The address of the metrics, whose line follows the one that [`Bot::start`] has read.
pub fn watched(process: &mut Process) -> SocketAddr {
    let line = process.read_until("metrics on http://");
    let (_, rest) = line.split_once("http://").unwrap();
    rest.strip_suffix("/metrics").unwrap().parse().unwrap()
}

/// The value of a sample now.
pub fn sample(watched: SocketAddr, name: &str) -> f64 {
    let page = Client::connect(watched).exchange(GET).content;
    let page = String::from_utf8(page).unwrap();
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    let value = page.lines().find_map(value);
    value.unwrap_or_else(|| panic!("no {name} in {page}"))
}

/// The journal tries again by itself, and no command is answered by that.
#[test]
fn what_a_failing_journal_tries_by_itself_is_counted() {
    let directory = Scratch::new("failures");
    let mut bot = TORRAP.start(|command| {
        command.args(["--metrics-listen", "127.0.0.1:0"]);
        command.args(["--journal", directory.path()]);
    });
    let watched = watched(&mut bot.process);
    fs::remove_dir_all(directory.path()).unwrap();
    let busy = bot.connect().exchange(bot.signed("olleh"));
    assert!(
        String::from_utf8(busy.content)
            .unwrap()
            .contains("I am busy")
    );
    poll_for("more failures", || {
        let failures = sample(watched, "torrap_journal_failures_total");
        (failures >= 3.0).then_some(())
    });
    let reason = "torrap_commands_withdrawn_total{reason=\"not_kept\"}";
    assert_eq!(sample(watched, reason), 1.0);
}

#[test]
fn promtool_finds_nothing_to_say() {
    let directory = Scratch::new("metrics");
    for journal in [false, true] {
        let mut bot = TORRAP.start(|command| {
            command.args(["--metrics-listen", "127.0.0.1:0"]);
            if journal {
                command.args(["--journal", directory.path()]);
            }
        });
        let address = watched(&mut bot.process);
        bot.command("olleh");
        bot.posts(1);
        let page = Client::connect(address).exchange(GET).content;
        match promtool(&["check", "metrics"], &page) {
            Some((is_good, said)) => assert!(is_good && said.is_empty(), "{said}"),
            None => eprintln!("skipped: there is no promtool here"),
        }
        let page = String::from_utf8(page).unwrap();
        for sample in [
            "torrap_journal_syncs_total 1\n",
            "torrap_journal_sync_duration_seconds_count 1\n",
            "torrap_journal_failures_total 0\n",
            "torrap_journal_unreadable_segments_total 0\n",
            "torrap_answers_held 0\n",
            "torrap_commands_withdrawn_total{reason=\"stop\"} 0\n",
        ] {
            assert_eq!(page.contains(sample), journal, "{sample}: {page}");
        }
        assert_eq!(bot.process.stop(), Some(0));
    }
}

#[test]
fn the_alert_rules_fire_when_they_should() {
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
    let [rules, tests, config, fleet_rules, fleet_tests] = [
        "alerts.yml",
        "alerts.test.yml",
        "prometheus.yml",
        "fleet/alerts.yml",
        "fleet/alerts.test.yml",
    ]
    .map(|name| format!("{deploy}/{name}"));
    for args in [
        ["check", "config", &config],
        ["check", "rules", &rules],
        ["test", "rules", &tests],
        ["check", "rules", &fleet_rules],
        ["test", "rules", &fleet_tests],
    ] {
        match promtool(&args, b"") {
            Some((is_good, said)) => assert!(is_good, "{said}"),
            None => eprintln!("skipped: there is no promtool here"),
        }
    }
}
