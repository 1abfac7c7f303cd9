//! Environment variables that look like settings and are none.

use std::ffi::OsStr;

use super::env::Env;
use super::error::Error;
use super::options::{OPTIONS, Opt, nearest};
use crate::config::{self, Notice, Setting, Shown};

/// What the names of our own variables begin with.
const PREFIX: &str = "TORRAP_";

/// Most variables that get a line each.
const LINES_MAX: usize = 8;

/// A warning for each variable that was most likely meant as a setting, up to a few of them.
pub(super) fn notices(env: &Env<'_>) -> Vec<Notice> {
    let names = env.names.iter().filter_map(|name| name.to_str());
    let mut lines: Vec<_> = names.filter_map(|name| line(name, env)).collect();
    lines.sort();
    lines.truncate(LINES_MAX);
    lines.into_iter().map(Notice::warning).collect()
}

/// The error about a secret that is missing names the variable that may have been meant to hold it.
pub(super) fn explain(error: config::Error, env: &Env<'_>) -> Error {
    if error != config::Error::SecretMissing {
        return Error::Setting(error);
    }
    let names = env.names.iter().filter_map(|name| name.to_str());
    let mut misspelt = names.filter_map(|name| {
        let meant = meant(name).filter(|opt| is_secret(opt) && opt.variable != name)?;
        Some(Error::SecretMisspelt {
            variable: name.to_owned(),
            meant: meant.variable,
        })
    });
    misspelt.next().unwrap_or(Error::Setting(error))
}

fn is_secret(opt: &Opt) -> bool {
    matches!(
        opt.setting,
        Setting::SigningSecrets | Setting::SigningSecretsFile
    )
}

/// What to say about a variable, if there is anything.
fn line(name: &str, env: &Env<'_>) -> Option<String> {
    if OPTIONS.iter().any(|opt| opt.variable == name) || is_for_tests(name) {
        return None;
    }
    // Read only where it decides: the value may be a secret.
    let is_url = || (env.variable)(name).is_some_and(|value| is_url(&value));
    if is_service_link(name) || (name.ends_with("_PORT") && is_url()) {
        return None;
    }
    let shown = Shown(name);
    match meant(name) {
        Some(opt) => Some(format!(
            "the variable {shown} has no effect; did you mean {}?",
            opt.variable
        )),
        // Other programs have variables like SLACK_BOT_TOKEN.
        None if !name.starts_with(PREFIX) => None,
        None => Some(format!(
            "the variable {shown} has no effect: it is no setting of torrap; see `torrap --help`"
        )),
    }
}

#[cfg(feature = "redis")]
fn is_for_tests(name: &str) -> bool {
    name == config::LEASE_VARIABLE
}

#[cfg(not(feature = "redis"))]
const fn is_for_tests(_: &str) -> bool {
    false
}

/// The setting that a variable of this name was probably meant to be.
fn meant(name: &str) -> Option<&'static Opt> {
    let name = name.trim().to_ascii_uppercase();
    if !name.starts_with(PREFIX) && !name.starts_with("SLACK_") {
        return None;
    }
    let spellings = OPTIONS
        .iter()
        .flat_map(|opt| spellings(opt).map(move |spelling| (spelling, opt)));
    let spellings: Vec<_> = spellings.collect();
    let nearest = nearest(
        &name,
        spellings.iter().map(|(spelling, _)| spelling.as_str()),
    )?;
    let found = spellings.iter().find(|(spelling, _)| spelling == nearest);
    found.map(|(_, opt)| *opt)
}

/// The names that people expect: the variable's own, the flag's, and either with our prefix.
fn spellings(opt: &Opt) -> impl Iterator<Item = String> {
    let own = opt.variable;
    let flag = opt.flag.map(|flag| {
        let flag = flag.trim_start_matches('-').to_ascii_uppercase();
        format!("{PREFIX}{}", flag.replace('-', "_"))
    });
    let prefixed = format!("{PREFIX}{}", own.strip_prefix("SLACK_").unwrap_or(own));
    let prefixed = (!own.starts_with(PREFIX)).then_some(prefixed);
    [Some(own.to_owned()), flag, prefixed].into_iter().flatten()
}

