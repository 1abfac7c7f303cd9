//! The commands of one exchange, and what each of them is for.

use super::deletions::Sent;
use super::name::Name;
use super::scripts::Script;
use super::value::{Head, Value};
use crate::redis::{begin, encode, part};
use crate::time::Tick;

/// From how many dead replicas a job may come: one that kills each replica that has it must not end the fleet.
const TAKEOVERS_MAX: u8 = 8;

/// What is to be sent in one write, how many replies follow, and by when they must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The commands, one after the other.
    pub requests: Vec<u8>,
    /// How many replies follow.
    pub replies: usize,
    /// Without all of them by then, the connection is of no use any more.
    pub deadline: Tick,
}

/// One command of an exchange.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Load,
    Join,
    Renew(Sent),
    /// The jobs whose commands are not acknowledged.
    Put(Vec<Name>),
    Wait,
    /// Jobs that Redis has lost, and the heads with which they were put again.
    PutAgain(Vec<(Name, Head)>),
    /// Jobs of which copies are kept: the first ones are put unless any replica has them, the others only looked for.
    Spare {
        put: Vec<Name>,
        looked_for: Vec<Name>,
    },
    List,
    Fetch(Name),
    Pass(Vec<Name>),
    Take(String),
    Leave,
}

/// Keys of a fleet, and digests of its scripts.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
    digests: Vec<Vec<u8>>,
}

impl Keys {
    pub(super) fn new(fleet: &str) -> Self {
        Self {
            prefix: format!("{{{fleet}}}:"),
            digests: Vec::new(),
        }
    }

    /// Whether the scripts are loaded, as far as is known.
    pub(super) const fn is_loaded(&self) -> bool {
        self.digests.len() == Script::ALL.len()
    }

    pub(super) fn unload(&mut self) {
        self.digests.clear();
    }

    /// The server calls the next script so.
    pub(super) fn load(&mut self, digest: &[u8]) {
        self.digests.push(digest.to_vec());
    }

    fn key(&self, name: &str) -> Vec<u8> {
        format!("{}{name}", self.prefix).into_bytes()
    }

    fn jobs(&self, id: &str) -> Vec<u8> {
        format!("{}jobs:{id}", self.prefix).into_bytes()
    }
}

/// An exchange that is being put together.
pub(super) struct Pipeline<'a> {
    keys: &'a Keys,
    /// This replica.
    me: &'a str,
    lease_ms: u64,
    requests: Vec<u8>,
    pub(super) steps: Vec<Step>,
}

impl<'a> Pipeline<'a> {
    pub(super) const fn new(keys: &'a Keys, me: &'a str, lease_ms: u64) -> Self {
        Self {
            keys,
            me,
            lease_ms,
            requests: Vec::new(),
            steps: Vec::new(),
        }
    }

    pub(super) fn into_exchange(self, deadline: Tick) -> (Exchange, Vec<Step>) {
        let exchange = Exchange {
            requests: self.requests,
            replies: self.steps.len(),
            deadline,
        };
        (exchange, self.steps)
    }

    pub(super) fn load(&mut self) {
        for script in Script::ALL {
            let parts: [&[u8]; 3] = [b"SCRIPT", b"LOAD", script.source().as_bytes()];
            encode(&parts, &mut self.requests);
            self.steps.push(Step::Load);
        }
    }

    pub(super) fn join(&mut self) {
        let keys = ["replicas", "fleet"].map(|name| self.keys.key(name));
        let lease = self.lease_ms.to_string();
        self.call(Script::Join, &keys, 2);
        self.parts(&[self.me.as_bytes(), lease.as_bytes()]);
        self.steps.push(Step::Join);
    }

    pub(super) fn renew(&mut self, deletions: Sent) {
        let [replicas, fleet, dead] = ["replicas", "fleet", "dead"].map(|name| self.keys.key(name));
        let mine = self.keys.jobs(self.me);
        let (settled, withdrawn) = (&deletions.settled, &deletions.withdrawn);
        let args = 3 + settled.len() + withdrawn.len();
        self.call(Script::Renew, &[replicas, fleet, dead, mine], args);
        let lease = self.lease_ms.to_string();
        let count = settled.len().to_string();
        self.parts(&[self.me.as_bytes(), lease.as_bytes(), count.as_bytes()]);
        for name in settled.iter().chain(withdrawn) {
            part(name.as_bytes(), &mut self.requests);
        }
        self.steps.push(Step::Renew(deletions));
    }

    /// Jobs whose commands are not acknowledged, those with a request's name first: other replicas may have them.
    pub(super) fn put(&mut self, jobs: &[(Name, &Value)]) {
        let asked = jobs.iter().take_while(|(name, _)| name.is_of_request());
        let asked = asked.count();
        let values = jobs.iter().map(|(name, value)| (name, value.as_bytes()));
        self.put_jobs(jobs.len(), asked, values);
        let names = jobs.iter().map(|(name, _)| *name).collect();
        self.steps.push(Step::Put(names));
    }

