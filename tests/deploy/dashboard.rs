//! The dashboard for Grafana: its panels have their place, and a real Prometheus that watches the bot answers each of
//! their queries. Without `prometheus` the queries are not run; `.ci/run` installs it where it can.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use test_support::repository::read;
use test_support::{Client, Process, SECRET, SECRET_PATH, Scratch, Torrap, poll_for, unix_secs};
use torrap::commands::{Chosen, Command as SlashCommand, Commands, REVERSE};
use torrap::slack::request;
use torrap::tools::trial::stand_in::Answer;

/// Commands of each kind that the bot has answered when the queries are run.
const COMMANDS: usize = 25;

/// The columns that Grafana divides a dashboard into.
const COLUMNS: u64 = 24;

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana.json")).unwrap()
}

/// The text of a member that has to be there.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    let text = value[name].as_str();
    let text = text.unwrap_or_else(|| panic!("{name}: {value}"));
    assert!(!text.is_empty(), "{name}: {value}");
    text
}

/// The panels that show something; the other ones are headings of rows.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let all = dashboard["panels"].as_array().unwrap().iter();
    all.filter(|panel| text(panel, "type") != "row")
}

/// Each query with the title of its panel, and that of the variable `$instance`.
pub(crate) fn queries() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().unwrap() {
            queries.push((
                text(panel, "title").to_owned(),
                text(target, "expr").to_owned(),
            ));
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    for variable in variables.filter(|variable| text(variable, "type") == "query") {
        let name = text(variable, "name");
        let values = text(&variable["query"], "query");
        let inner = values.strip_prefix("label_values(").unwrap();
        let (metric, label) = inner.split_once(", ").unwrap();
        assert_eq!(label, format!("{name})"));
        queries.push((name.to_owned(), metric.to_owned()));
    }
    queries
}

#[test]
fn every_panel_has_a_number_a_place_and_words_of_its_own() {
    let dashboard = dashboard();
    let all = dashboard["panels"].as_array().unwrap();
    let mut taken = Vec::new();
    for (at, panel) in all.iter().enumerate() {
        let title = text(panel, "title");
        assert_eq!(panel["id"], at + 1, "{title}");
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| place[side].as_u64().unwrap());
        assert!(x + w <= COLUMNS && w > 0 && h > 0, "{title}: {place}");
        for (column, line) in (x..x + w).flat_map(|column| (y..y + h).map(move |y| (column, y))) {
            assert!(
                !taken.contains(&(column, line)),
                "{title} lies on another one"
            );
            taken.push((column, line));
        }
    }
    for panel in panels(&dashboard) {
        text(panel, "description");
        text(&panel["fieldConfig"]["defaults"], "unit");
        assert_eq!(text(&panel["datasource"], "uid"), "${datasource}");
        for target in panel["targets"].as_array().unwrap() {
            let chosen = text(target, "expr")
                .matches("{instance=~\"$instance\"")
                .count();
            let metrics = text(target, "expr").matches("torrap_").count();
            assert!(chosen >= metrics, "not of the chosen instances: {target}");
            text(target, "legendFormat");
        }
    }
}

/// A Prometheus that asks the bot again and again, under two names, as if there were two: a query has to keep them apart.
struct Prometheus {
    _process: Process,
    address: SocketAddr,
    _directory: Scratch,
}

