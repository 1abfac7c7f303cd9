//! `torrap check`: whether the bot could run here with these settings, found out by doing it.
//!
//! It takes the bot's addresses for a moment without listening, writes a file where the journal is, and
//! asks each receiver of replies for its front page; nothing is posted.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // it looks at the outside world

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::config::{Config, Proxy};
use crate::delivery;
use crate::platform::{self, Probed};
use crate::slack::response_url::Origin;
use crate::slack::signature::Verifier;
use crate::telemetry::terminal::{Colour, Terminal};
use crate::time::UnixTime;
use crate::tools::journal;
use crate::tools::trial::command;

/// One thing that was looked at: what was found, or what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    what: &'static str,
    verdict: Verdict,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// The bot runs with it, and most likely not as was meant.
    Doubtful,
    Bad,
}

impl Finding {
    fn new(what: &'static str, found: Result<String, String>) -> Self {
        let verdict = match found {
            Ok(_) => Verdict::Good,
            Err(_) => Verdict::Bad,
        };
        let (Ok(text) | Err(text)) = found;
        Self {
            what,
            verdict,
            text,
        }
    }

    const fn doubtful(what: &'static str, text: String) -> Self {
        Self {
            what,
            verdict: Verdict::Doubtful,
            text,
        }
    }

    /// Whether it keeps the bot from doing its work here.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.verdict == Verdict::Bad
    }
}

/// Looks at everything. `config` is what the settings came to, or the line about the one that is wrong.
#[must_use]
pub fn run(config: Result<Config, String>) -> Vec<Finding> {
    let signature = Finding::new("signature", check_signature());
    let config = match config {
        Ok(config) => config,
        Err(line) => return vec![Finding::new("settings", Err(line)), signature],
    };
    let secrets = config.signing_secrets.len();
    let complete = format!(
        "complete; signing secrets: {secrets}; commands: {}",
        config.commands
    );
    let mut findings = vec![Finding::new("settings", Ok(complete))];
    // What is only to be known has a line of its own further down.
    let warnings = config.notices.iter().filter(|notice| notice.is_warning());
    findings.extend(warnings.map(|notice| Finding::doubtful("settings", notice.line.clone())));
    findings.push(signature);
    if let Some(directory) = &config.journal {
        check_journal(directory, &mut findings);
    }
    findings.push(check_listening(&config));
    let roots = delivery::roots_in_use(&config);
    findings.push(Finding::new(
        "roots",
        roots.map_err(|error| error.to_string()),
    ));
    if let Some(proxy) = &config.proxy {
        findings.push(Finding::new("proxy", check_proxy(&config, proxy)));
    }
    check_origins(&config, &mut findings);
    findings
}

/// The findings, one a line, and what they come to.
#[must_use]
pub fn table(findings: &[Finding], terminal: Terminal) -> String {
    let lines = findings.iter().map(|finding| {
        let (colour, verdict) = match finding.verdict {
            Verdict::Good => (Colour::Green, "ok     "),
            Verdict::Doubtful => (Colour::Yellow, "warning"),
            Verdict::Bad => (Colour::Red, "failed "),
        };
        let verdict = terminal.paint(colour, verdict);
        format!("{verdict} {:<10}  {}\n", finding.what, finding.text)
    });
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let sum = match (count(Verdict::Bad), count(Verdict::Doubtful)) {
        (0, 0) => "all is well: torrap can run here\n".to_owned(),
        (0, doubtful) => format!("torrap can run here; warnings: {doubtful}\n"),
        (bad, _) => format!("problems found: {bad}\n"),
    };
    lines.chain([sum]).collect()
}

/// The example of Slack's documentation
/// (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
fn check_signature() -> Result<String, String> {
    const SECRET: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";
    const TIMESTAMP: &str = "1531420618";
    const NOW: UnixTime = UnixTime(1_531_420_618_000);
    const CONTENT: &[u8] =
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
        %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &[u8] = b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let verifier = Verifier::new([SECRET], 1_000);
    let verified = verifier.verify(Some(TIMESTAMP.as_bytes()), Some(SIGNATURE), CONTENT, NOW);
    match verified {
        Ok(_) => Ok("Slack's own example is verified".to_owned()),
        Err(error) => Err(format!(
            "Slack's own example is refused ({error}): this binary is broken; build it anew"
        )),
    }
}

/// Writes to the journal's directory and reads what is in it.
fn check_journal(directory: &Path, findings: &mut Vec<Finding>) {
    let found = match journal::probe(directory) {
        Ok((found, exposures)) => {
            let exposures = exposures.into_iter();
            findings.extend(exposures.map(|line| Finding::doubtful("journal", line)));
            Ok(format!("{} {found}", directory.display()))
        }
        Err(error) => Err(error.to_string()),
    };
    findings.push(Finding::new("journal", found));
}

/// Whether replies can go through the proxy, and which ones do not.
fn check_proxy(config: &Config, proxy: &Proxy) -> Result<String, String> {
    delivery::probe_proxy(config).map_err(|error| error.to_string())?;
    let is_past = |origin: &&Origin| proxy.no_proxy.covers(&origin.host(), origin.port());
    let past = config.reply_origins.iter().filter(is_past);
    let past: Vec<_> = past.map(Origin::to_string).collect();
    let past = match past.is_empty() {
        true => "none".to_owned(),
        false => past.join(", "),
    };
    Ok(format!(
        "replies go through that of {}; without it: {past}",
        proxy.variable
    ))
}

