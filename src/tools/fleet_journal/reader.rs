//! Reads a fleet's journal page by page, so that one with a million jobs takes little memory.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::report::{Job, Report, printable};
use crate::platform::redis::Connection;
use crate::redis::{Reply, encode};
use crate::shared_journal::{Head, Name, Script, Sealer, Value};

/// What connecting and each exchange may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// How many jobs are listed at once. Their names and heads are far below a reply's limit.
const JOBS_PER_PAGE: &[u8] = b"1000";

/// How many values are read at once. Each is a reply, and shorter than the limit.
const VALUES_PER_EXCHANGE: usize = 16;

/// Names of jobs, each with the head of its value.
type Page = Vec<(Vec<u8>, Vec<u8>)>;

/// A hash with jobs.
enum Place {
    /// Of the replica with this id.
    Replica(String),
    /// What no replica posts.
    Aside,
}

impl Place {
    fn key(&self) -> String {
        match self {
            Self::Replica(id) => format!("jobs:{id}"),
            Self::Aside => "aside".to_owned(),
        }
    }

    /// Where a job lies, for its line, and the job's name. What is put aside is called `REPLICA:NAME`, and a name is any bytes.
    fn read_field<'a>(&self, field: &'a [u8]) -> (String, &'a [u8]) {
        if let Self::Replica(id) = self {
            return (format!("replica {}", printable(id)), field);
        }
        let end = |length: usize| field.len().checked_sub(length).filter(|at| *at > 0);
        let ends = Name::LENGTHS.iter().rev().filter_map(|length| end(*length));
        let found = ends.map(|at| field.split_at(at)).find_map(|(id, name)| {
            let id = str::from_utf8(id.strip_suffix(b":")?).ok()?;
            Some((format!("put aside, of replica {}", printable(id)), name))
        });
        found.unwrap_or_else(|| ("put aside".to_owned(), &[]))
    }
}

