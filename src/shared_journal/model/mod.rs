//! A model of Redis for tests: it takes the same bytes, runs the scripts as plain Rust, and has the faults of the real one.
//!
//! `real.rs` holds it against a `redis-server`.

mod keyspace;
mod real;
mod scripts;

use crate::redis::{Reply, ReplyReader, ServerError};

pub(crate) use self::keyspace::Keyspace;
use super::scripts::Script;

/// A server. A copy of one is a replica as far behind as it is old: a failover goes on with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// What it stores.
    pub(crate) keyspace: Keyspace,
    /// What its clock says, ms since 1970.
    pub(crate) now: u64,
    /// How many replicas of it acknowledge a write in time.
    pub(crate) acknowledging: i64,
    /// Whether `maxmemory` is reached.
    pub(crate) is_full: bool,
    /// All commands are answered with this error.
    pub(crate) refusal: Option<&'static str>,
    pub(crate) loaded: [bool; Script::ALL.len()],
}

impl Model {
    /// The replies to a pipeline.
    pub(crate) fn exchange(&mut self, requests: &[u8]) -> Vec<Reply> {
        // A command has the form of a reply that is an array. Limits are for replies.
        let mut replies = Vec::new();
        let mut reader = ReplyReader::default();
        reader.feed(requests);
        while let Some(request) = reader.poll_reply().unwrap() {
            let parts: Vec<_> = array(request).into_iter().map(bulk).collect();
            replies.push(self.apply(&parts));
        }
        assert!(reader.is_empty(), "whole commands");
        replies
    }

    /// Forgets all scripts, as a restart does.
    pub(crate) fn flush_scripts(&mut self) {
        self.loaded = [false; Script::ALL.len()];
    }

    fn apply(&mut self, parts: &[Vec<u8>]) -> Reply {
        if let Some(refusal) = self.refusal {
            return error(refusal);
        }
        match parts[0].as_slice() {
            b"SCRIPT" => {
                let is_it = |script: &Script| script.source().as_bytes() == parts[2];
                let at = Script::ALL.iter().position(is_it).unwrap();
                self.loaded[at] = true;
                Reply::Bulk(digest(at).into_bytes())
            }
            b"EVALSHA" => {
                let is_it = |at: &usize| digest(*at).as_bytes() == parts[1];
                let known = (0..Script::ALL.len()).filter(|at| self.loaded[*at]);
                let Some(at) = known.into_iter().find(is_it) else {
                    return error("NOSCRIPT No matching script. Please use EVAL.");
                };
                let keys = number(&parts[2]) as usize;
                let (keys, args) = parts[3..].split_at(keys);
                self.run(Script::ALL[at], keys, args)
            }
            b"WAIT" => Reply::Integer(self.acknowledging),
            b"HGET" => {
                let value = self.keyspace.hash(&parts[1]).get(&parts[2]).cloned();
                let len = value.as_ref().map_or(0, Vec::len);
                assert!(len <= 1024 * 1024, "no reply is longer");
                value.map_or(Reply::Null, Reply::Bulk)
            }
            other => panic!("unknown command {}", String::from_utf8_lossy(other)),
        }
    }
}

/// What a server that has loaded this script calls it.
fn digest(at: usize) -> String {
    format!("{at:040x}")
}

pub(crate) fn error(text: &str) -> Reply {
    Reply::Error(ServerError::parse(text))
}

pub(crate) fn number(bytes: &[u8]) -> i64 {
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}

pub(crate) fn array(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(replies) => replies,
        other => panic!("no array: {other:?}"),
    }
}

pub(crate) fn bulk(reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Bulk(bytes) => bytes,
        other => panic!("no bulk string: {other:?}"),
    }
}

/// What is sent are bytes, and several commands at a time.
#[test]
fn a_pipeline_has_a_reply_for_each_command() {
    let mut model = Model::default();
    let mut requests = Vec::new();
    crate::redis::encode(&[b"HGET", b"hash", b"field"], &mut requests);
    crate::redis::encode(&[b"WAIT", b"1", b"100"], &mut requests);
    crate::redis::encode(&[b"EVALSHA", b"0", b"0"], &mut requests);
    model.keyspace.hset(b"hash", b"field", b"value");
    let replies = model.exchange(&requests);
    assert_eq!(
        replies[..2],
        [Reply::Bulk(b"value".to_vec()), Reply::Integer(0)]
    );
    assert!(matches!(&replies[2..], [Reply::Error(_)]));
}
