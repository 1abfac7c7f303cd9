//! Whether the receivers of replies can be reached, and what time it is there.

use std::time::{Duration, Instant, SystemTime};

use super::finding::Finding;
use crate::config::Config;
use crate::delivery;
use crate::slack::response_url::Origin;

/// Asks the receivers of replies for their front pages, and what time it is there.
pub(super) fn check_origins(config: &Config, findings: &mut Vec<Finding>) {
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