/// A journal that is being read.
pub(super) struct Reader<'a> {
    fleet: &'a str,
    connection: Connection,
    sealer: Option<Sealer>,
    /// Of the script that lists jobs.
    digest: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(
        fleet: &'a str,
        connection: Connection,
        sealer: Option<Sealer>,
    ) -> Self {
        Self {
            fleet,
            connection,
            sealer,
            digest: Vec::new(),
        }
    }

    /// Prints the report, and the jobs if they are asked for, until printing fails.
    pub(super) fn show(
        &mut self,
        with_jobs: bool,
        print: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), String> {
        let mut report = self.begin()?;
        for number in 0..report.replicas.len() {
            let place = Place::Replica(report.replicas[number].id.clone());
            self.each_page(&place, &mut |_, page| {
                page.iter().for_each(|(_, head)| report.count(number, head));
                Ok(true)
            })?;
        }
        if !print(&report.to_string()) || !with_jobs {
            return Ok(());
        }
        if self.sealer.is_none() {
            let line = "commands are sealed: set SLACK_SIGNING_SECRET or SLACK_SIGNING_SECRET_FILE as the bots have it\n";
            if !print(line) {
                return Ok(());
            }
        }
        let replicas = report.replicas.iter();
        let places = replicas.map(|replica| Place::Replica(replica.id.clone()));
        for place in places.chain([Place::Aside]) {
            let is_whole = self.each_page(&place, &mut |reader, page| {
                reader.show_page(&place, page, &report, print)
            })?;
            if !is_whole {
                break;
            }
        }
        Ok(())
    }

    /// What there is but for the jobs.
    fn begin(&mut self) -> Result<Report, String> {
        let (replicas, fleet, aside) = (self.key("replicas"), self.key("fleet"), self.key("aside"));
        let replies = self.ask(&[
            &[b"TIME"],
            &[b"HGET", &fleet, b"grace"],
            &[b"HLEN", &aside],
            &[b"SCRIPT", b"LOAD", Script::List.source().as_bytes()],
            &[b"ZRANGE", &replicas, b"0", b"-1", b"WITHSCORES"],
        ])?;
        self.digest = replies[3].bytes().unwrap_or_default().to_vec();
        let info = self.connection.info();
        let address = self.connection.address();
        let server = format!("{} {} at {address}", info.product, info.version);
        Report::begin(server, &replies[0], &replies[1], &replies[2], &replies[4])
            .ok_or_else(|| "its replies are none of a fleet's journal".to_owned())
    }

    /// Shows all jobs of a place to `visit`, until it says that it is enough; whether that was never.
    fn each_page(
        &mut self,
        place: &Place,
        visit: &mut dyn FnMut(&mut Self, Page) -> Result<bool, String>,
    ) -> Result<bool, String> {
        let key = self.key(&place.key());
        let mut cursor = b"0".to_vec();
        // A scan may show a job twice while the hash changes its size.
        let mut seen = HashSet::new();
        loop {
            let digest = self.digest.clone();
            let parts: [&[u8]; 6] = [b"EVALSHA", &digest, b"1", &key, &cursor, JOBS_PER_PAGE];
            let reply = self.ask(&[&parts])?.remove(0);
            let parts = reply.array().unwrap_or_default();
            let [next, jobs] = parts else {
                return Err("its list of jobs is none".to_owned());
            };
            cursor = next.bytes().unwrap_or(b"0").to_vec();
            let jobs = jobs.array().unwrap_or_default().chunks_exact(2);
            let mut page: Page = jobs
                .filter_map(|job| Some((job[0].bytes()?.to_vec(), job[1].bytes()?.to_vec())))
                .collect();
            page.retain(|(name, _)| seen.insert(name.clone()));
            if !visit(self, page)? {
                return Ok(false);
            }
            if cursor == b"0" {
                return Ok(true);
            }
        }
    }

    /// Prints the jobs of a page; whether all were printed.
    fn show_page(
        &mut self,
        place: &Place,
        page: Page,
        report: &Report,
        print: &mut dyn FnMut(&str) -> bool,
    ) -> Result<bool, String> {
        let key = self.key(&place.key());
        // A value without a head may be longer than a reply.
        let (page, odd): (Page, Page) = page.into_iter().partition(|(_, head)| !head.is_empty());
        for (name, _) in odd {
            if !print(&format!(
                "{}\n",
                self.line(place, &name, Vec::new(), report)
            )) {
                return Ok(false);
            }
        }
        for names in page.chunks(VALUES_PER_EXCHANGE) {
            let commands: Vec<[&[u8]; 3]> = names
                .iter()
                .map(|(name, _)| [&b"HGET"[..], &key, name])
                .collect();
            let commands: Vec<&[&[u8]]> = commands.iter().map(|command| &command[..]).collect();
            let values = self.ask(&commands)?;
            for ((name, _), value) in names.iter().zip(values) {
                // A job that is not there any more was settled meanwhile.
                if let Reply::Bulk(value) = value
                    && !print(&format!("{}\n", self.line(place, name, value, report)))
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn line(&mut self, place: &Place, field: &[u8], value: Vec<u8>, report: &Report) -> String {
        let (whose, name) = place.read_field(field);
        let Some(head) = Head::read(&value) else {
            return report.job(&whose, None, Job::Sealed);
        };
        let Some(sealer) = &mut self.sealer else {
            return report.job(&whose, Some(head), Job::Sealed);
        };
        let opened = Name::read(name).zip(Value::read(value));
        let opened = opened.and_then(|(name, value)| sealer.open(&name, &value));
        let job = match opened.as_ref().and_then(|opened| opened.entry(&head)) {
            Some(entry) => Job::Opened(entry),
            None => Job::Unopened,
        };
        report.job(&whose, Some(head), job)
    }

    fn key(&self, name: &str) -> Vec<u8> {
        format!("{{{}}}:{name}", self.fleet).into_bytes()
    }

    /// Sends commands; one that is refused is an error.
    fn ask(&mut self, commands: &[&[&[u8]]]) -> Result<Vec<Reply>, String> {
        let mut requests = Vec::new();
        commands
            .iter()
            .for_each(|parts| encode(parts, &mut requests));
        let deadline = Instant::now() + TIMEOUT;
        let replies = self
            .connection
            .exchange(&requests, commands.len(), deadline);
        let replies = replies.map_err(|error| error.to_string())?.into_iter();
        replies
            .map(|reply| reply.ok().map_err(|error| error.with_remedy().to_string()))
            .collect()
    }
}
