//! `torrap check`: whether the bot could run here with these settings, found out by doing it.
//!
//! It takes the bot's addresses for a moment without listening, writes a file where the journal is, and
//! asks each receiver of replies for its front page; nothing is posted.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // it looks at the outside world

mod finding;
mod receivers;
#[cfg(feature = "redis")]
mod shared_journal;

use std::net::SocketAddr;
use std::path::Path;

pub use finding::{Finding, table};
use receivers::check_origins;

use crate::config::{Config, JournalPlace, Proxy};
use crate::delivery;
use crate::journal::LOG_BYTES_MIN;
use crate::platform::{self, ListenFds, Probed};
use crate::slack::response_url::Origin;
use crate::slack::signature::Verifier;
use crate::time::UnixTime;
use crate::tools::journal;
use crate::tools::trial::command;

/// What a service manager has left for the process.
#[derive(Debug)]
pub struct Passed {
    /// Its sockets, or why they cannot be used.
    pub sockets: Result<ListenFds, platform::Error>,
    /// What there is to say about the rest.
    pub notices: Vec<String>,
}

/// Looks at everything. `config` is what the settings came to, or a line about each that is wrong.
#[must_use]
pub fn run(config: Result<Config, Vec<String>>, passed: Passed) -> Vec<Finding> {
    let signature = Finding::new("signature", check_signature());
    let config = match config {
        Ok(config) => config,
        Err(lines) => {
            let lines = lines.into_iter();
            let wrong = lines.map(|line| Finding::new("settings", Err(line)));
            return wrong.chain([signature]).collect();
        }
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
    match &config.journal {
        Some(JournalPlace::Directory(directory)) => check_journal(directory, &mut findings),
        #[cfg(feature = "redis")]
        Some(JournalPlace::Shared(journal)) => {
            shared_journal::check(journal, config.ca_file.as_deref(), &mut findings);
        }
        None => {}
    }
    check_listening(&config, passed.sockets, &mut findings);
    let notices = passed.notices.into_iter();
    findings.extend(notices.map(|line| Finding::doubtful("service", line)));
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
            let free = journal::free_bytes(directory).and_then(|free| space(directory, free));
            let doubts = exposures.into_iter().chain(free);
            findings.extend(doubts.map(|line| Finding::doubtful("journal", line)));
            Ok(format!("{} {found}", directory.display()))
        }
        Err(error) => Err(error.to_string()),
    };
    findings.push(Finding::new("journal", found));
}

/// What there is to say about the space that a journal has.
fn space(directory: &Path, free: u64) -> Option<String> {
    const MIB: u64 = 1024 * 1024;
    (free < LOG_BYTES_MIN).then(|| {
        format!(
            "{} has {} MiB left on its file system, and the log may take {} MiB: while it is full, commands are \
             answered \"busy\"; make room",
            directory.display(),
            free / MIB,
            LOG_BYTES_MIN / MIB
        )
    })
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
fn check_listening(
    config: &Config,
    sockets: Result<ListenFds, platform::Error>,
    findings: &mut Vec<Finding>,
) {
    let are_passed = sockets.as_ref().is_ok_and(ListenFds::has_public);
    let probed = sockets.and_then(|sockets| platform::probe_listeners(config, sockets));
    let Probed {
        public,
        admin,
        notices,
        limits,
    } = match probed {
        Ok(probed) => probed,
        Err(error) => {
            let ours = bot_that_listens(&error);
            let found = ours.ok_or_else(|| error.to_string());
            return findings.push(Finding::new("listen", found));
        }
    };
    let list = |addresses: &[SocketAddr]| {
        let texts: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
        texts.join(", ")
    };
    let state = match are_passed {
        true => "passed by the service manager",
        false => "free",
    };
    let mut found = format!("{state}: {}", list(&public));
    if !admin.is_empty() {
        found = format!("{found}; for metrics: {}", list(&admin));
    }
    findings.push(match notices.is_empty() {
        true => Finding::new("listen", Ok(found)),
        false => Finding::doubtful("listen", notices.join("; ")),
    });
    findings.extend(
        limits
            .into_iter()
            .map(|line| Finding::doubtful("limits", line)),
    );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Notice, Settings};
    use crate::telemetry::terminal::Terminal;

    fn nothing_passed() -> Passed {
        Passed {
            sockets: Ok(ListenFds::default()),
            notices: Vec::new(),
        }
    }

    #[test]
    fn a_journal_needs_room_for_its_log() {
        let told = |free| space(Path::new("/j"), free);
        assert_eq!(told(LOG_BYTES_MIN), None);
        let line = told(LOG_BYTES_MIN - 1).unwrap();
        assert!(
            line.starts_with("/j has 63 MiB left on its file system, and the log may take 64 MiB")
        );
    }

    #[test]
    fn slacks_example_is_verified() {
        assert!(check_signature().is_ok());
    }

    #[test]
    fn a_wrong_setting_is_a_finding_and_the_rest_is_still_told() {
        let findings = run(
            Err(vec!["--delay: x".to_owned(), "--drain: y".to_owned()]),
            nothing_passed(),
        );
        assert_eq!(
            table(&findings, Terminal::default()),
            "failed  settings    --delay: x\n\
             failed  settings    --drain: y\n\
             ok      signature   Slack's own example is verified\n\
             problems found: 2\n"
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
        let findings = run(Ok(config), nothing_passed());
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
}
