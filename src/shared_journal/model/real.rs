//! The model against a real server: the same commands, the same answers, the same contents.

mod servers;

use std::collections::BTreeSet;

use servers::Pair;

use super::super::scripts::Script;
use super::{array, bulk};
use crate::engine::simulation::generator::Generator;
use crate::engine::simulation::seeds::{self, Replay};
use crate::redis::{ErrorKind, Reply};

const SEQUENCES: u64 = 16;
const STEPS: usize = 120;
const LEASE_MS: i64 = 5_000;
/// What answers can say, in the order of the alphabet.
const ALL_ANSWERS: [&str; 17] = [
    "a part of those over",
    "duplicate",
    "expired",
    "fenced",
    "full",
    "left",
    "newer",
    "not put",
    "not taken",
    "over",
    "poison",
    "put",
    "relied on",
    "renewed",
    "taken",
    "unknown",
    "unreadable",
];
const FLEET: &str = "{bots}";

fn key(name: &str) -> Vec<u8> {
    format!("{FLEET}:{name}").into_bytes()
}

fn text(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// What a sequence does next.
struct Composer {
    generator: Generator,
    /// Jobs' names, and some that are none.
    names: Vec<Vec<u8>>,
    /// What the answers have said at least once.
    met: BTreeSet<&'static str>,
}

impl Composer {
    fn new(seed: u64) -> Self {
        let lengths = [8, 8, 8, 8, 8, 8, 16, 16, 16, 3, 300];
        let names = (0..).zip(lengths).map(|(at, len)| vec![at; len]).collect();
        Self {
            generator: Generator::new(seed),
            names,
            met: BTreeSet::new(),
        }
    }

    fn replica(&mut self) -> Vec<u8> {
        let ids = ["parcel:0000000000000000", "a", "b", "c"];
        self.generator.pick(&ids).as_bytes().to_vec()
    }

    fn some_names(&mut self) -> Vec<Vec<u8>> {
        let names = self.names.iter();
        names
            .filter(|_| self.generator.percent(30))
            .cloned()
            .collect()
    }

    fn value(&mut self, now: u64) -> Vec<u8> {
        let mut value = vec![0x15; self.generator.between(52..=90) as usize];
        value[1] = self.generator.below(5) as u8;
        // It has expired, lives, or is so far away that no value can be meant.
        let minutes: i64 = self.generator.pick(&[-30, 30, 30, 30, 90]);
        let expires = now.saturating_add_signed(minutes * 60_000);
        value[2..10].copy_from_slice(&expires.to_be_bytes());
        value[19] = self.generator.below(2) as u8;
        match self.generator.below(12) {
            0 => value.truncate(self.generator.index(52)),
            1 | 2 => value[0] = 0x25,
            3 => value[0] = 0,
            4 => value.clear(),
            5 if self.generator.percent(10) => value.resize(600 * 1024, 0),
            _ => {}
        }
        value
    }

    fn note_renewal(&mut self, parts: &[Reply]) {
        self.met.insert(match parts[1].text().unwrap() {
            "ok" => "renewed",
            "fenced" => "fenced",
            _ => "unknown",
        });
        if parts.len() > 2 {
            let is_empty = |at: usize| array(parts[at].clone()).is_empty();
            self.met.extend((!is_empty(2)).then_some("over"));
            let is_part = array(parts[2].clone()).len() == 16;
            self.met.extend(is_part.then_some("a part of those over"));
            self.met.extend((!is_empty(5)).then_some("relied on"));
        }
    }

    /// More dead replicas than one renewal names.
    fn add_dead(&mut self, pair: &mut Pair, replicas: &[u8]) {
        let most = self.generator.pick(&[30, 30, 700]);
        for number in 0..self.generator.between(10..=most) {
            pair.zadd(replicas, format!("dead{number}").as_bytes(), 1);
        }
    }

    fn note_put(&mut self, reply: Reply) {
        let Reply::Array(parts) = reply else {
            self.met.insert("full");
            return;
        };
        let has_duplicates = !array(parts[1].clone()).is_empty();
        self.met.insert(match (&parts[0], has_duplicates) {
            (Reply::Integer(0), _) => "not put",
            (_, true) => "duplicate",
            (_, false) => "put",
        });
    }

    fn note_take(&mut self, parts: &[Reply]) {
        if parts.len() == 2 {
            self.met.insert("not taken");
            return;
        }
        let names = ["left", "expired", "poison", "unreadable", "newer"];
        for (name, count) in names.into_iter().zip(&parts[3..]) {
            let is_met = count.integer() > Some(0);
            self.met.extend(is_met.then_some(name));
        }
        let has_taken = !array(parts[8].clone()).is_empty();
        self.met.extend(has_taken.then_some("taken"));
    }

    fn step(&mut self, pair: &mut Pair) {
        let (me, them) = (self.replica(), self.replica());
        let jobs = |id: &[u8]| [key("jobs:"), id.to_vec()].concat();
        let (mine, theirs) = (jobs(&me), jobs(&them));
        let [replicas, fleet, dead, aside] = ["replicas", "fleet", "dead", "aside"].map(key);
        let now = pair.model.now;
        match self.generator.below(20) {
            0..4 => _ = pair.run(Script::Join, &[replicas, fleet], &[me, text(LEASE_MS)]),
            4..7 => {
                let mut args = vec![me, text(LEASE_MS)];
                let settled = self.some_names();
                args.push(text(settled.len() as i64));
                args.extend(settled);
                args.extend(self.some_names());
                let reply = pair.run(Script::Renew, &[replicas, fleet, dead, mine], &args);
                self.note_renewal(&array(reply));
            }
            7..11 => {
                let names = self.some_names();
                let asked = self.generator.below(names.len() as u64 + 1) as i64;
                let mut args = vec![me, text(asked)];
                for name in names {
                    args.extend([name, self.value(now)]);
                }
                let reply = pair.run(Script::Put, &[replicas, mine], &args);
                self.note_put(reply);
            }
            11..14 => {
                let args = [me, them, text(256), text(3), text(0)];
                let keys = [replicas, fleet, dead, mine, theirs, aside];
                let reply = pair.run(Script::Take, &keys, &args);
                self.note_take(&array(reply));
            }
            14 => _ = pair.run(Script::Leave, &[replicas, mine], &[me]),
            15 => {
                let mut args = vec![me, them, text(30_000)];
                args.extend(self.some_names());
                pair.run(Script::Pass, &[replicas, mine, theirs], &args);
            }
            16 => _ = pair.run(Script::List, &[mine], &[text(0), text(1024)]),
            17 => {
                let name = self.names[self.generator.index(self.names.len())].clone();
                let value = self.value(now);
                pair.hset(&mine, &name, &value);
            }
            18 => {
                let moment = now as i64 + self.generator.between(0..=20_000) as i64 - 10_000;
                match self.generator.below(7) {
                    0 => pair.hset(&fleet, b"beat", &text(moment)),
                    1 => pair.hset(&fleet, b"grace", &text(moment)),
                    // Another program's: no reason to refuse all commands.
                    2 => pair.hset(&fleet, b"beat", b"odd"),
                    3 => pair.hset(&fleet, b"grace", b"odd"),
                    4 => self.add_dead(pair, &replicas),
                    _ => pair.zadd(&replicas, &me, moment),
                }
            }
            _ => match self.generator.below(2) {
                0 => pair.set_full(!pair.model.is_full),
                _ => {
                    pair.real.ask(&[b"SCRIPT", b"FLUSH"]);
                    pair.model.flush_scripts();
                    let reply = pair.run(Script::Leave, &[replicas, mine], &[me]);
                    let is_noscript = |reply: &Reply| matches!(reply, Reply::Error(error) if error.kind == ErrorKind::NoScript);
                    assert!(is_noscript(&reply), "{reply:?}");
                    pair.load();
                }
            },
        }
    }
}

fn hold_against(name: &str, is_cluster: bool) {
    let Some(mut pair) = Pair::start(name, is_cluster) else {
        return;
    };
    let mut met = BTreeSet::new();
    for seed in seeds::chosen(SEQUENCES) {
        let _replay = Replay(seed);
        pair.clear();
        let mut composer = Composer::new(seed);
        for _ in 0..STEPS {
            composer.step(&mut pair);
            pair.compare();
        }
        met.extend(composer.met);
    }
    if seeds::replayed().is_none() {
        assert_eq!(met.into_iter().collect::<Vec<_>>(), ALL_ANSWERS);
    }
}

#[test]
fn the_model_answers_as_a_real_server_does() {
    hold_against("alone", false);
}

/// All keys are in one slot, those that a script finds out by itself as well.
#[test]
fn the_model_answers_as_a_node_of_a_cluster_does() {
    hold_against("cluster", true);
}

/// A scan takes more or fewer than it is asked for, in no order, and each job once.
#[test]
fn a_real_server_hands_over_each_job_once_a_part_at_a_time() {
    let Some(mut pair) = Pair::start("parts", false) else {
        return;
    };
    let [replicas, fleet, dead, aside] = ["replicas", "fleet", "dead", "aside"].map(key);
    let [me, them] = ["a", "b"].map(|id| id.repeat(16).into_bytes());
    let [mine, theirs] = [&me, &them].map(|id| [key("jobs:"), id.clone()].concat());
    let digest = |script| {
        let at = Script::ALL.iter().position(|other| *other == script);
        pair.digests[at.unwrap()].clone()
    };
    let (join, take) = (digest(Script::Join), digest(Script::Take));
    let now = pair
        .real
        .ask(&[b"EVALSHA", &join, b"2", &replicas, &fleet, &me, b"60000"]);
    let mut value = vec![0x15; 200];
    value[1] = 0;
    let expires = now.integer().unwrap() as u64 + 600_000;
    value[2..10].copy_from_slice(&expires.to_be_bytes());
    for job in 0..1_000_u64 {
        // Every tenth one is of a newer format.
        value[0] = if job % 10 == 0 { 0x25 } else { 0x15 };
        pair.real
            .ask(&[b"HSET", &theirs, &job.to_be_bytes(), &value]);
    }
    pair.real.ask(&[b"ZADD", &replicas, b"1", &them]);
    let (mut taken, mut cursor) = (BTreeSet::new(), b"0".to_vec());
    let mut newer = 0;
    loop {
        let keys = [
            b"EVALSHA", &*take, b"6", &replicas, &fleet, &dead, &mine, &theirs, &aside,
        ];
        let args: [&[u8]; 5] = [&me, &them, b"64", b"8", &cursor];
        let parts = array(pair.real.ask(&[&keys[..], &args[..]].concat()));
        assert_eq!(parts[0], Reply::Integer(1));
        cursor = bulk(parts[2].clone());
        newer += parts[7].integer().unwrap();
        let jobs = array(parts[8].clone());
        assert!(jobs.len() <= 64 + 32, "{}", jobs.len());
        for job in jobs {
            assert!(taken.insert(bulk(job)), "once");
        }
        if cursor == b"0" {
            break;
        }
    }
    assert_eq!((taken.len(), newer), (900, 100));
    assert_eq!(pair.real.ask(&[b"HLEN", &theirs]), Reply::Integer(100));
}

/// One key that is another program's must not keep the whole fleet from taking commands.
#[test]
fn a_key_that_is_no_hash_refuses_its_own_replica_only() {
    let Some(mut pair) = Pair::start("odd", false) else {
        return;
    };
    let at = Script::ALL.iter().position(|script| *script == Script::Put);
    let put = pair.digests[at.unwrap()].clone();
    let [replicas, odd, mine] = ["replicas", "jobs:odd", "jobs:me"].map(key);
    pair.real.ask(&[b"SET", &odd, b"text"]);
    for id in [&b"odd"[..], b"me"] {
        pair.real.ask(&[b"ZADD", &replicas, b"9", id]);
    }
    let mut ask = |hash: &[u8], id: &[u8]| {
        let keys: [&[u8]; 5] = [b"EVALSHA", &put, b"2", &replicas, hash];
        let args: [&[u8]; 4] = [id, b"1", b"12345678", b"value"];
        pair.real.ask(&[&keys[..], &args[..]].concat())
    };
    let kept = Reply::Array(vec![Reply::Integer(1), Reply::Array(vec![])]);
    assert_eq!(ask(&mine, b"me"), kept);
    let refused = ask(&odd, b"odd");
    let is_wrong_type =
        matches!(&refused, Reply::Error(error) if error.kind == ErrorKind::WrongType);
    assert!(is_wrong_type, "{refused:?}");
}