/// A variable that Kubernetes sets for a service, as for one called `torrap`
/// (kubernetes.io/docs/concepts/services-networking/service, "Environment variables").
fn is_service_link(name: &str) -> bool {
    let is_of_port = || {
        let mut words = name.split('_').skip_while(|word| *word != "PORT").skip(1);
        let port = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
        port && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
    };
    name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || is_of_port()
}

/// `tcp://10.0.0.11:8000`, where a person would set a number.
fn is_url(value: &OsStr) -> bool {
    value.to_str().is_some_and(|value| value.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Commands;
    use std::ffi::OsString;

    fn told(variables: &[(&str, &str)]) -> Vec<String> {
        let names: Vec<OsString> = variables.iter().map(|(name, _)| name.into()).collect();
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let env = Env {
            commands: &Commands::default(),
            variable: &variable,
            names: &names,
            read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        };
        let notices = notices(&env);
        assert!(notices.iter().all(Notice::is_warning));
        notices.into_iter().map(|notice| notice.line).collect()
    }

    #[test]
    fn a_misspelt_variable_is_told_with_the_nearest_setting() {
        for (name, setting) in [
            ("TORRAP_DELY", "TORRAP_DELAY"),
            ("TORRAP_REPLY_ORIGIN", "TORRAP_REPLY_ORIGINS"),
            ("TORRAP_RESUE_PORT", "TORRAP_REUSE_PORT"),
            ("torrap_delay", "TORRAP_DELAY"),
            ("TORRAP_DELAY ", "TORRAP_DELAY"),
            ("TORRAP_CA_FILE", "SSL_CERT_FILE"),
            ("TORRAP_LOG_LEVEL", "LOG_LEVEL"),
            ("TORRAP_SIGNING_SECRET", "SLACK_SIGNING_SECRET"),
            ("SLACK_SIGNING_SECERT", "SLACK_SIGNING_SECRET"),
            ("SLACK_SIGNING_SECRETS_FILE", "SLACK_SIGNING_SECRET_FILE"),
        ] {
            let shown = format!("the variable {name:?} has no effect; did you mean {setting}?");
            assert_eq!(told(&[(name, "x")]), [shown]);
        }
        let [line] = &told(&[("TORRAP_FROBNICATE", "x")])[..] else {
            panic!("one line")
        };
        assert!(
            line.ends_with("it is no setting of torrap; see `torrap --help`"),
            "{line}"
        );
    }

    #[test]
    fn what_is_a_setting_or_of_others_is_not_told() {
        for name in [
            "TORRAP_DELAY",
            "SLACK_SIGNING_SECRET",
            "SLACK_BOT_TOKEN",
            "SLACK_CLIENT_SECRET",
            "SLACK_WEBHOOK_URL",
            "LOGLEVEL",
            "PATH",
        ] {
            assert_eq!(told(&[(name, "x")]), [""; 0], "{name}");
        }
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_not_told() {
        let links = [
            ("TORRAP_SERVICE_HOST", "10.0.0.11"),
            ("TORRAP_SERVICE_PORT", "8000"),
            ("TORRAP_SERVICE_PORT_HTTP", "8000"),
            ("TORRAP_PORT", "tcp://10.0.0.11:8000"),
            ("TORRAP_PORT_8000_TCP", "tcp://10.0.0.11:8000"),
            ("TORRAP_PORT_8000_TCP_PROTO", "tcp"),
            ("TORRAP_PORT_8000_TCP_PORT", "8000"),
            ("TORRAP_PORT_8000_TCP_ADDR", "10.0.0.11"),
            ("TORRAP_METRICS_SERVICE_HOST", "10.0.0.12"),
            ("TORRAP_METRICS_PORT", "tcp://10.0.0.12:9100"),
            ("TORRAP_METRICS_PORT_9100_TCP_PORT", "9100"),
        ];
        assert_eq!(told(&links), [""; 0]);
        assert_eq!(
            told(&[("TORRAP_PORT", "8000")]).len(),
            1,
            "a person sets it so"
        );
    }

    #[test]
    fn the_lines_are_few_and_plain() {
        let names: Vec<String> = (0..100).map(|n| format!("TORRAP_X\n{n}")).collect();
        let variables: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let lines = told(&variables);
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines.iter().all(|line| !line.contains('\n')));
    }
}
