//! The scripts as plain Rust.

use super::super::scripts::Script;
use super::super::value::{VALUE_BYTES_MAX, VALUE_BYTES_MIN};
use super::{Model, error, number};
use crate::redis::Reply;

/// No expiry is further away.
const EXPIRY_MS_MAX: u64 = 3_600_000;

/// Where marks stand in a value.
const MARKS: usize = 19;

const OOM: &str =
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'";

impl Model {
    pub(super) fn run(&mut self, script: Script, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        match script {
            Script::Renew => self.renew(keys, args),
            Script::Put if self.is_full => error(OOM),
            Script::Put => self.put(keys, args),
            Script::Take => self.take(keys, args),
            Script::Join => self.join(keys, args),
            Script::Leave => self.leave(keys, args),
            Script::Pass => self.pass(keys, args),
            Script::List => self.list(keys, args),
        }
    }

    fn time(&self) -> Reply {
        Reply::Integer(self.now as i64)
    }

    fn score(&self, key: &[u8], member: &[u8]) -> Option<i64> {
        self.keyspace.set(key).get(member).copied()
    }

    fn field(&self, key: &[u8], field: &[u8]) -> i64 {
        let value = self.keyspace.hash(key).get(field);
        let text = value.and_then(|value| std::str::from_utf8(value).ok());
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    fn set_field(&mut self, key: &[u8], field: &[u8], to: i64) {
        self.keyspace.hset(key, field, to.to_string().as_bytes());
    }

    fn renew(&mut self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let [replicas, fleet, dead, mine] = keys else {
            panic!("four keys")
        };
        let (now, ttl, me) = (self.now as i64, number(&args[1]), &args[0]);
        let status = |status: &str| bulk(status.as_bytes());
        let lease = self.score(replicas, me);
        if matches!(lease, Some(0 | 1)) || self.score(dead, me).is_some() {
            return Reply::Array(vec![self.time(), status("fenced")]);
        }
        let Some(lease) = lease else {
            return Reply::Array(vec![self.time(), status("unknown")]);
        };
        let (settled, withdrawn) = args[3..].split_at(number(&args[2]) as usize);
        for name in settled {
            self.keyspace.hdel(mine, name);
        }
        let mut relied = Vec::new();
        for name in withdrawn {
            match self.keyspace.hash(mine).get(name) {
                Some(value) if is_marked(value) => relied.push(bulk(name)),
                _ => self.keyspace.hdel(mine, name),
            }
        }
        let beat = self.field(fleet, b"beat");
        if (now - beat) * 2 > ttl || now < beat {
            self.set_field(fleet, b"grace", now + ttl);
        }
        if (now - beat) * 10 > ttl || now < beat {
            self.set_field(fleet, b"beat", now);
        }
        if (now + ttl - lease) * 10 > ttl || lease - now > ttl {
            self.keyspace.zadd(replicas, me, now + ttl);
        }
        if self.field(fleet, b"grace") - now > 2 * ttl {
            self.set_field(fleet, b"grace", now + ttl);
        }
        let in_grace = now < self.field(fleet, b"grace");
        let mut over = self
            .keyspace
            .by_score(replicas, if in_grace { 1 } else { now });
        if over.len() < 256 {
            let first = (now + 1) as usize % over.len().max(1);
            over.rotate_left(first);
        } else {
            let most = over.len().next_power_of_two().min(65_536);
            let first = (now as usize % (most + 15)).saturating_sub(15);
            over.drain(..first.min(over.len()));
        }
        over.truncate(16);
        over.retain(|id| id.len() <= 128);
        let leases = self.keyspace.set(replicas).iter();
        let living = leases.filter(|(id, lease)| **lease > now && !id.starts_with(b"parcel:"));
        let living = living.count() as i64;
        Reply::Array(vec![
            self.time(),
            status("ok"),
            Reply::Array(over.iter().map(|id| bulk(id)).collect()),
            Reply::Integer(living),
            Reply::Integer(self.keyspace.hash(mine).len() as i64),
            Reply::Array(relied),
        ])
    }

    fn put(&mut self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let [replicas, mine] = keys else {
            panic!("two keys")
        };
        let me = &args[0];
        if self.score(replicas, me).unwrap_or(0) <= 1 {
            return Reply::Array(vec![Reply::Integer(0), Reply::Array(Vec::new())]);
        }
        let asked = number(&args[1]) as usize;
        let jobs: Vec<_> = args[2..].chunks(2).collect();
        let others: Vec<_> = self.keyspace.by_score(replicas, i64::MAX);
        let prefix = mine.strip_suffix(me.as_slice()).unwrap();
        let mut duplicates = Vec::new();
        for other in &others[others.len().saturating_sub(256)..] {
            let theirs = [prefix, other].concat();
            for (at, job) in jobs[..asked].iter().enumerate() {
                let Some(value) = self.keyspace.hash(&theirs).get(&job[0]) else {
                    continue;
                };
                let is_there = other != me || is_marked(value);
                if value.len() > MARKS && is_there && !duplicates.contains(&at) {
                    duplicates.push(at);
                    let mut value = value.clone();
                    if value[0] >> 4 == 1 {
                        value[MARKS] |= 1;
                    }
                    self.keyspace.hset(&theirs, &job[0], &value);
                }
            }
        }
        for (at, job) in jobs.iter().enumerate() {
            if !duplicates.contains(&at) && !job[1].is_empty() {
                self.keyspace.hset(mine, &job[0], &job[1]);
            }
        }
        let duplicates = duplicates.iter().map(|at| Reply::Integer(*at as i64 + 1));
        Reply::Array(vec![Reply::Integer(1), Reply::Array(duplicates.collect())])
    }

    fn take(&mut self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let [replicas, fleet, dead, mine, theirs, aside] = keys else {
            panic!("six keys")
        };
        let (now, me, them) = (self.now as i64, &args[0], &args[1]);
        let my_lease = self.score(replicas, me).unwrap_or(0);
        let lease = self.score(replicas, them).unwrap_or(-1);
        let in_grace = now < self.field(fleet, b"grace");
        if my_lease <= now || lease < 0 || lease > now || lease > 1 && in_grace || me == them {
            return Reply::Array(vec![Reply::Integer(0), self.time()]);
        }
        if lease > 1 {
            self.keyspace.zadd(replicas, them, 0);
        }
        let (want, limit) = (number(&args[2]) as usize, number(&args[3]) as u8);
        let (cursor, page) = self.keyspace.scan(theirs, number(&args[4]) as usize, want);
        // Expired ones, ones of too many dead replicas, unreadable ones, ones of a newer format.
        let (mut counts, mut taken) = ([0; 4], Vec::new());
        for (name, value) in page {
            let what = judge(&name, &value, self.now, limit);
            if let Some(what) = what {
                counts[what as usize] += 1;
            }
            if matches!(what, Some(Unfit::Poison | Unfit::Unreadable))
                && self.keyspace.hash(aside).len() < 1000
            {
                let field = [them, b":".as_slice(), &name[..name.len().min(64)]].concat();
                let is_long = value.len() > VALUE_BYTES_MAX;
                let shown = if is_long { &value[..1024] } else { &value };
                self.keyspace.hset(aside, &field, shown);
            }
            if what.is_none() {
                let held = self.keyspace.hash(mine).get(&name).cloned();
                let mut stays = held.clone().unwrap_or(value);
                if held.is_none() {
                    stays[1] += u8::from(lease != 1 && !them.starts_with(b"parcel:"));
                    taken.push(bulk(&name));
                }
                if stays.len() > MARKS && stays[0] >> 4 == 1 {
                    stays[MARKS] |= 1;
                }
                self.keyspace.hset(mine, &name, &stays);
            }
            if what != Some(Unfit::Newer) {
                self.keyspace.hdel(theirs, &name);
            }
        }
        let left = self.keyspace.hash(theirs).len();
        if left == 0 {
            self.keyspace.zrem(replicas, them);
            self.keyspace.zadd(dead, them, now);
            for old in self.keyspace.by_score(dead, now - 7_200_000) {
                self.keyspace.zrem(dead, &old);
            }
        }
        let mut reply = vec![Reply::Integer(1), self.time()];
        reply.push(bulk(cursor.to_string().as_bytes()));
        reply.push(Reply::Integer(left as i64));
        reply.extend(counts.map(Reply::Integer));
        reply.push(Reply::Array(taken));
        Reply::Array(reply)
    }

    fn join(&mut self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let [replicas, fleet] = keys else {
            panic!("two keys")
        };
        let (now, ttl) = (self.now as i64, number(&args[1]));
        let beat = self.field(fleet, b"beat");
        if (now - beat) * 2 > ttl || now < beat {
            self.set_field(fleet, b"grace", now + ttl);
        }
        self.set_field(fleet, b"beat", now);
        self.keyspace.zadd(replicas, &args[0], now + ttl);
        self.time()
    }

    fn leave(&mut self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let [replicas, mine] = keys else {
            panic!("two keys")
        };
        let left = self.keyspace.hash(mine).len();
        if left == 0 {
            self.keyspace.zrem(replicas, &args[0]);
        } else if self.score(replicas, &args[0]).unwrap_or(0) > 1 {
            self.keyspace.zadd(replicas, &args[0], 1);
        }
        Reply::Integer(left as i64)
    }

    fn pass(&mut self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let [replicas, mine, theirs] = keys else {
            panic!("three keys")
        };
        if self.score(replicas, &args[0]).unwrap_or(0) <= 1 {
            return Reply::Array(vec![Reply::Integer(0), self.time()]);
        }
        let mut passed = 0;
        for name in &args[3..] {
            if let Some(value) = self.keyspace.hash(mine).get(name).cloned() {
                self.keyspace.hset(theirs, name, &value);
                self.keyspace.hdel(mine, name);
                passed += 1;
            }
        }
        if passed > 0 {
            let end = self.now as i64 + number(&args[2]);
            self.keyspace.zadd(replicas, &args[1], end);
        }
        Reply::Array(vec![Reply::Integer(1), self.time(), Reply::Integer(passed)])
    }

    fn list(&mut self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Reply {
        let (cursor, count) = (number(&args[0]) as usize, number(&args[1]) as usize);
        let (cursor, page) = self.keyspace.scan(&keys[0], cursor, count);
        let pairs = page.iter().flat_map(|(name, value)| {
            let is_too_long = name.len() > 256 || value.len() > VALUE_BYTES_MAX;
            let head = &value[..if is_too_long { 0 } else { value.len().min(20) }];
            [bulk(&name[..name.len().min(256)]), bulk(head)]
        });
        let cursor = bulk(cursor.to_string().as_bytes());
        Reply::Array(vec![cursor, Reply::Array(pairs.collect())])
    }
}

/// Why a job is not taken over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unfit {
    Expired,
    Poison,
    Unreadable,
    Newer,
}

fn judge(name: &[u8], value: &[u8], now: u64, takeovers_max: u8) -> Option<Unfit> {
    let format = value.first().map_or(0, |byte| byte >> 4);
    let is_whole = (VALUE_BYTES_MIN..=VALUE_BYTES_MAX).contains(&value.len());
    let is_whole = is_whole && [8, 16].contains(&name.len());
    let expiry = value.get(2..).and_then(<[u8]>::first_chunk);
    let Some(expiry) = expiry.map(|bytes| u64::from_be_bytes(*bytes)) else {
        return Some(Unfit::Unreadable);
    };
    if format < 1 || expiry > now + EXPIRY_MS_MAX || format == 1 && !is_whole {
        return Some(Unfit::Unreadable);
    }
    if expiry <= now {
        return Some(Unfit::Expired);
    }
    if format > 1 {
        return Some(Unfit::Newer);
    }
    (value[1] >= takeovers_max).then_some(Unfit::Poison)
}

fn is_marked(value: &[u8]) -> bool {
    value.len() > MARKS && value[0] >> 4 == 1 && value[MARKS] & 1 == 1
}

fn bulk(bytes: &[u8]) -> Reply {
    Reply::Bulk(bytes.to_vec())
}