    /// Waits, for so long at most, until so many replicas of Redis have what was put.
    pub(super) fn wait(&mut self, replicas: u32, timeout_ms: u64) {
        let (replicas, timeout) = (replicas.to_string(), timeout_ms.to_string());
        let parts = [b"WAIT", replicas.as_bytes(), timeout.as_bytes()];
        encode(&parts, &mut self.requests);
        self.steps.push(Step::Wait);
    }

    /// Jobs that this replica has kept: others are not asked for them.
    pub(super) fn put_again(&mut self, jobs: &[(Name, &Value)]) {
        let values = jobs.iter().map(|(name, value)| (name, value.as_bytes()));
        self.put_jobs(jobs.len(), 0, values);
        let heads = jobs.iter().map(|(name, value)| (*name, value.head()));
        self.steps.push(Step::PutAgain(heads.collect()));
    }

    /// Jobs that other replicas are to post: of the first ones it is not known whether Redis still has them.
    pub(super) fn spare(&mut self, doubted: &[(Name, &Value)], seen: Vec<Name>) {
        let put = doubted.iter();
        let put = put.map(|(name, value)| (name, value.as_bytes()));
        // Without a value a job is looked for, and not put.
        let looked_for = seen.iter().map(|name| (name, &b""[..]));
        let count = doubted.len() + seen.len();
        self.put_jobs(count, count, put.chain(looked_for));
        self.steps.push(Step::Spare {
            put: doubted.iter().map(|(name, _)| *name).collect(),
            looked_for: seen,
        });
    }

    pub(super) fn list(&mut self, cursor: &str, count: usize) {
        let mine = self.keys.jobs(self.me);
        self.call(Script::List, &[mine], 2);
        self.parts(&[cursor.as_bytes(), count.to_string().as_bytes()]);
        self.steps.push(Step::List);
    }

    pub(super) fn fetch(&mut self, name: Name) {
        let mine = self.keys.jobs(self.me);
        encode(&[b"HGET", &mine, name.as_bytes()], &mut self.requests);
        self.steps.push(Step::Fetch(name));
    }

    /// Hands jobs to the others, by the name of a replica that is over after so long.
    pub(super) fn pass(&mut self, names: Vec<Name>, parcel: &str, lease_ms: u64) {
        let replicas = self.keys.key("replicas");
        let keys = [replicas, self.keys.jobs(self.me), self.keys.jobs(parcel)];
        self.call(Script::Pass, &keys, 3 + names.len());
        let lease = lease_ms.to_string();
        self.parts(&[self.me.as_bytes(), parcel.as_bytes(), lease.as_bytes()]);
        for name in &names {
            part(name.as_bytes(), &mut self.requests);
        }
        self.steps.push(Step::Pass(names));
    }

    pub(super) fn take(&mut self, them: &str, count: usize, cursor: &str) {
        let [replicas, fleet, dead, aside] =
            ["replicas", "fleet", "dead", "aside"].map(|name| self.keys.key(name));
        let (mine, theirs) = (self.keys.jobs(self.me), self.keys.jobs(them));
        self.call(
            Script::Take,
            &[replicas, fleet, dead, mine, theirs, aside],
            5,
        );
        let (count, limit) = (count.to_string(), TAKEOVERS_MAX.to_string());
        self.parts(&[self.me, them, &count, &limit, cursor].map(str::as_bytes));
        self.steps.push(Step::Take(them.to_owned()));
    }

    pub(super) fn leave(&mut self) {
        let keys = [self.keys.key("replicas"), self.keys.jobs(self.me)];
        self.call(Script::Leave, &keys, 1);
        self.parts(&[self.me.as_bytes()]);
        self.steps.push(Step::Leave);
    }

    fn put_jobs<'v>(
        &mut self,
        count: usize,
        asked: usize,
        jobs: impl Iterator<Item = (&'v Name, &'v [u8])>,
    ) {
        let keys = [self.keys.key("replicas"), self.keys.jobs(self.me)];
        self.call(Script::Put, &keys, 2 + 2 * count);
        self.parts(&[self.me.as_bytes(), asked.to_string().as_bytes()]);
        for (name, value) in jobs {
            self.parts(&[name.as_bytes(), value]);
        }
    }

    /// Begins the call of a script with so many arguments, which follow.
    fn call(&mut self, script: Script, keys: &[Vec<u8>], args: usize) {
        let at = Script::ALL.iter().position(|other| *other == script);
        let digest = &self.keys.digests[at.expect("it is one of them")];
        begin(3 + keys.len() + args, &mut self.requests);
        let count = keys.len().to_string();
        self.parts(&[b"EVALSHA", digest, count.as_bytes()]);
        for key in keys {
            part(key, &mut self.requests);
        }
    }

    fn parts(&mut self, parts: &[&[u8]]) {
        for bytes in parts {
            part(bytes, &mut self.requests);
        }
    }
}
