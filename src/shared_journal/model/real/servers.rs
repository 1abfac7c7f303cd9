//! A real server and the model beside it.
#![allow(clippy::disallowed_methods)] // a test with a real server

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::super::{Keyspace, Model, array, bulk, digest, number};
use crate::redis::{self, Reply, ReplyReader};
use crate::shared_journal::scripts::Script;

/// A server of its own, which ends with the test.
pub(super) struct Server {
    child: Child,
    directory: String,
    stream: UnixStream,
    reader: ReplyReader,
}

impl Server {
    /// `None` where there is no `redis-server`.
    fn start(name: &str, is_cluster: bool) -> Option<Self> {
        let directory = format!("torrap-redis-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        let directory = directory.to_str().unwrap().to_owned();
        let socket = format!("{directory}/redis");
        let mut command = Command::new(test_support::redis_server());
        command.args(["--port", "0", "--save", "", "--appendonly", "no"]);
        command.args(["--dir", &directory, "--unixsocket", &socket]);
        if is_cluster {
            command.args(["--cluster-enabled", "yes", "--cluster-port", "1"]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = child else {
            eprintln!("NOT TESTED: no redis-server, so the model was not held against it");
            return None;
        };
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(_) => assert!(child.try_wait().unwrap().is_none(), "redis-server ended"),
            }
            std::thread::yield_now();
        };
        Some(Self {
            child,
            directory,
            stream,
            reader: ReplyReader::default(),
        })
    }

    pub(super) fn ask(&mut self, parts: &[&[u8]]) -> Reply {
        let mut request = Vec::new();
        redis::encode(parts, &mut request);
        self.stream.write_all(&request).unwrap();
        loop {
            if let Some(reply) = self.reader.poll_reply().unwrap() {
                return reply;
            }
            let mut bytes = [0; 65_536];
            let len = self.stream.read(&mut bytes).unwrap();
            assert!(len > 0, "redis-server has closed the connection");
            self.reader.feed(&bytes[..len]);
        }
    }

    /// All that it stores.
    fn keyspace(&mut self) -> Keyspace {
        let mut keyspace = Keyspace::default();
        for key in array(self.ask(&[b"KEYS", b"*"])) {
            let key = bulk(key);
            let is_hash = self.ask(&[b"TYPE", &key]) == Reply::Status("hash".to_owned());
            let all = match is_hash {
                true => self.ask(&[b"HGETALL", &key]),
                false => self.ask(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"]),
            };
            let all: Vec<_> = array(all).into_iter().map(bulk).collect();
            for pair in all.chunks(2) {
                match is_hash {
                    true => keyspace.hset(&key, &pair[0], &pair[1]),
                    false => keyspace.zadd(&key, &pair[0], number(&pair[1])),
                }
            }
        }
        keyspace
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Both servers, and the digests that the real one has given.
pub(super) struct Pair {
    pub(super) real: Server,
    pub(super) model: Model,
    pub(super) digests: Vec<Vec<u8>>,
}

impl Pair {
    pub(super) fn start(name: &str, is_cluster: bool) -> Option<Self> {
        let mut real = Server::start(name, is_cluster)?;
        if is_cluster {
            real.ask(&[b"CLUSTER", b"ADDSLOTSRANGE", b"0", b"16383"]);
            let probe = || [b"GET".as_slice(), b"probe"];
            while matches!(real.ask(&probe()), Reply::Error(_)) {}
        }
        let mut pair = Self {
            real,
            model: Model::default(),
            digests: Vec::new(),
        };
        pair.load();
        Some(pair)
    }

    pub(super) fn load(&mut self) {
        self.digests.clear();
        for script in Script::ALL {
            let parts: [&[u8]; 3] = [b"SCRIPT", b"LOAD", script.source().as_bytes()];
            self.digests.push(bulk(self.real.ask(&parts)));
            self.model.apply(&parts.map(<[u8]>::to_vec));
        }
    }

    /// Runs a script on both, and gives what both answer.
    pub(super) fn run(&mut self, script: Script, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let at = Script::ALL.iter().position(|other| *other == script);
        let at = at.unwrap();
        let count = keys.len().to_string();
        let mut parts = vec![b"EVALSHA".as_slice(), &self.digests[at], count.as_bytes()];
        parts.extend(keys.iter().chain(args).map(Vec::as_slice));
        let real = sorted(script, self.real.ask(&parts));
        self.model.now = time(script, &real).unwrap_or(self.model.now);
        let digest = digest(at);
        parts[1] = digest.as_bytes();
        let parts: Vec<_> = parts.into_iter().map(<[u8]>::to_vec).collect();
        let model = sorted(script, self.model.apply(&parts));
        match (&real, &model) {
            (Reply::Error(real), Reply::Error(model)) => assert_eq!(real.kind, model.kind),
            _ => assert_eq!(real, model, "{script:?}"),
        }
        real
    }

    pub(super) fn compare(&mut self) {
        assert_eq!(self.real.keyspace(), self.model.keyspace);
    }

    /// A write of another program on both, which needs memory.
    pub(super) fn hset(&mut self, key: &[u8], field: &[u8], value: &[u8]) {
        self.set_full(false);
        self.real.ask(&[b"HSET", key, field, value]);
        self.model.keyspace.hset(key, field, value);
    }

    pub(super) fn zadd(&mut self, key: &[u8], member: &[u8], score: i64) {
        self.set_full(false);
        let text = score.to_string();
        self.real.ask(&[b"ZADD", key, text.as_bytes(), member]);
        self.model.keyspace.zadd(key, member, score);
    }

    pub(super) fn set_full(&mut self, is_full: bool) {
        let limit: &[u8] = if is_full { b"1" } else { b"0" };
        self.real.ask(&[b"CONFIG", b"SET", b"maxmemory", limit]);
        self.model.is_full = is_full;
    }

    pub(super) fn clear(&mut self) {
        self.set_full(false);
        self.real.ask(&[b"FLUSHALL"]);
        self.model.keyspace = Keyspace::default();
        self.load();
    }
}

/// When a script ran, by the server's clock, if it says so.
fn time(script: Script, reply: &Reply) -> Option<u64> {
    let at = match (script, reply) {
        (Script::Join, Reply::Integer(now)) => return Some(*now as u64),
        (Script::Renew, _) => 0,
        (Script::Take | Script::Pass, _) => 1,
        _ => return None,
    };
    match reply {
        Reply::Array(replies) => replies[at].integer().map(|now| now as u64),
        _ => None,
    }
}

/// The answer with the jobs in the order of their names: a server scans a hash in an order of its own.
fn sorted(script: Script, reply: Reply) -> Reply {
    let step = match script {
        Script::Take => 1,
        Script::List => 2,
        _ => return reply,
    };
    let Reply::Array(mut parts) = reply else {
        return reply;
    };
    if let Some(Reply::Array(jobs)) = parts.last_mut() {
        let mut sorted: Vec<_> = jobs.chunks(step).map(<[Reply]>::to_vec).collect();
        sorted.sort_by_key(|job| bulk(job[0].clone()));
        *jobs = sorted.concat();
    }
    Reply::Array(parts)
}