/// Takes the addresses that the bot would listen on, and gives them back.
fn check_listening(config: &Config) -> Finding {
    let Probed {
        public,
        admin,
        notices,
    } = match platform::probe_listeners(config) {
        Ok(probed) => probed,
        Err(error) => {
            let ours = bot_that_listens(&error);
            return Finding::new("listen", ours.ok_or_else(|| error.to_string()));
        }
    };
    if !notices.is_empty() {
        return Finding::doubtful("listen", notices.join("; "));
    }
    let list = |addresses: &[SocketAddr]| {
        let texts: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
        texts.join(", ")
    };
    let mut found = format!("free: {}", list(&public));
    if !admin.is_empty() {
        found = format!("{found}; for metrics: {}", list(&admin));
    }
    Finding::new("listen", Ok(found))
}

/// Whether the address is taken by a bot of ours, which is what a check beside a running one finds.
fn bot_that_listens(error: &platform::Error) -> Option<String> {
    let platform::Error::Listen {
        address,
        at: Some(at),
        source,
        ..
    } = error
    else {
        return None;
    };
    if source.kind() != std::io::ErrorKind::AddrInUse {
        return None;
    }
    let get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let is_ours = command::send(*at, get).is_ok_and(|response| {
        response.status == 200 && response.content.starts_with(b"{\"success\":true,")
    });
    is_ours.then(|| format!("{address} is taken, by a bot that answers there already"))
}

/// Asks the receivers of replies for their front pages, and what time it is there.
fn check_origins(config: &Config, findings: &mut Vec<Finding>) {
    // What keeps a client from being made has been said.
    let Ok(agent) = delivery::client(config) else {
        return;
    };
    let mut skew = None;
    for origin in &config.reply_origins {
        let verdict = match ask(&agent, origin) {
            Ok(answer) => {
                skew = skew.or_else(|| Some((answer.skew_secs?, origin.to_string())));
                let ms = answer.took.as_millis();
                Ok(format!("{origin} answers after {ms} ms"))
            }
            Err(error) => Err(format!(
                "{origin}: {error}; look at DNS, the firewall, HTTPS_PROXY and --ca-file"
            )),
        };
        findings.push(Finding::new("replies to", verdict));
    }
    let clock = judge_clock(skew, config.tolerance_ms);
    findings.push(Finding::new("clock", clock));
}

struct Answer {
    took: Duration,
    /// By how many seconds this machine is ahead.
    skew_secs: Option<i64>,
}

fn ask(agent: &ureq::Agent, origin: &Origin) -> Result<Answer, ureq::Error> {
    let begun = Instant::now();
    let request = ureq::http::Request::head(format!("{origin}/")).body(())?;
    let response = agent.run(request)?;
    let date = response.headers().get("date");
    let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    Ok(Answer {
        took: begun.elapsed(),
        skew_secs: date.map(|date| secs_ahead(SystemTime::now(), date)),
    })
}

fn secs_ahead(ours: SystemTime, theirs: SystemTime) -> i64 {
    let secs = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match ours.duration_since(theirs) {
        Ok(ahead) => secs(ahead),
        Err(behind) => -secs(behind.duration()),
    }
}

fn judge_clock(skew: Option<(i64, String)>, tolerance_ms: u64) -> Result<String, String> {
    let now = httpdate::fmt_http_date(SystemTime::now());
    match skew {
        None => Ok(format!("{now}; no receiver to compare it with")),
        Some((secs, origin)) if secs.unsigned_abs() * 1000 > tolerance_ms => Err(format!(
            "{now}, which is {secs:+} s from {origin}: commands would be refused as stale; set the clock"
        )),
        Some((secs, origin)) => Ok(format!("{now}, {secs:+} s from {origin}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Notice, Settings};

    #[test]
    fn slacks_example_is_verified() {
        assert!(check_signature().is_ok());
    }

    #[test]
    fn a_wrong_setting_is_a_finding_and_the_rest_is_still_told() {
        let findings = run(Err("--delay: x".to_owned()));
        assert_eq!(
            table(&findings, Terminal::default()),
            "failed  settings    --delay: x\n\
             ok      signature   Slack's own example is verified\n\
             problems found: 1\n"
        );
    }

    #[test]
    fn a_warning_is_told_and_the_check_succeeds() {
        let settings = Settings::default();
        let mut config = Config::from_settings(&settings, Vec::new()).unwrap();
        config.listen = vec!["127.0.0.1:0".to_owned()];
        config.reply_origins.clear();
        let warnings = ["x is not a setting", "y is not one"];
        config.notices = warnings.map(|line| Notice::warning(line.to_owned())).into();
        config.notices.push(Notice::info("z is set".to_owned()));
        let findings = run(Ok(config));
        assert!(findings.iter().all(|finding| !finding.is_bad()));
        let table = table(&findings, Terminal::default());
        assert!(
            table.contains("\nwarning settings    x is not a setting\nwarning settings    y is not one\nok      "),
            "{table}"
        );
        assert!(!table.contains("z is set"), "{table}");
        assert!(
            table.ends_with("\ntorrap can run here; warnings: 2\n"),
            "{table}"
        );
    }

    #[test]
    fn a_clock_is_wrong_beyond_the_tolerance() {
        let skew = |secs| Some((secs, "https://a.example".to_owned()));
        assert!(judge_clock(None, 60_000).is_ok());
        for secs in [0, 60, -60] {
            assert!(judge_clock(skew(secs), 60_000).is_ok(), "{secs}");
        }
        for secs in [61, -61, i64::MIN / 1000] {
            let line = judge_clock(skew(secs), 60_000).unwrap_err();
            assert!(line.contains(&format!("{secs:+} s")), "{line}");
        }
    }

    #[test]
    fn skews_have_a_sign() {
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        assert_eq!(secs_ahead(at(9), at(5)), 4);
        assert_eq!(secs_ahead(at(5), at(9)), -4);
    }
}
