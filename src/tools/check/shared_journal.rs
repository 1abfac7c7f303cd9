//! Whether a fleet's journal can be kept in a Redis: reached, fit for it, and with all rights that the bot needs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::finding::Finding;
use crate::config::SharedJournal;
use crate::platform::redis::{ConnectError, Connection, Connector, ExchangeError};
use crate::redis::{ErrorKind, MissingRight, RedisUrl, Reply, ServerError, encode};
use crate::shared_journal::Script;

/// What the check may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Tries every command that the bot's scripts call.
const RIGHTS: &str = include_str!("rights.lua");

/// Connects as the bot would, and tries what it needs to be allowed.
pub(super) fn check(journal: &SharedJournal, ca_file: Option<&Path>, findings: &mut Vec<Finding>) {
    let url = &journal.url;
    let deadline = Instant::now() + TIMEOUT;
    let connected = Connector::new(journal, ca_file).map_err(|error| error.to_string());
    let connected = connected.and_then(|mut connector| {
        let connection = connector.connect(None, deadline);
        connection.map_err(|error: ConnectError| error.to_string())
    });
    let found = connected.and_then(|mut connection| {
        let info = connection.info();
        if let Some(reason) = info.unfit() {
            return Err(format!("{}: {reason}", connection.address()));
        }
        let doubts = info.doubts(url.wait).into_iter();
        findings.extend(doubts.map(|line| Finding::doubtful("journal", line)));
        let tried = try_rights(&mut connection, url, deadline);
        tried.map_err(|error| format!("{}: {error}", connection.address()))?;
        Ok(describe(&connection))
    });
    let found = match found {
        Ok(server) => Ok(format!("{url} can be used; {server}; see `torrap journal`")),
        Err(error) => Err(format!("--journal {url}: {error}")),
    };
    findings.push(Finding::new("journal", found));
}

