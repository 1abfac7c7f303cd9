//! Connections to servers that do what a test says, and to real ones.

mod encrypted;
mod exchanges;
mod failures;
mod real;
pub(crate) mod server;
mod stand_in;
mod ways;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::config::{JournalPlace, RedisPassword, Setting, Settings, SharedJournal};

/// What nothing on one machine takes.
pub(crate) const AMPLE: Duration = Duration::from_secs(20);
/// What a test waits for in vain.
const SHORT: Duration = Duration::from_millis(150);

fn within(time: Duration) -> Instant {
    Instant::now() + time
}

/// What `--journal` would come to, and a password.
pub(crate) fn journal(url: &str, password: Option<&str>) -> SharedJournal {
    let mut settings = Settings::default();
    settings.give(Setting::Journal, "--journal", url.into());
    let config = crate::Config::from_settings(&settings, Vec::new()).unwrap();
    let Some(JournalPlace::Shared(mut journal)) = config.journal else {
        panic!("{url} is no URL");
    };
    journal.password = password.map(password_of);
    *journal
}

fn password_of(word: &str) -> RedisPassword {
    let mut settings = Settings::default();
    settings.give(Setting::RedisPassword, "X", word.into());
    let read_file = |_: &std::path::Path| unreachable!("no file is given");
    settings.redis_password(&read_file).unwrap().unwrap()
}

fn connector(url: &str, password: Option<&str>) -> Connector {
    Connector::new(&journal(url, password), None).unwrap()
}

/// A connection to one server.
fn connect(to: SocketAddr) -> Result<Connection, ConnectError> {
    connector(&format!("redis://{to}"), None).connect(None, within(AMPLE))
}

/// Why there is no connection.
fn refusal(url: &str, password: Option<&str>) -> ConnectError {
    connector(url, password)
        .connect(None, within(AMPLE))
        .unwrap_err()
}
