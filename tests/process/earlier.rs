//! The first upgrade from 0.1.0 under load, by a passed socket: its pending replies and all that clients have sent
//! meanwhile are answered once.
//!
//! By default 0.1.0 has left one of its journals (`tests/journal/fixtures`) and is gone. With `TORRAP_OLD=BINARY` that
//! binary serves first, is replaced under load, and that `TORRAP_UPGRADES` times.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use test_support::{Client, DEADLINE, Process, SECRET, Scratch, signed};
use torrap::tools::trial::stand_in::{Answer, SlackStandIn};

use crate::journal::{FIRST, shown};
use crate::supervised::{activated, activated_as};
use crate::upgrade::{LISTENING, Load, WAITING, upgrades};

/// Journals that 0.1.0 wrote, and the numbers in the paths of the replies that are pending in each.
const LEFT: [(&str, &[u8], &[u64]); 3] = [
    (
        "killed",
        include_bytes!("../journal/fixtures/0.1.0/pending.log"),
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ),
    (
        "retrying",
        include_bytes!("../journal/fixtures/0.1.0/attempted.log"),
        &[1, 7, 11],
    ),
    (
        "stopped",
        include_bytes!("../journal/fixtures/0.1.0/stopped.log"),
        &[0, 1, 2, 3, 4, 5],
    ),
];

/// Where their replies go.
const ORIGIN: &str = "http://127.0.0.1:9000";

/// For how long they have lain there: all replies are due by then, and no `response_url` has expired.
const AGE_MS: u64 = 700_000;

/// Clients that have connected and sent a command before the new process starts.
const QUEUED: u64 = 50;

/// Format 1: a header; records of a length, a checksum, a kind, a number and a payload.
mod format {
    pub const HEADER: usize = 36;
    pub const HEAD: usize = 17;
    pub const ACCEPTED: u8 = 1;
    pub const BATCH: u8 = 4;
    /// The number of the one segment, with which checksums begin.
    pub const SEGMENT: u32 = 1;
    /// In an accepted job: where the length of its origin stands, and where its texts begin.
    pub const ORIGIN_LENGTH: usize = HEAD + 8 + 8 + 1 + 2;
    pub const TEXTS: usize = HEAD + 8 + 8 + 1 + 3 * 2;
}

/// A segment of 0.1.0's as it would be if it had been written so long ago that `AGE_MS` has passed since its last
/// batch, with replies to this origin. Nothing else in it changes.
fn renewed(segment: &[u8], origin: &str) -> Vec<u8> {
    let records = records(segment);
    let times = records.iter().filter(|record| record[8] == format::BATCH);
    let last = times.map(|batch| number(&batch[format::HEAD..])).max();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let moved = u64::try_from(now.as_millis()).unwrap() - AGE_MS - last.unwrap();
    let mut out = segment[..format::HEADER].to_vec();
    // Where each record began, and begins now.
    let mut begins = BTreeMap::from([(format::HEADER as u64, format::HEADER as u64)]);
    let mut old_end = format::HEADER as u64;
    for mut record in records {
        old_end += record.len() as u64;
        match record[8] {
            format::BATCH => {
                let unix = number(&record[format::HEAD..]) + moved;
                record[format::HEAD..][..8].copy_from_slice(&unix.to_le_bytes());
                // How much had been synced: up to the end of a record, or nothing.
                let synced = number(&record[format::HEAD + 8..]);
                let synced = begins.get(&synced).copied().unwrap_or(0);
                record[format::HEAD + 8..][..8].copy_from_slice(&synced.to_le_bytes());
            }
            format::ACCEPTED => readdress(&mut record, origin),
            _ => {}
        }
        let payload = u32::try_from(record.len() - format::HEAD).unwrap();
        record[..4].copy_from_slice(&payload.to_le_bytes());
        let checksum = checksum(&record);
        record[4..8].copy_from_slice(&checksum.to_le_bytes());
        out.extend(record);
        begins.insert(old_end, out.len() as u64);
    }
    out
}

/// All records, whose checksums must be right.
fn records(segment: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &segment[format::HEADER..];
    let mut records = Vec::new();
    while !rest.is_empty() {
        let payload = u32::from_le_bytes(rest[..4].try_into().unwrap());
        let (record, further) = rest.split_at(format::HEAD + payload as usize);
        assert_eq!(record[4..8], checksum(record).to_le_bytes());
        records.push(record.to_vec());
        rest = further;
    }
    records
}

