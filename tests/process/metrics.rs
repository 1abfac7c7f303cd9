//! The metrics as Prometheus' own tools judge them. Without `promtool` the strict reader among the
//! socket tests must do; `.ci/run` installs it where it can.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::bot::{Bot, connect, exchange};
use crate::support::Scratch;

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

#[test]
fn promtool_finds_nothing_to_say() {
    let directory = Scratch::new("metrics");
    for journal in [false, true] {
        let mut bot = Bot::start(|command| {
            command.args(["--metrics-listen", "127.0.0.1:0"]);
            if journal {
                command.args(["--journal", directory.path()]);
            }
        });
        let line = bot.process.read_until("metrics on http://");
        let (_, rest) = line.split_once("http://").unwrap();
        let address = rest.strip_suffix("/metrics").unwrap().parse().unwrap();
        bot.command("olleh");
        bot.posts(1);
        let page = exchange(&mut connect(address), GET).content;
        match promtool(&["check", "metrics"], &page) {
            Some((is_good, said)) => assert!(is_good && said.is_empty(), "{said}"),
            None => eprintln!("skipped: there is no promtool here"),
        }
        let page = String::from_utf8(page).unwrap();
        for sample in [
            "torrap_journal_syncs_total 1\n",
            "torrap_journal_sync_duration_seconds_count 1\n",
            "torrap_journal_failures_total 0\n",
        ] {
            assert_eq!(page.contains(sample), journal, "{sample}: {page}");
        }
        assert_eq!(bot.process.stop(), Some(0));
    }
}

#[test]
fn the_alert_rules_fire_when_they_should() {
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
    let rules = format!("{deploy}/alerts.yml");
    let tests = format!("{deploy}/alerts.test.yml");
    let config = format!("{deploy}/prometheus.yml");
    for args in [
        ["check", "config", &config],
        ["check", "rules", &rules],
        ["test", "rules", &tests],
    ] {
        match promtool(&args, b"") {
            Some((is_good, said)) => assert!(is_good, "{said}"),
            None => eprintln!("skipped: there is no promtool here"),
        }
    }
}