impl Prometheus {
    /// `None` where it is not installed.
    fn start(watched: SocketAddr) -> Option<Self> {
        let is_missing = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
        let version = Command::new("prometheus").arg("--version").output();
        if version.is_err_and(is_missing) {
            return None;
        }
        let directory = Scratch::new("prometheus");
        fs::create_dir_all(directory.path()).unwrap();
        let config = directory.join("prometheus.yml");
        let often = "global: {scrape_interval: 100ms, scrape_timeout: 100ms}";
        let targets = format!("[\"{watched}\", \"localhost:{}\"]", watched.port());
        let job = format!("{{job_name: torrap, static_configs: [{{targets: {targets}}}]}}");
        fs::write(&config, format!("{often}\nscrape_configs: [{job}]\n")).unwrap();
        let mut process = Process::start(
            Command::new("prometheus")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", directory.path()))
                .arg("--web.listen-address=127.0.0.1:0"),
        );
        let line = process.read_until("msg=\"Listening on\"");
        let (_, address) = line.rsplit_once("address=").unwrap();
        let address = address.trim().parse().unwrap();
        // The two lines are written by two goroutines, in either order.
        let ready = "Server is ready to receive web requests";
        if !process.log.iter().any(|line| line.contains(ready)) {
            process.read_until(ready);
        }
        Some(Self {
            _process: process,
            address,
            _directory: directory,
        })
    }

    /// The values that a query has now.
    fn values(&self, query: &str) -> Vec<f64> {
        let encoded: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let mut client = Client::connect(self.address);
        // HTTP/1.0: an answer of any length comes in one piece.
        client.send(format!(
            "GET /api/v1/query?query={encoded} HTTP/1.0\r\n\r\n"
        ));
        let answer = String::from_utf8(client.rest()).unwrap();
        let (_, json) = answer.split_once("\r\n\r\n").unwrap();
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["status"], "success", "{query}: {json}");
        let samples = json["data"]["result"].as_array().unwrap().iter();
        samples
            .map(|sample| sample["value"][1].as_str().unwrap().parse().unwrap())
            .collect()
    }

    fn wait_for(&self, query: &str, value: f64) {
        poll_for(query, || (self.values(query) == [value; 2]).then_some(()));
    }
}

/// A bot with all that the dashboard shows: a journal, and a blocking command `/work` beside `/torrap`.
fn bot(journal: &Scratch) -> Torrap {
    let work = SlashCommand::blocking("/work", &|_, _| Ok("done".into())).usage("/work");
    let mut chosen = Chosen::of(Commands::new(&[REVERSE, work]).unwrap());
    for name in ["/torrap", "/work"] {
        chosen.add(name).unwrap();
    }
    Torrap::with(
        |_| Answer::ok(),
        |config| {
            config.commands = chosen;
            config.metrics_listen = vec!["127.0.0.1:0".to_owned()];
            config.journal = Some(journal.path().into());
        },
    )
}

#[test]
fn prometheus_answers_every_query() {
    let directory = Scratch::new("dashboard");
    let torrap = bot(&directory);
    let Some(prometheus) = Prometheus::start(torrap.metrics.unwrap()) else {
        eprintln!("skipped: there is no prometheus here");
        return;
    };
    // A rate needs a sample from before.
    prometheus.wait_for("torrap_commands_accepted_total", 0.0);
    let url = format!("{}{SECRET_PATH}", torrap.slack.origin());
    for number in 0..COMMANDS {
        for command in ["/torrap", "/work"] {
            let content = request::form(command, &format!("olleh {number}"), &url);
            let request = request::signed(SECRET.as_bytes(), unix_secs(), content.as_bytes());
            let answer = torrap.connect().exchange(request);
            assert_eq!((answer.status, answer.content.len()), (200, 0));
        }
    }
    let delivered = "torrap_replies_delivered_total";
    prometheus.wait_for(delivered, 2.0 * COMMANDS as f64);

    let queries = queries();
    assert!(queries.len() > 30, "{} queries", queries.len());
    for (panel, query) in queries {
        let asked = query
            .replace("$instance", ".*")
            .replace("$__rate_interval", "1m");
        assert!(!asked.contains('$'), "{panel}: {query}");
        let values = prometheus.values(&asked);
        assert!(!values.is_empty(), "{panel}: nothing for {asked}");
        let are_numbers = values.iter().all(|value| value.is_finite());
        assert!(are_numbers, "{panel}: {values:?} for {asked}");
    }
}