fn readdress(record: &mut Vec<u8>, origin: &str) {
    let length = |at: usize| usize::from(u16::from_le_bytes([record[at], record[at + 1]]));
    let command = length(format::ORIGIN_LENGTH - 2);
    let begin = format::TEXTS + command;
    let end = begin + length(format::ORIGIN_LENGTH);
    assert_eq!(&record[begin..end], ORIGIN.as_bytes());
    record.splice(begin..end, origin.bytes());
    let length = u16::try_from(origin.len()).unwrap();
    record[format::ORIGIN_LENGTH..][..2].copy_from_slice(&length.to_le_bytes());
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

fn checksum(record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(format::SEGMENT);
    hasher.update(&record[..4]);
    hasher.update(&record[8..]);
    hasher.finalize()
}

fn queued_path(number: u64) -> String {
    format!("/commands/T2/{number}/abc")
}

/// A client that has sent its command, though no process reads it yet.
fn queue(kept: &TcpListener, origin: &str, number: u64) -> Client {
    let mut client = Client::connect(kept.local_addr().unwrap());
    let url = format!("{origin}{}", queued_path(number));
    client.send(signed(SECRET, "olleh", &url));
    client
}

fn with_journal(mut command: Command, directory: &Scratch) -> Command {
    command.args(["--journal", directory.path()]);
    command
}

/// The new version on this socket.
fn new(kept: &TcpListener, origin: &str, directory: &Scratch) -> Command {
    let passed = OwnedFd::from(kept.try_clone().unwrap());
    with_journal(activated(passed, origin), directory)
}

fn stand_in() -> SlackStandIn {
    SlackStandIn::start(|_| Answer::ok()).unwrap()
}

/// How often each path was posted to.
fn replies(slack: &SlackStandIn) -> BTreeMap<String, usize> {
    let mut replies = BTreeMap::new();
    for post in slack.posts() {
        *replies.entry(post.path).or_default() += 1;
    }
    replies
}

#[test]
fn what_0_1_0_left_and_what_waits_at_its_socket_is_answered_once() {
    for (name, segment, left) in LEFT {
        let (slack, directory) = (stand_in(), Scratch::new(&format!("earlier-{name}")));
        let private = fs::DirBuilder::new().mode(0o700).create(directory.path());
        private.unwrap();
        fs::write(directory.join(FIRST), renewed(segment, &slack.origin())).unwrap();
        let kept = TcpListener::bind("127.0.0.1:0").unwrap();
        let clients = (0..QUEUED).map(|number| queue(&kept, &slack.origin(), number));
        let clients: Vec<Client> = clients.collect();

        let mut command = new(&kept, &slack.origin(), &directory);
        let mut process = Process::start(command.args(["--commands", "/torrap,/shout"]));
        for mut client in clients {
            let response = client.receive();
            assert_eq!((response.status, response.content.len()), (200, 0));
        }
        let old = left
            .iter()
            .map(|number| format!("/commands/T1/{number}/abc"));
        let all = old.chain((0..QUEUED).map(queued_path));
        let all: BTreeMap<String, usize> = all.map(|path| (path, 1)).collect();
        let _ = slack.wait_for(all.len(), DEADLINE);
        assert_eq!(process.stop(), Some(0), "{:#?}", process.log);
        assert_eq!(replies(&slack), all, "{name}: {:#?}", process.log);
        let mut lines = process.log.iter();
        let is_lost = |line: &&String| line.contains("damaged") || line.contains("kept aside");
        assert_eq!(lines.find(is_lost), None, "{name}");
        let shown = shown(&directory, &["--jobs"]).stdout;
        assert!(!shown.contains("/torrap to "), "{name}: {shown}");
    }
}

#[test]
fn an_older_binary_is_replaced_under_load() {
    let Ok(old) = std::env::var("TORRAP_OLD") else {
        eprintln!("skipped: TORRAP_OLD names no older binary");
        return;
    };
    for round in 0..upgrades() {
        let (slack, directory) = (stand_in(), Scratch::new(&format!("older-{round}")));
        let (origin, kept) = (slack.origin(), TcpListener::bind("127.0.0.1:0").unwrap());
        let passed = OwnedFd::from(kept.try_clone().unwrap());
        let mut command = with_journal(activated_as(&old, passed, &origin), &directory);
        let mut first = Process::start(command.env("TORRAP_DELAY", "0.3"));
        first.read_until(LISTENING);
        let load = Load::start(kept.local_addr().unwrap(), &origin);
        let _ = slack.wait_for(40, DEADLINE);

        let mut command = new(&kept, &origin, &directory);
        let mut second = Process::start(command.env("TORRAP_DELAY", "0.3"));
        second.read_until(WAITING);
        let seen = slack.posts().len();
        assert_eq!(first.stop(), Some(0), "{:#?}", first.log);
        second.read_until(LISTENING);
        let _ = slack.wait_for(seen + 100, DEADLINE);

        let acknowledged = load.finish();
        let all = acknowledged.paths.into_iter().map(|path| (path, 1));
        let all: BTreeMap<String, usize> = all.collect();
        let _ = slack.wait_for(all.len(), DEADLINE);
        assert_eq!(second.stop(), Some(0), "{:#?}", second.log);
        let replies = replies(&slack);
        assert!(replies == all, "{:#?} {:#?}", first.log, second.log);
        let (count, slowest) = (all.len(), acknowledged.slowest);
        eprintln!("{count} commands, the slowest acknowledged after {slowest:.0?}");
    }
}