fn describe(connection: &Connection) -> String {
    let info = connection.info();
    let appends = match info.appends {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let replicas = info.replicas.unwrap_or_default();
    format!(
        "{} {} at {}, appendonly {appends}, replicas of Redis: {replicas}",
        info.product,
        info.version,
        connection.address()
    )
}

/// Tries each right that the bot needs beyond those that a connection has needed already.
fn try_rights(
    connection: &mut Connection,
    url: &RedisUrl,
    deadline: Instant,
) -> Result<(), String> {
    let key = |name: &str| format!("{{{}}}:{name}", url.fleet);
    let mut exchange = |parts: &[&[u8]]| -> Result<Reply, String> {
        let mut request = Vec::new();
        encode(parts, &mut request);
        let replies = connection.exchange(&request, 1, deadline);
        let mut replies = replies.map_err(|error: ExchangeError| error.to_string())?;
        Ok(replies.pop().unwrap_or(Reply::Null))
    };
    let mut missing = Missing {
        keys: key("*"),
        rules: Vec::new(),
        is_partly_untried: false,
    };
    let loaded = exchange(&[b"SCRIPT", b"LOAD", RIGHTS.as_bytes()])?;
    match missing.take("script|load", loaded)? {
        Some(digest) => {
            let (hash, set) = (key("check:hash"), key("check:set"));
            let digest = digest.bytes().unwrap_or_default().to_vec();
            let tried = exchange(&[b"EVALSHA", &digest, b"2", hash.as_bytes(), set.as_bytes()])?;
            missing.take_failures(tried)?;
        }
        None => missing.add_untried(),
    }
    // As a command does, which needs memory: of a replica that is not in the fleet nothing is put.
    let source = Script::Put.source().as_bytes();
    if let Some(digest) = missing.take("script|load", exchange(&[b"SCRIPT", b"LOAD", source])?)? {
        let (replicas, mine) = (key("replicas"), key("jobs:check"));
        let digest = digest.bytes().unwrap_or_default().to_vec();
        let parts = [
            b"EVALSHA",
            &*digest,
            b"2",
            replicas.as_bytes(),
            mine.as_bytes(),
        ];
        missing.take(
            "evalsha",
            exchange(&[&parts[..], &[b"check", b"0"]].concat())?,
        )?;
    }
    missing.take("wait", exchange(&[b"WAIT", b"0", b"1"])?)?;
    missing.into_result(url.user.as_deref().unwrap_or("default"))
}

/// The rules of the ACL for all that [`RIGHTS`] calls.
fn called() -> impl Iterator<Item = String> {
    let calls = RIGHTS.split("try('").skip(1);
    let names = calls.filter_map(|rest| rest.split('\'').next());
    let mut seen = BTreeSet::new();
    let names = names.filter(move |name| seen.insert(*name));
    names.map(|name| format!("+{}", name.to_ascii_lowercase()))
}

/// The rules of the ACL that the user lacks.
struct Missing {
    /// The pattern of the fleet's keys.
    keys: String,
    rules: Vec<String>,
    /// Whether some of them may be there, since without another one they cannot be tried.
    is_partly_untried: bool,
}

impl Missing {
    /// The reply to a command, or nothing if the user may not run it, which is noted.
    fn take(&mut self, command: &str, reply: Reply) -> Result<Option<Reply>, String> {
        let error = match reply.ok() {
            Ok(reply) => return Ok(Some(reply)),
            Err(error) => error,
        };
        let rule = match &error.kind {
            ErrorKind::NoPerm(MissingRight::Key) => format!("~{}", self.keys),
            ErrorKind::NoPerm(_) => format!("+{command}"),
            _ => {
                let command = command.to_ascii_uppercase();
                return Err(format!("{command} fails: {}", error.with_remedy()));
            }
        };
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
        Ok(None)
    }

    /// The reply of the script that tries commands: names and errors of those that fail.
    fn take_failures(&mut self, tried: Reply) -> Result<(), String> {
        let Some(failed) = self.take("evalsha", tried)? else {
            self.add_untried();
            return Ok(());
        };
        for pair in failed.array().unwrap_or_default().chunks(2) {
            let text = |at: usize| pair.get(at).and_then(Reply::text).unwrap_or_default();
            let error = Reply::Error(ServerError::parse(text(1)));
            self.take(&text(0).to_ascii_lowercase(), error)?;
        }
        Ok(())
    }

    /// The script cannot run: all that it would have tried is needed, but for what connecting has shown.
    fn add_untried(&mut self) {
        self.is_partly_untried = true;
        for rule in ["+evalsha".to_owned()].into_iter().chain(called()) {
            let is_known = ["+hget", "+zscore"].contains(&rule.as_str());
            if !is_known && !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
    }

    fn into_result(self, user: &str) -> Result<(), String> {
        let rules = self.rules.join(" ");
        if self.rules.is_empty() {
            return Ok(());
        }
        let untried = match self.is_partly_untried {
            true => ", without which others cannot be tried",
            false => "",
        };
        Err(format!(
            "the user {user} lacks rights{untried}; add them with ACL SETUSER {user} {rules}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::redis::tests::{journal, server::Server};

    #[test]
    fn every_command_of_the_scripts_is_tried() {
        let sources = Script::ALL.map(Script::source);
        let calls = sources
            .iter()
            .flat_map(|source| source.split("redis.call('").skip(1));
        let names = calls.filter_map(|rest| rest.split('\'').next());
        let needed: BTreeSet<_> = names
            .map(|name| format!("+{}", name.to_ascii_lowercase()))
            .collect();
        assert!(needed.len() > 10);
        assert_eq!(called().collect::<BTreeSet<_>>(), needed);
    }

    #[test]
    fn what_is_missing_is_one_rule_each() {
        let mut missing = Missing {
            keys: "{a}:*".to_owned(),
            rules: Vec::new(),
            is_partly_untried: false,
        };
        const DENIED: &str = "NOPERM this user has no permissions to run the 'script|load' command";
        let denied = || Reply::Error(ServerError::parse(DENIED));
        assert_eq!(missing.take("script|load", denied()), Ok(None));
        let key = "ERR The user executing the script can't access at least one of the keys";
        for command in ["hset", "hdel"] {
            let error = Reply::Error(ServerError::parse(key));
            assert_eq!(missing.take(command, error), Ok(None));
        }
        assert_eq!(
            missing.take("wait", Reply::Integer(0)),
            Ok(Some(Reply::Integer(0)))
        );
        let misconf = Reply::Error(ServerError::parse("MISCONF Errors writing to the AOF file"));
        let error = missing.take("evalsha", misconf).unwrap_err();
        assert_eq!(
            error,
            "EVALSHA fails: MISCONF Errors writing to the AOF file; look at its disk and its log"
        );
        assert_eq!(
            missing.into_result("bot").unwrap_err(),
            "the user bot lacks rights; add them with ACL SETUSER bot +script|load ~{a}:*"
        );

        let mut missing = Missing {
            keys: "{a}:*".to_owned(),
            rules: Vec::new(),
            is_partly_untried: false,
        };
        let denied = "NOPERM this user has no permissions to run the 'evalsha' command";
        let denied = Reply::Error(ServerError::parse(denied));
        assert_eq!(missing.take_failures(denied), Ok(()));
        let line = missing.into_result("bot").unwrap_err();
        let start = "the user bot lacks rights, without which others cannot be tried; add them with ACL SETUSER bot +evalsha +";
        assert!(line.starts_with(start), "{line}");
    }

    /// What the journal's line says, and what else is doubted.
    fn told(url: &str) -> (Result<String, String>, String) {
        let mut findings = Vec::new();
        check(&journal(url, None), None, &mut findings);
        let last = findings.pop().unwrap();
        let found = match last.is_bad() {
            true => Err(last.text().to_owned()),
            false => Ok(last.text().to_owned()),
        };
        let doubts = findings.iter().map(|doubt| doubt.text().to_owned());
        (found, doubts.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_real_server_is_tried_and_left_as_it_was() {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let (found, doubts) = told(&format!("{}?fleet=a", server.url()));
        let found = found.unwrap();
        let start = format!("redis://{}/0?fleet=a can be used; ", server.at);
        assert!(found.starts_with(&start), "{found}");
        assert!(doubts.contains("set appendonly yes"), "{doubts}");
        assert_eq!(server.run("DBSIZE"), Reply::Integer(0));
        let (found, doubts) = told(&format!("{}?wait=1", server.url()));
        assert!(
            found.is_ok() && doubts.contains("replicas of Redis: 0"),
            "{doubts}"
        );

        server.run("CONFIG SET maxmemory-policy allkeys-lru");
        let (found, _) = told(&server.url());
        assert!(
            found
                .unwrap_err()
                .contains("set maxmemory-policy noeviction")
        );
        server.run("CONFIG SET maxmemory-policy noeviction");
        server.run("CONFIG SET maxmemory 1");
        let (found, _) = told(&server.url());
        let line = found.unwrap_err();
        let end = "; raise maxmemory there";
        assert!(
            line.contains("EVALSHA fails: OOM ") && line.ends_with(end),
            "{line}"
        );
        server.run("CONFIG SET maxmemory 0");
        server.run("CONFIG SET min-replicas-to-write 1");
        let (found, _) = told(&server.url());
        assert!(found.unwrap_err().contains("EVALSHA fails: NOREPLICAS"));
    }

    /// A user who may do nothing is told one right after the other, and all of those that only the scripts need at once.
    #[test]
    fn every_right_that_a_user_lacks_is_named_until_it_may_do_all() {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let url = format!("redis://bot@{}/1?fleet=a", server.at);
        let mut rules = String::from("~{a}:*");
        let mut asked = Vec::new();
        for _ in 0..12 {
            server.run(&format!("ACL SETUSER bot reset on nopass -@all {rules}"));
            let Err(error) = told(&url).0 else { break };
            let lacking: Vec<_> = error
                .split([' ', '`', ';'])
                .filter(|word| word.starts_with('+'))
                .collect();
            assert!(!lacking.is_empty(), "{error}");
            for rule in lacking {
                rules = format!("{rules} {rule}");
                asked.push(rule.to_owned());
            }
        }
        assert!(told(&url).0.is_ok(), "{rules}");
        asked.sort_unstable();
        let unique: BTreeSet<_> = asked.iter().collect();
        assert!(
            unique.len() == asked.len() && unique.len() > 15,
            "{asked:?}"
        );
        assert_eq!(server.run("DBSIZE"), Reply::Integer(0));
    }
}
